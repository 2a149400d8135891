"""One guardrail that counts customers with a bad event, for everyone or for one segment."""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

from proxy.judge import sentences as say
from proxy.judge.confidence import rate_interval
from proxy.judge.guardrails import Guardrail
from proxy.judge.kept import KeptRate
from proxy.judge.sequential import HarmTest, PromotionTest, Running, expected
from proxy.terms import Finding, Verdict

#: A canary is not certified when more of either arm's customers were counted than this: from
#: those who are left, a harmful canary looks ever better (see sequential.py).
MOST_COUNTED: Final = 0.1

#: exp() of more has no place in a float; no decision depends on it.
_LARGEST_LOG: Final = 690.0


class Sizes(NamedTuple):
    """How many could have had a bad event, as far as it is known; (canary, stable)."""

    customers: tuple[int, int] = (0, 0)  # estimated from the census
    requests: tuple[int, int] = (0, 0)


class Bar(NamedTuple):
    """What e-values are measured by."""

    needed: float  # the log e-value that is a FAIL
    certain: float  # the log e-value that excludes harm


def effect(rule: Guardrail) -> Literal["revert", "hold", "none"]:
    """What a FAIL of this guardrail brings about."""
    if rule.dry_run:
        return "none"
    return "revert" if rule.critical else "hold"


