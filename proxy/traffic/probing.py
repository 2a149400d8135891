"""Active health checks: one small task per endpoint, beside the traffic, never in it."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

from proxy.routing.plan import Endpoint, HealthProbe
from proxy.traffic.upstreams import Upstream


async def probe_for_ever(upstream: Upstream, probe: HealthProbe) -> None:
    """Asks every ``interval``; what it finds goes into the endpoint's health."""
    while True:
        healthy = await passes(upstream.endpoint, probe)
        now = perf_counter_ns() / 1e9
        if healthy:
            upstream.health.probe_passed(now)
        else:
            upstream.health.probe_failed(now)
        upstream.stir()
        await asyncio.sleep(probe.interval)


async def passes(endpoint: Endpoint, probe: HealthProbe) -> bool:
    """Whether ``GET path`` is answered 2xx within the probe's timeout."""
    try:
        async with asyncio.timeout(probe.timeout):
            return 200 <= await _status(endpoint, probe.path) < 300
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
    ):
        return False


async def _status(endpoint: Endpoint, path: str) -> int:
    if endpoint.unix:
        reader, writer = await asyncio.open_unix_connection(endpoint.unix)
        host = "localhost"
    else:
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        host = str(endpoint)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: pointsman\r\n"
            "connection: close\r\n\r\n".encode()
        )
        line = await reader.readuntil(b"\r\n")
        version, status, *_ = line.split(b" ", 2)
        if not version.startswith(b"HTTP/1."):
            raise ValueError("the answer is no HTTP/1.x")
        return int(status)
    finally:
        writer.close()
