"""Shadow copies: sent beside the live request, never felt by it (promise 2).

A copy shares nothing with its original but the bytes: its own pool, deadline and bounds.
Over a bound it is dropped and counted by reason; nothing here ever pauses a caller.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.net import NEVER, Deadlines
from proxy.routing import split
from proxy.routing.plan import ModelPlan, ShadowPlan
from proxy.terms import Arm, CopyResult, Outcome
from proxy.traffic.board import ArmRoute, Stock, nanoseconds
from proxy.traffic.ending import Kept, PairDraft
from proxy.traffic.recording import answered
from proxy.traffic.rewriting import CopyHead
from proxy.wire import AnswerHead, encode, last

if TYPE_CHECKING:
    from proxy.traffic.decision import Decision
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.plane import Plane
    from proxy.traffic.upstreams import Upstream

STABLE: Final = Arm.STABLE.value
SENT: Final = CopyResult.SENT.value
QUEUE: Final = CopyResult.DROPPED_QUEUE.value
BYTES: Final = CopyResult.DROPPED_BYTES.value
DEADLINE: Final = CopyResult.DROPPED_DEADLINE.value
CONNECT: Final = CopyResult.DROPPED_CONNECT.value
CALLER: Final = CopyResult.DROPPED_CALLER.value
REWRITE: Final = CopyResult.DROPPED_REWRITE.value
DRAIN: Final = CopyResult.DROPPED_DRAIN.value


class Mirror:
    """One shadow of one model: who is copied to it, and how much of it may be under way."""

    __slots__ = (
        "_filling", "_pairs", "_plan", "_plane", "_queue", "_share", "counts", "heads", "held",
        "in_flight", "route", "wait_ns",
    )  # fmt: skip

    def __init__(self, plane: Plane, model: ModelPlan, shadow: ShadowPlan, stock: Stock) -> None:
        self._plane = plane
        self._queue: deque[Copy] = deque()
        self._filling = False
        self.in_flight = 0
        self.held = 0  # bytes of copies in memory
        self.configure(model, shadow, stock)

    def configure(self, model: ModelPlan, shadow: ShadowPlan, stock: Stock) -> None:
        """Takes a new Plan's bounds; copies under way go on."""
        self._plan = shadow
        self._share = split.copies_share(model, shadow)
        self._pairs = split.pairs_share(model, shadow)
        self.heads = CopyHead(shadow)
        self.counts = stock.recording.model(model.name)
        self.route = ArmRoute(model, shadow.version, Arm.SHADOW, stock)
        self.wait_ns = nanoseconds(shadow.deadline)

    def offer(self, exchange: Exchange, decision: Decision, lines: list[bytes]) -> Copy | None:
        """A copy of the exchange, or None when it is not sampled or there is no room for it."""
        if not self._share.takes(decision.key):
            return None
        plan = self._plan
        if self.in_flight >= plan.in_flight and len(self._queue) >= plan.queue:
            self._count(QUEUE)
            return None
        if self.held > plan.bytes or self._plane.draining:
            self._count(DRAIN if self._plane.draining else BYTES)
            return None
        copy = Copy(self, exchange, lines, self._draft(exchange, decision))
        if self.in_flight < plan.in_flight:
            self.in_flight += 1
            copy.start()
        else:
            self._queue.append(copy)
        return copy

    def _draft(self, exchange: Exchange, decision: Decision) -> PairDraft | None:
        """The pair to be, where one is wanted: a shadow is compared with stable, never a canary."""
        if decision.arm.arm != STABLE or not self._pairs.takes(decision.key):
            return None
        if not self._plane.recording.wants_pair():
            return None
        cap = self._plan.pair_bytes
        if exchange.live is None:
            exchange.live = Kept(cap, perf_counter_ns())
        else:
            exchange.live.cap = max(exchange.live.cap, cap)
        return PairDraft(self._plane, exchange, cap)

    def _count(self, result: str) -> None:
        self.counts.count_copy(self._plan.version, result)

    @property
    def deadlines(self) -> Deadlines:
        return self._plane.deadlines

    def hold(self, change: int) -> bool:
        """Counts bytes in or out of memory; False when the bound is passed."""
        self.held += change
        return self.held <= self._plan.bytes

    def over(self, copy: Copy, result: str) -> None:
        """A copy has ended or was given up: its place goes to the next in the queue."""
        self._count(result)
        if not copy.started:
            self._queue.remove(copy)
            return
        self.in_flight -= 1
        if self._filling:
            return  # one of those that were just started is over already: no deeper
        self._filling = True
        while self._queue and self.in_flight < self._plan.in_flight:
            self.in_flight += 1
            self._queue.popleft().start()
        self._filling = False


