"""Deadlines without a timer per request: one coarse sweep over whatever can expire.

A thing that can expire carries ``deadline`` (nanoseconds of the monotonic clock; NEVER for
none) and moves it by plain assignment.  A sweep of 10,000 things costs about half a
millisecond; ``call_later`` and its cancellation for each request would cost more than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

NEVER: Final = 1 << 62
SECOND: Final = 1_000_000_000


class Expiring(Protocol):
    """Something with a deadline."""

    deadline: int

    def expire(self, now: int) -> None:
        """Called in the first sweep after the deadline; ``now`` in nanoseconds."""


class Deadlines:
    """All that can expire in one worker."""

    __slots__ = ("_things",)

    def __init__(self) -> None:
        self._things: set[Expiring] = set()

    def add(self, thing: Expiring) -> None:
        self._things.add(thing)

    def discard(self, thing: Expiring) -> None:
        self._things.discard(thing)

    def sweep(self, now: int) -> int:
        """Expires what is due, and says how many were; what they change is seen next time."""
        due = [thing for thing in self._things if thing.deadline <= now]
        for thing in due:
            # An earlier one may have closed or renewed this one.
            if thing.deadline <= now and thing in self._things:
                thing.expire(now)
        return len(due)

    def __iter__(self) -> Iterator[Expiring]:
        return iter(list(self._things))

    def __len__(self) -> int:
        return len(self._things)
