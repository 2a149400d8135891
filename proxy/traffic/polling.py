"""Busy polling (``busy_poll``): after traffic a worker goes on looking for a while, awake.

A loop with nothing to do sleeps in the kernel, and waking it costs more than a request does.
For who would rather pay with a core, a callback that arms itself again keeps the loop from
sleeping until nothing has come for as long as the Plan says.  Then it stops by itself: a worker
without traffic costs nothing.  Switched off, no connection knows of this file.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import TYPE_CHECKING

from proxy.net import Deadlines
from proxy.traffic.connection import CallerConnection
from proxy.traffic.forward import UpstreamConnection

if TYPE_CHECKING:
    from proxy.traffic.pools import UpstreamPool


class Poller:
    """Keeps the loop awake for ``span`` nanoseconds after each sign of traffic; 0 is never."""

    __slots__ = ("_awake", "_loop", "_seen", "_until", "span")

    def __init__(self) -> None:
        self.span = 0
        self._seen = False
        self._awake = False
        self._until = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def stir(self) -> None:
        """Something came."""
        self._seen = True
        if not self._awake:
            self._awake = True
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        now = perf_counter_ns()
        if self._seen:
            self._seen = False
            self._until = now + self.span
        if now < self._until and self.span and self._loop is not None:
            self._loop.call_soon(self._look)
        else:
            self._awake = False


class PolledCaller(CallerConnection):
    """A caller whose requests keep the worker awake."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        self._plane.poller.stir()
        CallerConnection.data_received(self, data)


class PolledUpstream(UpstreamConnection):
    """A connection to an upstream whose answers keep the worker awake."""

    __slots__ = ("_poller",)

    def __init__(self, pool: UpstreamPool, deadlines: Deadlines, poller: Poller) -> None:
        super().__init__(pool, deadlines)
        self._poller = poller

    def data_received(self, data: bytes) -> None:
        self._poller.stir()
        UpstreamConnection.data_received(self, data)
