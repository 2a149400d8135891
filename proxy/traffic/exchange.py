"""The life of one request: admitted, decided, forwarded, answered, recorded.

Read from top to bottom.  On the common path no task, future, lock or timer is made; the
steps are plain calls from the caller's connection and from the upstream's.  What is refused at
once stands in admission.py, who waits for room in waiting.py, the rest of a body in uploading.py,
what is sent again in again.py, an answer that cannot just be passed on in reframing.py, what we
say ourselves and what is told of it in ending.py.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.net import NEVER
from proxy.terms import Owner
from proxy.traffic import admission, again, ending, reframing, uploading, waiting
from proxy.traffic.again import CONNECT
from proxy.traffic.decision import Prepared, decide
from proxy.traffic.ending import OVERLOAD
from proxy.traffic.forward import NO_LINES, TIMEOUT
from proxy.traffic.recording import OK, UPSTREAM_5XX, answered, record
from proxy.wire import AnswerHead, RequestHead, encode, last

if TYPE_CHECKING:
    from proxy.traffic.board import ArmRoute, ModelRoute
    from proxy.traffic.connection import CallerConnection
    from proxy.traffic.copying import Copy
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.plane import Plane
    from proxy.traffic.pools import UpstreamPool
    from proxy.traffic.upstreams import Upstream

#: From so many bytes on it costs less to hand the parts over than to copy them into one.
LARGE: Final = 65_536
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """One request with its answer, as it happens.

    ``key``, ``known`` and ``segments`` are the decision's (decision.py), once there is an ``arm``;
    ``changed``: the answer's head cannot just be passed on.
    """

    __slots__ = (
        "arm", "bytes_in", "bytes_out", "caller", "changed", "chosen", "close", "complete",
        "connection", "copies", "cut", "ends", "fallback", "first_byte", "framed", "head", "held",
        "kept", "key", "known", "live", "moved", "paused", "pending", "plane", "queued",
        "replayed", "request_id", "route", "segments", "spoken", "started", "status", "trailers",
        "upstream", "waiting",
    )  # fmt: skip

    key: bytes
    known: bool
    segments: tuple[str, ...]

    def __init__(
        self,
        plane: Plane,
        caller: CallerConnection,
        head: RequestHead,
        cut: bytes,
        now: int,
        complete: bool,
    ) -> None:
        self.plane = plane
        self.caller = caller
        self.head = head
        self.cut = cut  # the value that was cut out of the head
        self.started = now
        self.complete = complete  # the request has come whole
        self.request_id = head.request_id or next(plane.ids)
        self.close = head.close  # the caller's connection ends with this answer
        self.changed = head.changes
        self.bytes_in = head.length
        self.bytes_out = self.status = self.first_byte = 0
        self.spoken = False  # a head has gone out to the caller
        self.route: ModelRoute | None = None
        self.arm: ArmRoute | None = None
        self.upstream: Upstream | None = None
        self.connection: UpstreamConnection | None = None
        self.copies: list[Copy] | None = None  # those that want more of it
        self.live: ending.Kept | None = None  # the answer, kept for pairs
        self.queued = False  # waiting for room
        self.waiting: UpstreamPool | None = None  # where it waits for a connection
        self.held: list[bytes] | None = None  # body waiting for room or for the decision
        self.pending: list[bytes] | None = None  # body waiting for a connection
        self.kept: list[bytes] | None = None  # body so far, to send it again
        self.trailers = NO_LINES
        self.fallback = ""  # why stable answers instead of the canary
        self.chosen = False  # by a tester: its arm was not drawn
        self.replayed = self.moved = False  # sent again on a fresh connection; elsewhere
        self.framed = False  # the answer's body goes out in chunks
        self.ends = False  # its body ends with the caller's connection
        self.paused = False  # the caller takes no more for now

    # 1. Admitted: is it for a model, and is there room?

    def begin(self, pieces: list[bytes]) -> None:
        """Takes a request in; ``pieces`` came of its body."""
        head = self.head
        prepared: Prepared | None = head.prepared
        if prepared is None or prepared.board is not self.plane.board:
            prepared = admission.prepare(self, head)
            if prepared is None:
                return None
        route = self.route = prepared.route
        if prepared.too_large:
            detail = f"the body is over {route.body_limit} bytes"
            return ending.refuse(self, 413, "body_bytes", detail, Owner.CALLER)
        room = route.room
        if room.in_flight >= route.in_flight_limit:
            return waiting.join(self, route, pieces)
        room.in_flight += 1
        if prepared.at_once:
            return self.decided(prepared, pieces, None, self.started)
        return self.admitted(prepared, pieces, self.started)

    def admitted(self, prepared: Prepared, pieces: list[bytes], now: int) -> None:
        """There is room: at once, or after having waited for it."""
        if self.head.expects and not self.complete and not pieces:
            self.caller.write(_CONTINUE)
        if not prepared.route.holds_body:
            self.decided(prepared, pieces, None, now)
        else:
            self.held = []
            prepared.route.counts.running()
            uploading.hold(self, pieces)

    # 2. Decided: which arm answers, and who gets a copy.

    def decided(
        self, prepared: Prepared, pieces: list[bytes], body: bytes | None, now: int
    ) -> None:
        route = self.route = prepared.route
        arm = self.arm = decide(prepared, self, body)
        if route.tester_name:
            prepared = admission.hide_tester(self, prepared)
        if self.complete:
            self.kept = pieces
        elif route.repeatable and self.head.length <= route.hold_limit:
            self.kept = list(pieces)
        self.dispatch(pieces, arm.upstreams.choose(now), now)
        for mirror in route.mirrors:
            copy = mirror.offer(self, prepared, pieces, now)
            if copy is not None:
                self.copies = [*(self.copies or ()), copy]
        if route.sampler is not None:
            route.sampler.offer(self, pieces, now)

    # 3. Forwarded: on a kept connection or a new one.

    def dispatch(
        self, pieces: list[bytes], upstream: Upstream, now: int, fresh: bool = False
    ) -> None:
        """Sends what has come of the request; ``fresh``: on no kept connection."""
        self.upstream = upstream
        upstream.in_flight += 1
        route = self.route
        assert route is not None
        connection = None if fresh else upstream.pool.assign(now)
        if connection is not None:
            return self._send(connection, pieces, now)
        self.pending = list(pieces)
        upstream.connect(self, route.connect_seconds)
        if not self.complete:
            self.caller.pause_reading()
        return None

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for us, dialled or just set free."""
        self.caller.resume_reading()  # before we write: that may pause it again
        self._send(connection, self.pending or [], perf_counter_ns())

    def _send(self, connection: UpstreamConnection, pieces: list[bytes], now: int) -> None:
        head, route, caller = self.head, self.route, self.caller
        assert route is not None
        self.connection = connection
        self.pending = None
        # While the upload goes on we wait for the caller, not for the upstream.
        if not self.complete:
            wait = NEVER
        elif self.arm is route.canary:
            wait = again.first_byte_limit(self, route)
        else:
            wait = route.first_byte
        connection.assign(self, head.to_head, now + wait, self.started + route.total)
        if head.length < 0:
            pieces = [encode(pieces), last(self.trailers) if self.complete else b""]
        added = caller.added if head.plain else caller.added_lines(head)
        text = [head.before, self.cut, head.after, added, self.request_id, b"\r\n\r\n", *pieces]
        if self.bytes_in < LARGE:
            connection.write(b"".join(text))
        else:
            connection.transport.writelines(text)

    def pause_sending(self) -> None:
        """The upstream takes no more of the request for now: now we wait for it."""
        if not self.complete and self.connection is not None and self.route is not None:
            self.caller.pause_reading()
            self.connection.extend(perf_counter_ns() + self.route.idle)

    def resume_sending(self) -> None:
        """The upstream takes more again."""
        self.caller.resume_reading()
        if not self.complete and not self.spoken and self.connection is not None:
            self.connection.extend(NEVER)

    # 4. Answered: by the upstream, by stable instead of a failing canary, or by us.

    def interim(self, head: AnswerHead) -> None:
        """Passes a 1xx on.  100 is ours to say, and HTTP/1.0 has none (RFC 9110 15.2)."""
        if head.status != 100 and self.head.minor:
            self.caller.write(head.text + b"\r\n\r\n")

    def answer(
        self,
        head: AnswerHead,
        pieces: list[bytes],
        complete: bool,
        trailers: list[bytes],
        now: int,
    ) -> None:
        """The upstream's final head; ``pieces`` came of the body, ``complete`` when that is all."""
        route, arm, connection = self.route, self.arm, self.connection
        assert route is not None
        assert arm is not None
        assert connection is not None
        self.first_byte = now - self.started
        status = self.status = head.status
        if not self.complete:
            connection.spoil()
        if status in route.statuses and again.may_fall_back(self, route):
            if not complete:
                connection.discard()
            self.connection = None
            return again.fall_back(self, route, arm, UPSTREAM_5XX, f"status_{status}", now)
        if self.live is not None:
            self.live.head = head
        if self.changed or head.length < 0 or not self.complete or self.plane.draining:
            whole = reframing.reframed(self, route, head, pieces, complete, trailers)
        else:
            whole = [head.text, arm.answer_lines, self.request_id, b"\r\n\r\n", *pieces]
        if head.length < LARGE:
            self.caller.write(b"".join(whole))
        else:
            self.caller.transport.writelines(whole)
        self.spoken = True
        return self._pass_on(connection, route, pieces, complete, now)

    def more(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        """More of the answer's body, as it comes: nothing is gathered."""
        connection, route = self.connection, self.route
        assert connection is not None
        assert route is not None
        if self.framed:
            data = encode(pieces)
            if complete:
                data += last(trailers)
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
            self._finish(OK if self.status < 400 else answered(self.status), now)
            self.caller.finished(self.close, now)
        elif not self.paused:
            connection.extend(now + route.idle)

    def pause_answer(self) -> None:
        """The caller takes no more for now: the upstream waits."""
        if self.connection is not None and not self.paused:
            self.paused = True
            self.connection.transport.pause_reading()
            self.connection.extend(NEVER)

    def resume_answer(self) -> None:
        """The caller takes more again."""
        if self.paused and self.connection is not None and self.route is not None:
            self.paused = False
            self.connection.transport.resume_reading()
            route = self.route
            wait = route.idle if self.spoken else again.first_byte_limit(self, route)
            self.connection.extend(perf_counter_ns() + wait)

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        """The upstream failed us; ``untouched``: a kept connection closed before any answer."""
        now = perf_counter_ns()
        route, arm, upstream = self.route, self.arm, self.upstream
        assert route is not None
        assert arm is not None
        assert upstream is not None
        self.connection = None
        if outcome == TIMEOUT and (self.paused or not (self.complete or self.caller.held_back)):
            # The total deadline ran out while we waited for the caller: not the upstream's fault.
            self.caller.stalled(self)
        elif self.spoken:
            self._finish(outcome, now)
            # Where the end of the connection ends the body, only a reset shows the truncation.
            self.caller.cut(reset=self.ends)
        elif untouched and again.may_repeat(self):
            again.replay(self, route, upstream)
        elif again.may_fall_back(self, route):
            reason = outcome.removeprefix("upstream_")
            again.fall_back(self, route, arm, outcome, reason, now)
        else:
            self.status = 504 if outcome == TIMEOUT else 502
            self._finish(outcome, now)
            ending.blame(self, outcome, f"the model server {detail}")

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        """No connection: perhaps another endpoint of the version, since nothing was sent."""
        if not again.elsewhere(self, upstream, self.pending or []):
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
        if self.connection is not None:
            self.connection.discard()
        elif self.waiting is not None:
            self.waiting.leave(self)
        if self.arm is None:
            route.counts.count_refused(outcome)
        self._finish(outcome, perf_counter_ns())
        return self.spoken

    # 5. Recorded: whatever happened.

    def record(self, arm: ArmRoute, outcome: str, now: int) -> None:
        """Counts the exchange for a version: for everyone, and for each of its segments."""
        joint = arm.joints.get(self.segments) or arm.joint(self.segments)
        total = now - self.started
        record(joint, outcome, self.first_byte, total, self.bytes_in, self.bytes_out)

    def _finish(self, outcome: str, now: int) -> None:
        upstream, route, arm = self.upstream, self.route, self.arm
        if upstream is not None:
            self.upstream = None
            upstream.in_flight -= 1
            health = upstream.health
            if outcome is not OK or health.streak or not health.well:
                upstream.judge(outcome, now)
        if self.paused and self.connection is not None:
            self.connection.transport.resume_reading()
        self.connection = None
        self.kept = None  # a copy that is still under way knows us, and would hold it in memory
        assert route is not None
        if arm is not None:
            if self.fallback:
                ending.fell_back(self, route, outcome, now)
            else:
                self.record(arm, outcome, now)
                if outcome is not OK or now - self.started > route.slow:
                    ending.not_well(self, route, outcome, now)
            if self.live is not None or self.plane.logs:
                ending.conclude(self.plane, self, arm, outcome, now)
            if self.copies is not None:
                if not self.complete:
                    for copy in self.copies:
                        copy.abort()
                self.copies = None  # they still know us: a cycle would wait for the collector
        room = route.room
        room.in_flight -= 1
        if room.waiting:
            waiting.let_in(room)
