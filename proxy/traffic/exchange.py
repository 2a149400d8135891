"""The life of one request: admitted, decided, forwarded, answered, recorded.

Read from top to bottom.  On the common path no task, future, lock or timer is made; the
steps are plain calls from the caller's connection and from the upstream's.  What is sent again
stands in again.py, what we say ourselves and what is counted in ending.py, who waits for room
in waiting.py.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.errors import RequestRefused
from proxy.net import NEVER
from proxy.terms import Owner
from proxy.traffic import again, ending, waiting
from proxy.traffic.again import CONNECT
from proxy.traffic.decision import Decision, decide
from proxy.traffic.ending import OVERLOAD
from proxy.traffic.forward import TIMEOUT
from proxy.traffic.recording import UPSTREAM_5XX, answered, upstream_failed
from proxy.wire import AnswerHead, RequestHead, encode, frame_answer, last

if TYPE_CHECKING:
    from proxy.traffic.board import ModelRoute
    from proxy.traffic.connection import CallerConnection
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.mirror import Copy
    from proxy.traffic.plane import Plane
    from proxy.traffic.upstreams import Upstream

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """One request with its answer, as it happens."""

    __slots__ = (
        "_connection", "_ends", "_framed", "_paused", "_pending", "_trailers",
        "bytes_in", "bytes_out", "caller", "complete", "copies", "decision", "fallback",
        "first_byte", "head", "held", "kept", "live", "moved", "plane", "queued", "replayed",
        "request_id", "route", "spoken", "started", "status", "upstream", "waiting",
    )  # fmt: skip

    def __init__(self, plane: Plane, caller: CallerConnection, head: RequestHead) -> None:
        self.plane = plane
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
        self.spoken = False  # a head has gone out to the caller
        self.bytes_in = self.bytes_out = self.status = self.first_byte = 0
        self.upstream: Upstream | None = None
        self.kept: list[bytes] | None = None  # body so far, to send it again
        self.fallback = ""  # why stable answers instead of the canary
        self.replayed = self.moved = False  # sent again on a fresh connection; elsewhere
        self._connection: UpstreamConnection | None = None
        self.held: list[bytes] | None = None  # body waiting for room or for the decision
        self._pending: list[bytes] | None = None  # body waiting for a connection
        self._trailers: list[bytes] = []
        self._framed = False  # the answer's body goes out in chunks
        self._ends = False  # its body ends with the caller's connection
        self._paused = False  # the caller takes no more for now

    # 1. Admitted: is it for a model, and is there room?

    def begin(self, pieces: list[bytes], complete: bool) -> None:
        """Takes a request in; ``pieces`` came of its body, ``complete`` when that is all of it."""
        head, board = self.head, self.plane.board
        self.complete = complete
        if board is None:
            detail = "no Plan has come yet; try again"
            return ending.refuse(self, 503, "starting", detail, Owner.PROXY)
        if head.shadow_mark and board.refuse_marked:
            detail = "x-shadow may not come from outside"
            return ending.refuse(self, 400, "shadow_marker", detail, Owner.CALLER)
        route = board.find(head.target, head.host)
        if route is None:
            path = head.target.partition(b"?")[0][:80].decode()
            detail = f"no model is served under {path!r} for the host {head.host.decode()!r}"
            return ending.refuse(self, 404, "no_model", detail, Owner.CALLER)
        self.route = route
        limit = route.body_limit
        if limit is not None and head.length > limit:
            detail = f"the body is over {limit} bytes"
            return ending.refuse(self, 413, "body_bytes", detail, Owner.CALLER)
        self.bytes_in = sum(map(len, pieces))
        room = route.room
        if room.in_flight < route.in_flight_limit:
            room.in_flight += 1
            return self.admitted(route, pieces)
        return waiting.join(self, route, pieces)

    def admitted(self, route: ModelRoute, pieces: list[bytes]) -> None:
        """There is room: now, or after having waited for it."""
        if self.head.expects and not self.complete and not pieces:
            self.caller.write(_CONTINUE)
        if not route.holds_body:
            self._decided(route, pieces, None)
        else:
            self.held = []
            self._hold(pieces)

    def _hold(self, pieces: list[bytes]) -> None:
        """Collects the body that the decision reads; one that is too large is decided without."""
        held, route = self.held, waiting.newest(self)
        assert held is not None
        held += pieces
        if max(self.head.length, self.bytes_in) > route.hold_limit:
            self.held = None
            route.counts.tally.held_too_large += 1
            self._decided(route, held, None)
        elif self.complete:
            self.held = None
            self._decided(route, held, b"".join(held))

    # 2. Decided: which arm answers, and who gets a copy.

    def _decided(self, route: ModelRoute, pieces: list[bytes], body: bytes | None) -> None:
        self.route = route
        decision = self.decision = decide(route, self.head, body, self.plane.chance)
        lines = self.head.lines  # the copy is made of what stable gets, before anything is added
        self.kept = pieces if self.complete else list(pieces) if route.repeatable else None
        self.dispatch(pieces, decision.arm.upstreams.choose(self.started))
        for mirror in route.mirrors:
            copy = mirror.offer(self, decision, lines)
            if copy is not None:
                copy.feed(pieces, self.complete, self._trailers)
                self.copies = [*(self.copies or ()), copy]

    # 3. Forwarded: on a kept connection or a new one.

    def dispatch(self, pieces: list[bytes], upstream: Upstream, fresh: bool = False) -> None:
        """Sends what has come of the request; ``fresh``: on no kept connection."""
        self.upstream = upstream
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
        self.caller.resume_reading()  # before we write: that may pause it again
        self._send(connection, self._pending or [])

    def _send(self, connection: UpstreamConnection, pieces: list[bytes]) -> None:
        head, route = self.head, self.route
        assert route is not None
        self._connection = connection
        self._pending = None
        # While the upload goes on we wait for the caller, not for the upstream.
        wait = again.first_byte_limit(self, route) if self.complete else NEVER
        deadline, total = perf_counter_ns() + wait, self.started + route.total
        connection.assign(self, head.method == b"HEAD", deadline, total)
        if head.length < 0:
            pieces = [encode(pieces), last(self._trailers) if self.complete else b""]
        lines = b"\r\n".join(head.lines)
        added = self.caller.added_lines(head)
        connection.write(b"".join((lines, added, self.request_id, b"\r\n\r\n", *pieces)))

    def feed(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        """More of the request's body.  Raises RequestRefused when it is too large."""
        route = self.route
        assert route is not None
        self.complete = complete
        self._trailers = trailers
        self.bytes_in += sum(map(len, pieces))
        if route.body_limit is not None and self.bytes_in > route.body_limit:
            raise RequestRefused(413, "body_bytes", f"the body is over {route.body_limit} bytes")
        if self.held is not None:
            return self.held.extend(pieces) if self.queued else self._hold(pieces)
        if self.kept is not None:
            again.keep(self, pieces, route.hold_limit)
        if self._pending is not None:
            self._pending += pieces
        elif self._connection is not None:
            self._write_on(self._connection, route, pieces)
        for copy in self.copies or ():
            copy.feed(pieces, complete, trailers)
        return None

    def _write_on(
        self, connection: UpstreamConnection, route: ModelRoute, pieces: list[bytes]
    ) -> None:
        if self.head.length < 0:
            pieces = [encode(pieces), last(self._trailers) if self.complete else b""]
        if self.spoken and not self._paused:
            connection.extend(perf_counter_ns() + route.idle)
        elif self.complete and not self.spoken:
            connection.extend(perf_counter_ns() + again.first_byte_limit(self, route))
        connection.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def pause_sending(self) -> None:
        """The upstream takes no more of the request for now: now we wait for it."""
        if not self.complete and self._connection is not None and self.route is not None:
            self.caller.pause_reading()
            self._connection.extend(perf_counter_ns() + self.route.idle)

    def resume_sending(self) -> None:
        """The upstream takes more again."""
        self.caller.resume_reading()
        if not self.complete and not self.spoken and self._connection is not None:
            self._connection.extend(NEVER)

    # 4. Answered: by the upstream, by stable instead of a failing canary, or by us.

    def interim(self, head: AnswerHead) -> None:
        """Passes a 1xx on.  100 is ours to say, and HTTP/1.0 has none (RFC 9110 15.2)."""
        if head.status != 100 and self.head.minor:
            self.caller.write(b"\r\n".join((*head.lines, b"", b"")))

    def answer(
        self, head: AnswerHead, pieces: list[bytes], complete: bool, trailers: list[bytes]
    ) -> None:
        """The upstream's final head; ``pieces`` came of the body, ``complete`` when that is all."""
        now = perf_counter_ns()
        route, decision, connection = self.route, self.decision, self._connection
        assert route is not None
        assert decision is not None
        assert connection is not None
        self.first_byte = now - self.started
        self.status = head.status
        if not self.complete:
            connection.spoil()
        if head.status in route.statuses and again.may_fall_back(self, route, decision):
            if not complete:
                connection.discard()
            self._connection = None
            reason = f"status_{head.status}"
            return again.fall_back(self, route, decision, UPSTREAM_5XX, reason, now)
        self._framed = head.length < 0 and self.head.minor == 1
        self._ends = head.length < 0 and self.head.minor == 0
        close = self.head.close or self._ends or not self.complete or self.plane.draining
        self.head.close = close
        if self.live is not None:
            self.live.lines = head.lines
        arm = decision.arm
        if self.fallback:
            arm = route.stable
            head.lines.append(b"x-fallback: " + self.fallback.encode())
        body = pieces
        if self._framed:
            body = [encode(pieces), last(trailers) if complete else b""]
        frame_answer(head, self._framed, close, self.head.minor)
        lines = b"\r\n".join(head.lines)
        self.caller.write(b"".join((lines, arm.answer_lines, self.request_id, b"\r\n\r\n", *body)))
        self.spoken = True
        return self._pass_on(connection, route, pieces, complete, now)

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
            self._finish(answered(self.status), now)
            self.caller.finished(self.head.close, now)
        elif not self._paused:
            connection.extend(now + route.idle)

    def pause_answer(self) -> None:
        """The caller takes no more for now: the upstream waits."""
        if self._connection is not None and not self._paused:
            self._paused = True
            self._connection.transport.pause_reading()
            self._connection.extend(NEVER)

    def resume_answer(self) -> None:
        """The caller takes more again."""
        if self._paused and self._connection is not None and self.route is not None:
            self._paused = False
            self._connection.transport.resume_reading()
            route = self.route
            wait = route.idle if self.spoken else again.first_byte_limit(self, route)
            self._connection.extend(perf_counter_ns() + wait)

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        """The upstream failed us; ``untouched``: a kept connection closed before any answer."""
        now = perf_counter_ns()
        route, decision, upstream = self.route, self.decision, self.upstream
        assert route is not None
        assert decision is not None
        assert upstream is not None
        self._connection = None
        if outcome == TIMEOUT and (self._paused or not (self.complete or self.caller.held_back)):
            # The total deadline ran out while we waited for the caller: not the upstream's fault.
            self.caller.stalled(self)
        elif self.spoken:
            self._finish(outcome, now)
            # Where the end of the connection ends the body, only a reset shows the truncation.
            self.caller.cut(reset=self._ends)
        elif untouched and again.may_repeat(self, route):
            again.replay(self, route, upstream)
        elif again.may_fall_back(self, route, decision):
            reason = outcome.removeprefix("upstream_")
            again.fall_back(self, route, decision, outcome, reason, now)
        else:
            self.status = 504 if outcome == TIMEOUT else 502
            self._finish(outcome, now)
            ending.blame(self, outcome, f"the model server {detail}")

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        """No connection: perhaps another endpoint of the version, since nothing was sent."""
        if not again.elsewhere(self, upstream, self._pending or []):
            self.failed(CONNECT, f"could not be reached: {detail}", untouched=False)

    def connect_impossible(self, detail: str) -> None:
        """We are out of descriptors, ports or memory: our fault, and nobody else's to feel."""
        self._finish(OVERLOAD, perf_counter_ns())
        ending.say(self, 503, OVERLOAD, f"the proxy cannot connect: {detail}", Owner.PROXY)

    def broke_down(self) -> None:
        """A fault of our own while an answer was read."""
        self.caller.break_down(self)

    def abandon(self, outcome: str) -> bool:
        """The caller's side ended it: left, stalled or broke a rule.  Whether a head had gone out.

        The upstream's connection is closed at once, so that nobody works for nobody.
        """
        route = self.route
        assert route is not None
        if self.queued:
            waiting.leave(self, route)
            route.counts.count_refused(outcome)
            return False
        if self._connection is not None:
            self._connection.discard()
        elif self.waiting and self.upstream is not None:
            self.upstream.leave(self)
        if self.decision is None:
            route.counts.count_refused(outcome)
        self._finish(outcome, perf_counter_ns())
        return self.spoken

    # 5. Recorded: whatever happened.

    def _finish(self, outcome: str, now: int) -> None:
        upstream, route, decision = self.upstream, self.route, self.decision
        if upstream is not None:
            self.upstream = None
            upstream.in_flight -= 1
            upstream.judge(outcome, now)
        if self._paused and self._connection is not None:
            self._connection.transport.resume_reading()
        self._connection = None
        assert route is not None
        if decision is not None:
            if not self.fallback:
                ending.record(self, decision, outcome, now)
            elif upstream_failed(outcome):
                route.counts.tally.fallback_failures += 1
            ending.conclude(self.plane, self, decision, outcome, now, self.fallback)
            if not self.complete:
                for copy in self.copies or ():
                    copy.abort()
            self.copies = None  # they still know us: a cycle would wait for the collector
        route.room.in_flight -= 1
        if route.room.waiting:
            waiting.let_in(route.room)
