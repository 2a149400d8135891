"""Whether customers come to the arms in the configured shares, as a finding that holds."""

from __future__ import annotations

import math
from typing import Final

from proxy.judge import sentences as say
from proxy.judge.census import Census
from proxy.judge.rates import LARGEST_LOG
from proxy.judge.sample_ratio import log_e_of_split
from proxy.terms import Finding, Verdict

SAMPLE_RATIO: Final = "sample_ratio"

#: Canary customers that must be expected before their number says that the shares are right.
_FEWEST: Final = 100


class Arrivals:
    """``alpha``: the chance that right shares are ever called wrong."""

    __slots__ = ("_needed", "_who", "log_e", "peak")

    def __init__(self, alpha: float, who: str) -> None:
        self._needed = -math.log(alpha)
        self._who = who
        self.log_e = 0.0
        self.peak = 0.0

    def look(self, census: Census) -> None:
        self.log_e = log_e_of_split(census.came)
        self.peak = max(self.peak, self.log_e)

    @property
    def failed(self) -> bool:
        return self.peak >= self._needed

    def finding(self, census: Census, share: float) -> Finding:
        """What there is to say; ``share`` is the canary's, now."""
        canary = sum(it[0] for it in census.came.values())
        n = sum(sum(it) for it in census.came.values())
        should = sum(at * sum(census.came[at]) for at in sorted(census.came))
        numbers = {
            "canary_customers": float(canary),
            "stable_customers": float(n - canary),
            "expected": should,
            "e_value": math.exp(min(self.log_e, LARGEST_LOG)),
            "log_e": self.log_e,
            "p": math.exp(-self.peak),
            "needed": math.exp(min(self._needed, LARGEST_LOG)),
            "share": share,
        }
        verdict, message = self._said(census, canary, n, should)
        return Finding(SAMPLE_RATIO, verdict, message, numbers, "hold")

    def _said(self, census: Census, canary: int, n: int, should: float) -> tuple[Verdict, str]:
        if n == 0:
            return Verdict.NOT_YET, f"{self._who}: no customer came at a share to be checked"
        seen = (
            f"{self._who}: {canary:,} of {n:,} new customers came to it, where "
            f"{say.number(should)} were expected at {say.shares(census.came)}"
        )
        if self.failed:
            return Verdict.FAIL, (
                f"{seen}: the shares are not what they should be (chance alone does that at most "
                f"{say.once_in(self.peak)}), so no comparison of the arms can be trusted"
            )
        if should < _FEWEST:
            return Verdict.NOT_YET, f"{seen}; too few to tell"
        return Verdict.PASS, f"{seen}, which is as it should be"
