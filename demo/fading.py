"""How version 3 goes bad: pure, so that the tests can know it without a model server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of one request to version 3."""

    GOOD = "good"
    ERROR = "error"
    SLOW = "slow"


@dataclass
class Fading:
    """Well for ``good_requests`` or ``good_seconds`` after the first, whichever ends first.

    Afterwards two of three requests end in an error and the third is right but late.
    """

    good_requests: int
    good_seconds: float
    _asked: int = 0
    _first: float | None = None

    def next(self, now: float) -> Fate:
        """The fate of a request that came at ``now``, in seconds on any clock."""
        self._asked += 1
        if self._first is None:
            self._first = now
        fresh = self._asked <= self.good_requests and now - self._first < self.good_seconds
        if fresh:
            return Fate.GOOD
        return Fate.SLOW if self._asked % 3 == 0 else Fate.ERROR
