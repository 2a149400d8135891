"""The data plane of one worker: everything that a caller's connection reaches for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import secrets
import socket
from collections.abc import Callable, Iterator
from hashlib import blake2b
from time import perf_counter_ns
from typing import Final

from proxy.measure.tally import EndpointState, Report
from proxy.net import Deadlines, Tasks
from proxy.routing.plan import HealthProbe, ListenerLimits, ModelPlan, Plan, ShadowPlan
from proxy.traffic import arriving
from proxy.traffic.board import Board, Stock, nanoseconds
from proxy.traffic.connection import PROXY_ERROR, CallerConnection
from proxy.traffic.copying import DRAIN, Copy
from proxy.traffic.evidence import EvidenceBook
from proxy.traffic.forward import UpstreamConnection
from proxy.traffic.mirror import Mirror
from proxy.traffic.polling import PolledCaller, PolledUpstream, Poller
from proxy.traffic.pools import UpstreamPool
from proxy.traffic.probing import probe_for_ever
from proxy.traffic.recording import Recording
from proxy.traffic.upstreams import Upstream
from proxy.wire import HeadMemory, RequestBook

_SWEEP_SECONDS: Final = 0.1
#: Who is idle for this long when draining is closed; who has just come, or was just answered,
#: most likely has its next request on the way.
_IDLE_SECONDS: Final = 1.0
_BACKLOG: Final = 4096


class Plane:
    """Serves callers by the Plan in force; knows nothing of the desk but whether it is heard.

    ``chance`` draws a key for a request without one.
    """

    def __init__(self, worker: int, chance: Callable[[], bytes] | None = None) -> None:
        self.worker = worker
        self.chance = chance or (lambda: random.randbytes(8))  # noqa: S311
        self.board: Board | None = None
        self.heads = HeadMemory(RequestBook())
        self.limits = ListenerLimits()
        self.deadlines = Deadlines()
        self.recording = Recording()
        self.poller = Poller()
        self.draining = False
        self.logs = False
        self._tasks = Tasks()
        self.evidence = EvidenceBook(self.hashed)
        self._stock = Stock(self._tasks, self.recording, self.evidence, self._connection)
        self._live: Board | None = None  # the Plan as it is
        self._safe: Board | None = None  # the same, with every customer on stable
        self._mirrors: dict[str, dict[str, Mirror]] = {}  # model -> version
        self._probes: dict[tuple[Upstream, HealthProbe], asyncio.Task[None]] = {}
        self._callers: set[CallerConnection] = set()
        self._doors: list[tuple[asyncio.Server, socket.socket]] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._heard_at: int | None = None
        self._reported_at = perf_counter_ns()
        self._busy: set[str] = set()  # models with something under way at the last report
        self._gone: list[EndpointState] = []  # what the next report takes back
        self._keyed = blake2b(digest_size=8)  # customers' keys are hashed by it
        # Unique over workers and restarts; the counter makes it unique within one.
        self.ids = _request_ids(secrets.token_hex(8).encode())
        self._take_limits(self.limits)

    # --- the Plan ---

    @property
    def plan(self) -> Plan | None:
        return None if self._live is None else self._live.plan

    def apply(self, plan: Plan) -> None:
        """Swaps the Plan in memory; requests under way finish by the old one."""
        self._live = Board(plan, self._stock, self._mirror, self._live)
        self._safe = self._live.without_canaries()
        self._gone += self._stock.retire(self._live)
        self._retire_mirrors(self._live)
        self.evidence.retire(self._live.by_name)
        self.heads = self._live.heads
        self.heads.forget()  # what was prepared by the Plan before
        self._keyed = blake2b(digest_size=8, key=plan.hash_key.encode()[:64])
        self._take_limits(plan.limits)
        self.poller.span = 0 if self.draining else nanoseconds(plan.busy_poll)
        self._choose_board()
        self._start_probes(self._live)

    def desk_heard(self) -> None:
        """The desk is alive: canaries may be served until it has been silent for too long."""
        self._heard_at = perf_counter_ns()
        if self.board is not self._live:
            self._choose_board()

    @property
    def desk_silent(self) -> bool:
        """The dead-man switch (promise 3): no judge, no canary."""
        if self._heard_at is None or self._live is None:
            return True
        return perf_counter_ns() - self._heard_at > nanoseconds(self._live.plan.desk_silence)

    def _choose_board(self) -> None:
        self.board = self._safe if self.desk_silent else self._live
        self.logs = self.board is not None and self.board.log_share is not None

    def _take_limits(self, limits: ListenerLimits) -> None:
        self.limits = limits
        self.small_head = arriving.never_too_long(limits)
        self.head_ns = nanoseconds(limits.head_seconds)
        self.body_ns = nanoseconds(limits.body_seconds)
        self.idle_ns = nanoseconds(limits.idle_seconds)

    def _mirror(self, model: ModelPlan, shadow: ShadowPlan) -> Mirror:
        mirrors = self._mirrors.setdefault(model.name, {})
        mirror = mirrors.get(shadow.version)
        if mirror is None:
            mirror = mirrors[shadow.version] = Mirror(self, model, shadow, self._stock)
        else:
            mirror.configure(model, shadow, self._stock)
        return mirror

    def _retire_mirrors(self, board: Board) -> None:
        """Forgets the shadows that no Plan names any more, once their copies are over."""
        for model, mirrors in list(self._mirrors.items()):
            route = board.by_name.get(model)
            named = () if route is None else route.mirrors
            for version, mirror in list(mirrors.items()):
                if mirror not in named and not mirror.in_flight:
                    del mirrors[version]
            if not mirrors:
                del self._mirrors[model]

    def _start_probes(self, board: Board) -> None:
        """One probe per endpoint that asks for one; those of the last Plan are kept or ended."""
        wanted = {
            (upstream, version.health)
            for route in board.made
            for version in route.plan.versions
            if version.health is not None
            for upstream in route.upstreams
            if upstream.place.version == version.name
        }
        changed = board.gone.union(*[route.upstreams for route in board.made])
        for key in [key for key in self._probes if key[0] in changed and key not in wanted]:
            self._probes.pop(key).cancel()
            # Nobody would take back what the last check found.
            key[0].health.probe_passed(perf_counter_ns() / 1e9)
            key[0].stir()
        for upstream, probe in wanted - self._probes.keys():
            task = self._tasks.start(probe_for_ever(upstream, probe), f"probe {upstream.endpoint}")
            self._probes[upstream, probe] = task

    # --- serving ---

    async def listen(self, sock: socket.socket) -> None:
        """Serves callers who connect to ``sock``, which listens already."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._caller, sock=sock, backlog=_BACKLOG)
        self._doors.append((server, sock))
        if self._sweeping is None:
            self._sweep(loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        self.deadlines.sweep(perf_counter_ns())
        if self.board is self._live and self.desk_silent:
            self._choose_board()

    def admit(self, caller: CallerConnection) -> bool:
        """Takes a new caller in; False when all places are taken."""
        self._callers.add(caller)
        self.deadlines.add(caller)
        caller.idle_since = perf_counter_ns()
        caller.deadline = caller.idle_since + self.idle_ns
        return len(self._callers) <= self.limits.connections

    def forget(self, caller: CallerConnection) -> None:
        self._callers.discard(caller)
        self.deadlines.discard(caller)

    def customer(self, key: bytes, known: bool) -> str:
        """The customer as it may be kept and shown: a keyed hash (promise 12)."""
        if not known:
            return ""
        board = self.board
        if board is not None and board.log_customers == "plain":
            return key.decode("utf-8", "backslashreplace")
        return self.hashed(key)

    def hashed(self, key: bytes) -> str:
        """The customer as the judge knows him, whatever the access log shows."""
        hashed = self._keyed.copy()
        hashed.update(key)
        return hashed.hexdigest()

    def _caller(self) -> CallerConnection:
        return PolledCaller(self) if self.poller.span else CallerConnection(self)

    def _connection(self, pool: UpstreamPool) -> UpstreamConnection:
        if self.poller.span:
            return PolledUpstream(pool, self.deadlines, self.poller)
        return UpstreamConnection(pool, self.deadlines)

    # --- telling ---

    def report(self, whole: bool = False) -> Report:
        """All that was counted since the last call, and the endpoints that have changed.

        ``whole``: every endpoint, for a desk that knows nothing yet.  Else it costs what was
        touched since, not what the Plan names: it runs on the traffic's loop.
        """
        now = perf_counter_ns()
        self._busy.update([counts.name for counts in self.recording.touched_models])
        report = self.recording.report((now - self._reported_at) / 1e9)
        self.evidence.tell(report, whole)
        self._reported_at = now
        report.connections = len(self._callers)
        report.draining = self.draining
        report.desk_silent = self.desk_silent
        if self._live is not None:
            report.plan_number = self._live.plan.number
            if whole:
                self._forget_told(self._live)
            report.endpoints = self._stock.news(self._live, self._busy)
        report.whole = whole
        report.pools = self._stock.open.news()
        report.gone, self._gone = self._gone, []
        self._count_in_flight(report)
        return report

    def _forget_told(self, board: Board) -> None:
        for route in board.routes:
            for upstream in route.upstreams:
                upstream.forget_told()
        self._stock.open.forget_told()

    def _count_in_flight(self, report: Report) -> None:
        """What is under way belongs to models that were touched since, or were busy before."""
        idle = []
        for model in self._busy:
            room = self._stock.rooms.get(model)
            live = 0 if room is None else room.in_flight
            copies = held = 0
            if model in self._mirrors:
                for mirror in self._mirrors[model].values():
                    copies += mirror.in_flight
                    held += mirror.held
            report.in_flight += live
            report.copies_in_flight += copies
            report.copies_bytes += held
            if not (live or copies or held):
                idle.append(model)
        self._busy.difference_update(idle)

    # --- stopping: a list, each step a line ---

    async def drain(self, seconds: float) -> None:
        """Stops accepting, lets every exchange finish, and cuts the rest after ``seconds``."""
        self.draining = True
        self.poller.span = 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._close_doors(loop)
        idle_ns = nanoseconds(min(_IDLE_SECONDS, seconds / 2))
        while self._callers and loop.time() < began + seconds:
            idle_before = perf_counter_ns() - idle_ns
            for caller in list(self._callers):
                caller.drain(idle_before)
            await asyncio.sleep(0.02)
        await self._cut()

    async def _close_doors(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stops listening.  Who waits in a closing queue would be reset, so they are let in."""
        for server, sock in self._doors:
            with contextlib.suppress(OSError):  # nobody waits any more
                for _ in range(_BACKLOG):
                    waiting, _ = sock.accept()
                    waiting.setblocking(False)
                    await loop.connect_accepted_socket(self._caller, waiting)
            server.close()
        self._doors.clear()

    async def _cut(self) -> None:
        """Ends what is left: callers, copies, connections to upstreams, dials and probes."""
        for caller in list(self._callers):
            if caller.exchange is not None:
                caller.exchange.abandon(PROXY_ERROR)
            caller.cut(reset=True)
        for thing in self.deadlines:
            if isinstance(thing, Copy):
                thing.give_up(DRAIN)
            elif isinstance(thing, UpstreamConnection):
                if isinstance(thing.sink, Copy):
                    thing.sink.give_up(DRAIN)
                thing.discard()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        await self._tasks.cancel()
        await asyncio.sleep(0)


def _request_ids(prefix: bytes) -> Iterator[bytes]:
    """Ids without end, in order: what is the same in 4,096 of them is written once."""
    ends = [b"%03x" % number for number in range(4096)]
    begins = (b"%b%09x" % (prefix, number) for number in itertools.count())
    return itertools.chain.from_iterable(map(begin.__add__, ends) for begin in begins)
