"""Which arm answers a request: read the key, ask the split.  No await, no I/O."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from proxy.routing import keys
from proxy.terms import Arm
from proxy.traffic.again import IDEMPOTENT
from proxy.wire import RequestHead

if TYPE_CHECKING:
    from proxy.traffic.board import ArmRoute, Board, ModelRoute
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.mirror import Mirror
    from proxy.traffic.rewriting import CopyText

_NONE: Final[list[bytes]] = []


class Prepared:
    """What one Board makes of a head; it stays with the head for as long as the Board is in force.

    ``cut_is_key``: the value that was cut out of the head is the customer's key as it stands.
    ``segments`` are those of every request with this head; None where they need more than it.
    ``at_once``: it needs nothing of the body to be decided, and waits for no word of ours;
    ``too_large``: it announces more than the model takes; ``repeatable``: it may be sent twice.
    """

    __slots__ = (
        "at_once", "board", "copies", "cut_is_key", "repeatable", "route", "segments", "too_large",
    )  # fmt: skip

    def __init__(self, board: Board, route: ModelRoute, head: RequestHead) -> None:
        self.board = board
        self.route = route
        reader = route.key
        self.cut_is_key = isinstance(reader, keys.HeaderKey) and reader.line == head.cut
        self.at_once = not (head.expects or route.holds_body)
        self.too_large = route.body_limit is not None and head.length > route.body_limit
        self.repeatable = route.repeatable or head.method in IDEMPOTENT
        self.copies: dict[Mirror, CopyText] = {}
        self.segments: tuple[str, ...] | None = None
        if not any(_varies(each.reader, head) for each in route.segments):
            self.segments = _segments(route, head, b"", None)


def read(reader: keys.Reader, head: RequestHead, cut: bytes, body: bytes | None) -> bytes | None:
    """The value that ``reader`` finds in a request; None when it is missing.

    ``cut`` is the value that was cut out of the head.
    """
    if isinstance(reader, keys.FROM_LINES):
        if reader.line == head.cut:
            return reader.read([cut])
        wanted = head.wanted
        return None if wanted is None else reader.read(wanted.get(reader.line, _NONE))
    if isinstance(reader, keys.QueryKey):
        return reader.read(head.target)
    return None if body is None else reader.read(body)


def decide(prepared: Prepared, exchange: Exchange, body: bytes | None) -> ArmRoute:
    """The arm that answers; counts the decision, and tells the exchange whose request it is.

    ``body`` is the held body where the model reads a JSON field, else None.  The key is the
    customer's, or one drawn by chance where there is none; every share of the request is asked
    with it.
    """
    route, head, cut = prepared.route, exchange.head, exchange.cut
    tally = route.counts.tally or route.counts.running()
    canary = route.canary
    if prepared.cut_is_key:
        key: bytes | None = cut
    else:
        key = None if route.key is None else read(route.key, head, cut, body)
    choice = _choice(route, head) if route.tester_name else None
    if key is not None:
        exchange.key, exchange.known = key, True
        arm = route.stable
        # Who chose his arm is not met: the census is of those who were drawn.
        draw = route.draw if choice is None else route.share
        if canary is not None and draw.takes(key):
            arm = canary
        tally.customers[arm.arm] = tally.customers.get(arm.arm, 0) + 1
    else:
        if route.key is not None:
            tally.missing_keys += 1
        key = exchange.key = exchange.plane.chance()
        exchange.known = False
        arm = route.stable
        if canary is not None and route.missing_random and route.share.takes(key):
            arm = canary
    segments = prepared.segments
    exchange.segments = _segments(route, head, cut, body) if segments is None else segments
    if choice is not None:
        exchange.chosen = True
        return choice
    return arm


def _segments(
    route: ModelRoute, head: RequestHead, cut: bytes, body: bytes | None
) -> tuple[str, ...]:
    return tuple([each.label(read(each.reader, head, cut, body)) for each in route.segments])


def _varies(reader: keys.Reader, head: RequestHead) -> bool:
    """Whether requests with the same head may have different values for ``reader``."""
    if isinstance(reader, keys.FROM_LINES):
        return reader.line == head.cut
    return isinstance(reader, keys.JsonKey)


def _choice(route: ModelRoute, head: RequestHead) -> ArmRoute | None:
    """A tester's own choice of arm; None where there is none, or it is not honoured."""
    values = (head.wanted or {}).get(route.tester_name)
    if values is None:
        return None
    secret, _, choice = values[0].rpartition(b" ")
    if len(values) > 1 or not hmac.compare_digest(secret, route.tester_secret):
        return None
    chosen = {Arm.STABLE.value: route.stable, Arm.CANARY.value: route.canary}.get(
        choice.decode("latin-1")
    )
    if chosen is not None:
        route.counts.running().overrides += 1
    return chosen
