"""The last minutes of one series, second by second.  Time is an argument.

Memory is bounded by the spans: one slot a second, and a slot holds outcomes, and the buckets that
were hit.  Seconds in which nothing came cost nothing.  Buckets are most of it, so they are kept
only for as long as somebody may ask for durations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from proxy.measure.ring import Ring, buckets, names
from proxy.measure.tally import Tally

SPAN: Final = 900.0  # seconds


class Spans(NamedTuple):
    """For how many seconds a window remembers outcomes, total times, times to first bytes."""

    counts: float = SPAN
    totals: float = SPAN
    first_bytes: float = SPAN


class Steady:
    """A clock that never goes back.

    A wall clock that is set back would fill one slot until it has caught up; the slots keep their
    distances instead.  Less than a second is only events out of order.
    """

    def __init__(self) -> None:
        self._latest = -math.inf
        self._shift = 0.0

    def at(self, now: float) -> float:
        """What this clock shows when the other one shows ``now``."""
        now += self._shift
        if now < self._latest - 1.0:
            self._shift += self._latest - now
        self._latest = max(self._latest, now)
        return self._latest


class Window:
    """The last minutes of one series: (model, version, arm, segment), from every worker.

    The first Tally names the series, and the answers carry these names.  Counts and durations
    only: streaks do not add up over workers, and nobody asks for bytes.
    """

    def __init__(self, spans: Spans | None = None) -> None:
        spans = spans or Spans()
        self._names: tuple[str, str, str, str] = ("", "", "", "")
        self._clock = Steady()
        self._outcomes = Ring(spans.counts, names)
        self._totals = Ring(spans.totals, buckets)
        self._first_bytes = Ring(spans.first_bytes, buckets)

    @property
    def spans(self) -> Spans:
        return Spans(self._outcomes.span, self._totals.span, self._first_bytes.span)

    def reach(self, spans: Spans) -> None:
        """From now on remember for so long.  What is forgotten does not come back."""
        self._outcomes.span = spans.counts
        self._totals.span = spans.totals
        self._first_bytes.span = spans.first_bytes

    def add(self, tally: Tally, now: float) -> None:
        """Count ``tally`` at ``now`` (seconds).  It is copied, so the caller may go on with it.

        Raises ValueError for another series: evidence about one version must never be read as
        evidence about another.
        """
        series = (tally.model, tally.version, tally.arm, tally.segment)
        if series != self._names:
            if any(self._names):
                raise ValueError(f"tally of {series} in the window of {self._names}")
            self._names = series
        now = self._clock.at(now)
        self._outcomes.add(tally.outcomes, now)
        self._totals.add(tally.total, now)
        self._first_bytes.add(tally.first_byte, now)

    def over(self, seconds: float, now: float) -> Tally:
        """All that is remembered of the last ``seconds``, in whole slots; the caller's to keep.

        The oldest slot counts in whole, so the sum covers up to one second more than asked,
        never less.  Raises ValueError unless ``0 < seconds`` and all spans reach so far.
        """
        now = self._clock.at(now)
        return Tally(
            *self._names,
            outcomes=self._outcomes.over(seconds, now),
            total=self._totals.over(seconds, now),
            first_byte=self._first_bytes.over(seconds, now),
        )

    def counts(self, seconds: float, now: float) -> Tally:
        """Of ``over`` only the outcomes: cheap, and remembered for longer."""
        now = self._clock.at(now)
        return Tally(*self._names, outcomes=self._outcomes.over(seconds, now))

    def totals(self, seconds: float, now: float) -> Tally:
        """Of ``over`` only the total times."""
        now = self._clock.at(now)
        return Tally(*self._names, total=self._totals.over(seconds, now))

    def counts_change_at(self, seconds: float, now: float) -> float:
        """When ``counts(seconds)`` will be others by the time alone; inf when there are none."""
        return self._outcomes.changes_at(seconds, self._clock.at(now))

    def totals_change_at(self, seconds: float, now: float) -> float:
        """When ``totals(seconds)`` will be others by the time alone; inf when there are none."""
        return self._totals.changes_at(seconds, self._clock.at(now))

    def forget(self, now: float) -> None:
        """Let go of what is older than the spans, which ``add`` does by itself."""
        now = self._clock.at(now)
        self._outcomes.forget(now)
        self._totals.forget(now)
        self._first_bytes.forget(now)


class Decisions:
    """How many customers each arm of one model was given in the last minutes."""

    def __init__(self, span: float = SPAN) -> None:
        self._clock = Steady()
        self._arms = Ring(span, names)

    def add(self, customers: Mapping[str, int], now: float) -> None:
        """Count arm -> decisions at ``now`` (seconds).  They are copied."""
        self._arms.add(customers, self._clock.at(now))

    def over(self, seconds: float, now: float) -> dict[str, int]:
        """Arm -> decisions in the last ``seconds``, in whole slots, as a Window's."""
        return self._arms.over(seconds, self._clock.at(now))

    def forget(self, now: float) -> None:
        self._arms.forget(self._clock.at(now))
