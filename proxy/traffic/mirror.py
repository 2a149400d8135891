"""Shadow copies: sent beside the live request, never felt by it (promise 2).

A copy shares nothing with its original but the bytes: its own pool, deadline and bounds.
Over a bound it is dropped and counted by reason; nothing here ever pauses a caller.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.net import Deadlines
from proxy.routing import split
from proxy.routing.plan import ModelPlan, ShadowPlan
from proxy.terms import Arm, CopyResult, Outcome
from proxy.traffic.board import ArmRoute, Stock, nanoseconds
from proxy.traffic.ending import Kept, PairDraft
from proxy.traffic.recording import OK, answered, record
from proxy.traffic.rewriting import CopyHead, CopyText
from proxy.wire import AnswerHead, encode, last

if TYPE_CHECKING:
    from proxy.traffic.decision import Prepared
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
TIMEOUT: Final = Outcome.UPSTREAM_TIMEOUT.value
#: A copy of at most this size is kept until it is answered, to be sent again on another
#: connection when the kept one turns out to be closed.
_REPLAYED_BYTES: Final = 65_536


class Mirror:
    """One shadow of one model: who is copied to it, and how much of it may be under way."""

    __slots__ = (
        "_everyone", "_filling", "_pairs", "_plan", "_plane", "_queue", "_share", "counts",
        "heads", "held", "in_flight", "route", "wait_ns",
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
        self._everyone = self._share.limit == split.POINTS
        self._pairs = split.pairs_share(model, shadow)
        self.heads = CopyHead(shadow)
        self.counts = stock.recording.model(model.name)
        self.route = ArmRoute(model, shadow.version, Arm.SHADOW, stock)
        self.wait_ns = nanoseconds(shadow.deadline)

    def offer(self, exchange: Exchange, prepared: Prepared, pieces: list[bytes]) -> Copy | None:
        """Copies the exchange, if it is sampled and there is room for it.

        ``pieces`` came of its body.  The copy is returned if it wants to hear more of the
        exchange: the rest of the body, or what the live version answered.
        """
        if not self._everyone and not self._share.takes(exchange.key):
            return None
        plan = self._plan
        if self.in_flight >= plan.in_flight and len(self._queue) >= plan.queue:
            self._count(QUEUE)
            return None
        if self.held > plan.bytes or self._plane.draining:
            self._count(DRAIN if self._plane.draining else BYTES)
            return None
        text = prepared.copies.get(self)
        if text is None:
            text = prepared.copies[self] = self.heads.text(exchange.head)
        draft = self._draft(exchange) if self._pairs.limit else None
        copy = Copy(self, exchange, text, draft, pieces)
        if self.in_flight < plan.in_flight:
            self.in_flight += 1
            copy.start()
        else:
            self._queue.append(copy)
            copy.wait()
        return copy if draft is not None or not exchange.complete else None

    def _draft(self, exchange: Exchange) -> PairDraft | None:
        """The pair to be, where one is wanted: a shadow is compared with stable, never a canary."""
        arm = exchange.arm
        assert arm is not None
        if arm.arm != STABLE or not self._pairs.takes(exchange.key):
            return None
        if not self._plane.recording.wants_pair():
            return None
        cap = self._plan.pair_bytes
        if exchange.live is None:
            exchange.live = Kept(self._plane.recording, cap, perf_counter_ns())
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
        self.counts.count_copy(self._plan.version, result)
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
    """One copy of one request, and the answer that only the comparison will see.

    Its deadline is swept while it waits; once it is sent, its connection has the same one.
    """

    __slots__ = (
        "_bytes_in", "_bytes_out", "_complete", "_connection", "_exchange", "_first_byte", "_held",
        "_kept", "_mirror", "_over", "_started_at", "_status", "_swept", "_text", "_trailers",
        "_unsent", "_upstream", "_whole", "deadline", "draft", "started", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        mirror: Mirror,
        exchange: Exchange,
        text: CopyText,
        draft: PairDraft | None,
        pieces: list[bytes],
    ) -> None:
        self._mirror = mirror
        self._exchange = exchange
        self._text = text
        self.draft = draft
        self._unsent: list[bytes] | None = pieces  # payload that no connection has yet
        self._whole: bytes | None = None  # all that was sent, while it may be sent again
        self._trailers = exchange.trailers
        self._connection: UpstreamConnection | None = None
        self._upstream: Upstream | None = None
        self._held = self._bytes_out = self._first_byte = self._status = 0
        self._bytes_in = exchange.bytes_in
        self._complete = exchange.complete
        self._over = self._swept = self.started = self.waiting = False
        now = self._started_at = perf_counter_ns()
        self.deadline = now + mirror.wait_ns
        self._kept = None if draft is None else Kept(draft.book, draft.cap, now)

    # --- sending ---

    def wait(self) -> None:
        """It stays in memory for a while: its bytes count, and its deadline runs."""
        self._mirror.deadlines.add(self)
        self._swept = True
        if not self._hold(self._bytes_in):
            self.give_up(BYTES)

    def start(self) -> None:
        """There is a place for it: takes a connection of the shadow's own."""
        self.started = True
        now = self._started_at if not self._swept else perf_counter_ns()
        upstream = self._upstream = self._mirror.route.upstreams.choose(now)
        upstream.in_flight += 1
        connection = upstream.assign(now, not self._complete)
        if connection is not None:
            self.connected(connection)
        else:
            self._dial(upstream)

    def _dial(self, upstream: Upstream) -> None:
        route = self._exchange.route
        assert route is not None
        if not self._swept:
            self.wait()
        if not self._over:
            upstream.connect(self, route.connect_seconds)

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for it, kept, dialled or just set free."""
        self._connection = connection
        if self._swept:
            self._end_waiting()
        to_head = self._exchange.head.method == b"HEAD"
        connection.assign(self, to_head, self.deadline, self.deadline)
        if self._whole is not None:
            again, self._whole = self._whole, None
            connection.write(again)
        elif self._complete or self._unsent:
            self._send(connection)

    def _end_waiting(self) -> None:
        self._swept = False
        self._mirror.deadlines.discard(self)

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
        if self._unsent is not None:
            self._unsent = self._unsent + pieces
            if not self._hold(self._held + size):
                self.give_up(BYTES)
            elif self._connection is not None:
                self._send(self._connection)
        elif self._connection is not None:
            if self._exchange.head.length < 0:
                pieces = self._in_chunks(pieces)
            self._write(self._connection, b"".join(pieces))

    def _send(self, connection: UpstreamConnection) -> None:
        """The head and the payload so far; all of it first where the body is rewritten."""
        exchange, heads, text = self._exchange, self._mirror.heads, self._text
        head = exchange.head
        if heads.rewrites_body and head.length:
            self._send_rewritten(connection)
            return
        pieces, self._unsent = self._unsent or [], None
        if head.length < 0:
            pieces = self._in_chunks(pieces)
        caller = exchange.caller
        added = caller.added if head.plain else caller.added_lines(head)
        cut = exchange.cut if text.valued else b""
        start = (text.before, cut, text.after, added, exchange.request_id, b"\r\n\r\n", *pieces)
        self._write_first(connection, b"".join(start))

    def _send_rewritten(self, connection: UpstreamConnection) -> None:
        exchange, heads, pieces = self._exchange, self._mirror.heads, self._unsent or []
        if not self._complete:
            return
        body = heads.rewrite(b"".join(pieces))
        if body is None:
            self.give_up(REWRITE)
            return
        self._unsent = None
        text = heads.resized(self._text, exchange.cut, len(body))
        added = exchange.caller.added_lines(exchange.head) + exchange.request_id
        self._write_first(connection, b"".join((text, added, b"\r\n\r\n", body)))

    def _in_chunks(self, pieces: list[bytes]) -> list[bytes]:
        return [encode(pieces), last(self._trailers) if self._complete else b""]

    def _write_first(self, connection: UpstreamConnection, data: bytes) -> None:
        """The head, and the body as far as it has come."""
        if self._complete and len(data) <= _REPLAYED_BYTES:
            self._whole = data
        self._write(connection, data)

    def _write(self, connection: UpstreamConnection, data: bytes) -> None:
        connection.write(data)
        unsent = connection.transport.get_write_buffer_size()
        if (unsent or self._held) and not self._hold(unsent):
            self.give_up(BYTES)

    def _hold(self, size: int) -> bool:
        """Takes ``size`` as the bytes it holds in memory; False when all copies hold too many."""
        change, self._held = size - self._held, size
        return self._mirror.hold(change)

    def pause_sending(self) -> None:
        """Nobody waits for a shadow: what it does not take is bounded by bytes."""

    def resume_sending(self) -> None:
        """The shadow has taken what it let wait: those bytes count no longer."""
        if self._connection is not None and self._unsent is None:
            self._hold(self._connection.transport.get_write_buffer_size())

    # --- answered ---

    def interim(self, head: AnswerHead) -> None:
        """Nobody hears it."""

    def answer(
        self,
        head: AnswerHead,
        pieces: list[bytes],
        complete: bool,
        trailers: list[bytes],
        now: int,
    ) -> None:
        self._first_byte = now - self._started_at
        self._status = head.status
        self._whole = None
        if self._kept is not None:
            self._kept.head = head
        for piece in pieces:
            self._bytes_out += len(piece)
        if self._kept is not None:
            self._kept.keep(pieces)
        if complete:
            self._end(OK if head.status < 400 else answered(head.status), now)

    def more(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        for piece in pieces:
            self._bytes_out += len(piece)
        if self._kept is not None:
            self._kept.keep(pieces)
        if complete:
            self._end(answered(self._status), perf_counter_ns())

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        upstream = self._upstream
        if untouched and self._whole is not None and upstream is not None:
            # A kept connection that the shadow's server closed at the same moment: once more.
            self._connection = None
            self._mirror.counts.running().replays += 1
            self._dial(upstream)
        elif outcome == TIMEOUT and not self._complete:
            self._connection = None
            self.give_up(DEADLINE)
        else:
            self._end(outcome, perf_counter_ns())

    def broke_down(self) -> None:
        self._end(Outcome.PROXY_ERROR.value, perf_counter_ns())

    # --- ended ---

    def expire(self, now: int) -> None:
        """The deadline has passed before it was sent."""
        self.give_up(DEADLINE)

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

    def _end(self, outcome: str, now: int) -> None:
        if self._over:
            return
        if not self._complete and self._connection is not None:
            self._connection.spoil()  # it answered before it was sent everything
        if self._upstream is not None:
            health = self._upstream.health
            if outcome is not OK or health.streak or not health.well:
                self._upstream.judge(outcome, now)
        self._record(outcome, now)
        self._leave(SENT)

    def _record(self, outcome: str, now: int) -> None:
        route, segments = self._mirror.route, self._exchange.segments
        series = route.series_of.get(segments) or route.all_series(segments)
        first, total = self._first_byte, now - self._started_at
        record(series, outcome, first, total, self._bytes_in, self._bytes_out)
        if self.draft is not None and self._kept is not None:
            half = self._kept.half(route.version, outcome, self._status, now, self.draft.cap)
            self.draft.shadow(half, self._kept.lost)

    def _leave(self, result: str) -> None:
        self._over = True
        self._connection = None
        self._unsent = self._whole = None
        mirror = self._mirror
        if self._swept:
            self._end_waiting()
        if self._held:
            self._hold(0)
        if self._upstream is not None:
            self._upstream.in_flight -= 1
        mirror.over(self, result)
