"""The body of a request as it comes: to who decides by it, to the upstream, to the copies."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from proxy.errors import RequestRefused
from proxy.traffic import again, waiting
from proxy.wire import encode, last

if TYPE_CHECKING:
    from proxy.traffic.board import ModelRoute
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.forward import UpstreamConnection


def feed(exchange: Exchange, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
    """More of the request's body.  Raises RequestRefused when it is too large."""
    route = exchange.route
    assert route is not None
    exchange.complete = complete
    exchange.trailers = trailers
    exchange.bytes_in += sum(map(len, pieces))
    if route.body_limit is not None and exchange.bytes_in > route.body_limit:
        raise RequestRefused(413, "body_bytes", f"the body is over {route.body_limit} bytes")
    if exchange.held is not None:
        return exchange.held.extend(pieces) if exchange.queued else hold(exchange, pieces)
    if exchange.kept is not None:
        again.keep(exchange, pieces, route.hold_limit)
    if exchange.pending is not None:
        exchange.pending += pieces
    elif exchange.connection is not None:
        _write_on(exchange, exchange.connection, route, pieces)
    if exchange.live is not None and exchange.live.asked is not None:
        exchange.live.asked.keep(pieces)
    for copy in exchange.copies or ():
        copy.feed(pieces, complete, trailers)
    return None


def hold(exchange: Exchange, pieces: list[bytes]) -> None:
    """Collects the body that the decision reads; one that is too large is decided without."""
    held, prepared = exchange.held, waiting.newest(exchange)
    assert held is not None
    held += pieces
    if max(exchange.head.length, exchange.bytes_in) > prepared.route.hold_limit:
        exchange.held = None
        prepared.route.counts.running().held_too_large += 1
        exchange.decided(prepared, held, None, perf_counter_ns())
    elif exchange.complete:
        exchange.held = None
        exchange.decided(prepared, held, b"".join(held), perf_counter_ns())


def _write_on(
    exchange: Exchange, connection: UpstreamConnection, route: ModelRoute, pieces: list[bytes]
) -> None:
    if exchange.head.length < 0:
        pieces = [encode(pieces), last(exchange.trailers) if exchange.complete else b""]
    if exchange.spoken and not exchange.paused:
        connection.extend(perf_counter_ns() + route.idle)
    elif exchange.complete and not exchange.spoken:
        connection.extend(perf_counter_ns() + again.first_byte_limit(exchange, route))
    connection.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
