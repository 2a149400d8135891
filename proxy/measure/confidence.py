"""Confidence sequences and intervals: where a quantity lies, with chance 1 - alpha.

A *sequence* covers at all times together, so it may be looked at on every tick and decided by.
The interval of a displayed rate is no sequence: it is a Wilson interval, right at one look, and
nothing is decided by it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from proxy.measure.mixtures import GammaExponential

#: Customers of the canary under which the normal approximation of a mean is not trusted.
BURN_IN: Final = 100

#: Sums of squares are wrong by less than this part of them.
_ROUNDING: Final = 1e-10

_Z_95: Final = 1.959963984540054


class Interval(NamedTuple):
    low: float
    high: float


def rate_interval(events: float, n: float, z: float = _Z_95) -> Interval:
    """Wilson's 95 % interval of a rate (events of n, 0 <= events <= n); (0, 1) when n is 0.

    For display at one moment.  Wilson, JASA 1927.
    """
    if n <= 0:
        return Interval(0.0, 1.0)
    rate, square = events / n, z * z
    scale = 1.0 / (1.0 + square / n)
    middle = (rate + square / (2.0 * n)) * scale
    half = z * scale * math.sqrt(rate * (1.0 - rate) / n + square / (4.0 * n * n))
    low = 0.0 if events == 0 else max(0.0, middle - half)  # not nearly nought, by rounding
    return Interval(low, 1.0 if events == n else min(1.0, middle + half))


def rho_squared(alpha: float, planned: float) -> float:
    """The mixture's precision that makes a mean's sequence tightest at ``planned`` units."""
    if not (0.0 < alpha < 1.0 and planned > 0.0):
        raise ValueError(f"alpha {alpha}, planned {planned}: needs 0 < alpha < 1, planned > 0")
    surprise = -2.0 * math.log(alpha)
    return (surprise + math.log1p(surprise)) / planned


def mean_radius(error: float, n: float, alpha: float, planned: float) -> float:
    """Half the width of the asymptotic confidence sequence around an estimate from ``n`` units
    with the standard error ``error``.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", arXiv 2103.06476, with rho for ``planned`` units.
    """
    grown = n * rho_squared(alpha, planned)
    return error * math.sqrt(2.0 * (grown + 1.0) / grown * math.log(math.sqrt(grown + 1.0) / alpha))


def mean_log_e(z: float, n: float, alpha: float, planned: float) -> float:
    """log E that belongs to ``mean_radius``: at least log(1/alpha) iff an estimate of ``z``
    standard errors lies outside of it (the same inequality, solved for alpha)."""
    grown = n * rho_squared(alpha, planned)
    return z * z / 2.0 * grown / (grown + 1.0) - 0.5 * math.log1p(grown)


class Moments(NamedTuple):
    """Of the units of one arm: how many, their sum, and the sum of their squares."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Of the units, with n as divisor; 0 where rounding leaves nothing of it to be known."""
        square = self.squares / self.n
        variance = square - self.mean**2
        return variance if variance > _ROUNDING * square else 0.0


def mean_difference(
    canary: Moments, stable: Moments, alpha: float, planned: float
) -> Interval | None:
    """Where mean(canary) - mean(stable) lies, at all times together; None under ``BURN_IN``
    customers of either arm."""
    if min(canary.n, stable.n) < BURN_IN:
        return None
    difference = canary.mean - stable.mean
    error = math.sqrt(canary.variance / canary.n + stable.variance / stable.n)
    radius = mean_radius(error, canary.n + stable.n, alpha, planned)
    return Interval(difference - radius, difference + radius)


class EmpiricalBernstein:
    """Confidence sequence of the running mean of bounded numbers, such as score differences on
    the same input; nothing need be independent or identically distributed.

    Choe and Ramdas, "Comparing sequential forecasters", Operations Research 2023, theorem 2:
    each number is predicted by the mean of those before it, and the squared misses are the
    intrinsic time of a gamma-exponential boundary with scale ``hi - lo``.
    """

    def __init__(self, lo: float, hi: float, alpha: float = 0.05, v_opt: float = 10.0) -> None:
        if not lo < hi:
            raise ValueError(f"bounds {lo} and {hi}: the first must be less")
        self.lo, self.hi, self.alpha = lo, hi, alpha
        self.n, self.total, self.misses = 0, 0.0, 0.0
        self._mixture = GammaExponential(v_opt, alpha / 2.0, hi - lo)

    def add(self, value: float) -> None:
        """ValueError when it lies outside of the bounds."""
        if not self.lo <= value <= self.hi:
            raise ValueError(f"{value}: must be from {self.lo} to {self.hi}")
        foretold = self.mean if self.n else (self.lo + self.hi) / 2.0
        self.misses += (value - foretold) ** 2
        self.n += 1
        self.total += value

    def merge(self, other: EmpiricalBernstein) -> None:
        """Add what another sequence with the same bounds saw; ``other`` is not changed.

        The sum of the misses is not that of one sequence that saw all, but as good: the theorem
        allows any prediction that was made before its number came.
        """
        if (self.lo, self.hi) != (other.lo, other.hi):
            raise ValueError(
                f"bounds {other.lo} and {other.hi}: must be {self.lo} and {self.hi} to be merged"
            )
        self.n += other.n
        self.total += other.total
        self.misses += other.misses

    @property
    def mean(self) -> float:
        """nan before the first number."""
        return self.total / self.n if self.n else math.nan

    def interval(self) -> Interval:
        """Where the mean of all expectations so far lies; within the bounds in any case."""
        if not self.n:
            return Interval(self.lo, self.hi)
        radius = self._mixture.bound(max(1.0, self.misses), self.alpha / 2.0) / self.n
        return Interval(max(self.lo, self.mean - radius), min(self.hi, self.mean + radius))

    def log_e(self, null: float = 0.0) -> float:
        """log of an e-value against "the mean of all expectations is ``null``", from both sides:
        the mean of the two mixtures, so it is at least 1/alpha where ``interval`` excludes it."""
        if not self.n:
            return 0.0
        apart, misses = self.total - self.n * null, max(1.0, self.misses)
        up = self._mixture.log_mixture(apart, misses)
        down = self._mixture.log_mixture(-apart, misses)
        high = max(up, down)
        return high + math.log((math.exp(up - high) + math.exp(down - high)) / 2.0)