class RateSeries:
    """Counts, bets and says.  ``who`` is how the finding calls the canary."""

    __slots__ = (
        "_base", "_finding", "_made_of", "_message", "_saturated", "_verb", "_verdict", "_who",
        "anew", "certified", "check", "fine", "harm", "keyless", "rule", "segment",
    )  # fmt: skip

    def __init__(self, rule: Guardrail, segment: str, who: str) -> None:
        self.rule = rule
        self.segment = segment
        self.check = f"{rule.name}[{segment}]" if segment else rule.name
        self.harm = Running(HarmTest(rule.tolerance, rule.direction))
        self.fine = Running(PromotionTest(rule.margin, rule.direction))
        self.keyless = (0, 0)  # requests that named nobody, of the counts
        self.certified = False
        self.anew = False  # the guardrail was changed while the canary ran
        self._who = f"{who}, {segment}" if segment else who
        self._verb = say.verb(rule)
        self._finding: Finding | None = None
        self._made_of = (Sizes(), 0.0)
        self._saturated: bool | None = None  # None: the sentence has to be made anew
        self._message, self._verdict, self._base = "", Verdict.NOT_YET, dict[str, float]()

    def count(self, share: float, canary: bool, named: bool) -> None:
        """A first bad event; not ``named``: of a request without a customer."""
        self.harm.add(share, canary)
        self.fine.add(share, canary)
        if not named:
            had = self.keyless
            self.keyless = (had[0] + canary, had[1] + (not canary))

    def look(self, sizes: Sizes, bar: Bar) -> None:
        """Takes note of where the bets stand, after some events were counted."""
        self.harm.look()
        if self.certified:
            self.certified = self.fine.log_e >= 0.0
        elif self._few_counted(sizes):
            self.certified = self.fine.reaches(bar.certain)
        self._saturated = self._finding = None

    def counts(self) -> tuple[int, int]:
        """Bad events that counted, of canary and stable."""
        each = self.harm.counts.values()
        return sum(it[0] for it in each), sum(it[1] for it in each)

    def finding(self, sizes: Sizes, bar: Bar, share: float) -> Finding:
        """What there is to say; ``share`` is the canary's, now.

        The sentence is made anew when events were counted; else only the rates beside it are,
        and only when more could have had one.
        """
        if self._finding is not None and self._made_of == (sizes, share):
            return self._finding
        saturated = not self._few_counted(sizes)
        if self._saturated != saturated:
            self._judge(saturated, bar)
            self._saturated = saturated
        numbers = self._base | self._rates(sizes)
        numbers["share"] = share
        made = Finding(self.check, self._verdict, self._message, numbers, effect(self.rule))
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
        self.harm = Running(self.harm.test, counts, kept.peak)
        self.fine = Running(self.fine.test, counts)
        self.certified, self.keyless, self.anew = kept.certified, kept.keyless, kept.anew

    def _few_counted(self, sizes: Sizes) -> bool:
        """Whether so few customers were counted that the rest is still like them.

        Requests without a customer do not run out; of customers one has to know how many.
        """
        return all(
            n - alone <= MOST_COUNTED * size
            for n, alone, size in zip(self.counts(), self.keyless, sizes.customers, strict=True)
        )

    def _judge(self, saturated: bool, bar: Bar) -> None:
        canary, stable = self.counts()
        log_e, peak = self.harm.log_e, self.harm.peak
        should = expected(self.harm.counts)
        self._base = {
            "canary_events": float(canary),
            "stable_events": float(stable),
            "expected": should,
            "e_value": math.exp(min(log_e, _LARGEST_LOG)),
            "log_e": log_e,
            "p": math.exp(-peak),
            "needed": math.exp(min(bar.needed, _LARGEST_LOG)),
        }
        if canary + stable == 0:
            self._verdict = Verdict.NOT_YET
        elif peak >= bar.needed:
            self._verdict = Verdict.FAIL
        else:
            self._verdict = Verdict.PASS if self.certified else Verdict.INCONCLUSIVE
        self._message = self._sentence(canary, stable, should, peak, saturated, bar)

    def _sentence(
        self, canary: int, stable: int, should: float, peak: float, saturated: bool, bar: Bar
    ) -> str:
        rule, verdict = self.rule, self._verdict
        if verdict is Verdict.NOT_YET:
            return (
                f"{self._who}: none of its customers and none of stable's {self._verb} yet, "
                f"so there is nothing to compare{self._notes(0, 0)}"
            )
        alone = sum(self.keyless)
        things = "requests" if alone == canary + stable else "customers"
        seen = (
            f"{self._who}: {say.counted(canary, things)} {self._verb} where "
            f"{say.number(should)} {'was' if say.number(should) == '1.0' else 'were'} expected "
            f"from stable's {stable:,} at {say.shares(self.harm.counts)}{say.tolerated(rule)}"
        )
        if verdict is Verdict.PASS:
            ended = f"{say.worse(rule, rule.margin)} than stable is excluded"
        else:
            crossed = verdict is Verdict.FAIL
            log_e = peak if crossed else self.harm.log_e
            ended = say.against(log_e, math.exp(min(bar.needed, _LARGEST_LOG)), crossed)
            if saturated and not crossed:
                ended += (
                    "; harm cannot be excluded, with over a tenth of the customers counted or "
                    "their number unknown"
                )
        return f"{seen}; {ended}{self._notes(alone, canary + stable)}"

    def _notes(self, alone: int, n: int) -> str:
        """What one has to know beside: what was judged by request, anew, or only for show."""
        notes = []
        if alone:
            of = "these" if alone == n else f"{alone:,} of these"
            notes.append(f"{of} are requests without a customer key, judged one by one")
        if self.anew:
            notes.append("counted only since the guardrail was changed")
        if self.rule.dry_run:
            notes.append("reported only (dry run)")
        return "".join(f"; {note}" for note in notes)

    def _rates(self, sizes: Sizes) -> dict[str, float]:
        """Rates with their Wilson intervals: of customers, or of requests where those are all."""
        canary, stable = self._base["canary_events"], self._base["stable_events"]
        by_request = sum(self.keyless) * 2 > canary + stable
        ours, theirs = sizes.requests if by_request else sizes.customers
        numbers = {
            "canary_customers": float(sizes.customers[0]),
            "stable_customers": float(sizes.customers[1]),
            "canary_requests": float(sizes.requests[0]),
            "stable_requests": float(sizes.requests[1]),
        }
        for arm, events, n in (("canary", canary, ours), ("stable", stable, theirs)):
            if n:
                n = max(n, int(events))  # the number of customers is an estimate
                low, high = rate_interval(events, n)
                numbers[f"{arm}_rate"] = events / n
                numbers[f"{arm}_low"] = low
                numbers[f"{arm}_high"] = high
        return numbers
