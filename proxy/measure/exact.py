"""A sum of floats without rounding: the same for any order, and however it was merged.

It is kept as a few floats that do not overlap: the nearest float to the sum, the nearest to what
is then left, and so on.  ``math.fsum`` rounds correctly, so the list depends on the sum alone, and
two processes that added the same numbers hold the same bytes.  Shewchuk, "Adaptive precision
floating-point arithmetic", 1997, calls such a list an expansion.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

_NOTHING: tuple[float, ...] = ()

#: A square is rounded by half of this part of it at most.
_ROUNDING: Final = 2.0**-52
#: Under it squares have lost more digits.
_TINY: Final = 1e-300


def expansion(numbers: Iterable[float]) -> tuple[float, ...]:
    """The sum of finite ``numbers``, largest part first; () when it is 0.

    OverflowError when the sum is beyond the largest float.
    """
    left = list(numbers)
    parts: list[float] = []
    while part := math.fsum(left):
        parts.append(part)
        left.append(-part)
    return tuple(parts)


class ExactSum:
    """``add`` numbers in batches: a batch costs two or three passes of ``fsum``."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[float, ...] = _NOTHING) -> None:
        self.parts = parts

    def add(self, numbers: Iterable[float]) -> None:
        """Numbers that are not finite raise ValueError or make the sum so: sort them out before."""
        self.parts = expansion((*self.parts, *numbers))

    @property
    def value(self) -> float:
        """The float nearest to the sum."""
        return self.parts[0] if self.parts else 0.0

    @property
    def exactly(self) -> Fraction:
        return sum(map(Fraction, self.parts), Fraction(0))


def squared_deviations(n: int, total: ExactSum, squares: ExactSum) -> float:
    """The sum of (x - mean)**2 over ``n`` > 0 numbers, from their sum and that of their squares.

    Exact but for the rounding of each square; 0 where that leaves nothing to be known.
    """
    exact = total.exactly
    found = float(squares.exactly - exact * exact / n)
    return found if found > max(_TINY, _ROUNDING * squares.value) else 0.0
