"""A Plane on a real port, origins behind it, callers in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from origin import PATIENCE, Origin, Wire, narrow, soon

from proxy.measure.tally import Report
from proxy.routing.plan import (
    CanaryPlan,
    Ejection,
    Endpoint,
    HealthProbe,
    KeySource,
    ListenerLimits,
    ModelPlan,
    Plan,
    PoolLimits,
    ShadowPlan,
    VersionPlan,
)
from proxy.traffic import Plane

_POOL, _EJECTION, _LIMITS = PoolLimits(), Ejection(), ListenerLimits()

GET = b"GET /m HTTP/1.1\r\nHost: m\r\n\r\n"
OLD = b"GET /m HTTP/1.0\r\n\r\n"


def post(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"POST /m HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n%b" % (size, body)


CHUNKED_POST = b"POST /m HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, more, len(body), body)


def endpoint(origin: Origin | int) -> Endpoint:
    if isinstance(origin, int):
        return Endpoint("127.0.0.1", origin)
    return Endpoint(unix=origin.path) if origin.path else Endpoint("127.0.0.1", origin.port)


def version(
    name: str,
    *origins: Origin | int,
    pool: PoolLimits = _POOL,
    ejection: Ejection = _EJECTION,
    health: HealthProbe | None = None,
) -> VersionPlan:
    return VersionPlan(name, tuple(endpoint(o) for o in origins), pool, ejection, health)


def shadow(**bounds: Any) -> ShadowPlan:
    return ShadowPlan("3", 100, salt="shadow", pair_salt="pairs", **bounds)


def model(*versions: VersionPlan, canary: bool = False, **more: Any) -> ModelPlan:
    """Stable is the first version; with ``canary`` everyone goes to the second."""
    return ModelPlan(
        "m",
        "/m",
        stable=versions[0].name,
        versions=versions,
        customer=KeySource("header", "X-Customer-Id"),
        missing="random",
        canary=CanaryPlan(versions[1].name, 100) if canary else None,
        **more,
    )


class World:
    """A running Plane, and what its counts add up to."""

    def __init__(self, plane: Plane, listening: socket.socket) -> None:
        self.plane = plane
        self.address: tuple[str, int] = listening.getsockname()
        self.callers: list[Wire] = []
        self.outcomes: Counter[tuple[str, str]] = Counter()  # (arm, outcome)
        self.copies: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.replays = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    async def call(self, request: bytes = b"", *, slow: bool = False) -> Wire:
        """A new caller, who has sent ``request``."""
        sock = socket.socket()
        sock.setblocking(False)
        if slow:
            narrow(sock)
        wire = Wire(sock)
        self.callers.append(wire)
        await soon(asyncio.get_running_loop().sock_connect(sock, self.address))
        if request:
            await wire.send(request)
        return wire

    async def ask(self, request: bytes = GET) -> tuple[bytes, bytes]:
        """One request on a connection of its own: the answer's head and payload."""
        wire = await self.call(request)
        found = await wire.message()
        wire.close()
        return found

    def apply(self, *models: ModelPlan, number: int = 2, **more: Any) -> None:
        self.plane.apply(Plan(number, models, desk_silence=1e6, **more))

    def look(self) -> Report:
        """How the Plane is now; what it has counted since the last look is added up."""
        report = self.plane.report(whole=True)
        for tally in report.tallies:
            if not tally.segment:
                for outcome, n in tally.outcomes.items():
                    self.outcomes[tally.arm, outcome] += n
        for tally in report.models:
            for results in tally.copies.values():
                self.copies.update(results)
            self.refused.update(tally.refused)
            self.replays += tally.replays
        self.refused.update(report.refused)
        return report

    async def counted(self, arm: str, outcome: str, n: int = 1) -> None:
        """Waits until ``outcome`` has been counted ``n`` times, and nothing else for that arm."""
        async with asyncio.timeout(PATIENCE):
            while self.outcomes[arm, outcome] < n:
                self.look()
                await asyncio.sleep(0.002)
        others = {o: k for (a, o), k in self.outcomes.items() if a == arm and k}
        assert others == {outcome: n}

    async def copied(self, result: str, n: int = 1) -> None:
        """Waits until ``n`` copies have come to ``result``."""
        async with asyncio.timeout(PATIENCE):
            while self.copies[result] < n:
                self.look()
                await asyncio.sleep(0.002)

    def endpoints(self) -> dict[str, Any]:
        """The state of each endpoint by its port."""
        return {state.endpoint.rpartition(":")[2]: state for state in self.look().endpoints}


@contextlib.asynccontextmanager
async def serving(
    *models: ModelPlan, limits: ListenerLimits = _LIMITS, **more: Any
) -> AsyncIterator[World]:
    """A Plane that serves ``models`` until the block ends."""
    plane = Plane(0)
    plane.apply(Plan(1, models, limits=limits, desk_silence=1e6, **more))
    plane.desk_heard()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    listening.setblocking(False)
    world = World(plane, listening)
    await plane.listen(listening)
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    try:
        yield world
    finally:
        for caller in world.callers:
            caller.close()
        await plane.drain(0)
        await asyncio.sleep(0)
    assert not failures, failures


def changed(plan: ModelPlan, **more: Any) -> ModelPlan:
    return msgspec.structs.replace(plan, **more)
