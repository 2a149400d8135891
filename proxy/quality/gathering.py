"""Makes a profile in one pass with bounded memory, whatever the number of rows.

Counts, bounds, mean and deviation are exact.  Quantiles and the histogram come from an even
sample of the rows, chosen by a hash of the row's number: the same file gives the same profile,
and a sorted file is sampled as evenly as a shuffled one.  A sample of n has a rank error of
about 1/(2 sqrt(n)): with ``MOST_SAMPLED`` a sixth of a percent.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from xxhash import xxh3_64_intdigest

from proxy.payload import Value
from proxy.quality.profile import ColumnProfile, ColumnType, Profile, Role, sealed

MOST_SAMPLED: Final = 100_000  # of one column
MOST_SAMPLED_IN_ALL: Final = 4_000_000
MOST_COLUMNS: Final = 5_000
#: More values than these, or fewer than ten rows for each, are no categories.
MOST_CATEGORIES: Final = 100
_ROWS_PER_CATEGORY: Final = 10
_LONGEST_CATEGORY: Final = 100
_BINS: Final = 20
_HIGHEST: Final = 64  # level of a row
_LARGEST: Final = 1e150
_QUANTILES: Final = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


class TooManyColumns(Exception):
    """The table has more columns than a profile takes; the message says so."""


class Gatherer:
    """``add`` pieces of a table, then ``profile``."""

    def __init__(self, labels: Sequence[str] = (), most_sampled: int = MOST_SAMPLED) -> None:
        self._labels = frozenset(labels)
        self._most = most_sampled
        self._columns: dict[str, _Column] = {}
        self.rows = 0

    def add(self, rows: int, columns: Mapping[str, Sequence[Value]]) -> None:
        """The next ``rows`` rows.  A column that was not there before was missing until now.

        Raises ``TooManyColumns``.
        """
        for name in columns:
            if name not in self._columns:
                if len(self._columns) == MOST_COLUMNS:
                    raise TooManyColumns(f"found more than {MOST_COLUMNS} columns")
                self._columns[name] = _Column(missing=self.rows)
        levels = [_level(row) for row in range(self.rows, self.rows + rows)]
        room = max(1, min(self._most, MOST_SAMPLED_IN_ALL // max(1, len(self._columns))))
        for name, column in self._columns.items():
            values = columns.get(name)
            if values is None:
                column.missing += rows
            else:
                column.add(levels, values, room)
        self.rows += rows

    def profile(self) -> Profile:
        """What was gathered until now."""
        columns = (
            column.profile(name, "label" if name in self._labels else "input")
            for name, column in self._columns.items()
        )
        return sealed(self.rows, tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._columns)


class _Column:
    """The running numbers of one column."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self._kinds: Counter[type] = Counter()
        self._not_finite = 0
        self._count = 0  # of finite numbers
        self._mean = 0.0
        self._squares = 0.0  # sum of squared distances from the mean
        self._least, self._most = math.inf, -math.inf
        self._sample = array("d")
        self._levels = array("B")  # of the rows in the sample
        self._level = 0  # rows of a lower one are not in it
        self._categories: Counter[float | str | bool] | None = Counter()

    def add(self, levels: list[int], values: Sequence[Value], room: int) -> None:
        present = [it for it in values if it is not None]
        self.missing += len(values) - len(present)
        self._kinds.update(map(type, present))
        self._categorise(present)
        numbers: list[float] = []
        kept: list[int] = []
        for level, value in zip(levels, values, strict=True):
            if isinstance(value, int | float) and not isinstance(value, bool):
                number = _float(value)
                if math.isfinite(number):
                    numbers.append(number)
                    kept.append(level)
                else:
                    self._not_finite += 1
        if numbers:
            self._moments(numbers)
            self._keep(kept, numbers, room)

    def _categorise(self, values: Sequence[Value]) -> None:
        if self._categories is None:
            return
        for value in values:
            # A text that is cut would be a category that no request has.
            if isinstance(value, list) or (
                isinstance(value, str) and len(value) > _LONGEST_CATEGORY
            ):
                self._categories = None
                return
        self._categories.update(values)  # type: ignore[arg-type]  # None and lists were sorted out
        if len(self._categories) > MOST_CATEGORIES:
            self._categories = None

    def _moments(self, numbers: list[float]) -> None:
        """Chan, Golub & LeVeque 1979: the moments of two pieces to those of both."""
        count = len(numbers)
        mean = math.fsum(numbers) / count
        squares = math.fsum((it - mean) ** 2 for it in numbers)
        both = self._count + count
        apart = mean - self._mean
        self._squares += squares + apart * apart * self._count * count / both
        self._mean += apart * count / both
        self._count = both
        self._least = min(self._least, min(numbers))
        self._most = max(self._most, max(numbers))

    def _keep(self, levels: list[int], numbers: list[float], room: int) -> None:
        if not self._level:
            self._sample.extend(numbers)
            self._levels.extend(levels)
        for level, number in zip(levels, numbers, strict=True) if self._level else ():
            if level >= self._level:
                self._sample.append(number)
                self._levels.append(level)
        while len(self._sample) > room and self._level < _HIGHEST:
            self._level += 1
            kept = [at for at, level in enumerate(self._levels) if level >= self._level]
            self._sample = array("d", (self._sample[at] for at in kept))
            self._levels = array("B", (self._levels[at] for at in kept))

    def profile(self, name: str, role: Role) -> ColumnProfile:
        count = sum(self._kinds.values())
        plain = ColumnProfile(
            name, self._type(), count, self.missing, role, self._not_finite,
            categories=self._listed(count),
        )  # fmt: skip
        if not self._count or plain.type not in ("number", "integer"):
            return plain
        ordered = sorted(self._sample)
        edges = self._edges(ordered)
        return ColumnProfile(
            name,
            plain.type,
            count,
            self.missing,
            role,
            self._not_finite,
            least=self._least,
            most=self._most,
            mean=self._mean,
            deviation=math.sqrt(self._squares / self._count),
            sampled=len(ordered),
            quantiles={f"{q:g}": quantile(ordered, q) for q in _QUANTILES} if ordered else {},
            edges=edges,
            bins=_bins(ordered, edges),
            categories=plain.categories,
        )

    def _type(self) -> ColumnType:
        kinds = set(self._kinds)
        if not kinds:
            return "empty"
        if kinds == {int}:
            return "integer"
        if kinds <= {int, float}:
            return "number"
        alone: dict[type, ColumnType] = {str: "text", bool: "boolean", list: "vector"}
        return alone.get(kinds.pop(), "mixed") if len(kinds) == 1 else "mixed"

    def _listed(self, count: int) -> list[tuple[float | int | str | bool, int]] | None:
        found = self._categories
        if not found or count < _ROWS_PER_CATEGORY * len(found):
            return None
        finite = {
            it: n for it, n in found.items() if not isinstance(it, float) or math.isfinite(it)
        }
        return sorted(finite.items(), key=lambda pair: (-pair[1], str(pair[0])))

    def _edges(self, ordered: list[float]) -> list[float]:
        """Bins of about as many rows each, from the least to the most of all rows."""
        if not ordered:
            return []
        inner = (quantile(ordered, at / _BINS) for at in range(1, _BINS))
        edges = sorted({self._least, *inner, self._most})
        return edges if len(edges) > 1 else edges * 2


def _float(value: int | float) -> float:
    """The number; infinity for one whose square would be infinite."""
    try:
        return float(value) if abs(value) < _LARGEST else math.inf
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def _level(row: int) -> int:
    """How many noughts the hash of a row's number ends in: half of all rows have none."""
    digest = xxh3_64_intdigest(row.to_bytes(8, "little"))
    return (digest & -digest).bit_length() - 1 if digest else _HIGHEST


def quantile(ordered: Sequence[float], q: float) -> float:
    """Of sorted values, linear between the two around it (numpy's default)."""
    at = q * (len(ordered) - 1)
    below = math.floor(at)
    first = ordered[below]
    second = ordered[min(below + 1, len(ordered) - 1)]
    return first if first == second else first + (second - first) * (at - below)


def _bins(ordered: list[float], edges: list[float]) -> list[int]:
    """How many of the sorted values are in each bin; the last one is closed."""
    if not edges:
        return []
    starts = [bisect_left(ordered, edge) for edge in edges[:-1]]
    ends = [*starts[1:], bisect_right(ordered, edges[-1])]
    return [end - start for start, end in zip(starts, ends, strict=True)]
