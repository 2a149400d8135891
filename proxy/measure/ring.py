"""Counts by name of the last seconds, in slots of one second.  Time is an argument.

Only the newest slot still changes.  All others are packed, and their sum is kept for each length
that is asked for: from one question to the next a few slots enter it and a few leave.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)

#: Different lengths that are asked for again and again.
SUMS_KEPT: Final = 8

#: Seconds that a slot stays beyond the span: a sum that is asked for every second takes off what
#: leaves it, and need not be made again.
_GRACE: Final = 2


def names(keys: Iterable[str]) -> Sequence[str]:
    """A packed slot's keys that are words."""
    return tuple(keys)


def buckets(keys: Iterable[int]) -> Sequence[int]:
    """A packed slot's keys that are buckets: two bytes each, where a dict takes fifty."""
    return array("H", keys)


class _Sum(msgspec.Struct, Generic[K]):
    """The sum of the packed slots from second ``first`` to second ``last``."""

    first: int
    last: float
    counts: dict[K, int]


class Ring(Generic[K]):
    """Slots of one second, oldest first.  ``now`` must never go back; ``pack`` packs the keys."""

    def __init__(self, span: float, pack: Callable[[Iterable[K]], Sequence[K]]) -> None:
        if not span >= 1.0:
            raise ValueError(f"span {span} s: must be at least 1 s")
        self.span = span
        self._pack: Callable[[Iterable[K]], Sequence[K]] = pack
        self._seconds: list[int] = []  # of the packed slots
        self._slots: list[tuple[Sequence[K], Sequence[int]]] = []
        self._newest: dict[K, int] = {}
        self._second: float = -math.inf  # of the newest slot
        self._forgotten: float = -math.inf  # second of the last slot that was
        self._sums: dict[float, _Sum[K]] = {}

    def __len__(self) -> int:
        """How many slots there are."""
        return len(self._slots) + bool(self._newest)

    def add(self, counts: Mapping[K, int], now: float) -> None:
        """Count ``counts`` at ``now`` (seconds).  They are copied."""
        second = math.floor(now)
        if second != self._second:
            self._seal()
            self._second = second
            self.forget(now)
        newest = self._newest
        for key, n in counts.items():
            if n:
                newest[key] = newest.get(key, 0) + n

    def over(self, seconds: float, now: float) -> dict[K, int]:
        """All that was added in the last ``seconds``, in whole slots; the caller's to keep.

        Raises ValueError unless ``0 < seconds <= span``.
        """
        first = self._first(seconds, now)
        result = dict(self._sum(seconds, first))
        if self._second >= first:
            _add(result, self._newest.items())
        return result

    def changes_at(self, seconds: float, now: float) -> float:
        """When ``over(seconds)`` will be another without anything added; inf when it is empty.

        Raises ValueError unless ``0 < seconds <= span``.
        """
        first = self._first(seconds, now)
        place = bisect_left(self._seconds, first)
        if place < len(self._seconds):
            return self._seconds[place] + 1 + seconds
        return self._second + 1 + seconds if self._newest and self._second >= first else math.inf

    def forget(self, now: float) -> None:
        """Let go of what is older than the span."""
        oldest = math.floor(now - self.span) - _GRACE
        if self._second < oldest:
            self._seal()
            self._second = -math.inf
        gone = bisect_left(self._seconds, oldest)
        if gone:
            self._forgotten = self._seconds[gone - 1]
            del self._seconds[:gone], self._slots[:gone]
        if not self._slots:
            self._sums.clear()

    def _first(self, seconds: float, now: float) -> int:
        if not 0 < seconds <= self.span:
            raise ValueError(f"window {seconds} s: must be over 0 s and at most {self.span:g} s")
        return math.floor(now - seconds)

    def _seal(self) -> None:
        """Pack the newest slot: from now on it stays as it is."""
        if self._newest:
            packed = self._pack(self._newest), array("Q", self._newest.values())
            self._seconds.append(int(self._second))
            self._slots.append(packed)
            self._newest = {}

    def _sum(self, seconds: float, first: int) -> dict[K, int]:
        """The sum of the packed slots from ``first`` on."""
        kept = self._sums.get(seconds)
        if kept is None or not self._forgotten < kept.first <= first:
            if len(self._sums) >= SUMS_KEPT:
                self._sums.clear()
            kept = self._sums[seconds] = _Sum(first, -math.inf, {})
        start, begin = bisect_left(self._seconds, kept.first), bisect_left(self._seconds, first)
        end = bisect_right(self._seconds, kept.last)
        for slot in self._slots[start : min(begin, end)]:
            _take_off(kept.counts, zip(*slot, strict=True))
        for slot in self._slots[max(begin, end) :]:
            _add(kept.counts, zip(*slot, strict=True))
        kept.first = first
        if self._seconds:
            kept.last = self._seconds[-1]
        return kept.counts


def _add(counts: dict[K, int], slot: Iterable[tuple[K, int]]) -> None:
    for key, n in slot:
        counts[key] = counts.get(key, 0) + n


def _take_off(counts: dict[K, int], slot: Iterable[tuple[K, int]]) -> None:
    for key, n in slot:
        if counts[key] == n:
            del counts[key]
        else:
            counts[key] -= n
