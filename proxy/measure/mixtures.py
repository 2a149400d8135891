"""Mixture boundaries: how far a sum may wander before chance can no longer explain it.

For a sum S with an intrinsic time V (its variance so far), each mixture M(S, V) is an e-process
while the sum has no drift; so with chance 1 - alpha the sum never leaves ``bound(V, alpha)``,
where M reaches 1/alpha.  Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 2021, section 3; the numbers are those
of their package confseq.

    TwoSidedNormal     |S| of a sub-Gaussian sum
    OneSidedNormal     S upwards, sub-Gaussian
    GammaExponential   S upwards, sub-exponential with scale c: bounded or skewed summands

Each is tightest near the V that it was made for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from proxy.measure.gamma import log_lower

_SQRT_2: Final = math.sqrt(2.0)


def best_rho(v: float, alpha: float) -> float:
    """The mixture's precision for which the two-sided normal bound is least at time ``v``."""
    if not (v > 0.0 and 0.0 < alpha < 1.0):
        raise ValueError(f"a bound for v = {v}, alpha = {alpha}: needs v > 0, 0 < alpha < 1")
    surprise = -2.0 * math.log(alpha)
    return v / (surprise + math.log1p(surprise))


class TwoSidedNormal:
    """Of |S|; tightest at ``v_opt`` for ``alpha_opt``."""

    def __init__(self, v_opt: float, alpha_opt: float) -> None:
        self.rho = best_rho(v_opt, alpha_opt)

    def log_mixture(self, s: float, v: float) -> float:
        both = v + self.rho
        return 0.5 * math.log(self.rho / both) + s * s / (2.0 * both)

    def bound(self, v: float, alpha: float) -> float:
        both = v + self.rho
        return math.sqrt(both * (math.log(both / self.rho) - 2.0 * math.log(alpha)))


class OneSidedNormal:
    """Of S; tightest at ``v_opt`` for ``alpha_opt``."""

    def __init__(self, v_opt: float, alpha_opt: float) -> None:
        self.rho = best_rho(v_opt, 2.0 * alpha_opt)

    def log_mixture(self, s: float, v: float) -> float:
        both = v + self.rho
        return (
            0.5 * math.log(4.0 * self.rho / both)
            + s * s / (2.0 * both)
            + _log_normal_below(s / math.sqrt(both))
        )

    def bound(self, v: float, alpha: float) -> float:
        return _crossing(lambda s: self.log_mixture(s, v), alpha, math.sqrt(v + self.rho))


class GammaExponential:
    """Of S, sub-exponential with scale ``c`` > 0; tightest at ``v_opt`` for ``alpha_opt``."""

    def __init__(self, v_opt: float, alpha_opt: float, c: float) -> None:
        if not 0.0 < c < math.inf:
            raise ValueError(f"a scale of {c}: must be over 0")
        self.rho = best_rho(v_opt, 2.0 * alpha_opt)
        self.c = c
        shape = self.rho / (c * c)
        self._leading = shape * math.log(shape) - math.lgamma(shape) - log_lower(shape, shape)

    def log_mixture(self, s: float, v: float) -> float:
        """-inf where ``s`` is lower than such a sum can get, under -(v + rho)/c."""
        square = self.c * self.c
        shape = (v + self.rho) / square
        moved = shape + s / self.c
        if moved <= 0.0:
            return -math.inf
        return (
            self._leading
            + math.lgamma(shape)
            + log_lower(shape, moved)
            - shape * math.log(moved)
            + moved
            - self.rho / square
        )

    def bound(self, v: float, alpha: float) -> float:
        return _crossing(lambda s: self.log_mixture(s, v), alpha, math.sqrt(v + self.rho))


def _log_normal_below(z: float) -> float:
    """log of the standard normal distribution function; its tail by Abramowitz, Stegun 26.2.12."""
    if z > -30.0:
        return math.log(0.5 * math.erfc(-z / _SQRT_2))
    tail = 1.0 - 1.0 / (z * z)
    return -0.5 * z * z - math.log(-z * math.sqrt(2.0 * math.pi)) + math.log(tail)


def _crossing(log_mixture: Callable[[float], float], alpha: float, scale: float) -> float:
    """Where the mixture, which grows with s, reaches 1/alpha; by halving, to 1e-12 of it."""
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha {alpha}: must be between 0 and 1")
    needed = -math.log(alpha)
    low, high = 0.0, scale
    while log_mixture(high) < needed:
        low, high = high, high * 2.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2.0
        if log_mixture(middle) < needed:
            low = middle
        else:
            high = middle
    return high
