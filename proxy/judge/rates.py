"""One guardrail that counts customers with a bad event, for everyone or for one segment."""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

from proxy.judge import sentences as say
from proxy.judge.guardrails import Guardrail
from proxy.judge.kept import KeptRate
from proxy.judge.sequential import HarmTest, PromotionTest, Running, expected
from proxy.measure.confidence import rate_interval
from proxy.terms import Finding, Verdict

#: A canary is not certified when more of either arm's customers were counted than this: from
#: those who are left, a harmful canary looks ever better (see sequential.py).
MOST_COUNTED: Final = 0.1

#: exp() of more has no place in a float; no decision depends on it.
LARGEST_LOG: Final = 690.0


class Sizes(NamedTuple):
    """How many could have had a bad event, as far as it is known."""

    canary: int = 0  # customers, estimated from the census
    stable: int = 0
    canary_requests: int = 0
    stable_requests: int = 0


class Bar(NamedTuple):
    """What e-values are measured by, in logarithms."""

    needed: float  # from here on it is a FAIL
    certain: float  # from here on harm is excluded

    @property
    def e_value(self) -> float:
        """``needed``, as an e-value."""
        return math.exp(min(self.needed, LARGEST_LOG))


def effect(rule: Guardrail) -> Literal["revert", "hold", "none"]:
    """What a FAIL of this guardrail brings about."""
    if rule.dry_run:
        return "none"
    return "revert" if rule.critical else "hold"


