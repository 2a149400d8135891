"""Where the bins of a histogram lie: numbers to whole keys and back, in the same order.

A bin is ``[edge(key), edge(key + 1))``.  Edges are fixed by the axis alone, so histograms of any
workers add up key by key.

Probabilities: ``bins`` equal bins on [0, 1].  Below 0.05 and above 0.95, where most scores of a
rare event are, they are finer: ``bins * 0.064`` steps to a halving of the distance from 0 or 1,
so at 1,000 bins a score of 0.002 lies in a bin of 0.00002.  Exactly 1 is a bin of its own.

Numbers: 2**20 steps to an octave, linear within it, either sign, from 2**-40 (what is nearer to 0
is divided linearly); ``level`` halves the steps.  A bin is at most ``2**level / 2**20`` of its
lower edge wide, and its middle at most half of that away from anything in it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

#: What is at least as large is no prediction: its square's sum would leave the floats.
LARGEST: Final = 1e100

#: The least number of bins that all numbers fit into: an octave each, both signs.
LEAST_BINS: Final = 760

_FINEST: Final = 20
_STEPS: Final = 1 << _FINEST
_LOWEST: Final = -40  # the exponent below which numbers are divided linearly
_TAIL: Final = 0.05
_OCTAVES: Final = 30  # of a probability's tails


class ProbabilityAxis(NamedTuple):
    """``bins``: a multiple of 20, at least 20."""

    bins: int

    @property
    def steps(self) -> int:
        """To a halving of the distance from 0 or 1."""
        return max(4, self.bins * 64 // 1000)

    @property
    def tail(self) -> int:
        """Keys below 0.05; as many lie above 0.95."""
        return (_OCTAVES + 1) * self.steps

    @property
    def last(self) -> int:
        """The key of 1."""
        return 2 * self.tail + self.bins - self.bins // 10

    def key(self, p: float) -> int:
        """Of ``0 <= p <= 1``."""
        if p < _TAIL:
            whole, part = _tail_place(p, self.steps)
            return whole + math.floor(part)
        if p < 1.0 - _TAIL:
            # k/bins * bins may be a hair below k
            return self.tail - self.bins // 20 + int(p * self.bins + 1e-9)
        whole, part = _tail_place(1.0 - p, self.steps)
        return self.last - min(whole + math.ceil(part), self.tail)

    def edge(self, key: int) -> float:
        if key <= self.tail:
            return _tail_distance(key, self.steps)
        if key >= self.last - self.tail:
            return 1.0 - _tail_distance(max(0, self.last - key), self.steps)
        return (key - self.tail + self.bins // 20) / self.bins


def _tail_place(distance: float, steps: int) -> tuple[int, float]:
    """Steps from 0 to ``distance``, as two summands, for their sum may round: linear up to the
    lowest octave, then within each octave."""
    mantissa, exponent = math.frexp(distance * 20.0)
    if exponent <= -_OCTAVES or not mantissa:
        return 0, math.ldexp(distance * 20.0, _OCTAVES) * steps
    return (exponent + _OCTAVES - 1) * steps, 2.0 * mantissa * steps


def _tail_distance(place: int, steps: int) -> float:
    octave, step = divmod(place, steps)
    if octave == 0:
        return math.ldexp(step / steps, -_OCTAVES) / 20.0
    return math.ldexp(1.0 + step / steps, octave - 1 - _OCTAVES) / 20.0


def number_key(x: float) -> int:
    """The key at level 0 of a finite number under ``LARGEST``."""
    if x >= 0.0:
        whole, part = _place(x)
        return whole + math.floor(part)
    whole, part = _place(-x)
    return -whole - math.ceil(part)


def number_edge(key: int, level: int) -> float:
    place = key << level
    octave, step = divmod(abs(place), _STEPS)
    if octave == 0:
        size = math.ldexp(step / _STEPS, _LOWEST)
    else:
        size = math.ldexp(1.0 + step / _STEPS, octave - 1 + _LOWEST)
    return -size if place < 0 else size


def _place(size: float) -> tuple[int, float]:
    mantissa, exponent = math.frexp(size)
    if exponent <= _LOWEST or not mantissa:
        return 0, math.ldexp(size, -_LOWEST) * _STEPS
    return (exponent - _LOWEST - 1) * _STEPS, 2.0 * mantissa * _STEPS
