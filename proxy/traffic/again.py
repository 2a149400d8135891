"""Sending a request again: on a fresh connection, to another endpoint, to stable.

Only while nothing of an answer has gone out, and only what is allowed to be repeated.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.terms import Outcome

if TYPE_CHECKING:
    from proxy.traffic.board import ArmRoute, ModelRoute
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.upstreams import Upstream

#: RFC 9110 9.2.2: what may be sent again without being asked.
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
CONNECT: Final = Outcome.UPSTREAM_CONNECT.value


def keep(exchange: Exchange, pieces: list[bytes], limit: int) -> None:
    """Keeps more of the body to send it again, as long as all of it is within ``limit`` bytes."""
    assert exchange.kept is not None
    if exchange.bytes_in > limit:
        exchange.kept = None
    else:
        exchange.kept += pieces


def may_repeat(exchange: Exchange) -> bool:
    """Whether the same version may be asked once more."""
    route = exchange.route
    assert route is not None
    repeatable = route.repeatable or exchange.head.method in IDEMPOTENT
    return repeatable and not exchange.replayed and exchange.kept is not None


def replay(exchange: Exchange, route: ModelRoute, upstream: Upstream) -> None:
    """After a kept connection had gone stale: the same endpoint, on a fresh one."""
    exchange.replayed = True
    route.counts.running().replays += 1
    _send_again(exchange, upstream, exchange.kept or [], upstream, fresh=True)


def elsewhere(exchange: Exchange, upstream: Upstream, pieces: list[bytes]) -> bool:
    """After ``upstream`` could not be reached: another endpoint, once; False if there is none."""
    arm, now = exchange.arm, perf_counter_ns()
    assert arm is not None
    if exchange.moved or exchange.fallback:
        return False
    other = arm.upstreams.other(upstream, now)
    if other is None:
        return False
    exchange.moved = True
    upstream.judge(CONNECT, now)
    _send_again(exchange, upstream, pieces, other)
    return True


def may_fall_back(exchange: Exchange, route: ModelRoute) -> bool:
    """Whether stable may answer instead of a canary that failed (promise 6)."""
    on_canary = exchange.arm is route.canary and not exchange.fallback
    return on_canary and route.repeatable and exchange.kept is not None


def first_byte_limit(exchange: Exchange, route: ModelRoute) -> int:
    """Nanoseconds to wait for an answer: less on a canary whose place stable can still take."""
    return route.canary_first_byte if may_fall_back(exchange, route) else route.first_byte


def fall_back(
    exchange: Exchange, route: ModelRoute, arm: ArmRoute, outcome: str, reason: str, now: int
) -> None:
    """Stable answers instead; the failure is the canary's and is counted there."""
    exchange.record(arm, outcome, now)
    upstream = exchange.upstream
    assert upstream is not None
    upstream.judge(outcome, now)
    exchange.fallback = f"{arm.version}; {reason}"
    exchange.changed = True
    exchange.status = exchange.first_byte = 0
    route.counts.count_fallback(reason)
    stable = route.stable.upstreams.choose(now)
    _send_again(exchange, upstream, exchange.kept or [], stable)


def _send_again(
    exchange: Exchange,
    before: Upstream,
    pieces: list[bytes],
    upstream: Upstream,
    *,
    fresh: bool = False,
) -> None:
    before.in_flight -= 1
    exchange.caller.resume_reading()  # whoever had paused it is gone
    exchange.dispatch(pieces, upstream, perf_counter_ns(), fresh)
