"""Predicted numbers whose truth came, of one version: errors, exactly."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from proxy.compare.figures import Figure
from proxy.measure.exact import ExactSum, squared_deviations

#: The fourth power of an error must stay a float.
_LARGEST: Final = 1e70
_BATCH: Final = 128
_Z_95: Final = 1.959963984540054


class NumberFigures(msgspec.Struct, frozen=True, tag_field="of", tag="number"):
    """``bias`` is the mean of predicted minus true.  Intervals: normal; of RMSE by the delta
    method; R2 has none, for it would need more state than it is worth."""

    n: int
    refused: int = 0
    mae: Figure | None = None
    rmse: Figure | None = None
    bias: Figure | None = None
    r2: float | None = None


class NumbersSnapshot(msgspec.Struct, frozen=True):
    n: int
    refused: int
    sums: list[tuple[float, ...]]


class LabelledNumbers:
    """``add(predicted, true)``; what is not finite, or over 1e70, is counted in ``refused``."""

    __slots__ = ("_n", "_pending", "_refused", "_sums")

    def __init__(self) -> None:
        self._n = self._refused = 0
        #: Of the errors, their sizes, squares and fourth powers; of the truth and its squares.
        self._sums = [ExactSum() for _ in range(6)]
        self._pending: list[tuple[float, float]] = []

    def add(self, predicted: float, true: float) -> None:
        self._pending.append((predicted, true))
        if len(self._pending) >= _BATCH:
            self._settle()

    def _settle(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        kept = [
            (float(predicted), float(true))
            for predicted, true in pending
            if -_LARGEST < predicted < _LARGEST and -_LARGEST < true < _LARGEST
        ]
        self._refused += len(pending) - len(kept)
        self._n += len(kept)
        errors = [predicted - true for predicted, true in kept]
        squares = [it * it for it in errors]
        truth = [true for _, true in kept]
        batches = (
            errors, map(abs, errors), squares, [it * it for it in squares],
            truth, [it * it for it in truth],
        )  # fmt: skip
        for total, batch in zip(self._sums, batches, strict=True):
            total.add(batch)

    def merge(self, other: LabelledNumbers) -> None:
        """Add what ``other`` counted, which is not changed.  Associative, commutative."""
        self._settle()
        other._settle()
        self._n += other._n
        self._refused += other._refused
        for mine, theirs in zip(self._sums, other._sums, strict=True):
            mine.add(theirs.parts)

    @property
    def n(self) -> int:
        self._settle()
        return self._n

    def figures(self) -> NumberFigures:
        n = self.n
        if not n:
            return NumberFigures(0, self._refused)
        errors, sizes, squares, fourths = (it.value for it in self._sums[:4])
        square = squares / n
        rmse = math.sqrt(square)
        radius = _radius(n, square, fourths) / (2.0 * rmse) if rmse else 0.0
        return NumberFigures(
            n=n,
            refused=self._refused,
            mae=_above_nought(sizes / n, _radius(n, sizes / n, squares)),
            rmse=_above_nought(rmse, radius),
            bias=_about(errors / n, _radius(n, errors / n, squares)),
            r2=self._r2(),
        )

    def _r2(self) -> float | None:
        """1 - squared errors over squared distances from the mean truth; None when that is 0."""
        around = squared_deviations(self._n, self._sums[4], self._sums[5])
        return 1.0 - self._sums[2].value / around if around > 0.0 else None

    def snapshot(self) -> NumbersSnapshot:
        self._settle()
        return NumbersSnapshot(self._n, self._refused, [it.parts for it in self._sums])

    @classmethod
    def restore(cls, kept: NumbersSnapshot) -> LabelledNumbers:
        numbers = cls()
        numbers._n, numbers._refused = kept.n, kept.refused
        numbers._sums = [ExactSum(parts) for parts in kept.sums]
        return numbers


def _radius(n: int, mean: float, squares: float) -> float:
    """Half of the normal interval of a mean; infinite for one."""
    if n < 2:
        return math.inf
    return _Z_95 * math.sqrt(max(0.0, (squares / n - mean * mean) / (n - 1)))


def _about(value: float, radius: float) -> Figure | None:
    return Figure(value, value - radius, value + radius) if math.isfinite(radius) else None


def _above_nought(value: float, radius: float) -> Figure | None:
    found = _about(value, radius)
    return found and Figure(value, max(0.0, found.low), found.high)
