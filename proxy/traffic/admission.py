"""What the Board in force makes of a request's head, and what it refuses at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.terms import Owner
from proxy.traffic import ending
from proxy.traffic.decision import Prepared
from proxy.wire import RequestHead

if TYPE_CHECKING:
    from proxy.traffic.exchange import Exchange


def prepare(exchange: Exchange, head: RequestHead) -> Prepared | None:
    """What the Board in force makes of the head; None when it is refused."""
    board = exchange.plane.board
    if board is None:
        detail = "no Plan has come yet; try again"
        ending.refuse(exchange, 503, "starting", detail, Owner.PROXY)
        return None
    if head.shadow_mark and board.refuse_marked:
        detail = "x-shadow may not come from outside"
        ending.refuse(exchange, 400, "shadow_marker", detail, Owner.CALLER)
        return None
    route = board.find(head.target, head.host)
    if route is None:
        path = head.target.partition(b"?")[0][:80].decode()
        detail = f"no model is served under {path!r} for the host {head.host.decode()!r}"
        ending.refuse(exchange, 404, "no_model", detail, Owner.CALLER)
        return None
    head.prepared = prepared = Prepared(board, route, head)
    if head.origin is not None:
        head.origin.prepared = prepared  # it is the same for all heads that are made of that one
    return prepared


def hide_tester(exchange: Exchange, prepared: Prepared) -> Prepared:
    """Takes out the header that chooses an arm: it holds a secret and goes no further."""
    route, head = prepared.route, exchange.head
    if head.wanted is None or route.tester_name not in head.wanted:
        return prepared
    exchange.head, exchange.cut = head.without(route.tester_name, exchange.cut), b""
    return Prepared(prepared.board, route, exchange.head)
