"""Real clients and servers, and both event loops."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web
from loopback_world import GET, answer, model, post, serving, version
from origin import Origin


async def _predict(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    if request.path == "/m/stream":
        stream = web.StreamResponse()
        await stream.prepare(request)
        for n in range(20):
            await stream.write(b"token %d\n" % n)
        return stream
    return web.Response(body=body[::-1], headers={"X-Method": request.method})


async def test_aiohttp_on_both_sides() -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/m/{rest:.*}", _predict)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with (
        serving(model(version("1", port))) as world,
        aiohttp.ClientSession(world.url) as client,
    ):

        async def one(n: int) -> None:
            body = b"%d " % n * (n * 100 + 1)
            async with client.post("/m/infer", data=body) as said:
                assert (said.status, await said.read()) == (200, body[::-1])
                assert said.headers["x-model-version"] == "1"

        await asyncio.gather(*(one(n) for n in range(200)))

        async def pieces():  # type: ignore[no-untyped-def]
            for n in range(50):
                yield b"%d" % n * 1000

        async with client.put("/m/chunks", data=pieces()) as said:
            assert len(await said.read()) == sum(len(b"%d" % n) * 1000 for n in range(50))
        async with client.get("/m/stream") as said:
            assert [line async for line in said.content][-1] == b"token 19\n"
        for method in ("HEAD", "OPTIONS", "DELETE", "PATCH"):
            async with client.request(method, "/m/x") as said:
                assert (said.status, said.headers["x-method"]) == (200, method)
    await runner.cleanup()


def test_the_stock_loop_serves_too() -> None:
    async def serve() -> None:
        origin = Origin()
        async with serving(model(version("1", origin))) as world:
            size = 8 * 1024 * 1024
            caller = await world.call()
            sending = asyncio.ensure_future(caller.send(post(bytes(size))))
            wire = await origin.accept()
            _, body = await wire.message()
            assert len(body) == size
            await sending
            await wire.send(answer(bytes(10_000)))
            assert len((await caller.message())[1]) == 10_000
            await caller.send(GET)
            await wire.message()
            wire.close()
            assert (await (await origin.accept()).message())[0].startswith(b"GET /m ")
            caller.close()
            await origin.wires[1].closed()
            old = await world.call(b"GET /m HTTP/1.0\r\n\r\n")
            wire = await origin.accept()
            await wire.message()
            await wire.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            await old.past(b"half")
            wire.reset()
            assert not await old.closed()
            await asyncio.wait_for(world.plane.drain(5), 5)
        await origin.stop()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(serve())
