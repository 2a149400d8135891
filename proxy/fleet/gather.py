"""The desk's side of all channels: what the workers say goes to the desk, its Plans to them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from proxy.fleet import messages as m
from proxy.fleet.channel import Channel, connect
from proxy.fleet.framing import frame
from proxy.fleet.plans import PlanWriter
from proxy.measure.tally import Report
from proxy.net import Tasks
from proxy.routing.plan import Plan
from proxy.terms import Latch, Logged

log = logging.getLogger(__name__)

_up = msgspec.msgpack.Decoder(m.Up)


class Desk(Protocol):
    """What the workers' words are given to."""

    @property
    def plan(self) -> Plan: ...
    def hello(self, worker: int, plan_number: int, latches: Sequence[Latch], pid: int) -> None: ...
    def report(self, worker: int, report: Report) -> None: ...
    def lost(self, worker: int) -> None: ...


class _Link:
    """One worker's channel.  It counts from its Hello on; before, nothing is sent to it."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.channel: Channel[m.Up] | None = None
        self.greeted = False
        self.sent = -1  # number of the last plan sent here

    @property
    def open(self) -> Channel[m.Up] | None:
        """The channel while there is something to be gained by sending."""
        ready = self.greeted and self.channel is not None and not self.channel.crowded
        return self.channel if ready else None


class Gather:
    """All channels of one desk.

    ``sealed`` adds to a Plan what only workers may know; ``lines`` gets the access log's lines.
    ``failed`` is called when the desk cannot take what a worker says: a judge that misses words
    must not go on judging, so the process ends.
    """

    def __init__(
        self,
        sealed: Callable[[Plan], Plan],
        lines: Callable[[list[Logged]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._sealed = sealed
        self._lines = lines
        self._failed = failed
        self._desk: Desk | None = None
        self._links: dict[int, _Link] = {}
        self._early: list[tuple[int, socket.socket]] = []
        self._writer = PlanWriter()
        self._last: tuple[Plan, bytes] | None = None  # the plan that was framed last
        self._tasks = Tasks()
        self._changed = asyncio.Event()

    def serve(self, desk: Desk) -> None:
        """The desk whom all that comes is for; nobody is heard before it is there."""
        self._desk = desk
        for worker, sock in self._early:
            self.attach(worker, sock)
        self._early.clear()

    def attach(self, worker: int, sock: socket.socket) -> None:
        """A new channel to ``worker``; one that it had before is closed."""
        if self._desk is None:
            self._early.append((worker, sock))
            return
        if (old := self._links.pop(worker, None)) is not None:
            self._end(old)
        link = _Link(worker)
        self._links[worker] = link
        link.channel = Channel(
            _up, lambda message: self._hear(link, message), lambda: self._lost(link)
        )
        self._tasks.start(connect(sock, link.channel), f"channel to worker {worker}")

    def publish(self, plan: Plan) -> None:
        """Give ``plan`` to every worker now.  Never waits."""
        for link in self._links.values():
            self._offer(link, plan)

    def beat(self) -> None:
        """Tell every worker that the desk has just judged; and the plan, to whoever missed it."""
        assert self._desk is not None
        for link in self._links.values():
            self._greet(link)

    async def all_gone(self, seconds: float) -> bool:
        """Wait until every worker has said its last word; False when some had not."""
        try:
            async with asyncio.timeout(seconds):
                while self._links:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        for link in list(self._links.values()):
            self._end(link)
        await self._tasks.cancel()

    def _hear(self, link: _Link, message: m.Up) -> None:
        assert self._desk is not None
        if self._links.get(link.worker) is not link:
            return
        try:
            match message:
                case m.Hello(pid=pid, plan_number=number, latches=latches):
                    log.info("worker %d (pid %d) has plan %d", link.worker, pid, number)
                    self._desk.hello(link.worker, number, latches, pid)
                    link.greeted = True
                    self._greet(link)
                case m.ReportMessage(report=report) if link.greeted:
                    self._lines(report.log)
                    self._desk.report(link.worker, report)
                case _:
                    log.error("worker %d reported before its Hello", link.worker)
        except Exception as error:
            self._failed(error)

    def _greet(self, link: _Link) -> None:
        """The plan and a heartbeat: a new worker must not keep customers from their canary for
        longer than it takes to say hello."""
        assert self._desk is not None
        self._offer(link, self._desk.plan)
        if (channel := link.open) is not None:
            channel.send(m.Heartbeat())

    def _offer(self, link: _Link, plan: Plan) -> None:
        """Send ``plan`` unless it was sent, or the worker does not read: then at a later beat."""
        if plan.number != link.sent and (channel := link.open) is not None:
            link.sent = plan.number
            channel.send_framed(self._framed(plan))

    def _framed(self, plan: Plan) -> bytes:
        """Once for all workers."""
        if self._last is None or self._last[0] is not plan:
            self._last = plan, frame(self._writer.message(self._sealed(plan)))
        return self._last[1]

    def _lost(self, link: _Link) -> None:
        if self._links.get(link.worker) is link:
            del self._links[link.worker]
            self._end(link)

    def _end(self, link: _Link) -> None:
        self._changed.set()
        if link.channel is not None:
            link.channel.abort()
        if link.greeted and self._desk is not None:
            self._desk.lost(link.worker)
