"""The last minutes of one series, in slots of one second.  Time is an argument.

Memory is bounded by the span: one slot a second, and a slot is one Tally, whose buckets are
finite.  Seconds in which nothing came cost nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from typing import Final, Generic, TypeVar

from proxy.measure.tally import ModelTally, Tally, merge, merge_model

T = TypeVar("T")

SPAN: Final = 900.0  # seconds

_SUMS_KEPT: Final = 8  # different window lengths that are asked for again and again


class _Ring(ABC, Generic[T]):
    """Slots of one second, oldest first; only the newest still changes.

    So the sum of all the others is kept for each length that is asked for, and a question that
    comes ten times a second merges the slots once.
    """

    def __init__(self, span: float = SPAN) -> None:
        if not span >= 1.0:
            raise ValueError(f"span {span} s: must be at least 1 s")
        self.span = span
        self._slots: deque[tuple[int, T]] = deque()
        self._sums: dict[float, tuple[int, int, T]] = {}
        self._latest = -math.inf
        self._shift = 0.0

    @abstractmethod
    def _empty(self) -> T:
        """A tally without a count."""

    @abstractmethod
    def _merge(self, into: T, other: T) -> None:
        """Adds ``other`` to ``into``."""

    def add(self, tally: T, now: float) -> None:
        """Count ``tally`` at ``now`` (seconds).  It is copied, so the caller may go on with it."""
        second = math.floor(self._advance(now))
        if not self._slots or self._slots[-1][0] < second:
            self._slots.append((second, self._empty()))
        self._merge(self._slots[-1][1], tally)

    def over(self, seconds: float, now: float) -> T:
        """All that was added in the last ``seconds``, in whole slots; the caller's to keep.

        The oldest slot counts in whole, so the sum covers up to one second more than asked,
        never less.  Raises ValueError unless ``0 < seconds <= span``.
        """
        if not 0 < seconds <= self.span:
            raise ValueError(f"window {seconds} s: must be over 0 s and at most {self.span:g} s")
        now = self._advance(now)
        first, second = math.floor(now - seconds), math.floor(now)
        result = self._empty()
        self._merge(result, self._sealed(seconds, first, second))
        if self._slots and self._slots[-1][0] == second:
            self._merge(result, self._slots[-1][1])
        return result

    def _sealed(self, seconds: float, first: int, second: int) -> T:
        """The sum of the slots from ``first`` that can no longer change."""
        kept = self._sums.get(seconds)
        if kept is not None and kept[:2] == (first, second):
            return kept[2]
        total = self._empty()
        for at, tally in self._slots:
            if first <= at < second:
                self._merge(total, tally)
        if len(self._sums) >= _SUMS_KEPT:
            self._sums.clear()
        self._sums[seconds] = (first, second, total)
        return total

    def _advance(self, now: float) -> float:
        """``now`` on a clock that never goes back, and forget what is older than the span.

        A wall clock that is set back would otherwise fill one slot until it has caught up; the
        slots keep their distances instead.  Less than a second is only events out of order.
        """
        now += self._shift
        if now < self._latest - 1.0:
            self._shift += self._latest - now
        self._latest = max(self._latest, now)
        oldest = math.floor(self._latest - self.span)
        while self._slots and self._slots[0][0] < oldest:
            self._slots.popleft()
        return self._latest


class Window(_Ring[Tally]):
    """The last minutes of one series: (model, version, arm, segment), from every worker.

    The first Tally names the series, and ``over`` answers with these names.  ``streak`` of its
    answers means nothing once several workers report; ``longest_streak`` does.
    """

    _names: tuple[str, str, str, str] | None = None

    def add(self, tally: Tally, now: float) -> None:
        """Count ``tally`` at ``now`` (seconds).

        Raises ValueError for another series: evidence about one version must never be read as
        evidence about another.
        """
        names = (tally.model, tally.version, tally.arm, tally.segment)
        if self._names is None:
            self._names = names
        elif names != self._names:
            raise ValueError(f"tally of {names} in the window of {self._names}")
        super().add(tally, now)

    def _empty(self) -> Tally:
        return Tally(*(self._names or ("", "", "", "")))

    def _merge(self, into: Tally, other: Tally) -> None:
        merge(into, other)


class ModelWindow(_Ring[ModelTally]):
    """The last minutes of what belongs to one model and no single version."""

    def _empty(self) -> ModelTally:
        return ModelTally("")

    def _merge(self, into: ModelTally, other: ModelTally) -> None:
        into.model = other.model
        merge_model(into, other)
