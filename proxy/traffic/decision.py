"""Which arm answers a request: read the key, ask the split.  No await, no I/O."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from proxy.routing import keys
from proxy.terms import Arm
from proxy.wire import RequestHead

if TYPE_CHECKING:
    from proxy.traffic.board import ArmRoute, Board, ModelRoute
    from proxy.traffic.mirror import Mirror
    from proxy.traffic.rewriting import CopyText

_NONE: Final[list[bytes]] = []


class Prepared:
    """What one Board makes of a head; it stays with the head for as long as the Board is in force.

    ``cut_is_key``: the value that was cut out of the head is the customer's key as it stands.
    ``segments`` are those of every request with this head; None where they need more than it.
    """

    __slots__ = ("board", "copies", "cut_is_key", "route", "segments")

    def __init__(self, board: Board, route: ModelRoute, head: RequestHead) -> None:
        self.board = board
        self.route = route
        reader = route.key
        self.cut_is_key = isinstance(reader, keys.HeaderKey) and reader.line == head.cut
        self.copies: dict[Mirror, CopyText] = {}
        self.segments: tuple[str, ...] | None = None
        if not any(_varies(each.reader, head) for each in route.segments):
            self.segments = _segments(route, head, b"", None)


#: The arm, the key, whether it is known, the segments, and whether a tester chose the arm.  The
#: key is the customer's, or one drawn by chance where there is none; every share of the request
#: is asked with it.
Decision: TypeAlias = "tuple[ArmRoute, bytes, bool, tuple[str, ...], bool]"


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


def decide(
    prepared: Prepared,
    head: RequestHead,
    cut: bytes,
    body: bytes | None,
    chance: Callable[[], bytes],
) -> Decision:
    """Decides for one request and counts the decision.

    ``cut`` is the value that was cut out of the head; ``body`` is the held body where the model
    reads a JSON field, else None; ``chance`` draws a key for a request without one.
    """
    route = prepared.route
    reader = route.key
    if prepared.cut_is_key:
        key: bytes | None = cut
    else:
        key = None if reader is None else read(reader, head, cut, body)
    tally = route.counts.tally or route.counts.running()
    canary = route.canary
    choice = None
    if route.tester_name and head.wanted is not None and route.tester_name in head.wanted:
        choice = _choice(route, head.wanted[route.tester_name])
    known = key is not None
    if key is None:
        if reader is not None:
            tally.missing_keys += 1
        key = chance()
        arm = canary if canary and route.missing_random and route.share.takes(key) else None
        arm = arm or route.stable
    else:
        # Who chose his arm is not met: the census is of those who were drawn.
        draw = route.draw if choice is None else route.share
        arm = canary if canary is not None and draw.takes(key) else route.stable
        tally.customers[arm.arm] = tally.customers.get(arm.arm, 0) + 1
    segments = prepared.segments
    if segments is None:
        segments = _segments(route, head, cut, body)
    return choice or arm, key, known, segments, choice is not None


def _segments(
    route: ModelRoute, head: RequestHead, cut: bytes, body: bytes | None
) -> tuple[str, ...]:
    return tuple([each.label(read(each.reader, head, cut, body)) for each in route.segments])


def _varies(reader: keys.Reader, head: RequestHead) -> bool:
    """Whether requests with the same head may have different values for ``reader``."""
    if isinstance(reader, keys.FROM_LINES):
        return reader.line == head.cut
    return isinstance(reader, keys.JsonKey)


def _choice(route: ModelRoute, values: list[bytes]) -> ArmRoute | None:
    """A tester's own choice of arm; None where it is not honoured."""
    secret, _, choice = values[0].rpartition(b" ")
    if len(values) > 1 or not hmac.compare_digest(secret, route.tester_secret):
        return None
    chosen = {Arm.STABLE.value: route.stable, Arm.CANARY.value: route.canary}.get(
        choice.decode("latin-1")
    )
    if chosen is not None:
        route.counts.running().overrides += 1
    return chosen