class RateSeries:
    """Counts, bets and says.  ``who`` is how the finding calls the canary."""

    __slots__ = (
        "_did", "_finding", "_made_of", "_said", "_tolerated", "_who", "anew", "bar", "canary",
        "certified", "check", "effect", "fine", "harm", "keyless", "rule", "segment", "stable",
    )  # fmt: skip

    def __init__(self, rule: Guardrail, segment: str, who: str, bar: Bar) -> None:
        self.rule = rule
        self.segment = segment
        self.bar = bar
        self.check = f"{rule.name}[{segment}]" if segment else rule.name
        self.effect = effect(rule)
        self.harm = Running(HarmTest(rule.tolerance, rule.direction))
        self.fine = Running(PromotionTest(rule.margin, rule.direction), self.harm.counts)
        self.canary = self.stable = 0  # bad events that counted
        self.keyless = (0, 0)  # of them, requests that named nobody
        self.certified = False
        self.anew = False  # the guardrail was changed while the canary ran
        self._who = f"{who}, {segment}" if segment else who
        self._did = say.verb(rule)
        self._tolerated = say.tolerated(rule)
        self._said: Said | None = None
        self._finding: Finding | None = None
        self._made_of = (Sizes(), 0.0)

    def count(self, share: float, canary: bool, named: bool) -> None:
        """A first bad event; not ``named``: of a request without a customer."""
        self.harm.add(share, canary)
        self.fine.added(share)
        self.canary += canary
        self.stable += not canary
        if not named:
            had = self.keyless
            self.keyless = (had[0] + canary, had[1] + (not canary))

    def look(self, sizes: Sizes) -> None:
        """Takes note of where the bets stand, after some events were counted.

        Once certified, a canary stays so until the counts show the very harm that was excluded.
        """
        self.harm.look()
        if self.certified:
            self.certified = self.fine.leans
        elif self._few_counted(sizes):
            self.certified = self.fine.reaches(self.bar.certain)
        self._said = self._finding = None

    @property
    def failed(self) -> bool:
        return self.harm.peak >= self.bar.needed

    @property
    def verdict(self) -> Verdict:
        if not self.canary and not self.stable:
            return Verdict.NOT_YET
        if self.failed:
            return Verdict.FAIL
        return Verdict.PASS if self.certified else Verdict.INCONCLUSIVE

    def finding(self, sizes: Sizes, share: float) -> Finding:
        """What there is to say; ``share`` is the canary's, now.

        The sentence is made anew when events were counted; else only the rates beside it are,
        and only when more could have had one.
        """
        if self._finding is not None and self._made_of == (sizes, share):
            return self._finding
        saturated = not self._few_counted(sizes)
        if self._said is None or self._said.saturated != saturated:
            self._said = self._say(saturated)
        said = self._said
        numbers = {
            "canary_events": float(self.canary),
            "stable_events": float(self.stable),
            "expected": said.expected,
            "canary_customers": float(sizes.canary),
            "stable_customers": float(sizes.stable),
            "canary_requests": float(sizes.canary_requests),
            "stable_requests": float(sizes.stable_requests),
            "share": share,
            "e_value": said.e_value,
            "log_e": said.log_e,
            "p": self.harm.p,
            "needed": self.bar.e_value,
        }
        self._add_rates(numbers, sizes)
        made = Finding(self.check, said.verdict, said.message, numbers, self.effect)
        self._finding, self._made_of = made, (sizes, share)
        return made

    def keep(self, counted: bytes) -> KeptRate:
        """For ``take_back``; ``counted`` are the customers that were."""
        counts = self.harm.counts
        return KeptRate(
            check=self.check,
            counts=[(share, *counts[share]) for share in sorted(counts)],
            peak=self.harm.peak,
            certified=self.certified,
            keyless=self.keyless,
            anew=self.anew,
            counted=counted,
        )

    def take_back(self, kept: KeptRate | None) -> None:
        """Goes on where ``kept`` ended; None: begins afresh, and says so."""
        if kept is None:
            self.anew = True
            return
        counts = {share: (canary, stable) for share, canary, stable in kept.counts}
        self.canary = sum(it[0] for it in counts.values())
        self.stable = sum(it[1] for it in counts.values())
        self.harm = Running(self.harm.test, counts, kept.peak)
        self.fine = Running(self.fine.test, counts)
        self.certified, self.keyless, self.anew = kept.certified, kept.keyless, kept.anew

    def _few_counted(self, sizes: Sizes) -> bool:
        """Whether so few customers were counted that the rest is still like them.

        Requests without a customer do not run out; of customers one has to know how many.
        """
        canary, stable = self.keyless
        return (
            self.canary - canary <= MOST_COUNTED * sizes.canary
            and self.stable - stable <= MOST_COUNTED * sizes.stable
        )

    def _say(self, saturated: bool) -> Said:
        log_e, verdict = self.harm.log_e, self.verdict
        should = expected(self.harm.counts)
        if verdict is Verdict.NOT_YET:
            message = (
                f"{self._who}: none of its customers and none of stable's {self._did} "
                f"yet, so there is nothing to compare{self._notes()}"
            )
        else:
            message = f"{self._seen(should)}; {self._so(verdict, log_e, saturated)}{self._notes()}"
        e_value = math.exp(min(log_e, LARGEST_LOG))
        return Said(saturated, verdict, message, log_e, e_value, should)

    def _seen(self, should: float) -> str:
        """What was counted, beside what would have been as much as stable's."""
        number = say.number(should)
        all_keyless = sum(self.keyless) == self.canary + self.stable
        return (
            f"{self._who}: {say.counted(self.canary, 'requests' if all_keyless else 'customers')} "
            f"{self._did} where {number} {'was' if number == '1.0' else 'were'} expected from "
            f"stable's {self.stable:,} at {say.shares(self.harm.counts)}{self._tolerated}"
        )

    def _so(self, verdict: Verdict, log_e: float, saturated: bool) -> str:
        """What follows from it."""
        if verdict is Verdict.PASS:
            return f"{say.worse(self.rule, self.rule.margin)} than stable is excluded"
        if verdict is Verdict.FAIL:
            return say.against(self.harm.peak, self.bar.e_value, True)
        said = say.against(log_e, self.bar.e_value, False)
        if not saturated:
            return said
        return (
            f"{said}; harm cannot be excluded, with over a tenth of the customers counted or "
            "their number unknown"
        )

    def _notes(self) -> str:
        """What one has to know beside: what was judged by request, anew, or only for show."""
        alone, n = sum(self.keyless), self.canary + self.stable
        said = ""
        if alone:
            of = "these" if alone == n else f"{alone:,} of these"
            said += f"; {of} are requests without a customer key, judged one by one"
        if self.anew:
            said += "; counted only since the guardrail was changed"
        if self.rule.dry_run:
            said += "; reported only (dry run)"
        return said

    def _add_rates(self, numbers: dict[str, float], sizes: Sizes) -> None:
        """Rates with their Wilson intervals: of customers, or of requests where those are all."""
        if sum(self.keyless) * 2 > self.canary + self.stable:
            canary, stable = sizes.canary_requests, sizes.stable_requests
        else:
            canary, stable = sizes.canary, sizes.stable
        if canary:
            n = max(canary, self.canary)  # the number of customers is an estimate
            numbers["canary_rate"] = self.canary / n
            numbers["canary_low"], numbers["canary_high"] = rate_interval(self.canary, n)
        if stable:
            n = max(stable, self.stable)
            numbers["stable_rate"] = self.stable / n
            numbers["stable_low"], numbers["stable_high"] = rate_interval(self.stable, n)


class Said(NamedTuple):
    """What a finding says of the counts, whatever they are a part of."""

    saturated: bool
    verdict: Verdict
    message: str
    log_e: float
    e_value: float
    expected: float
