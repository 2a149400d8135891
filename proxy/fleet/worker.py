"""One worker: a data plane, its line to the parent and its channel to the desk.

``python -m proxy.fleet.worker --control FD``.  Loads nothing of the desk.  Stopping is a list:
stop accepting, finish, cut at the deadline, last report, leave.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import uvloop

from proxy.errors import CannotListen
from proxy.fleet import control, listening, logs
from proxy.fleet import messages as m
from proxy.fleet.channel import Channel, connect
from proxy.fleet.plans import DownDecoder
from proxy.fleet.reports import framed_report
from proxy.measure.tally import Report
from proxy.net import Tasks
from proxy.routing.plan import Plan
from proxy.traffic import Plane

log = logging.getLogger(__name__)

#: Seconds between two reports, and between two beats to the parent.
REPORT_EVERY: Final = 0.25
BEAT_EVERY: Final = 1.0
#: How often a draining worker looks whether its queue is empty before it closes all the same.
_LOOKS: Final = 200
_LAST_WORDS: Final = 1.0  # seconds for the desk to take the last report


class DataPlane(Protocol):
    """What a worker needs of the data plane."""

    async def listen(self, sock: socket.socket) -> None: ...
    def apply(self, plan: Plan) -> None: ...
    def desk_heard(self) -> None: ...
    def report(self, whole: bool = False) -> Report: ...
    async def drain(self, seconds: float) -> None: ...
    @property
    def plan(self) -> Plan | None: ...


class Born(NamedTuple):
    """What a worker has from its birth message."""

    number: int
    plane: DataPlane
    socket: socket.socket
    drain: float


class Worker:
    """Lives from its birth message to the end of its drain; ``run`` is the whole of it."""

    def __init__(self, line: socket.socket, make_plane: Callable[[int], DataPlane]) -> None:
        loop = asyncio.get_running_loop()
        self._make_plane = make_plane
        self._birth: asyncio.Future[Born] = loop.create_future()
        self._drain: asyncio.Future[float] = loop.create_future()
        self._channel: Channel[m.Down] | None = None
        self._channel_gone = asyncio.Event()
        self._down = DownDecoder()
        self._first = True  # report on this channel: its desk knows nothing yet
        self._tasks = Tasks()
        self._control = control.Control(line, control.to_child, self._on_control, self._stop)

    async def run(self) -> None:
        """Serve until told to drain.  Raises CannotListen."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        await _first(self._birth, self._drain)
        if not self._birth.done():
            return
        await self._begin(self._birth.result())
        chores = [
            self._tasks.start(self._report_for_ever(), "reports"),
            self._tasks.start(self._beat_for_ever(), "beats"),
        ]
        await _first(self._drain, *chores)
        self._stop()
        await self._finish(self._birth.result(), self._drain.result())
        for chore in chores:
            if not chore.cancelled():
                chore.result()  # one that failed is why we stopped: a mute worker is replaced

    async def _begin(self, born: Born) -> None:
        logs.configure(f"worker {born.number}")
        listening.listen(born.socket)
        await born.plane.listen(born.socket)
        settle_memory()
        self._control.send(m.Ready(os.getpid()))

    async def _finish(self, born: Born, seconds: float) -> None:
        await _empty_queue(born.socket)
        await born.plane.drain(seconds)
        await self._tasks.cancel()
        self._report()
        if self._channel is not None:
            self._channel.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._channel_gone.wait(), _LAST_WORDS)
        self._control.close()

    def _stop(self, seconds: float | None = None) -> None:
        """Drain, for at most ``seconds``, else for as long as was said at birth.  Once."""
        if not self._drain.done():
            usual = self._birth.result().drain if self._birth.done() else 0.0
            self._drain.set_result(usual if seconds is None else seconds)

    # ---- the parent's line

    def _on_control(self, message: m.ToChild, brought: socket.socket | None) -> None:
        match message:
            case m.WorkerBirth(worker=number) if brought is not None:
                try:
                    plane = self._make_plane(number)
                    plane.apply(message.plan)
                except Exception as error:  # a loop's callback would only log it
                    self._birth.set_exception(error)
                else:
                    self._birth.set_result(Born(number, plane, brought, message.drain))
            case m.NewChannel() if brought is not None:
                self._tasks.start(self._meet_desk(brought), "meet the desk")
            case m.Drain(seconds=seconds):
                self._stop(seconds)
            case _:
                log.error("the parent sent %s, which is not for a worker", type(message).__name__)

    # ---- the desk's channel

    async def _meet_desk(self, sock: socket.socket) -> None:
        """Say Hello on a new channel; the one before is gone, or belongs to a desk that is."""
        if self._channel is not None:
            self._channel.abort()
        channel: Channel[m.Down] = Channel(
            self._down, self._on_desk, lambda: self._desk_lost(channel)
        )
        await connect(sock, channel)
        self._channel = channel
        self._first = True
        self._channel_gone.clear()
        born = self._birth.result()
        plan = born.plane.plan
        number, latches = (plan.number, plan.latches) if plan else (0, ())
        channel.send(m.Hello(born.number, os.getpid(), number, latches))

    def _on_desk(self, message: m.Down) -> None:
        plane = self._birth.result().plane
        match message:
            case m.Heartbeat():
                plane.desk_heard()
            case m.PlanMessage(plan=plan):
                # A desk that has not heard every worker's Hello may know less than this one.
                if plane.plan is None or plan.number >= plane.plan.number:
                    plane.apply(plan)

    def _desk_lost(self, channel: Channel[m.Down]) -> None:
        if self._channel is channel:
            self._channel = None
            self._channel_gone.set()

    def _report(self) -> None:
        """Send what was counted, or let it add up in the plane while the desk does not read."""
        if self._channel is not None and not self._channel.crowded:
            report = self._birth.result().plane.report(whole=self._first)
            self._channel.send_framed(framed_report(report))
            self._first = False

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY)
            self._report()

    async def _beat_for_ever(self) -> None:
        while True:
            if not self._control.crowded:
                self._control.send(m.Beat())
            await asyncio.sleep(BEAT_EVERY)


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _empty_queue(sock: socket.socket) -> None:
    """Closing a listening socket resets whoever waits in its queue: accept them first."""
    for _ in range(_LOOKS):
        await asyncio.sleep(0)  # lets the loop accept
        if sock.fileno() < 0 or not listening.waiting(sock):
            return


def settle_memory() -> None:
    """What start left behind is never garbage: keep the collector away from it.

    The data plane makes no cycles per request, so collections can be rare (speed.md: a full
    one is a pause of milliseconds).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _live(fd: int, make_plane: Callable[[int], DataPlane]) -> int:
    try:
        await Worker(socket.socket(fileno=fd), make_plane).run()
    except CannotListen as error:
        log.error("%s", error)
        return 1
    return 0


def main(arguments: list[str] | None = None, make_plane: Callable[[int], DataPlane] = Plane) -> int:
    """A worker's whole life; returns its exit code: 0 drained, 1 could not listen."""
    parser = argparse.ArgumentParser(prog="pointsman-worker", description=__doc__)
    parser.add_argument("--control", type=int, required=True, help="inherited socket's number")
    options = parser.parse_args(arguments)
    logs.configure("worker")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live(options.control, make_plane))


if __name__ == "__main__":
    raise SystemExit(main())
