"""One shadow copy: sent beside the live request, never felt by it (promise 2).

It shares nothing with its original but the bytes: its own connections, deadline and bounds.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.terms import CopyResult, Outcome
from proxy.traffic import again
from proxy.traffic.ending import Kept, PairDraft
from proxy.traffic.recording import OK, answered, record
from proxy.traffic.rewriting import CopyText
from proxy.wire import AnswerHead, encode, last

if TYPE_CHECKING:
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.mirror import Mirror
    from proxy.traffic.pools import UpstreamPool
    from proxy.traffic.rewriting import CopyHead
    from proxy.traffic.upstreams import Upstream

SENT: Final = CopyResult.SENT.value
BYTES: Final = CopyResult.DROPPED_BYTES.value
DEADLINE: Final = CopyResult.DROPPED_DEADLINE.value
CONNECT: Final = CopyResult.DROPPED_CONNECT.value
CALLER: Final = CopyResult.DROPPED_CALLER.value
REWRITE: Final = CopyResult.DROPPED_REWRITE.value
DRAIN: Final = CopyResult.DROPPED_DRAIN.value
TIMEOUT: Final = Outcome.UPSTREAM_TIMEOUT.value
#: The body of a copy is kept up to this size until it is answered, to be sent again when its
#: kept connection turns out to be closed.
_KEPT_BYTES: Final = 65_536


class Copy:
    """One copy of one request, and the answer that only the comparison will see.

    Its deadline is swept while it waits; once it has a connection, that one has the same.
    """

    __slots__ = (
        "_again", "_began", "_bytes_in", "_bytes_out", "_complete", "_connection", "_exchange",
        "_first_byte", "_held", "_kept", "_mirror", "_over", "_queued", "_status", "_swept",
        "_text", "_trailers", "_unsent", "_upstream", "deadline", "draft", "started", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        mirror: Mirror,
        exchange: Exchange,
        text: CopyText,
        draft: PairDraft | None,
        pieces: list[bytes],
        now: int,
    ) -> None:
        self._mirror = mirror
        self._exchange = exchange
        self._text = text
        self.draft = draft
        self._kept = None if draft is None else Kept(draft.book, draft.cap, now)
        self._unsent: list[bytes] | None = pieces  # payload that no connection has yet
        self._trailers = exchange.trailers
        self._complete = exchange.complete
        self._bytes_in = exchange.bytes_in
        self._began = now
        self.deadline = now + mirror.wait_ns
        self._connection: UpstreamConnection | None = None
        self._upstream: Upstream | None = None
        self.waiting: UpstreamPool | None = None
        self._again: list[bytes] | None = None  # its body, while it may be sent again
        self._held = self._bytes_out = self._first_byte = self._status = 0
        self._over = self._swept = self._queued = self.started = False

    # --- sending ---

    def queue(self) -> None:
        """There is no place for it yet."""
        self._queued = True
        self._wait()

    def _wait(self) -> None:
        """It stays in memory for a while: its bytes count, and its deadline runs."""
        self._mirror.deadlines.add(self)
        self._swept = True
        if not self._hold(self._bytes_in):
            self.give_up(BYTES)

    def keep(self, body: list[bytes]) -> None:
        """It may be sent again: its body, if it is small, is kept until it is answered."""
        if self._complete and self._bytes_in <= _KEPT_BYTES:
            self._again = body
            self._hold(self._bytes_in)

    def start(self, now: int) -> None:
        """There is a place for it: takes a connection of the shadow's own."""
        self.started = True
        upstream = self._upstream = self._mirror.route.upstreams.choose(now)
        upstream.in_flight += 1
        connection = upstream.pool.assign(now, self._again is None)
        if connection is not None:
            self.connected(connection)
        else:
            self._dial(upstream)

    def _dial(self, upstream: Upstream) -> None:
        route = self._exchange.route
        assert route is not None
        if not self._swept:
            self._wait()
        if not self._over:
            upstream.connect(self, route.connect_seconds)

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for it, kept, dialled or just set free."""
        self._connection = connection
        if self._swept:
            self._end_waiting()
        connection.assign(self, self._exchange.head.to_head, self.deadline, self.deadline)
        if self._complete or self._unsent:
            self._send(connection)

    def _end_waiting(self) -> None:
        self._swept = False
        self._mirror.deadlines.discard(self)

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        now = perf_counter_ns()
        upstream.judge(again.CONNECT, now)
        self._record(again.CONNECT, now)
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
        exchange, text = self._exchange, self._text
        head = exchange.head
        if text.rewriter is not None and head.length:
            self._send_rewritten(connection, text.rewriter)
            return
        pieces, self._unsent = self._unsent or [], None
        if head.length < 0:
            pieces = self._in_chunks(pieces)
        added = exchange.caller.added if head.plain else exchange.caller.added_lines(head)
        cut = exchange.cut if text.valued else b""
        whole = [text.before, cut, text.after, added, exchange.request_id, b"\r\n\r\n", *pieces]
        self._write(connection, b"".join(whole))

    def _send_rewritten(self, connection: UpstreamConnection, heads: CopyHead) -> None:
        exchange, pieces = self._exchange, self._unsent or []
        if not self._complete:
            return
        body = heads.rewrite(b"".join(pieces))
        if body is None:
            self.give_up(REWRITE)
            return
        self._unsent = None
        text = heads.resized(self._text, exchange.cut, len(body))
        added = exchange.caller.added_lines(exchange.head) + exchange.request_id
        self._write(connection, b"".join((text, added, b"\r\n\r\n", body)))

    def _in_chunks(self, pieces: list[bytes]) -> list[bytes]:
        return [encode(pieces), last(self._trailers) if self._complete else b""]

    def _write(self, connection: UpstreamConnection, data: bytes) -> None:
        connection.write(data)
        if self._again is None:
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
        if self._connection is not None and self._unsent is None and self._again is None:
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
        self._first_byte = now - self._began
        self._status = head.status
        kept = self._kept
        if kept is not None:
            kept.head = head
            kept.keep(pieces)
        for piece in pieces:
            self._bytes_out += len(piece)
        if complete:
            self._end(OK if head.status < 400 else answered(head.status), now)

    def more(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        if self._kept is not None:
            self._kept.keep(pieces)
        self._bytes_out += sum(map(len, pieces))
        if complete:
            self._end(answered(self._status), perf_counter_ns())

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        upstream = self._upstream
        if untouched and self._again is not None and upstream is not None:
            # A kept connection that the shadow's server closed at the same moment: once more.
            self._connection = None
            self._unsent, self._again = self._again, None
            self._dial(upstream)
        elif outcome == TIMEOUT and (self._queued or not self._complete):
            # It ran out while it waited for its place or its body: that is not the shadow's fault.
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
        elif self.waiting is not None:
            self.waiting.leave(self)
        self._leave(reason)

    def _end(self, outcome: str, now: int) -> None:
        if self._over:
            return
        if not self._complete and self._connection is not None:
            self._connection.spoil()  # it answered before it was sent everything
        upstream = self._upstream
        if upstream is not None:
            health = upstream.health
            if outcome is not OK or health.streak or not health.well:
                upstream.judge(outcome, now)
        self._record(outcome, now)
        self._leave(SENT)

    def _record(self, outcome: str, now: int) -> None:
        route, segments = self._mirror.route, self._exchange.segments
        joint = route.joints.get(segments) or route.joint(segments)
        total = now - self._began
        record(joint, outcome, self._first_byte, total, self._bytes_in, self._bytes_out)
        if self.draft is not None and self._kept is not None:
            half = self._kept.half(route.version, outcome, self._status, now, self.draft.cap)
            self.draft.shadow(half, self._kept.lost)

    def _leave(self, result: str) -> None:
        self._over = True
        self._connection = None
        self._unsent = self._again = None
        if self._swept:
            self._end_waiting()
        if self._held:
            self._hold(0)
        if self._upstream is not None:
            self._upstream.in_flight -= 1
        self._mirror.over(self, result)
