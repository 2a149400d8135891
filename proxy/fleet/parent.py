"""The parent: spawn, hear, replace, one handler per signal, and the order of stopping.

It holds the listening sockets, so that a dead worker's queue of connections waits for its
successor, and it touches no request.  Children notice its end as end of file on their line.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import proxy
from proxy.fleet import descriptors, listening
from proxy.fleet import messages as m
from proxy.fleet.child import Child, wording
from proxy.routing.plan import Plan

log = logging.getLogger(__name__)

#: Seconds: a look at every child's silence; a start that takes longer than this hangs.
WATCH_EVERY: Final = 0.5
START_SILENCE: Final = 30.0
#: Connections half open when a younger instance takes over get this long to complete.
LINGER: Final = 0.25
#: Beyond the drain's own deadline, and for the desk's last words.
GRACE: Final = 5.0
DESK_STOP: Final = 10.0


@dataclass(frozen=True)
class Orders:
    """What a parent is to run; the commands get ``--control FD`` appended.  Seconds."""

    worker: Sequence[str]
    desk: Sequence[str]
    workers: int
    listen: tuple[str, int]
    admin: tuple[str, int]
    plan: Plan
    config: bytes = b""  # the content of the file, for the desk
    drain: float = 30.0
    silence: float = 10.0  # a child that says nothing for longer is killed and replaced


def run(orders: Orders) -> int:
    """Serve until told to stop.  0: stopped in order; 1: could not start, or was cut short.

    Raises CannotListen.
    """
    sockets = [listening.bind(*orders.listen, "listen")]
    # A port of 0 is chosen once, for all workers.
    host, port = orders.listen[0], sockets[0].getsockname()[1]
    sockets += [listening.bind(host, port, "listen") for _ in range(orders.workers - 1)]
    admin = listening.bind(*orders.admin, "admin")
    return asyncio.run(_run(orders, sockets, admin))


async def _run(orders: Orders, sockets: list[socket.socket], admin: socket.socket) -> int:
    return await Parent(orders, sockets, admin).run()


class Parent:
    def __init__(self, orders: Orders, sockets: list[socket.socket], admin: socket.socket) -> None:
        self._orders = orders
        self._sockets = sockets
        self._admin = admin
        self._kept = m.Kept(orders.plan, orders.config, orders.drain)
        self._desk = Child("desk", orders.desk, self._hear)
        self._workers = [
            Child(f"worker {number}", orders.worker, self._hear, number)
            for number in range(orders.workers)
        ]
        self._loop = asyncio.get_running_loop()
        self._serving = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reaped = asyncio.Event()
        self._restarts: set[asyncio.TimerHandle] = set()
        self._failed = False

    @property
    def _children(self) -> list[Child]:
        return [*self._workers, self._desk]

    async def run(self) -> int:
        self._mention_neighbours()
        limit = descriptors.raise_limit()
        if short := descriptors.shortage(limit, self._orders.plan.limits.connections):
            log.warning("%s", short)
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self._told_to_stop,
            signal.SIGINT: self._told_to_stop,
            signal.SIGHUP: self._told_to_reload,
            signal.SIGCHLD: self._reap,
        }
        for number, handler in handlers.items():
            self._loop.add_signal_handler(number, handler)
        for child in self._children:
            self._start(child)
        watch = asyncio.create_task(self._watch(), name="watch")
        await self._stop.wait()
        await self._wind_down()
        watch.cancel()
        return 1 if self._failed else 0

    def _mention_neighbours(self) -> None:
        if listening.listeners(self._sockets[0]):
            log.warning(
                "another instance serves on %s: sharing it until that one leaves",
                listening.url(self._sockets[0]),
            )

    # ---- children

    def _start(self, child: Child) -> None:
        now = self._loop.time()
        kept = self._kept
        try:
            if child is self._desk:
                child.start(m.DeskBirth(kept.config, kept.drain), self._admin, now)
            else:
                birth = m.WorkerBirth(child.number, kept.plan, kept.drain)
                child.start(birth, self._sockets[child.number], now)
        except OSError as error:  # no memory, processes or descriptors left just now
            self._ended(child, 0, f"no start: {error}", refused=True)
            return
        self._pair(child)

    def _pair(self, child: Child) -> None:
        """A channel between the desk and each worker, when ``child`` is new at one end."""
        for worker in self._workers if child is self._desk else [child]:
            if worker.alive and self._desk.alive:
                ours, theirs = socket.socketpair()
                worker.send(m.NewChannel(worker.number), ours)
                self._desk.send(m.NewChannel(worker.number), theirs)

    def _hear(self, child: Child, message: m.ToParent) -> None:
        child.heard = self._loop.time()
        match message:
            case m.Kept():
                self._kept = message
            case m.Ready() if not self._serving and all(one.ready for one in self._children):
                self._serving = True
                if not self._stop.is_set():
                    log.info("%s", self._banner())

    def _banner(self) -> str:
        models, workers = len(self._kept.plan.models), len(self._workers)
        return (
            f"pointsman {proxy.__version__}: serving {models} {_plural('model', models)} on "
            f"{listening.url(self._sockets[0])}, admin on {listening.url(self._admin)}, "
            f"{workers} {_plural('worker', workers)}"
        )

    def _reap(self) -> None:
        for child in self._children:
            pid = child.pid
            code = child.reap()
            if code is not None:
                self._reaped.set()
                self._ended(child, pid, wording(code), refused=code > 0)

    def _ended(self, child: Child, pid: int, how: str, refused: bool) -> None:
        """A child is gone; one that refuses to start at the very beginning ends us all."""
        if self._stop.is_set():
            if refused:
                log.warning("%s (pid %d) ended with %s", child.role, pid, how)
            return
        if refused and not self._serving:
            log.error("%s could not start (%s): stopping", child.role, how)
            self._failed = True
            self._stop.set()
            return
        pause = child.pause(self._loop.time())
        words = "%s (pid %d) ended with %s; a new one starts in %.1f s"
        log.error(words, child.role, pid, how, pause)

        def start() -> None:
            self._restarts.discard(handle)
            self._start(child)

        handle = self._loop.call_later(pause, start)
        self._restarts.add(handle)

    async def _watch(self) -> None:
        """Kill a child whose loop has stopped turning; SIGCHLD then replaces it."""
        while True:
            before = self._loop.time()
            await asyncio.sleep(WATCH_EVERY)
            now = self._loop.time()
            for child in self._children:
                if now - before > 2 * WATCH_EVERY:
                    child.heard = now  # we were stopped ourselves: their words may lie unread
                limit = self._orders.silence if child.ready else START_SILENCE
                if child.alive and now - child.heard > limit:
                    log.error(
                        "%s (pid %d) has been silent for %.1f s, allowed are %.1f s: killing it",
                        child.role,
                        child.pid,
                        now - child.heard,
                        limit,
                    )
                    child.kill()

    # ---- signals

    def _told_to_stop(self) -> None:
        if self._stop.is_set():
            log.warning("told to stop again: cutting what still runs")
            self._failed = True
            self._hurry.set()
            self._reaped.set()
        self._stop.set()

    def _told_to_reload(self) -> None:
        if not self._stop.is_set():
            self._desk.send(m.Reload())

    # ---- stopping is a list

    async def _wind_down(self) -> None:
        for handle in self._restarts:
            handle.cancel()
        await self._hand_over()
        for sock in self._sockets:
            sock.close()  # the workers hold the last copies, and empty the queues
        for worker in self._workers:
            worker.send(m.Drain(self._kept.drain))
        await self._gone(self._workers, self._kept.drain + GRACE)
        self._desk.send(m.Stop())
        await self._gone([self._desk], DESK_STOP)
        self._admin.close()

    async def _hand_over(self) -> None:
        """When a younger instance shares the address, it gets all new connections first."""
        younger = listening.steer_away(self._sockets[0], len(self._sockets))
        listening.steer_away(self._admin, 1)
        if younger and self._serving:
            log.info("stopping: another instance takes over %s", listening.url(self._sockets[0]))
            await asyncio.sleep(LINGER)
        elif self._serving:
            log.info("stopping: finishing what runs, for at most %g s", self._kept.drain)

    async def _gone(self, children: Iterable[Child], seconds: float) -> None:
        """Wait until all have ended; kill those that have not after ``seconds``, or in a hurry."""
        children = list(children)
        try:
            async with asyncio.timeout(seconds):
                while any(child.alive for child in children) and not self._hurry.is_set():
                    self._reaped.clear()
                    await self._reaped.wait()
        except TimeoutError:
            self._failed = True
        late = [child for child in children if child.alive]
        for child in late:
            if not self._hurry.is_set():
                log.error("%s (pid %d) did not stop in time: killing it", child.role, child.pid)
            child.kill()
        while any(child.alive for child in late):
            self._reaped.clear()
            await self._reaped.wait()


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