class Copy:
    """One copy of one request, and the answer that only the comparison will see."""

    __slots__ = (
        "_body", "_bytes_in", "_bytes_out", "_complete", "_connection", "_exchange", "_first_byte",
        "_held", "_kept", "_lines", "_mirror", "_over", "_started_at", "_status", "_trailers",
        "_upstream", "deadline", "draft", "started", "waiting",
    )  # fmt: skip

    def __init__(
        self, mirror: Mirror, exchange: Exchange, lines: list[bytes], draft: PairDraft | None
    ) -> None:
        self._mirror = mirror
        self._exchange = exchange
        self._lines = lines
        self.draft = draft
        self._body: list[bytes] | None = []  # payload that no connection has yet
        self._trailers: list[bytes] = []
        self._connection: UpstreamConnection | None = None
        self._upstream: Upstream | None = None
        self._held = self._bytes_in = self._bytes_out = self._first_byte = self._status = 0
        self._complete = self._over = False
        self.started = self.waiting = False
        self._started_at = perf_counter_ns()
        self._kept = None if draft is None else Kept(draft.cap, self._started_at)
        self.deadline = self._started_at + mirror.wait_ns
        mirror.deadlines.add(self)

    # --- sending ---

    def start(self) -> None:
        """There is a place for it: takes a connection of the shadow's own."""
        self.started = True
        now = perf_counter_ns()
        upstream = self._upstream = self._mirror.route.upstreams.choose(now)
        upstream.in_flight += 1
        connection = upstream.assign(now)
        if connection is not None:
            self.connected(connection)
        else:
            assert self._exchange.route is not None
            upstream.connect(self, self._exchange.route.connect_seconds)

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for it, kept, dialled or just set free."""
        self._connection = connection
        connection.assign(self, self._exchange.head.method == b"HEAD", NEVER, NEVER)
        if self._complete or self._body:
            self._send(connection)

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        upstream.judge(Outcome.UPSTREAM_CONNECT.value, perf_counter_ns())
        self._record(Outcome.UPSTREAM_CONNECT.value, perf_counter_ns())
        self.give_up(CONNECT)

    def connect_impossible(self, detail: str) -> None:
        self.give_up(CONNECT)

    def feed(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        """The same payload that goes to the live version."""
        if self._over:
            return
        size = sum(map(len, pieces))
        self._bytes_in += size
        self._complete = complete
        self._trailers = trailers
        if self._body is not None:
            self._body += pieces
            if not self._hold(self._held + size):
                self.give_up(BYTES)
            elif self._connection is not None:
                self._send(self._connection)
        elif self._connection is not None:
            self._write(self._connection, b"", pieces, chunked=self._exchange.head.length < 0)

    def _send(self, connection: UpstreamConnection) -> None:
        """The head and the payload so far; all of it first where the body is rewritten."""
        exchange, heads = self._exchange, self._mirror.heads
        length = exchange.head.length
        if heads.rewrites_body and length:
            if not self._complete:
                return
            body = heads.rewrite(b"".join(self._body or []))
            if body is None:
                self.give_up(REWRITE)
                return
            self._body, length = [body], len(body)
        pieces, self._body = self._body or [], None
        added = exchange.caller.added_lines(exchange.head) + exchange.request_id
        head = heads.build(self._lines, length if length != exchange.head.length else None, added)
        self._write(connection, head, pieces, chunked=length < 0)

    def _write(
        self, connection: UpstreamConnection, head: bytes, pieces: list[bytes], *, chunked: bool
    ) -> None:
        if chunked:
            pieces = [encode(pieces), last(self._trailers) if self._complete else b""]
        connection.write(b"".join((head, *pieces)))
        if not self._hold(connection.transport.get_write_buffer_size()):
            self.give_up(BYTES)

    def _hold(self, size: int) -> bool:
        """Takes ``size`` as the bytes it holds in memory; False when all copies hold too many."""
        change, self._held = size - self._held, size
        return self._mirror.hold(change)

    def pause_sending(self) -> None:
        """Nobody waits for a shadow: what it does not take is bounded by bytes."""

    def resume_sending(self) -> None:
        """See pause_sending."""

    # --- answered ---

    def interim(self, head: AnswerHead) -> None:
        """Nobody hears it."""

    def answer(
        self, head: AnswerHead, pieces: list[bytes], complete: bool, trailers: list[bytes]
    ) -> None:
        self._first_byte = perf_counter_ns() - self._started_at
        self._status = head.status
        if self._kept is not None:
            self._kept.lines = head.lines
        self.more(pieces, complete, trailers)

    def more(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        for piece in pieces:
            self._bytes_out += len(piece)
        if self._kept is not None:
            self._kept.keep(pieces)
        if complete:
            if not self._complete and self._connection is not None:
                self._connection.spoil()
            self._end(answered(self._status))

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        self._end(outcome)

    def broke_down(self) -> None:
        self._end(Outcome.PROXY_ERROR.value)

    # --- ended ---

    def expire(self, now: int) -> None:
        """The deadline has passed: before it was sent whole it is dropped, after it was slow."""
        if self._connection is None or not self._complete:
            self.give_up(DEADLINE)
            return
        self._connection.discard()
        self._end(Outcome.UPSTREAM_TIMEOUT.value)

    def abort(self) -> None:
        """The caller's request will never be whole."""
        self.give_up(CALLER)

    def give_up(self, reason: str) -> None:
        """Drops it: the reason is counted, nothing is booked on the shadow's version."""
        if self._over:
            return
        if self._connection is not None:
            self._connection.discard()
        elif self.waiting and self._upstream is not None:
            self._upstream.leave(self)
        self._leave(reason)

    def _end(self, outcome: str) -> None:
        if self._over:
            return
        now = perf_counter_ns()
        if self._upstream is not None:
            self._upstream.judge(outcome, now)
        self._record(outcome, now)
        self._leave(SENT)

    def _record(self, outcome: str, now: int) -> None:
        total = now - self._started_at
        route, decision = self._mirror.route, self._exchange.decision
        assert decision is not None
        numbers = (outcome, self._first_byte, total, self._bytes_in, self._bytes_out)
        route.series.record(*numbers)
        for label in decision.segments:
            route.segment(label).record(*numbers)
        if self.draft is not None and self._kept is not None:
            half = self._kept.half(route.version, outcome, self._status, now, self.draft.cap)
            self.draft.shadow(half)

    def _leave(self, result: str) -> None:
        self._over = True
        self._connection = None
        self._body = None
        mirror = self._mirror
        mirror.deadlines.discard(self)
        self._hold(0)
        if self._upstream is not None:
            self._upstream.in_flight -= 1
        mirror.over(self, result)
