"""Where the bins of a histogram lie: numbers to whole keys and back, in the same order.

At level 0 bins are finer than anybody needs; each level makes one of two.  So a histogram takes
the finest level at which its bins are few enough, and any two of them add up.  A bin at a level
is ``[edge(key, level), edge(key + 1, level))``.

Probabilities: at level ``l`` from 0.05 to 0.95 equal bins of ``2**l / 1,310,720`` (at 10 they are
1,280 to the whole).  Below 0.05 and above 0.95, where the scores of rare events are, they are
finer: as many to each halving of the distance from 0 or 1 as else to 0.05.  Exactly 1 is a bin of
its own.  There are 81 bins at the last level.

Numbers: 2**20 steps to an octave, linear within it, either sign, from 2**-40 (what is nearer to 0
is divided linearly).  A bin is at most ``2**l / 2**20`` of its lower edge wide, and its middle at
most half of that away from anything in it.  There are 748 bins at the last level.
"""

from __future__ import annotations

import math
from typing import Final, Literal

Scale = Literal["probability", "number"]

#: What is at least as large is no prediction: its square's sum would leave the floats.
LARGEST: Final = 1e100

#: All there is fits into so many bins, at the last level.
LEAST_BINS: Final[dict[Scale, int]] = {"probability": 100, "number": 760}

_TAIL: Final = 0.05
_STEPS: Final = 1 << 16  # to a twentieth, and to an octave of the tails
_OCTAVES: Final = 30  # of the tails; what is nearer to 0 is divided linearly
_MIDDLE: Final = (_OCTAVES + 1) * _STEPS  # the key of 0.05
_BEYOND: Final = _MIDDLE + 18 * _STEPS  # of 0.95
_ONE: Final = _BEYOND + _MIDDLE  # of 1

_NUMBER_STEPS: Final = 1 << 20
_LOWEST: Final = -40  # the exponent below which numbers are divided linearly


def probability_key(p: float) -> int:
    """The key at level 0 of ``0 <= p <= 1``."""
    if p < _TAIL:
        whole, part = _tail_place(p)
        return whole + math.floor(part)
    if p < 1.0 - _TAIL:
        # the product of an edge may be a hair under its place
        return _MIDDLE - _STEPS + int(p * (20 * _STEPS) + 1e-9)
    whole, part = _tail_place(1.0 - p)
    return _ONE - min(whole + math.ceil(part), _MIDDLE)


def number_key(x: float) -> int:
    """The key at level 0 of a finite number under ``LARGEST``."""
    if x >= 0.0:
        whole, part = _place(x)
        return whole + math.floor(part)
    whole, part = _place(-x)
    return -whole - math.ceil(part)


def probability_edge(key: int, level: int) -> float:
    """1 also for keys beyond that of 1."""
    place = key << level
    if place <= _MIDDLE:
        return _tail_distance(place)
    if place >= _BEYOND:
        return 1.0 - _tail_distance(max(0, _ONE - place))
    return (place - _MIDDLE + _STEPS) / (20 * _STEPS)


def number_edge(key: int, level: int) -> float:
    place = key << level
    octave, step = divmod(abs(place), _NUMBER_STEPS)
    if octave == 0:
        size = math.ldexp(step / _NUMBER_STEPS, _LOWEST)
    else:
        size = math.ldexp(1.0 + step / _NUMBER_STEPS, octave - 1 + _LOWEST)
    return -size if place < 0 else size


def _tail_place(distance: float) -> tuple[int, float]:
    """Steps from 0 to ``distance``, as two summands, for their sum may round: linear up to the
    lowest octave, then within each octave."""
    mantissa, exponent = math.frexp(distance * 20.0)
    if exponent <= -_OCTAVES or not mantissa:
        return 0, math.ldexp(distance * 20.0, _OCTAVES) * _STEPS
    return (exponent + _OCTAVES - 1) * _STEPS, 2.0 * mantissa * _STEPS


def _tail_distance(place: int) -> float:
    octave, step = divmod(place, _STEPS)
    if octave == 0:
        return math.ldexp(step / _STEPS, -_OCTAVES) / 20.0
    return math.ldexp(1.0 + step / _STEPS, octave - 1 - _OCTAVES) / 20.0


def _place(size: float) -> tuple[int, float]:
    mantissa, exponent = math.frexp(size)
    if exponent <= _LOWEST or not mantissa:
        return 0, math.ldexp(size, -_LOWEST) * _NUMBER_STEPS
    return (exponent - _LOWEST - 1) * _NUMBER_STEPS, 2.0 * mantissa * _NUMBER_STEPS
