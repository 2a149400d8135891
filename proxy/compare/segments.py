"""Every figure for each declared segment, and for pairs of segments of two dimensions.

Bounded: at most ``most`` groups are kept; what would be one more is counted in ``untold``.  In
a report the small ones of a dimension are one row together, so that nobody reads a lot into
little.  Which rows stand out is chosen by e-BH: of those named, the expected share of false ones
is at most alpha, at every look, whatever depends on what.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

import msgspec

from proxy.compare.group import Group, GroupFigures, GroupOptions, GroupSnapshot
from proxy.compare.paired import PairedFigures
from proxy.compare.scores import COARSE
from proxy.measure.multiplicity import e_bh

MOST: Final = 128
#: Pairs under which a segment is one of the small ones.
LEAST: Final = 100
SMALL: Final = "small ones"
_MOST_DIMENSIONS: Final = 5  # of which pairs are taken; more are by themselves

Cell = tuple[str, ...]  # one or two of ``dimension=value``, in the order of their names


class SegmentOptions(msgspec.Struct, frozen=True):
    """``group``: of each segment, but with ``bins`` for all its histograms, for there are many.
    ``pairs``: also segments two by two."""

    group: GroupOptions = GroupOptions()
    bins: int = COARSE
    most: int = MOST
    least: int = LEAST
    pairs: bool = True


class SegmentRow(msgspec.Struct, frozen=True):
    """``segments``: one or two of ``dimension=value``; of the small ones ``dimension=small
    ones``, and ``merged`` says how many they are."""

    segments: tuple[str, ...]
    figures: GroupFigures
    merged: int = 0
    shift_stands_out: bool = False
    regret_stands_out: bool = False

    @property
    def name(self) -> str:
        return " and ".join(self.segments)


class SegmentReport(msgspec.Struct, frozen=True):
    """Rows by name, single segments first.  ``worst_shift`` and ``worst_regret`` are indices of
    rows, the worst first: by how far the interval lies from 0, on either side for a shift, on
    the shadow's disadvantage for a regret; rows whose interval has 0 in it are not among them.
    """

    rows: tuple[SegmentRow, ...]
    alpha: float
    worst_shift: tuple[int, ...] = ()
    worst_regret: tuple[int, ...] = ()
    untold: int = 0  # adds for which there was no room
    note: str = ""


class SegmentSnapshot(msgspec.Struct, frozen=True):
    options: SegmentOptions
    groups: list[tuple[Cell, GroupSnapshot]]
    untold: int


class SegmentTable:
    """``add_pair`` and ``add_label`` for each pair, with the segments that it came with."""

    def __init__(self, options: SegmentOptions | None = None) -> None:
        self.options = options or SegmentOptions()
        self._each = msgspec.structs.replace(
            self.options.group, bins=self.options.bins, labelled_bins=self.options.bins
        )
        self._groups: dict[Cell, Group] = {}
        self._cells: dict[tuple[str, ...], tuple[Cell, ...]] = {}
        self.untold = 0

    def add_pair(
        self,
        segments: Sequence[str],
        stable: float | str,
        shadow: float | str,
        agree: bool | None = None,
    ) -> None:
        for group in self._of(tuple(segments)):
            group.add_pair(stable, shadow, agree)

    def add_label(
        self,
        segments: Sequence[str],
        stable: float | str,
        shadow: float | str,
        label: float | str | bool,
    ) -> None:
        for group in self._of(tuple(segments)):
            group.add_label(stable, shadow, label)

    def _of(self, segments: tuple[str, ...]) -> Iterable[Group]:
        cells = self._cells.get(segments)
        if cells is None:
            if len(self._cells) >= 4 * self.options.most:
                self._cells.clear()
            cells = self._cells[segments] = cells_of(segments, self.options.pairs)
        for cell in cells:
            group = self._groups.get(cell)
            if group is None:
                if len(self._groups) >= self.options.most:
                    self.untold += 1
                    continue
                group = self._groups[cell] = Group(self._each)
            yield group

    def merge(self, other: SegmentTable) -> None:
        """Add what ``other`` counted, which is not changed; ValueError for other options.

        Associative and commutative while all groups have room.
        """
        if self.options != other.options:
            raise ValueError("segment tables with different options: must be the same")
        self.untold += other.untold
        for cell, theirs in other._groups.items():
            mine = self._groups.get(cell)
            if mine is None:
                if len(self._groups) >= self.options.most:
                    self.untold += theirs.pairs
                    continue
                mine = self._groups[cell] = Group(self._each)
            mine.merge(theirs)

    def group(self, *segments: str) -> Group | None:
        """What was counted of one segment, or of two; None when nothing was."""
        return self._groups.get(tuple(sorted(segments)))

    def report(self, brief: bool = False) -> SegmentReport:
        """Some 10 ms a group: for a report.  ``brief`` (group.Group.figures) costs 1 ms: for a
        gate that looks every minute."""
        rows, small = self._rows(brief)
        alpha = self.options.group.alpha
        shifts = _named([row.figures.shift for row in rows], alpha)
        regrets = _named([row.figures.regret for row in rows], alpha)
        told = tuple(
            msgspec.structs.replace(
                row, shift_stands_out=at in shifts, regret_stands_out=at in regrets
            )
            for at, row in enumerate(rows)
        )
        return SegmentReport(
            told,
            alpha,
            _worst([row.figures.shift for row in rows], both=True),
            _worst([row.figures.regret for row in rows], both=False),
            self.untold,
            _note(small, self.options.least, self.untold),
        )

    def _rows(self, brief: bool) -> tuple[list[SegmentRow], int]:
        """One for each group that is large enough, one for the small ones of each dimension or
        two; and how many those are."""
        rows, small = [], dict[Cell, list[Group]]()
        for cell, group in sorted(self._groups.items(), key=lambda it: (len(it[0]), it[0])):
            if group.pairs >= self.options.least:
                rows.append(SegmentRow(cell, group.figures(brief)))
            else:
                together = tuple(f"{_dimension(it)}={SMALL}" for it in cell)
                small.setdefault(together, []).append(group)
        for together, groups in small.items():
            whole = Group(self._each)
            for group in groups:
                whole.merge(group)
            rows.append(SegmentRow(together, whole.figures(brief), merged=len(groups)))
        return rows, sum(map(len, small.values()))

    def snapshot(self) -> SegmentSnapshot:
        groups = [(cell, group.snapshot()) for cell, group in sorted(self._groups.items())]
        return SegmentSnapshot(self.options, groups, self.untold)

    @classmethod
    def restore(cls, kept: SegmentSnapshot) -> SegmentTable:
        table = cls(kept.options)
        table._groups = {cell: Group.restore(group) for cell, group in kept.groups}
        table.untold = kept.untold
        return table


def cells_of(segments: Sequence[str], pairs: bool = True) -> tuple[Cell, ...]:
    """The groups that a pair with these segments belongs to: each, and each two."""
    single = sorted({it for it in segments if it})
    found: list[Cell] = [(it,) for it in single]
    if pairs:
        found += combinations(single[:_MOST_DIMENSIONS], 2)
    return tuple(found)


def _named(figures: Sequence[PairedFigures | None], alpha: float) -> set[int]:
    """Which differ from 0, by e-BH over those that have any pair."""
    known = [(at, it.log_e) for at, it in enumerate(figures) if it is not None and it.n]
    chosen = e_bh([math.exp(min(700.0, log_e)) for _, log_e in known], alpha)
    return {known[at][0] for at in chosen}


def _worst(figures: Sequence[PairedFigures | None], both: bool) -> tuple[int, ...]:
    apart = []
    for at, it in enumerate(figures):
        if it is None or it.low is None or it.high is None:
            continue
        distance = max(it.low, -it.high if both else 0.0)
        if distance > 0.0:
            apart.append((-distance, at))
    return tuple(at for _, at in sorted(apart))


def _note(small: int, least: int, untold: int) -> str:
    said = []
    if small:
        were = "segment was" if small == 1 else "segments were"
        said.append(f"{small} {were} under {least} pairs and stand together as {SMALL}.")
    if untold:
        said.append(f"{untold} times there was no room for one more segment.")
    return " ".join(said)


def _dimension(segment: str) -> str:
    return segment.partition("=")[0]
