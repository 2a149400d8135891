"""Getting entries into the history without making anybody wait for the disk.

Entries are written one after the other, in a thread.  What cannot be written stays pending, in
its order, and is tried again: after a second, then ever more seldom, up to half a minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from typing import Final

from proxy.errors import StateError
from proxy.store import Entry, Event, History

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1.0  # seconds
_LONGEST_PAUSE: Final = 30.0
_BATCH: Final = 500  # entries forced to the disk together
#: A desk that cannot write for days must not eat the memory; latches live in the Plan anyway.
MOST_PENDING: Final = 10_000


class Recorder:
    """The one writer of a history.  Belongs to one event loop."""

    def __init__(self, history: History, clock: Callable[[], float]) -> None:
        self.history = history
        self.error: str | None = None
        self.failures = 0
        self.lost = 0
        self._clock = clock
        self._pending: list[Entry] = []
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._pause = _FIRST_PAUSE

    @property
    def pending(self) -> int:
        return len(self._pending)

    def add(self, entry: Entry) -> None:
        """Write it as soon as the disk allows; returns at once."""
        if len(self._pending) >= MOST_PENDING:
            self._make_room()
        self._pending.append(entry)
        self.retry(self._clock())

    def retry(self, now: float) -> None:
        """Go on writing what is pending, unless it is going on or too early.

        Without a running loop the entries wait for the first call that has one.
        """
        early = 0 < self._retry_at - now <= _LONGEST_PAUSE  # further off: the clock was set back
        if not self._pending or early:
            return
        if self._task is not None and not self._task.done():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._task = loop.create_task(self._drain(), name="history")

    async def write(self, entry: Entry) -> None:
        """Write all that is pending and then this one, now.

        Raises StateError when that cannot be: then this entry is not in the history, and will
        not be.
        """
        async with self._turn:
            await self._flush()
            await self._append([entry])

    async def settle(self, seconds: float | None = None) -> None:
        """Wait for the writing that goes on, at most ``seconds``; failures stay pending."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=seconds)

    async def close(self) -> None:
        """One last attempt at what is pending, which is logged when it fails for good."""
        await self.settle()
        if self._pending:
            await self._drain()
        for entry in self._pending:
            log.error("history %s: never written: %s", self.history.path, entry)

    async def _drain(self) -> None:
        async with self._turn:
            try:
                await self._flush()
            except StateError:
                self._retry_at = self._clock() + self._pause
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    async def _flush(self) -> None:
        while self._pending:
            batch = list(islice(self._pending, _BATCH))
            await self._append(batch)
            written = {id(entry) for entry in batch}
            self._pending = [entry for entry in self._pending if id(entry) not in written]

    async def _append(self, entries: list[Entry]) -> None:
        try:
            await asyncio.to_thread(self.history.append_all, entries)
        except StateError as error:
            self.failures += 1
            if self.error != str(error):
                self.error = str(error)
                log.error("history: %s; what happens is kept and tried again", error)
            raise
        if self.error is not None:
            log.warning("history %s: can be written again", self.history.path)
        self.error, self._pause, self._retry_at = None, _FIRST_PAUSE, 0.0

    def _make_room(self) -> None:
        """Give up the oldest entry, one that no latch depends on before all others."""
        kept = (
            *(Event.REVERTED, Event.LATCH_ADOPTED, Event.REVERT_CLEARED),
            *(Event.HELD, Event.HOLD_CLEARED, Event.SHIFTED, Event.SHIFT_CLEARED),
        )
        place = next((i for i, it in enumerate(self._pending) if it.event not in kept), 0)
        log.error("history %s: gave up the entry %s", self.history.path, self._pending.pop(place))
        self.lost += 1
