"""How an exchange ends: counted, paired with its shadows, logged, and its place given on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy.net import NEVER
from proxy.terms import Half, Logged, Outcome, Pair
from proxy.traffic.recording import OK

if TYPE_CHECKING:
    from proxy.traffic.board import ModelRoute
    from proxy.traffic.decision import Decision
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.plane import Plane
    from proxy.traffic.recording import Recording

__all__ = ["NEVER", "Kept", "PairDraft", "arm_lines", "conclude", "let_in", "record"]


class Kept:
    """An answer as it passes, its body up to a cap."""

    __slots__ = ("_cap", "_pieces", "lines", "size")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._pieces: list[bytes] = []
        self.lines: list[bytes] = []
        self.size = 0

    def keep(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            room = self._cap - self.size
            if room > 0:
                self._pieces.append(piece[:room])
            self.size += len(piece)

    def half(self, version: str, outcome: str, status: int, nanoseconds: int, cap: int) -> Half:
        """This answer as one side of a pair, its body cut to ``cap`` bytes."""
        return Half(
            version=version,
            outcome=Outcome(outcome),
            status=status,
            seconds=nanoseconds / 1e9,
            body=b"".join(self._pieces)[:cap],
            body_bytes=self.size,
            content_type=_field(self.lines, b"content-type:"),
            content_encoding=_field(self.lines, b"content-encoding:"),
        )


def _field(lines: list[bytes], name: bytes) -> str:
    for line in lines:
        if line[: len(name)].lower() == name:
            return line[len(name) :].strip().decode("latin-1")
    return ""


class PairDraft:
    """The two halves of a pair, in whatever order they come."""

    __slots__ = ("_exchange", "_live", "_plane", "_shadow", "cap")

    def __init__(self, plane: Plane, exchange: Exchange, cap: int) -> None:
        self._plane = plane
        self._exchange = exchange
        self.cap = cap
        self._live: Half | None = None
        self._shadow: Half | None = None

    def live(self, half: Half) -> None:
        self._live = half
        self._join()

    def shadow(self, half: Half) -> None:
        self._shadow = half
        self._join()

    def _join(self) -> None:
        if self._live is None or self._shadow is None:
            return
        exchange = self._exchange
        decision, route = exchange.decision, exchange.route
        assert decision is not None
        assert route is not None
        self._plane.recording.pair(
            Pair(
                request_id=exchange.request_id.decode(),
                model=route.name,
                customer=self._plane.customer(decision),
                segments=decision.segments,
                at=time.time(),
                live=self._live,
                shadow=self._shadow,
            )
        )


def record(exchange: Exchange, decision: Decision, outcome: str, now: int) -> None:
    """Counts the exchange for its version: for everyone, and for each of its segments."""
    total = now - exchange.started
    first, bytes_in, bytes_out = exchange.first_byte, exchange.bytes_in, exchange.bytes_out
    arm = decision.arm
    arm.series.record(outcome, first, total, bytes_in, bytes_out)
    for label in decision.segments:
        arm.segment(label).record(outcome, first, total, bytes_in, bytes_out)


def conclude(
    plane: Plane, exchange: Exchange, decision: Decision, outcome: str, now: int, fallback: str
) -> None:
    """Hands the live half to its pairs, and writes the log line, where either is wanted."""
    route = exchange.route
    assert route is not None
    version = route.stable.version if fallback else decision.arm.version
    live = exchange.live
    if live is not None:
        for copy in exchange.copies or ():
            if copy.draft is not None:
                total, cap = now - exchange.started, copy.draft.cap
                copy.draft.live(live.half(version, outcome, exchange.status, total, cap))
    board = plane.board
    if board is None or board.log_share is None:
        return
    if outcome != OK or board.log_share.takes(decision.key):
        _log(plane.recording, plane.customer(decision), exchange, decision, outcome, now, fallback)


def _log(
    recording: Recording,
    customer: str,
    exchange: Exchange,
    decision: Decision,
    outcome: str,
    now: int,
    fallback: str,
) -> None:
    route, head = exchange.route, exchange.head
    assert route is not None
    arm = route.stable if fallback else decision.arm
    recording.log(
        Logged(
            at=time.time(),
            request_id=exchange.request_id.decode(),
            model=route.name,
            version=arm.version,
            arm=arm.arm,
            outcome=Outcome(outcome),
            status=exchange.status,
            method=head.method.decode(),
            target=head.target.decode(),
            customer=customer,
            first_byte=exchange.first_byte / 1e9,
            seconds=(now - exchange.started) / 1e9,
            bytes_in=exchange.bytes_in,
            bytes_out=exchange.bytes_out,
            fallback=fallback,
        )
    )


def arm_lines(exchange: Exchange) -> bytes:
    """The lines that say what was asked, for an answer of our own (promise 8)."""
    assert exchange.decision is not None
    arm = exchange.decision.arm
    return arm.answer_lines[2 : arm.answer_lines.rindex(b"x-request-id")]


def let_in(route: ModelRoute) -> None:
    """Admits those who wait, as far as there is room."""
    room = route.room
    while room.waiting and room.in_flight < route.in_flight_limit:
        room.waiting.popleft().admit_queued()
