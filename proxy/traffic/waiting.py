"""Who waits for room in a model, in order, and for how long."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from proxy.net import NEVER
from proxy.terms import Owner
from proxy.traffic import ending
from proxy.traffic.decision import Prepared

if TYPE_CHECKING:
    from proxy.traffic.board import ModelRoom, ModelRoute
    from proxy.traffic.exchange import Exchange


def join(exchange: Exchange, route: ModelRoute, pieces: list[bytes]) -> None:
    """Queues the exchange, with what came of its body; refuses it when the queue is full."""
    room = route.room
    if len(room.waiting) >= route.queue_limit:
        waiting = len(room.waiting)
        detail = f"{room.in_flight} requests are in flight and {waiting} wait; try again"
        ending.refuse(exchange, 503, "overload", detail, Owner.PROXY)
        return
    exchange.queued = True
    exchange.held = pieces
    room.waiting.append(exchange)
    if not exchange.complete:
        exchange.caller.pause_reading()
    exchange.caller.deadline = exchange.started + route.queue_wait


def let_in(room: ModelRoom) -> None:
    """Admits those who wait, as far as there is room by the Plan in force."""
    while room.waiting:
        exchange = room.waiting[0]
        prepared = newest(exchange)  # what a new Plan says holds for those who wait, too
        if room.in_flight >= prepared.route.in_flight_limit:
            return
        room.waiting.popleft()
        room.in_flight += 1
        exchange.queued = False
        exchange.route = prepared.route
        pieces, exchange.held = exchange.held or [], None
        exchange.caller.deadline = NEVER
        exchange.caller.resume_reading()
        exchange.admitted(prepared, pieces, perf_counter_ns())


def newest(exchange: Exchange) -> Prepared:
    """The exchange's model in the Plan in force; where it is no more, by the last one."""
    board, head, route = exchange.plane.board, exchange.head, exchange.route
    assert route is not None
    assert board is not None
    prepared: Prepared | None = head.prepared  # of whoever sent the same head last
    if prepared is None or prepared.board is not board or prepared.route.name != route.name:
        prepared = Prepared(board, board.by_name.get(route.name, route), head)
    return prepared


def leave(exchange: Exchange, route: ModelRoute) -> None:
    """It waits no longer."""
    exchange.queued = False
    route.room.waiting.remove(exchange)


def expire(exchange: Exchange) -> None:
    """No room came free in time."""
    assert exchange.route is not None
    leave(exchange, exchange.route)
    detail = "no room came free in time; try again"
    ending.refuse(exchange, 503, "queue_wait", detail, Owner.PROXY)
