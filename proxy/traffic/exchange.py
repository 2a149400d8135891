"""The life of one request: admitted, decided, forwarded, answered, recorded.

Read from top to bottom.  On the common path no task, future, lock or timer is made; the
steps are plain calls from the caller's connection and from the upstream's.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.errors import RequestRefused
from proxy.terms import Outcome, Owner
from proxy.traffic import ending
from proxy.traffic.decision import Decision, decide
from proxy.traffic.recording import OK, UPSTREAM_4XX, UPSTREAM_5XX
from proxy.wire import LAST_CHUNK, AnswerHead, RequestHead, encode, frame_answer, last

if TYPE_CHECKING:
    from proxy.traffic.board import ModelRoute
    from proxy.traffic.connection import CallerConnection
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.mirror import Copy
    from proxy.traffic.plane import Plane
    from proxy.traffic.upstreams import Upstream

CONNECT: Final = Outcome.UPSTREAM_CONNECT.value
TIMEOUT: Final = Outcome.UPSTREAM_TIMEOUT.value
#: RFC 9110 9.2.2: what may be sent again without being asked.
_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """One request with its answer, as it happens."""

    __slots__ = (
        "_connection", "_ends", "_fallback", "_framed", "_held", "_kept", "_kept_bytes", "_moved",
        "_paused", "_pending", "_plane", "_replayed", "_spoken", "_trailers", "_upstream",
        "bytes_in", "bytes_out", "caller", "complete", "copies", "decision", "first_byte", "head",
        "live",
        "queued", "request_id", "route", "started", "status", "waiting",
    )  # fmt: skip

    def __init__(self, plane: Plane, caller: CallerConnection, head: RequestHead) -> None:
        self._plane = plane
        self.caller = caller
        self.head = head
        self.started = perf_counter_ns()
        self.request_id = head.request_id or plane.next_request_id()
        self.route: ModelRoute | None = None
        self.decision: Decision | None = None
        self.copies: list[Copy] | None = None
        self.live: ending.Kept | None = None  # the answer, kept for pairs
        self.complete = False  # the request has come whole
        self.queued = False  # waiting for room
        self.waiting = False  # waiting for a connection
        self.bytes_in = self.bytes_out = self.status = self.first_byte = 0
        self._upstream: Upstream | None = None
        self._connection: UpstreamConnection | None = None
        self._held: list[bytes] | None = None  # body waiting for room or for the decision
        self._pending: list[bytes] | None = None  # body waiting for a connection
        self._trailers: list[bytes] = []
        self._kept: list[bytes] | None = None  # body so far, to send it again
        self._kept_bytes = 0
        self._fallback = ""  # why stable answers instead of the canary
        self._replayed = False
        self._moved = False  # to another endpoint, after one could not be reached
        self._spoken = False  # a head has gone out to the caller
        self._framed = False  # its body goes out in chunks
        self._ends = False  # its body ends with the caller's connection
        self._paused = False  # the caller takes no more for now

    # 1. Admitted: is it for a model, and is there room?

    def begin(self, pieces: list[bytes], complete: bool) -> None:
        """Takes a request in; ``pieces`` came of its body, ``complete`` when that is all of it."""
        plane, head = self._plane, self.head
        self.complete = complete
        board = plane.board
        if board is None:
            return self._refuse(503, "starting", "no Plan has come yet; try again", Owner.PROXY)
        if head.shadow_mark and board.refuse_marked:
            raise RequestRefused(400, "shadow_marker", "x-shadow may not come from outside")
        route = board.find(head.target, head.host)
        if route is None:
            return self._refuse(404, "no_model", "no model is served under this path", Owner.CALLER)
        self.route = route
        limit = route.body_limit
        if limit is not None and head.length > limit:
            raise RequestRefused(413, "body_bytes", f"the body is over {limit} bytes")
        room = route.room
        if room.in_flight < route.in_flight_limit:
            room.in_flight += 1
            return self._admitted(route, pieces)
        if len(room.waiting) >= route.queue_limit:
            detail = (
                f"{room.in_flight} requests are in flight and {len(room.waiting)} wait; try again"
            )
            return self._refuse(503, "overload", detail, Owner.PROXY)
        self.queued = True
        self._held = pieces
        room.waiting.append(self)
        self.caller.pause_reading()
        self.caller.wait_until(self.started + route.queue_wait)
        return None

    def admit_queued(self) -> None:
        """There is room now.  What was decided meanwhile by a new Plan holds for us too."""
        self.queued = False
        route = self.route = self._newest()
        route.room.in_flight += 1
        pieces, self._held = self._held or [], None
        self.caller.wait_until(ending.NEVER)
        self.caller.resume_reading()
        self._admitted(route, pieces)

    def _newest(self) -> ModelRoute:
        board, route = self._plane.board, self.route
        assert route is not None
        return route if board is None else board.by_name.get(route.name, route)

    def _admitted(self, route: ModelRoute, pieces: list[bytes]) -> None:
        if self.head.expects and not self.complete and not pieces:
            self.caller.write(_CONTINUE)
        if not route.holds_body:
            self._decided(route, pieces, None)
        elif self.complete:
            self._decided(route, pieces, b"".join(pieces))
        else:
            self._held = []
            self._hold(pieces)

    def _hold(self, pieces: list[bytes]) -> None:
        """Collects the body that the decision reads; one that is too large is decided without."""
        held, route = self._held, self._newest()
        assert held is not None
        held += pieces
        size = max(self.head.length, sum(map(len, held)))
        if size > route.hold_limit:
            self._held = None
            route.counts.tally.held_too_large += 1
            self._decided(route, held, None)
        elif self.complete:
            self._held = None
            self._decided(route, held, b"".join(held))

    # 2. Decided: which arm answers, and who gets a copy.

    def _decided(self, route: ModelRoute, pieces: list[bytes], body: bytes | None) -> None:
        self.route = route
        decision = self.decision = decide(route, self.head, body, self._plane.chance)
        lines = self.head.lines  # the copy is made of what stable gets, before anything is added
        self._forward(route, decision, pieces)
        for mirror in route.mirrors:
            copy = mirror.offer(self, decision, lines)
            if copy is not None:
                copy.feed(pieces, self.complete, self._trailers)
                if self.copies is None:
                    self.copies = []
                self.copies.append(copy)

    # 3. Forwarded: on a kept connection or a new one; perhaps once more.

    def _forward(self, route: ModelRoute, decision: Decision, pieces: list[bytes]) -> None:
        if self.complete or (route.repeatable and decision.arm is not route.stable):
            self._kept = pieces if self.complete else list(pieces)
            self._kept_bytes = self.bytes_in = sum(map(len, pieces))
        else:
            self.bytes_in = sum(map(len, pieces))
        self._dispatch(pieces, decision.arm.upstreams.choose(self.started))

    def _dispatch(self, pieces: list[bytes], upstream: Upstream, fresh: bool = False) -> None:
        self._upstream = upstream
        upstream.in_flight += 1
        connection = None if fresh else upstream.assign(self.started)
        if connection is not None:
            return self._send(connection, pieces)
        self._pending = list(pieces)
        assert self.route is not None
        upstream.connect(self, self.route.connect_seconds)
        if not self.complete:
            self.caller.pause_reading()
        return None

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for us, dialled or just set free."""
        pieces, self._pending = self._pending or [], None
        self._send(connection, pieces)
        if not self.complete:
            self.caller.resume_reading()

    def _send(self, connection: UpstreamConnection, pieces: list[bytes]) -> None:
        head, route = self.head, self.route
        assert route is not None
        self._connection = connection
        wait = self._first_byte_limit(route) if self.complete else route.idle
        to_head = head.method == b"HEAD"
        connection.assign(self, to_head, perf_counter_ns() + wait, self.started + route.total)
        if head.length < 0:
            pieces = [encode(pieces), last(self._trailers) if self.complete else b""]
        lines = b"\r\n".join(head.lines)
        added = self.caller.added_lines(head)
        connection.write(b"".join((lines, added, self.request_id, b"\r\n\r\n", *pieces)))

    def _first_byte_limit(self, route: ModelRoute) -> int:
        assert self.decision is not None
        on_canary = self.decision.arm is route.canary and not self._fallback
        return route.canary_first_byte if on_canary and self._kept is not None else route.first_byte

    def feed(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        """More of the request's body.  Raises RequestRefused when it is too large."""
        route = self.route
        if route is None:
            return None
        self.complete = complete
        self._trailers = trailers
        if self._held is not None:
            return self._held.extend(pieces) if self.queued else self._hold(pieces)
        self.bytes_in += sum(map(len, pieces))
        if route.body_limit is not None and self.bytes_in > route.body_limit:
            raise RequestRefused(413, "body_bytes", f"the body is over {route.body_limit} bytes")
        if self._kept is not None:
            self._keep(pieces, route.hold_limit)
        if self._pending is not None:
            self._pending += pieces
        elif self._connection is not None:
            self._write_on(self._connection, route, pieces)
        if self.copies is not None:
            for copy in self.copies:
                copy.feed(pieces, complete, trailers)
        return None

    def _write_on(
        self, connection: UpstreamConnection, route: ModelRoute, pieces: list[bytes]
    ) -> None:
        if self.head.length < 0:
            pieces = [encode(pieces), last(self._trailers) if self.complete else b""]
        wait = self._first_byte_limit(route) if self.complete else route.idle
        if not self._spoken:
            connection.extend(perf_counter_ns() + wait)
        connection.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _keep(self, pieces: list[bytes], limit: int) -> None:
        assert self._kept is not None
        self._kept_bytes += sum(map(len, pieces))
        if self._kept_bytes > limit:
            self._kept = None
        else:
            self._kept += pieces

    def pause_sending(self) -> None:
        """The upstream takes no more of the request for now."""
        if not self.complete:
            self.caller.pause_reading()

    def resume_sending(self) -> None:
        """The upstream takes more again."""
        if not self.complete:
            self.caller.resume_reading()

    # 4. Answered: by the upstream, by stable instead of a failing canary, or by us.

    def interim(self, head: AnswerHead) -> None:
        """Passes a 1xx on.  100 is ours to say, and HTTP/1.0 has none (RFC 9110 15.2)."""
        if head.status != 100 and self.head.minor and not self._spoken:
            self.caller.write(b"\r\n".join((*head.lines, b"", b"")))

    def answer(self, head: AnswerHead, pieces: list[bytes], complete: bool) -> None:
        """The upstream's final head; ``pieces`` came of the body, ``complete`` when that is all."""
        now = perf_counter_ns()
        route, decision, connection = self.route, self.decision, self._connection
        assert route is not None
        assert decision is not None
        assert connection is not None
        self.first_byte = now - self.started
        self.status = head.status
        if head.status in route.statuses and self._may_fall_back(route, decision):
            if not complete:
                connection.discard()
            return self._fall_back(route, decision, UPSTREAM_5XX, f"status_{head.status}", now)
        if not self.complete:
            connection.spoil()
        close = self.head.close or not self.complete or self._plane.draining
        arm = route.stable if self._fallback else decision.arm
        self._framed = head.length < 0 and self.head.minor == 1
        self._ends = head.length < 0 and self.head.minor == 0
        self.head.close = close = close or self._ends
        if self.live is not None:
            self.live.lines = head.lines
        if self._fallback:
            head.lines.append(b"x-fallback: " + self._fallback.encode())
        self._spoken = True
        body = [encode(pieces), LAST_CHUNK if complete else b""] if self._framed else pieces
        frame_answer(head, self._framed, close, self.head.minor)
        lines = b"\r\n".join(head.lines)
        self.caller.write(b"".join((lines, arm.answer_lines, self.request_id, b"\r\n\r\n", *body)))
        self._pass_on(connection, route, pieces, complete, now)
        return None

    def more(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        """More of the answer's body, as it comes: nothing is gathered."""
        connection, route = self._connection, self.route
        assert connection is not None
        assert route is not None
        if self._framed:
            trailing = last(trailers) if complete else b""
            data = b"".join((encode(pieces), trailing))
            if data:
                self.caller.write(data)
        else:
            for piece in pieces:
                self.caller.write(piece)
        if complete and not self.complete:
            connection.spoil()
        self._pass_on(connection, route, pieces, complete, perf_counter_ns())

    def _pass_on(
        self,
        connection: UpstreamConnection,
        route: ModelRoute,
        pieces: list[bytes],
        complete: bool,
        now: int,
    ) -> None:
        for piece in pieces:
            self.bytes_out += len(piece)
        if self.live is not None:
            self.live.keep(pieces)
        if complete:
            status = self.status
            outcome = OK if status < 400 else UPSTREAM_4XX if status < 500 else UPSTREAM_5XX
            self._finish(outcome, now)
            self.caller.finished(self.head.close, now)
        else:
            connection.extend(now + route.idle)

    def pause_answer(self) -> None:
        """The caller takes no more for now: the upstream waits."""
        if self._connection is not None and not self._paused:
            self._paused = True
            self._connection.transport.pause_reading()
            self._connection.extend(ending.NEVER)

    def resume_answer(self) -> None:
        """The caller takes more again."""
        if self._paused and self._connection is not None and self.route is not None:
            self._paused = False
            self._connection.transport.resume_reading()
            self._connection.extend(perf_counter_ns() + self.route.idle)

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        """The upstream failed us; ``untouched``: a kept connection closed before any answer."""
        now = perf_counter_ns()
        route, decision, upstream = self.route, self.decision, self._upstream
        assert route is not None
        assert decision is not None
        assert upstream is not None
        self._connection = None
        if self._spoken:
            self._finish(outcome, now)
            # Where the end of the connection ends the body, only a reset shows the truncation.
            self.caller.cut(reset=self._ends)
        elif untouched and self._may_repeat(route):
            self._replayed = True
            route.counts.tally.replays += 1
            upstream.in_flight -= 1
            self._dispatch(self._kept or [], upstream, fresh=True)
        elif self._may_fall_back(route, decision):
            self._fall_back(route, decision, outcome, outcome.removeprefix("upstream_"), now)
        else:
            self._finish(outcome, now)
            status = 504 if outcome == TIMEOUT else 502
            self._say(status, outcome, f"the model server {detail}", Owner.UPSTREAM)

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        """No connection: perhaps another endpoint of the version, since nothing was sent."""
        decision, now = self.decision, perf_counter_ns()
        assert decision is not None
        other = None if self._moved else decision.arm.upstreams.other(upstream, now)
        if other is None or self._fallback:
            return self.failed(CONNECT, f"could not be reached: {detail}", untouched=False)
        self._moved = True
        upstream.judge(CONNECT, now)
        upstream.in_flight -= 1
        return self._dispatch(self._pending or [], other)

    def _may_repeat(self, route: ModelRoute) -> bool:
        if self._replayed or self._kept is None:
            return False
        return route.repeatable or self.head.method in _IDEMPOTENT

    def _may_fall_back(self, route: ModelRoute, decision: Decision) -> bool:
        on_canary = decision.arm is route.canary and not self._fallback
        return on_canary and route.repeatable and self._kept is not None

    def _fall_back(
        self, route: ModelRoute, decision: Decision, outcome: str, reason: str, now: int
    ) -> None:
        """Stable answers instead; the failure is the canary's and is counted there."""
        ending.record(self, decision, outcome, now)
        assert self._upstream is not None
        self._upstream.in_flight -= 1
        self._upstream.judge(outcome, now)
        self._connection = None
        self._fallback = f"{decision.arm.version}; {reason}"
        self.status = self.first_byte = 0
        route.counts.count_fallback(reason)
        self._dispatch(self._kept or [], route.stable.upstreams.choose(now))

    def _refuse(self, status: int, reason: str, detail: str, owner: Owner) -> None:
        """Answers ourselves, before any version was asked."""
        if self.route is not None:
            self.route.counts.count_refused(reason)
        else:
            self._plane.recording.refuse(reason)
        self._say(status, reason, detail, owner)

    def _say(self, status: int, reason: str, detail: str, owner: Owner) -> None:
        self.status = status
        extra = b"" if self.decision is None else ending.arm_lines(self)
        self.caller.answer_problem(
            status,
            reason,
            detail,
            owner,
            self,
            close=self.head.close or not self.complete,
            extra=extra,
        )

    def abandon(self, outcome: str) -> bool:
        """The caller's side ended it: left, stalled or broke a rule.  Whether a head had gone out.

        The upstream's connection is closed at once, so that nobody works for nobody.
        """
        route = self.route
        if route is None:
            return self._spoken
        if self.queued:
            self.queued = False
            route.room.waiting.remove(self)
            route.counts.count_refused(outcome)
            return False
        if self._connection is not None:
            self._connection.discard()
        elif self.waiting and self._upstream is not None:
            self._upstream.leave(self)
        if not self.complete:
            for copy in self.copies or ():
                copy.abort()
        if self.decision is None:
            route.counts.count_refused(outcome)
        self._finish(outcome, perf_counter_ns())
        return self._spoken

    def expire_queued(self) -> None:
        """No room came free in time."""
        assert self.route is not None
        self.queued = False
        self.route.room.waiting.remove(self)
        self._refuse(503, "queue_wait", "no room came free in time; try again", Owner.PROXY)

    # 5. Recorded: whatever happened.

    def _finish(self, outcome: str, now: int) -> None:
        upstream, route, decision = self._upstream, self.route, self.decision
        if upstream is not None:
            self._upstream = None
            upstream.in_flight -= 1
            upstream.judge(outcome, now)
        if self._paused and self._connection is not None:
            self._connection.transport.resume_reading()
        self._connection = None
        assert route is not None
        if decision is not None:
            if self._fallback:
                if outcome != OK:
                    route.counts.tally.fallback_failures += 1
            else:
                ending.record(self, decision, outcome, now)
            ending.conclude(self._plane, self, decision, outcome, now, self._fallback)
            self.copies = None  # they still know us: a cycle would wait for the collector
        route.room.in_flight -= 1
        if route.room.waiting:
            ending.let_in(route)
