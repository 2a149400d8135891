"""Three ways to decide about the same release: our harm test, a fixed bound, a repeated z-test.

Each sees a simulated release as arrays, (ticks, arms) with the canary first, looks after every
tick, and says after which one it would have reverted.  This file loads numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from proxy.judge.guardrails import Guardrail, Guardrails
from proxy.judge.policy import ErrorRate
from proxy.judge.sequential import Direction, HarmTest
from proxy.judge.simulate import CANARY, STABLE, Floats, Ints, Release, Rule
from proxy.judge.trial import hypotheses

__all__ = ["HarmRule", "Rule", "ThresholdRule", "ZTest", "peeking"]

#: A z-test on less is a normal approximation of nothing.
FEWEST_FOR_Z: Final = 50


def first_at_least(path: Floats, bound: float) -> int | None:
    """The first look at which the path is at or over the bound; not-a-number never is."""
    over = np.flatnonzero(path >= bound)
    return int(over[0]) if len(over) else None


@dataclass(frozen=True, slots=True)
class HarmRule:
    """The sequential harm test of ``sequential.py`` on first bad events, all looks at once.

    ``by_request`` counts every failure instead, as nobody should whose customers try again.
    """

    tolerance: float = 0.0
    direction: Direction = "increase"
    needed: float = math.log(1 / 0.05)  # log of the e-value that reverts
    name: str = "harm test"
    by_request: bool = False

    @classmethod
    def of(cls, rule: Guardrail, guardrails: Guardrails) -> HarmRule:
        """One guardrail with its part of alpha."""
        needed = math.log(hypotheses(guardrails) / guardrails.alpha)
        return cls(rule.tolerance, rule.direction, needed)

    @property
    def e_value(self) -> float:
        """The e-value that reverts."""
        return math.exp(self.needed)

    def crossing(self, release: Release) -> int | None:
        counts = release.errors if self.by_request else release.firsts
        return first_at_least(self.log_e(release.shares, counts), self.needed)

    def log_e(self, shares: Floats, firsts: Ints) -> Floats:
        """(..., ticks) log E after each look; shares (ticks,), firsts (..., ticks, arms)."""
        test = HarmTest(self.tolerance, self.direction)
        distinct, which = np.unique(shares, return_inverse=True)
        costs = np.array([test.costs(float(share)) for share in distinct])[which]
        paths = firsts[..., CANARY, None] * np.array(test.offsets)
        paths -= firsts.sum(axis=-1)[..., None] * costs
        np.cumsum(paths, axis=-2, out=paths)
        top = paths.max(axis=-1)
        return np.asarray(top + np.log(np.exp(paths - top[..., None]).mean(axis=-1)))


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """A fixed bound on the error rate of the last seconds: what the breakers do.

    Failures in a row are left out: a tick holds their number, not their order.
    """

    bound: ErrorRate
    name: str = "threshold"

    def crossing(self, release: Release) -> int | None:
        ticks = max(1, round(self.bound.window / release.scenario.tick))
        errors, requests = _windowed(release.errors, ticks), _windowed(release.requests, ticks)
        tripped = np.zeros(len(requests), bool)
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = errors / requests
            if self.bound.absolute is not None:
                tripped |= rate[:, CANARY] > self.bound.absolute
            if self.bound.relative is not None:
                allowed = self.bound.relative * (errors[:, STABLE] + 1) / requests[:, STABLE]
                enough = requests[:, STABLE] >= self.bound.min_requests
                tripped |= enough & (errors[:, CANARY] >= 3) & (rate[:, CANARY] > allowed)
        tripped &= requests[:, CANARY] >= self.bound.min_requests
        return first_at_least(tripped.astype(float), 1.0)


def _windowed(counts: Ints, ticks: int) -> Ints:
    """(ticks, arms) sums over the last so many ticks."""
    total = np.cumsum(counts, axis=0)
    total[ticks:] -= total[:-ticks].copy()
    return total


@dataclass(frozen=True, slots=True)
class ZTest:
    """The two-proportion z-test on requests, one-sided at ``alpha``, looked at again and again."""

    alpha: float = 0.05
    direction: Direction = "increase"
    name: str = "repeated z-test"

    def crossing(self, release: Release) -> int | None:
        path = z_scores(np.cumsum(release.errors, axis=0), np.cumsum(release.requests, axis=0))
        harm = path if self.direction == "increase" else -path
        return first_at_least(harm, NormalDist().inv_cdf(1.0 - self.alpha))


def z_scores(errors: Ints, requests: Ints) -> Floats:
    """(looks,) pooled two-proportion z of canary over stable; NaN where there is too little."""
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = errors.sum(axis=1) / requests.sum(axis=1)
        rates = errors / requests
        deviation = np.sqrt(pooled * (1.0 - pooled) * (1.0 / requests).sum(axis=1))
        z = (rates[:, CANARY] - rates[:, STABLE]) / deviation
    return np.where(requests[:, CANARY] >= FEWEST_FOR_Z, z, np.nan)


def peeking(looks: int, replications: int, random: np.random.Generator) -> float:
    """How often a fixed two-sided 5 % test fires when it is looked at so many times.

    Normal data, looks at equal distances: Armitage, McPherson & Rowe 1969, table 2.
    """
    bound, fired = NormalDist().inv_cdf(0.975), 0
    scale = 1.0 / np.sqrt(np.arange(1, looks + 1))
    for count in _portions(replications, max(1, 2_000_000 // looks)):
        z = np.cumsum(random.standard_normal((count, looks)), axis=1) * scale
        fired += int((np.abs(z) >= bound).any(axis=1).sum())
    return fired / replications


def _portions(total: int, most: int) -> Sequence[int]:
    whole, rest = divmod(total, most)
    return [most] * whole + ([rest] if rest else [])
