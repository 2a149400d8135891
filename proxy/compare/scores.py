"""Histograms of predictions: bounded, and the same whatever worker or order they came in.

Exact are the counts, n, the sum, the sum of squares (each square rounded once), least and most:
a merge of any partition gives the same bytes.  Where in a bin a prediction lies is forgotten
(axes.py says how wide bins are); whatever is read from a histogram is wrong by no more than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from proxy.compare.axes import (
    LARGEST,
    LEAST_BINS,
    Scale,
    number_edge,
    number_key,
    probability_edge,
    probability_key,
)
from proxy.measure.exact import ExactSum, squared_deviations

#: The most bins of a histogram: half to all of them are in use when there are more predictions.
BINS: Final = 4_000
#: For all predictions of a model: KS within 1e-4 of the exact one, at some 3 MB.
FINE: Final = 30_000
#: For one segment of many; numbers take 760 at least.
COARSE: Final = 500

_BATCH: Final = 128


class ScoreSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A histogram as plain data.  ``counts`` are (key, count) by rising key."""

    scale: Scale
    bins: int
    level: int = 0
    counts: list[tuple[int, int]] = []
    not_finite: int = 0
    outside: int = 0
    total: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()
    least: float | None = None
    most: float | None = None


class ScoreHistogram:
    """``add`` predictions, ``merge`` histograms of the same scale and bins.

    ``bins`` are the most that are kept, at least 100 of a probability and 760 of a number: while
    more are in use, two and two become one.  So they are as fine as the predictions allow, and
    up to ``bins`` different ones have a bin each.  NaN and infinity (also 1e100 and more) are
    counted in ``not_finite``, probabilities outside of [0, 1] in ``outside``; neither is in ``n``.
    """

    __slots__ = (
        "_counts",
        "_edge",
        "_key",
        "_least",
        "_level",
        "_most",
        "_not_finite",
        "_outside",
        "_pending",
        "_squares",
        "_total",
        "bins",
        "scale",
    )  # fmt: skip

    def __init__(self, scale: Scale = "probability", bins: int = BINS) -> None:
        if bins < LEAST_BINS[scale]:
            raise ValueError(f"{bins} bins of a {scale}: must be at least {LEAST_BINS[scale]}")
        self.scale: Scale = scale
        self.bins = bins
        probable = scale == "probability"
        self._key: Callable[[float], int] = probability_key if probable else number_key
        self._edge: Callable[[int, int], float] = probability_edge if probable else number_edge
        self._level = 0
        self._counts: dict[int, int] = {}
        self._pending: list[float] = []
        self._not_finite = self._outside = 0
        self._total, self._squares = ExactSum(), ExactSum()
        self._least, self._most = math.inf, -math.inf

    def add(self, x: float) -> None:
        """One prediction.  What costs something is done once for a batch."""
        self._pending.append(x)
        if len(self._pending) >= _BATCH:
            self._settle()

    def merge(self, other: ScoreHistogram) -> None:
        """Add the predictions of ``other``, which is not changed.  Associative, commutative.

        ValueError unless it has the same scale and bins.
        """
        if (self.scale, self.bins) != (other.scale, other.bins):
            raise ValueError(
                f"a histogram of {other.bins} bins of a {other.scale}: "
                f"must be {self.bins} of a {self.scale} to be merged"
            )
        self._settle()
        other._settle()
        level = max(self._level, other._level)
        self._coarsen(level)
        counts = self._counts
        for key, n in other._counts.items():
            key >>= level - other._level
            counts[key] = counts.get(key, 0) + n
        self._fit()
        self._not_finite += other._not_finite
        self._outside += other._outside
        self._total.add(other._total.parts)
        self._squares.add(other._squares.parts)
        self._least = min(self._least, other._least)
        self._most = max(self._most, other._most)

    def _settle(self) -> None:
        """Count what is pending."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        kept = self._sorted_out(pending)
        if not kept:
            return
        counts, level = self._counts, self._level
        for found in map(self._key, kept):
            key = found >> level
            counts[key] = counts.get(key, 0) + 1
        self._fit()
        self._total.add(kept)
        self._squares.add([x * x for x in kept])
        self._least = min(self._least, *kept)
        self._most = max(self._most, *kept)

    def _sorted_out(self, pending: list[float]) -> list[float]:
        finite = [float(x) + 0.0 for x in pending if -LARGEST < x < LARGEST]
        self._not_finite += len(pending) - len(finite)
        if self.scale == "number":
            return finite
        inside = [x for x in finite if 0.0 <= x <= 1.0]
        self._outside += len(finite) - len(inside)
        return inside

    def _fit(self) -> None:
        while len(self._counts) > self.bins:
            self._coarsen(self._level + 1)

    def _coarsen(self, level: int) -> None:
        steps = level - self._level
        if not steps:
            return
        counts: dict[int, int] = {}
        for key, n in self._counts.items():
            key >>= steps
            counts[key] = counts.get(key, 0) + n
        self._counts, self._level = counts, level

    @property
    def n(self) -> int:
        """Finite predictions on the scale."""
        self._settle()
        return sum(self._counts.values())

    @property
    def not_finite(self) -> int:
        self._settle()
        return self._not_finite

    @property
    def outside(self) -> int:
        self._settle()
        return self._outside

    @property
    def total(self) -> float:
        """The float nearest to the sum."""
        self._settle()
        return self._total.value

    @property
    def squares(self) -> float:
        self._settle()
        return self._squares.value

    @property
    def least(self) -> float | None:
        self._settle()
        return self._least if self._counts else None

    @property
    def most(self) -> float | None:
        self._settle()
        return self._most if self._counts else None

    @property
    def mean(self) -> float:
        """nan without predictions."""
        n = self.n
        return self._total.value / n if n else math.nan

    @property
    def variance(self) -> float:
        """With n - 1 as divisor; nan under two predictions.

        From the exact sums, so the error is that of the single squares: some 1e-16 times the
        mean's square.
        """
        n = self.n
        if n < 2:
            return math.nan
        return squared_deviations(n, self._total, self._squares) / (n - 1)

    @property
    def level(self) -> int:
        """How often two bins became one; axes.py says how wide that makes them."""
        self._settle()
        return self._level

    def counts(self, level: int | None = None) -> dict[int, int]:
        """Key -> count by rising key; at a coarser ``level`` if it is given."""
        self._settle()
        steps = 0 if level is None else level - self._level
        if steps < 0:
            raise ValueError(f"level {level}: must be at least {self._level}")
        if not steps:
            return dict(sorted(self._counts.items()))
        found: dict[int, int] = {}
        for key in sorted(self._counts):
            found[key >> steps] = found.get(key >> steps, 0) + self._counts[key]
        return found

    def middle(self, key: int, level: int) -> float:
        """Of the bin with this key at this level."""
        return (self._edge(key, level) + self._edge(key + 1, level)) / 2.0

    def pieces(self) -> Iterator[tuple[float, float, int]]:
        """(lower edge, upper edge, count) of each bin that has any, by rising edge."""
        level = self.level
        for key, n in self.counts().items():
            yield self._edge(key, level), self._edge(key + 1, level), n

    def quantile(self, q: float) -> float:
        """The q-quantile, linear within its bin; nan without predictions.

        ValueError unless ``0 <= q <= 1``.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"quantile {q}: must be from 0 to 1")
        wanted, below = q * self.n, 0
        found = math.nan
        for low, high, n in self.pieces():
            found = low + (high - low) * min(1.0, max(0.0, (wanted - below) / n))
            below += n
            if below >= wanted:
                break
        return min(max(found, self._least), self._most) if self._counts else found

    def snapshot(self) -> ScoreSnapshot:
        """The same for the same predictions, in any order."""
        counts = list(self.counts().items())
        return ScoreSnapshot(
            self.scale, self.bins, self._level, counts, self._not_finite, self._outside,
            self._total.parts, self._squares.parts, self.least, self.most,
        )  # fmt: skip

    @classmethod
    def restore(cls, kept: ScoreSnapshot) -> ScoreHistogram:
        histogram = cls(kept.scale, kept.bins)
        histogram._level = kept.level
        histogram._counts = dict(kept.counts)
        histogram._not_finite, histogram._outside = kept.not_finite, kept.outside
        histogram._total, histogram._squares = ExactSum(kept.total), ExactSum(kept.squares)
        if kept.least is not None and kept.most is not None:
            histogram._least, histogram._most = kept.least, kept.most
        return histogram


class Aligned(NamedTuple):
    """Two histograms on the same bins: (key, count of one, count of the other) by rising key."""

    level: int
    rows: list[tuple[int, int, int]]


def aligned(one: ScoreHistogram, other: ScoreHistogram) -> Aligned:
    """At the coarser level of the two; they are of the same scale."""
    level = max(one.level, other.level)
    first, second = one.counts(level), other.counts(level)
    keys = sorted(first.keys() | second.keys())
    return Aligned(level, [(key, first.get(key, 0), second.get(key, 0)) for key in keys])
