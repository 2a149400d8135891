"""CPU microseconds per request of the data plane alone: no socket, no kernel, no loop.

    python -m loadtests.plane [--rounds N] [--against REVISION] [--json]

Drives the real Plane with in-memory transports, so that a change of half a microsecond in
our own code can be seen; what the kernel adds is the same before and after.  The figure to
quote is the least of several rounds: noise only ever adds.  With ``--against`` another
revision's own benchmark runs in turns with this one.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from dataclasses import asdict

from loadtests import against
from proxy.net import ScriptedTransport
from proxy.routing.plan import (
    CanaryPlan,
    Endpoint,
    KeySource,
    ModelPlan,
    Plan,
    PoolLimits,
    SamplePlan,
    SegmentPlan,
    ShadowPlan,
    VersionPlan,
    WatchPlan,
)
from proxy.traffic import Plane
from proxy.traffic.connection import CallerConnection
from proxy.traffic.forward import UpstreamConnection
from proxy.traffic.pools import UpstreamPool

REQUESTS = 20_000
BODY = b"x" * 500
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 03:38:42 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 200\r\nConnection: keep-alive\r\n\r\n"
) + b"y" * 200
SEGMENTS = (SegmentPlan("age_band", KeySource("header", "X-Age-Band"), ("young", "senior")),)
SHADOWS = (ShadowPlan("3", 100.0, salt="copies", pair_percent=0.0),)
ALL_PAIRED = (ShadowPlan("3", 100.0, salt="copies", pair_percent=100.0, pair_salt="pairs"),)
PAIRED = (ShadowPlan("3", 100.0, salt="copies", pair_percent=10.0, pair_salt="pairs"),)
#: What the judge asks for by default, and with a tenth of the customers' exchanges kept whole.
WATCH = WatchPlan(slow=1.0)
SAMPLED = WatchPlan(slow=1.0, sample=SamplePlan(10.0, "samples"))


class Sink(ScriptedTransport):
    """A transport that forgets what is written to it."""

    def write(self, data: object) -> None:
        """Nothing is kept: the figure is the plane's, not the list's."""


def plan(
    shadows: tuple[ShadowPlan, ...],
    segments: tuple[SegmentPlan, ...],
    models: int,
    watch: WatchPlan | None = WATCH,
) -> Plan:
    """One canary of 10 %, watched; ``models`` of the same shape and at the same endpoints."""
    versions = tuple(
        VersionPlan(name, (Endpoint("192.0.2.1", port),), PoolLimits(1e6, 1e6, 10**9))
        for name, port in (("1", 9001), ("2", 9002), ("3", 9003))
    )
    return Plan(
        number=1,
        desk_silence=1e6,
        models=tuple(
            ModelPlan(
                name=f"model-{n}",
                path_prefix=f"/v2/models/model-{n}",
                stable="1",
                versions=versions,
                customer=KeySource("header", "X-Customer-Id"),
                canary=CanaryPlan("2", 10.0),
                shadows=shadows,
                segments=segments,
                watch=watch,
            )
            for n in range(models)
        ),
    )


def connect(plane: Plane) -> list[UpstreamConnection]:
    """One kept connection to every endpoint: all models have the same."""
    assert plane.board is not None
    route = plane.board.routes[0]
    sets = [route.stable.upstreams, *(mirror.route.upstreams for mirror in route.mirrors)]
    if route.canary is not None:
        sets.append(route.canary.upstreams)
    return [_connected(upstream.pool, plane) for each in sets for upstream in each.upstreams]


def _connected(pool: UpstreamPool, plane: Plane) -> UpstreamConnection:
    connection = UpstreamConnection(pool, plane.deadlines)
    connection.connection_made(Sink())
    pool.free(connection, time.perf_counter_ns())
    return connection


def staged(scenario: Plan) -> tuple[Plane, CallerConnection, list[UpstreamConnection]]:
    """A Plane with this Plan, a caller, and a kept connection to every endpoint."""
    plane = Plane(0)
    plane.apply(scenario)
    plane.desk_heard()
    upstreams = connect(plane)
    caller = CallerConnection(plane)
    caller.connection_made(Sink())
    return plane, caller, upstreams


def requests(number: int, asked: int = 1) -> list[bytes]:
    """So many requests, each of another customer; ``asked`` models in turns."""
    return [
        b"POST /v2/models/model-%d/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
        b"Content-Type: application/json\r\nX-Customer-Id: %d\r\nX-Age-Band: young\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (each % asked, each, len(BODY), BODY)
        for each in range(number)
    ]


def measure(scenario: Plan, rounds: int, asked: int = 1) -> float:
    """The least CPU microseconds per request over ``rounds``; ``asked`` models in turns."""
    plane, caller, upstreams = staged(scenario)
    raw = requests(REQUESTS, asked)
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.process_time_ns()
        for request in raw:
            caller.data_received(request)
            for upstream in upstreams:
                if upstream.busy:
                    upstream.data_received(ANSWER)
        spent = time.process_time_ns() - start
        plane.report()
        best = min(best, spent / 1000 / REQUESTS)
    return best


def scenarios() -> tuple[tuple[str, Plan, int], ...]:
    """The rows: a name, a Plan, and how many of its models are asked."""
    rows = (
        ("split", plan((), (), 1)),
        ("split, not watched", plan((), (), 1, None)),
        ("split, 10 % sampled", plan((), (), 1, SAMPLED)),
        ("split, a segment", plan((), SEGMENTS, 1)),
        ("split, 1,000 models", plan((), (), 1000)),
        ("split, 100 % mirror", plan(SHADOWS, (), 1)),
        ("split, 100 % mirror, 10 % paired", plan(PAIRED, (), 1)),
        ("split, 100 % mirror, all paired", plan(ALL_PAIRED, (), 1)),
    )
    in_turns = ("split, 1,000 models in turns", plan((), (), 1000), 1000)
    return (*((name, scenario, 1) for name, scenario in rows), in_turns)


def show(rounds: int, as_json: bool) -> None:
    """Measure every row and print it."""
    if as_json:
        rows = {name: round(measure(what, rounds, asked), 3) for name, what, asked in scenarios()}
        print(json.dumps({"rows": rows, "rounds": rounds}))
        return
    print("CPU microseconds per request, data plane alone (least of the rounds)")
    for name, scenario, asked in scenarios():
        print(f"  {name:<34} {measure(scenario, rounds, asked):6.2f}", flush=True)


def show_beside(asked: str, rounds: int, as_json: bool) -> None:
    """The same beside another revision; a line and our own figures when there is none."""
    try:
        compared = against.compare(against.resolve(asked), rounds)
    except against.NothingToCompareWith as reason:
        if not as_json:
            print(reason)
        show(rounds, as_json)
        return
    print(json.dumps(asdict(compared)) if as_json else against.told(compared))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, help="rounds of each row (9; with --against 1)")
    parser.add_argument("--against", metavar="REVISION", help="in turns with that one; "
                        f"{against.BEFORE}: the last commit on main before this one")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    if asked.against:
        show_beside(asked.against, asked.rounds or 1, asked.json)
    else:
        show(asked.rounds or 9, asked.json)


if __name__ == "__main__":
    main()
