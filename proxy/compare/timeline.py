"""Agreement over time, in a bounded number of equal steps.

A step is an hour; when there would be more than ``MOST`` of them, each is made twice as long, as
often as needed.  So the steps depend on what was added, never on its order or on who added it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.compare.agreement import Agreement, pooled

MOST: Final = 168
HOUR: Final = 3_600


class Moment(msgspec.Struct, frozen=True):
    """One step: it begins ``at`` (seconds since the epoch) and lasts ``seconds``."""

    at: float
    seconds: float
    pairs: int
    rows: int
    agreement: float
    low: float
    high: float


class Timeline(msgspec.Struct):
    """``steps`` maps the number of a step since the epoch to its agreement."""

    seconds: int = HOUR
    steps: dict[int, Agreement] = {}

    def add(self, at: float, rows: int, agreed: int, flips: int = 0) -> None:
        step = int(at // self.seconds)
        found = self.steps.get(step)
        if found is None:
            found = self.steps[step] = Agreement()
        found.add(rows, agreed, flips)
        if len(self.steps) > MOST:
            self._widen()

    def merge(self, other: Timeline) -> None:
        """``other`` is left as it is."""
        theirs = other
        while self.seconds < theirs.seconds:
            self._double()
        while theirs.seconds < self.seconds:
            theirs = theirs._doubled()
        for step, agreement in theirs.steps.items():
            self.steps.setdefault(step, Agreement()).merge(agreement)
        self._widen()

    def moments(self) -> tuple[Moment, ...]:
        """In the order of time; a step without pairs is not there."""
        made = []
        for step in sorted(self.steps):
            it = self.steps[step]
            low, high = it.span()
            at = float(step * self.seconds)
            made.append(Moment(at, float(self.seconds), it.pairs, it.rows, it.rate, low, high))
        return tuple(made)

    def _widen(self) -> None:
        while len(self.steps) > MOST:
            self._double()

    def _double(self) -> None:
        wider = self._doubled()
        self.seconds, self.steps = wider.seconds, wider.steps

    def _doubled(self) -> Timeline:
        wider: dict[int, Agreement] = {}
        for step, agreement in self.steps.items():
            found = wider.get(step // 2)
            wider[step // 2] = pooled((found, agreement) if found else (agreement,))
        return Timeline(self.seconds * 2, wider)
