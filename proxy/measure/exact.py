"""A sum of floats without rounding: the same for any order, and however it was merged.

It is kept as a few floats that do not overlap: the nearest float to the sum, the nearest to what
is then left, and so on.  ``math.fsum`` rounds correctly, so the list depends on the sum alone, and
two processes that added the same numbers hold the same bytes.  Shewchuk, "Adaptive precision
floating-point arithmetic", 1997, calls such a list an expansion.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

_NOTHING: tuple[float, ...] = ()


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
