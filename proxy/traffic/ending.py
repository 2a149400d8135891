"""How an exchange ends: counted, paired with its shadows, logged, and its place given on."""

from __future__ import annotations

import time
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.terms import OWNER, Half, Logged, Outcome, Owner, Pair
from proxy.traffic.recording import Lease, Pot, upstream_failed
from proxy.wire import AnswerHead, problem

if TYPE_CHECKING:
    from proxy.traffic.board import ArmRoute, ModelRoute
    from proxy.traffic.connection import CallerConnection
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.plane import Plane
    from proxy.traffic.watching import Asked

#: A larger answer takes of the room for all pairs; smaller ones are bounded by how many there are.
_SMALL: Final = 16_384
#: Making a member of an Enum from its value runs Python code, a look-up here does not.
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
OVERLOAD: Final = Outcome.PROXY_OVERLOAD.value
_ALWAYS_LOGGED: Final = frozenset(
    outcome.value for outcome, owner in OWNER.items() if owner in (Owner.UPSTREAM, Owner.PROXY)
)


class Body:
    """A body as it passes, up to a cap; ``size`` is that of all of it, in bytes."""

    __slots__ = ("_book", "_lease", "_pieces", "cap", "lost", "size")

    def __init__(self, book: Pot, cap: int) -> None:
        self._book = book
        self._lease: Lease | None = None
        self.lost = False  # there was no room for it: nothing is made of it
        self.cap = cap
        self._pieces: list[bytes] = []
        self.size = 0

    def keep(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            room, size = self.cap - self.size, len(piece)
            if room > 0 and not self.lost:
                self._pieces.append(piece if size <= room else piece[:room])
            self.size += size
        if self.size > _SMALL and not self.lost:
            self._weigh()

    def _weigh(self) -> None:
        if self._lease is None:
            self._lease = Lease(self._book)
        if not self._lease.holds(min(self.size, self.cap), self.cap):
            self.lost, self._lease = True, None
            self._pieces.clear()

    def start(self, cap: int) -> bytes:
        """What was kept of it, cut to ``cap`` bytes."""
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return body if len(body) <= cap else body[:cap]


class Kept(Body):
    """An answer as it passes, its body up to a cap.

    Both halves of a pair are timed from ``began``, when the copy was offered: what the live
    request waited before, for room or for its body, is no difference between the versions.
    """

    __slots__ = ("asked", "began", "head")

    def __init__(self, book: Pot, cap: int, began: int) -> None:
        Body.__init__(self, book, cap)
        self.began = began
        self.head: AnswerHead | None = None
        self.asked: Asked | None = None  # the request, where both are a sample

    def half(self, version: str, outcome: str, status: int, now: int, cap: int) -> Half:
        """This answer as one side of a pair, its body cut to ``cap`` bytes."""
        seconds, kind = (now - self.began) / 1e9, ("", "")
        if self.head is not None:
            kind = self.head.content()
        body = self.start(cap)
        return Half(version, _OUTCOMES[outcome], status, seconds, body, self.size, *kind)


class PairDraft:
    """The two halves of a pair, in whatever order they come."""

    __slots__ = ("_exchange", "_live", "_plane", "_shadow", "book", "cap", "lost")

    def __init__(self, plane: Plane, exchange: Exchange, cap: int) -> None:
        self._plane = plane
        self._exchange = exchange
        self.book = plane.recording
        self.cap = cap
        self.lost = False  # one of its halves was not kept
        self._live: Half | None = None
        self._shadow: Half | None = None

    def live(self, half: Half, lost: bool) -> None:
        self._live = half
        self.lost |= lost
        self._join()

    def shadow(self, half: Half, lost: bool) -> None:
        self._shadow = half
        self.lost |= lost
        self._join()

    def _join(self) -> None:
        if self._live is None or self._shadow is None:
            return
        exchange = self._exchange
        route = exchange.route
        assert route is not None
        if self.lost:
            self.book.pairs_dropped += 1
            route.counts.drop_pair(self._shadow.version)
            return
        self._plane.recording.pair(
            Pair(
                request_id=exchange.request_id.decode(),
                model=route.name,
                customer=self._plane.customer(exchange.key, exchange.known),
                segments=exchange.segments,
                at=time.time(),
                live=self._live,
                shadow=self._shadow,
            )
        )


def conclude(plane: Plane, exchange: Exchange, arm: ArmRoute, outcome: str, now: int) -> None:
    """Hands the live half to its pairs, and writes the log line, where either is wanted."""
    live = exchange.live
    if live is not None:
        for copy in exchange.copies or ():
            if copy.draft is not None:
                cap, version = copy.draft.cap, arm.version
                status = exchange.status if exchange.spoken else 0  # ours is no answer of theirs
                copy.draft.live(live.half(version, outcome, status, now, cap), live.lost)
        if live.asked is not None:
            live.asked.conclude(exchange, live, outcome, now)
            live.asked = None
            if not exchange.copies:  # else a pair may still count on it
                exchange.live = None
    board = plane.board
    if board is None or board.log_share is None:
        return
    if exchange.fallback or outcome in _ALWAYS_LOGGED or board.log_share.takes(exchange.key):
        _log(plane, board.log_customers == "plain", exchange, arm, outcome, now)


def _log(
    plane: Plane, plain: bool, exchange: Exchange, arm: ArmRoute, outcome: str, now: int
) -> None:
    route, head = exchange.route, exchange.head
    assert route is not None
    if exchange.fallback:
        arm = route.stable
    # A query may name the customer: it is shown only where customers are (promise 12).
    target = head.target if plain else head.target.partition(b"?")[0]
    plane.recording.log(
        Logged(
            at=time.time(),
            request_id=exchange.request_id.decode(),
            model=route.name,
            version=arm.version,
            arm=arm.arm,
            outcome=Outcome(outcome),
            status=exchange.status,
            method=head.method.decode(),
            target=target.decode(),
            customer=plane.customer(exchange.key, exchange.known),
            first_byte=exchange.first_byte / 1e9,
            seconds=(now - exchange.started) / 1e9,
            bytes_in=exchange.bytes_in,
            bytes_out=exchange.bytes_out,
            fallback=exchange.fallback,
        )
    )


def not_well(exchange: Exchange, route: ModelRoute, outcome: str, now: int) -> None:
    """It ended badly, or took longer than it should."""
    if route.watch is not None:
        route.watch.ended(exchange, outcome, now)


def fell_back(exchange: Exchange, route: ModelRoute, outcome: str, now: int) -> None:
    """Stable stood in for a canary that failed; ``outcome`` is stable's."""
    if upstream_failed(outcome):
        route.counts.running().fallback_failures += 1
    if route.watch is not None:
        route.watch.saved(exchange, now)


def refuse(exchange: Exchange, status: int, reason: str, detail: str, owner: Owner) -> None:
    """Answers ourselves, before any version was asked."""
    if exchange.route is not None:
        exchange.route.counts.count_refused(reason)
    else:
        exchange.plane.recording.refuse(reason)
    say(exchange, status, reason, detail, owner)


def blame(exchange: Exchange, outcome: str, detail: str) -> None:
    """Answers ourselves, for an upstream that could not."""
    say(exchange, exchange.status, outcome, detail, Owner.UPSTREAM)


def say(exchange: Exchange, status: int, reason: str, detail: str, owner: Owner) -> None:
    """Writes an answer of our own; the connection stays if the request has come whole."""
    exchange.status = status
    close = exchange.close or not exchange.complete or exchange.plane.draining
    tell(exchange.caller, exchange, status, reason, detail, owner, close=close)


def tell(
    caller: CallerConnection,
    exchange: Exchange | None,
    status: int,
    reason: str,
    detail: str,
    owner: Owner,
    *,
    close: bool = True,
) -> None:
    """Answers for ourselves: the only place where an error becomes bytes."""
    bodiless, extra = False, b""
    if exchange is None:
        request_id = caller.new_id()  # no head came whole, or it cannot be trusted
    else:
        request_id = exchange.request_id
        bodiless = exchange.head.method == b"HEAD"
        extra = b"" if exchange.arm is None else _arm_lines(exchange, exchange.arm)
    answer = problem(
        status,
        reason,
        detail,
        owner=owner,
        request_id=request_id.decode(),
        close=close,
        bodiless=bodiless,
        extra=extra,
        retry_after=1 if status == 503 else None,
    )
    caller.write(answer)
    caller.finished(close, perf_counter_ns())


def _arm_lines(exchange: Exchange, arm: ArmRoute) -> bytes:
    """The lines that say what was asked (promise 8)."""
    route, fallback = exchange.route, b""
    if exchange.fallback and route is not None:
        arm, fallback = route.stable, f"x-fallback: {exchange.fallback}\r\n".encode()
    return arm.answer_lines[2 : arm.answer_lines.rindex(b"x-request-id")] + fallback
