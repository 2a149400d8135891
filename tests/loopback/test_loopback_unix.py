"""Model servers on a Unix socket: a real aiohttp server, and the ways in which a path can fail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from loopback_world import GET, answer, model, post, serving, shadow, version
from origin import Origin, until

from proxy.routing.plan import Ejection, Endpoint, HealthProbe, VersionPlan


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), headers={"x-peer": str(id(request.transport))})


async def _events(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await stream.prepare(request)
    for number in range(5):
        await stream.write(b"data: %d\n\n" % number)
        await asyncio.sleep(0)
    return stream


async def _ready(request: web.Request) -> web.Response:
    return web.Response(status=int(request.app[STATUS][0]))


STATUS: web.AppKey[list[str]] = web.AppKey("status")


@contextlib.asynccontextmanager
async def server(path: Path) -> AsyncIterator[list[str]]:
    """aiohttp on ``path``; what it yields is the status of its health page."""
    app = web.Application(client_max_size=1 << 26)
    app[STATUS] = ["200"]
    app.router.add_get("/ready", _ready)
    app.router.add_get("/m/events", _events)
    app.router.add_route("*", "/m", _echo)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield app[STATUS]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def local(folder: Path) -> AsyncIterator[Origin]:
    """A scripted one, where aiohttp would be too well-behaved."""
    origin = Origin(str(folder / "model.sock"))
    try:
        yield origin
    finally:
        await origin.stop()


def on(path: Path, name: str = "1", **more: object) -> VersionPlan:
    return VersionPlan(name, (Endpoint(unix=str(path)),), **more)  # type: ignore[arg-type]


async def test_one_connection_carries_many_requests(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    async with server(path), serving(model(on(path))) as world:
        caller = await world.call()
        peers = set()
        for n in range(5):
            await caller.send(post(b"body %d" % n))
            head, body = await caller.message()
            assert body == b"body %d" % n
            peers.add(head.lower().split(b"\r\nx-peer: ")[1].split(b"\r\n")[0])
        assert len(peers) == 1
        (pool,) = world.look().pools
        assert (pool.endpoint, pool.connections) == (f"unix:{path}", 1)
        await world.counted("stable", "ok", 5)


async def test_bodies_of_megabytes_go_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    large = os.urandom(1 << 22)
    async with server(path), serving(model(on(path))) as world:
        caller = await world.call()
        _, (_, body) = await asyncio.gather(caller.send(post(large)), caller.message())
        assert body == large


async def test_an_event_stream_comes_through(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    async with server(path), serving(model(on(path))) as world:
        head, body = await world.ask(b"GET /m/events HTTP/1.1\r\nHost: m\r\n\r\n")
        assert b"text/event-stream" in head
        assert body == b"".join(b"data: %d\n\n" % n for n in range(5))


async def test_the_probe_asks_on_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    probe = HealthProbe("/ready", interval=0.02, timeout=5)
    async with server(path) as status, serving(model(on(path, health=probe))) as world:
        status[0] = "503"
        await until(lambda: world.look().endpoints[0].ejected)
        assert world.look().endpoints[0].reason == "the health check fails"
        status[0] = "200"
        await until(lambda: not world.look().endpoints[0].ejected)


async def test_a_shadow_may_live_on_one(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "shadow.sock"
    origin.answer(answer(b"live"))
    plan = model(version("1", origin), on(path, "3"), shadows=(shadow(),))
    async with server(path), serving(plan) as world:
        assert (await world.ask(post(b"hello")))[1] == b"live"
        await world.copied("sent")
        await world.counted("shadow", "ok")


@contextlib.contextmanager
def spoilt(kind: str, path: Path) -> Iterator[None]:
    """A path where nobody can be reached, each in its own way."""
    if kind == "a file":
        path.write_text("")
    if kind not in ("stale", "forbidden"):
        yield
        return
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        if kind == "stale":  # its server died without taking it away
            listening.close()
            yield
            return
        listening.listen()
        path.chmod(0)
        root = os.geteuid() == 0  # who may connect to everything
        if root:
            os.seteuid(65_534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("kind", ["missing", "stale", "a file", "forbidden", "too long"])
async def test_a_path_that_fails_is_a_502_that_says_so(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200 if kind == "too long" else "model.sock")
    with spoilt(kind, path):
        async with serving(model(on(path))) as world:
            head, body = await world.ask(GET)
            assert head.startswith(b"HTTP/1.1 502 ")
            assert f"unix:{path}".encode()[:60] in body
            await world.counted("stable", "upstream_connect")


async def test_a_server_that_comes_back_on_its_path_is_found(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    ejection = Ejection(after=2, shortest=0.05, longest=0.05)
    async with serving(model(on(path, ejection=ejection))) as world:
        for _ in range(3):
            assert (await world.ask(GET))[0].startswith(b"HTTP/1.1 502 ")
        assert world.look().endpoints[0].ejected
        async with server(path):
            assert (await world.ask(post(b"again")))[1] == b"again"
            assert not world.look().endpoints[0].ejected
        assert (await world.ask(GET))[0].startswith(b"HTTP/1.1 502 ")


async def test_it_dies_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async with local(tmp_path) as origin, serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await caller.past(b"half")
        wire.close()
        await caller.closed()
        await world.counted("stable", "upstream_reset")


async def test_a_slow_reader_holds_the_server_back(tmp_path: Path) -> None:
    """What is not taken waits in the model server, not in the proxy."""
    size = 1 << 28
    async with local(tmp_path) as origin, serving(model(version("1", origin))) as world:
        await world.call(GET, slow=True)
        wire = await origin.accept()
        await wire.message()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        assert await wire.stuff(bytes(1 << 18), size) < 1 << 24
