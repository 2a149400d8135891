"""The regularised lower incomplete gamma function, in logarithms.

    P(a, x) = 1 / Gamma(a) * integral from 0 to x of t^(a-1) e^-t dt

By its series where x < a + 1, else by the continued fraction of its complement, evaluated with
Lentz's method: Abramowitz and Stegun 6.5.29 and 6.5.31; Press et al., Numerical Recipes, 6.2;
DLMF 8.7.1 and 8.9.2.  Both take some sqrt(a) steps at the worst, near x = a.
"""

from __future__ import annotations

import math
from typing import Final

_CLOSE: Final = 1e-15
_TINY: Final = 1e-300
_STEPS: Final = 1_000_000


def log_lower(a: float, x: float) -> float:
    """log P(a, x), to some 1e-12; -inf at x = 0.  ValueError unless a > 0 and x >= 0."""
    if not (0.0 < a < math.inf and 0.0 <= x < math.inf):
        raise ValueError(f"incomplete gamma of a = {a}, x = {x}: needs a > 0 and x >= 0")
    if x == 0.0:
        return -math.inf
    front = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1.0:
        return front + math.log(_series(a, x))
    return math.log1p(-math.exp(front) * _fraction(a, x))


def _series(a: float, x: float) -> float:
    """The sum of x^n / (a (a + 1) .. (a + n)) over n from 0."""
    term = total = 1.0 / a
    for n in range(1, _STEPS):
        term *= x / (a + n)
        total += term
        if term < total * _CLOSE:
            return total
    raise ArithmeticError(f"incomplete gamma of a = {a}, x = {x}: too large")


def _fraction(a: float, x: float) -> float:
    """1/(x + 1 - a - 1 (1 - a)/(x + 3 - a - 2 (2 - a)/(x + 5 - a - ...)))."""
    b = x + 1.0 - a
    c = 1.0 / _TINY
    d = 1.0 / b
    value = d
    for n in range(1, _STEPS):
        over = -n * (n - a)
        b += 2.0
        d = 1.0 / _nonzero(over * d + b)
        c = _nonzero(b + over / c)
        value *= d * c
        if abs(d * c - 1.0) < _CLOSE:
            return value
    raise ArithmeticError(f"incomplete gamma of a = {a}, x = {x}: too large")


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
