"""One guardrail on a mean: a customer's total of a KPI, or of the losses of his labels.

The confidence sequence is asymptotic (measure/confidence.py): it needs customers, and so many
with any value at all that the normal approximation holds; before that the finding says NOT_YET.
A customer's total may still grow after he was counted, which the theory does not cover; what
that does to false alarms is simulated in the tests, and written down in docs/judge.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from proxy.judge import sentences as say
from proxy.judge.census import Census
from proxy.judge.guardrails import Guardrail
from proxy.judge.kept import KeptMean
from proxy.judge.rates import LARGEST_LOG, Bar, effect
from proxy.judge.totals import Contrast, Totals, contrast, customers, kept_apart, means
from proxy.measure.confidence import BURN_IN, Moments, mean_log_e, mean_radius
from proxy.terms import Finding, Verdict

#: Customers with any value that the canary must be expected to have: under it, sums are not
#: normal yet.
_FEWEST_VALUES: Final = 10

Strata = Mapping[float, tuple[Moments, Moments]]


class MeanSeries:
    """Adds up, compares and says."""

    __slots__ = (
        "_finding", "_who", "anew", "bar", "certified", "check", "news", "peak", "rule", "totals",
    )  # fmt: skip

    def __init__(self, rule: Guardrail, who: str, bar: Bar) -> None:
        self.rule = rule
        self.check = rule.name
        self.bar = bar
        self.totals = Totals()
        self.peak = 0.0
        self.certified = False
        self.anew = False
        self.news = False  # values were added since the last look
        self._who = who
        self._finding: Finding | None = None

    def look(self, census: Census, since: Mapping[float, tuple[float, float]]) -> None:
        """Takes note of where it stands, after customers or values were added; ``since`` says
        how low and how high the share has been since customers came at a share."""
        self._finding, self.news = None, False
        strata = self.totals.strata(census.came)
        if self._too_early(strata):
            return
        self.peak = max(self.peak, self._log_e(strata))
        self.certified = self._excludes_harm(strata, since)

    def finding(self, census: Census, share: float) -> Finding:
        """What there is to say; ``share`` is the canary's, now."""
        if self._finding is None or self._finding.numbers["share"] != share:
            self._finding = self._judge(self.totals.strata(census.came), share)
        return self._finding

    @property
    def failed(self) -> bool:
        return self.peak >= self.bar.needed

    def keep(self) -> KeptMean:
        """For ``take_back``."""
        sums = self.totals.sums
        return KeptMean(
            check=self.check,
            totals=self.totals.of,
            sums=[(share, *sums[share]) for share in sorted(sums)],
            peak=self.peak,
            certified=self.certified,
            anew=self.anew,
        )

    def take_back(self, kept: KeptMean | None) -> None:
        """Goes on where ``kept`` ended; None: begins afresh, and says so."""
        if kept is None:
            self.anew = True
            return
        self.totals.of = dict(kept.totals)
        self.totals.sums = {share: (canary, stable) for share, canary, stable in kept.sums}
        self.peak, self.certified, self.anew = kept.peak, kept.certified, kept.anew

    @property
    def _sign(self) -> int:
        """Where harm lies: +1 above stable's mean, -1 below."""
        return 1 if self.rule.direction == "increase" else -1

    def _too_early(self, strata: Strata) -> bool:
        canary, stable = customers(strata)
        if min(canary, stable) < BURN_IN:
            return True
        return self.totals.nonzero() * canary < _FEWEST_VALUES * (canary + stable)

    def _beyond(self, strata: Strata, harm: float) -> Contrast:
        """The canary's mean over that of stable made worse by ``harm``."""
        usual = means(strata)[1]
        return contrast(strata, 1.0 + self._sign * math.copysign(harm, usual))

    def _log_e(self, strata: Strata) -> float:
        """log E of harm over the tolerance; one-sided, so never more than the two-sided one."""
        beyond = self._beyond(strata, self.rule.tolerance)
        if beyond.error == 0.0:
            return 0.0
        z = max(0.0, self._sign * beyond.value / beyond.error)
        return mean_log_e(z, sum(customers(strata)), self._alpha, self.rule.planned)

    @property
    def _alpha(self) -> float:
        return math.exp(-self.bar.needed)

    def _excludes_harm(self, strata: Strata, since: Mapping[float, tuple[float, float]]) -> bool:
        apart = min(kept_apart(share, *since.get(share, (share, share))) for share in strata)
        beyond = self._beyond(strata, apart * self.rule.margin)
        if apart == 0.0 or beyond.error == 0.0:
            return False
        n, alpha = sum(customers(strata)), math.exp(-self.bar.certain)
        radius = mean_radius(beyond.error, n, alpha, self.rule.planned)
        return self._sign * beyond.value + radius < 0.0

    def _judge(self, strata: Strata, share: float) -> Finding:
        canary, stable = customers(strata)
        numbers = {
            "canary_customers": float(canary),
            "stable_customers": float(stable),
            "with_values": float(self.totals.nonzero()),
            "p": math.exp(-self.peak),
            "needed": self.bar.e_value,
            "share": share,
        }
        if self._too_early(strata):
            return self._made(Verdict.NOT_YET, self._wanting(canary, stable), numbers)
        log_e, difference = self._log_e(strata), contrast(strata, 1.0)
        ours, usual = means(strata)
        radius = mean_radius(difference.error, canary + stable, self._alpha, self.rule.planned)
        numbers |= {
            "canary_mean": ours,
            "stable_mean": usual,
            "difference": difference.value,
            "difference_low": difference.value - radius,
            "difference_high": difference.value + radius,
            "e_value": math.exp(min(log_e, LARGEST_LOG)),
            "log_e": log_e,
        }
        if self.failed:
            verdict = Verdict.FAIL
        else:
            verdict = Verdict.PASS if self.certified else Verdict.INCONCLUSIVE
        return self._made(verdict, self._sentence(verdict, numbers, log_e), numbers)

    def _wanting(self, canary: int, stable: int) -> str:
        return (
            f"{self._who}: {say.quantity(self.rule)} cannot be compared yet, with "
            f"{canary:,} of its customers, {stable:,} of stable's and {self.totals.nonzero():,} "
            f"that had any; it takes {BURN_IN} of each, and {_FEWEST_VALUES} of the canary's "
            "that can be expected to have any"
        )

    def _sentence(self, verdict: Verdict, numbers: dict[str, float], log_e: float) -> str:
        rule, low, high = self.rule, numbers["difference_low"], numbers["difference_high"]
        seen = (
            f"{self._who}: {say.quantity(rule)} of its {numbers['canary_customers']:,.0f} "
            f"customers is {say.figure(numbers['canary_mean'])} on average, of stable's "
            f"{numbers['stable_customers']:,.0f} {say.figure(numbers['stable_mean'])}; the "
            f"difference is {say.figure(low)} to {say.figure(high)}{say.tolerated(rule)}"
        )
        if verdict is Verdict.PASS:
            return f"{seen}; {say.worse(rule, rule.margin)} than stable is excluded"
        crossed = verdict is Verdict.FAIL
        shown = self.peak if crossed else log_e
        return f"{seen}; {say.against(shown, numbers['needed'], crossed)}"

    def _made(self, verdict: Verdict, message: str, numbers: dict[str, float]) -> Finding:
        if self.anew:
            message += "; counted only since the guardrail was changed"
        if self.rule.dry_run:
            message += "; reported only (dry run)"
        return Finding(self.check, verdict, message, numbers, effect(self.rule))
