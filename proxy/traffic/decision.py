"""Which arm answers a request: read the key, ask the split.  No await, no I/O."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.routing import keys
from proxy.terms import Arm
from proxy.traffic.board import ArmRoute, ModelRoute
from proxy.wire import RequestHead

_NONE: Final[list[bytes]] = []
#: A tuple: ``HeaderKey | CookieKey`` would be made anew for every request.
_FROM_LINES: Final = (keys.HeaderKey, keys.CookieKey)


class Decision(NamedTuple):
    """What was decided for one request.

    ``key`` is the customer's, or one drawn by chance where there is none (``known`` False);
    every share of this request is asked with it.
    """

    arm: ArmRoute
    key: bytes
    known: bool
    segments: tuple[str, ...]


def read(reader: keys.Reader, head: RequestHead, body: bytes | None) -> bytes | None:
    """The value that ``reader`` finds in a request; None when it is missing."""
    if isinstance(reader, _FROM_LINES):
        wanted = head.wanted
        return None if wanted is None else reader.read(wanted.get(reader.line, _NONE))
    if isinstance(reader, keys.QueryKey):
        return reader.read(head.target)
    return None if body is None else reader.read(body)


def decide(
    route: ModelRoute, head: RequestHead, body: bytes | None, chance: Callable[[], bytes]
) -> Decision:
    """Decides for one request and counts the decision.

    ``body`` is the held body where the model reads a JSON field, else None; ``chance`` draws
    a key for a request without one.
    """
    reader = route.key
    key = None if reader is None else read(reader, head, body)
    tally = route.counts.tally
    canary = route.canary
    if key is None:
        known = False
        if reader is not None:
            tally.missing_keys += 1
        key = chance()
        arm = canary if canary and route.missing_random and route.share.takes(key) else None
        arm = arm or route.stable
    else:
        known = True
        arm = canary if canary is not None and route.share.takes(key) else route.stable
        tally.customers[arm.arm] = tally.customers.get(arm.arm, 0) + 1
    if route.tester_name and head.wanted is not None and route.tester_name in head.wanted:
        arm = _override(route, head, arm)
    segments = (
        tuple([s.label(read(s.reader, head, body)) for s in route.segments])
        if route.segments
        else ()
    )
    return Decision(arm, key, known, segments)


def _override(route: ModelRoute, head: RequestHead, arm: ArmRoute) -> ArmRoute:
    """A tester's own choice of arm; the header never goes further than here."""
    name = route.tester_name
    assert head.wanted is not None
    values = head.wanted[name]
    secret, _, choice = values[0].rpartition(b" ")
    head.lines = [line for line in head.lines if line[: line.find(b":")].lower() != name]
    if len(values) > 1 or not hmac.compare_digest(secret, route.tester_secret):
        return arm
    chosen = {Arm.STABLE.value: route.stable, Arm.CANARY.value: route.canary}.get(
        choice.decode("latin-1")
    )
    if chosen is None:
        return arm
    route.counts.tally.overrides += 1
    return chosen
