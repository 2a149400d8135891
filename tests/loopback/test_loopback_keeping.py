"""Connections to upstreams are kept, and never harm the next request."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from loopback_world import GET, answer, changed, model, post, serving, version
from origin import Origin, Wire, until

from proxy.routing.plan import Deadlines, PoolLimits

HELLO = answer(b"hello")


async def test_both_sides_keep_one_connection(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call()
        wires = set()
        for n in range(5):
            await caller.send(post(b"body %d" % n))
            wire = origin.wires[0] if origin.wires else await origin.accept()
            wires.add(wire)
            _, body = await wire.message()
            assert body == b"body %d" % n
            await wire.send(answer(b"answer %d" % n))
            assert (await caller.message())[1] == b"answer %d" % n
        assert len(wires) == 1
        assert origin.nobody()


async def test_what_reaches_the_origin_byte_by_byte(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(
            b"PUT /m/a%2fb//..?x=%20&&y HTTP/1.1\r\nhOST: m:80\r\nX-B: 2\r\nX-a:1\r\nX-B: 3\r\n"
            b"Connection: keep-alive, X-Hop\r\nX-Hop: gone\r\nTE: trailers\r\n"
            b"X-Request-Id: mine\r\nContent-Length: 3\r\n\r\nabc"
        )
        wire = await origin.accept()
        await wire.message()
        assert wire.taken == (
            b"PUT /m/a%2fb//..?x=%20&&y HTTP/1.1\r\nhOST: m:80\r\nX-B: 2\r\nX-a:1\r\nX-B: 3\r\n"
            b"Content-Length: 3\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n"
            b"via: 1.1 pointsman\r\nx-request-id: mine\r\n\r\nabc"
        )
        await wire.send(HELLO)
        head, body = await caller.message()
        assert body == b"hello"
        for line in (b"x-model: m", b"x-model-version: 1", b"x-model-arm: stable"):
            assert b"\r\n" + line + b"\r\n" in head
        assert b"\r\nx-request-id: mine\r\n" in head


async def test_a_unix_socket_serves(tmp_path: Path) -> None:
    origin = Origin(str(tmp_path / "model.sock"))
    origin.answer(HELLO)
    async with serving(model(version("1", origin))) as world:
        for _ in range(3):
            assert (await world.ask())[1] == b"hello"
        assert len(origin.wires) == 1
    await origin.stop()


@pytest.mark.parametrize("request_", [GET, post(b"untouched")], ids=["GET", "POST"])
async def test_a_server_that_closes_right_after_its_answer(origin: Origin, request_: bytes) -> None:
    """As those do whose idle time is just over; http.md row 73."""

    async def play(wire: Wire) -> None:
        await wire.message()
        await wire.send(HELLO)
        wire.close()

    origin.serve(play)
    async with serving(model(version("1", origin))) as world:
        for n in range(30):
            head, body = await world.ask(request_)
            assert (head[9:12], body) == (b"200", b"hello"), n
        await world.counted("stable", "ok", 30)


async def test_one_that_closes_an_idle_connection_later(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        for n in range(2):
            caller = await world.call(post(b"x"))
            wire = await origin.accept()
            await wire.message()
            await wire.send(HELLO)
            assert (await caller.message())[1] == b"hello"
            if n == 0:
                wire.close()
        await world.counted("stable", "ok", 2)


@pytest.mark.parametrize("why", ["ended", "used up"])
async def test_who_waits_never_gets_a_connection_that_is_over(why: str) -> None:
    """One set free goes to who waits for a new one: but not if it has ended or is at its limit."""
    origin = Origin(backlog=0)
    pool = PoolLimits(requests=1 if why == "used up" else 100)
    plan = model(version("1", origin, pool=pool), deadlines=Deadlines(connect=5))
    async with serving(plan) as world:
        first = await world.call(post(b"first"))
        wire = await origin.accept()
        await wire.message()
        filler = socket.create_connection(("127.0.0.1", origin.port))  # so the next dial takes long
        second = await world.call(post(b"second"))
        await until(lambda: world.look().in_flight == 2)
        await wire.send(HELLO)
        if why == "ended":
            wire.close()
        assert (await first.message())[1] == b"hello"
        filler.close()
        await (await origin.accept()).closed()
        other = await origin.accept()
        assert (await other.message())[1] == b"second"
        await other.send(answer(b"done"))
        assert (await second.message())[1] == b"done"
    await origin.stop()


@pytest.mark.parametrize("surplus", [b"x", HELLO, b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_surplus_bytes_are_nobodys_answer(origin: Origin, surplus: bytes) -> None:
    """http.md row 67: with the answer, right after it, or while the connection is idle."""
    async with serving(model(version("1", origin))) as world:
        caller = await world.call()
        for when in ("with", "after", "idle"):
            await caller.send(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(HELLO + (surplus if when == "with" else b""))
            assert (await caller.message())[1] == b"hello"
            if when == "idle":
                await asyncio.sleep(0.02)
            if when != "with":
                await wire.send(surplus)
            if when == "idle":
                await wire.closed()
        await caller.send(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(answer(b"mine"))
        assert (await caller.message())[1] == b"mine"
        await world.counted("stable", "ok", 4)


async def test_surplus_and_the_next_request_in_one_turn_of_the_loop(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(HELLO)
        await caller.message()
        for _ in range(20):
            wire.push(b"surplus")
            caller.push(post(b"x"))  # both are read before either connection is given up
            wire = await origin.accept()
            await wire.message()
            await wire.send(HELLO)
            assert (await caller.message())[1] == b"hello"


async def test_a_kept_connection_that_closes_on_a_get_is_replaced(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(HELLO)
        await caller.message()
        await caller.send(GET)
        await wire.message()
        wire.close()  # it has read the request, but says nothing
        wire = await origin.accept()
        await wire.message()
        await wire.send(answer(b"again"))
        assert (await caller.message())[1] == b"again"
        await world.counted("stable", "ok", 2)
        assert world.replays == 1


async def test_a_post_is_never_sent_twice(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(HELLO)
        await caller.message()
        await caller.send(post(b"once"))
        await wire.message()
        wire.close()
        head, _ = await caller.message()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert origin.nobody()


async def test_a_connection_is_left_after_its_requests(origin: Origin) -> None:
    origin.answer(HELLO)
    async with serving(model(version("1", origin, pool=PoolLimits(requests=3)))) as world:
        for _ in range(9):
            await world.ask()
        await until(lambda: len(origin.wires) == 3)
        assert len(origin.requests) == 9


async def test_a_connection_is_left_at_its_age_and_when_idle(origin: Origin) -> None:
    origin.answer(HELLO)
    for pool in (PoolLimits(age=0.0), PoolLimits(idle=0.05)):
        before = len(origin.wires)
        async with serving(model(version("1", origin, pool=pool))) as world:
            await world.ask()
            assert await origin.wires[before].closed()
            await world.ask()
            assert len(origin.wires) == before + 2


async def test_endpoints_that_leave_the_plan_are_closed(origin: Origin, another: Origin) -> None:
    plan = model(version("1", origin))
    async with serving(plan) as world:
        idle = await world.call(GET)
        await (await origin.accept()).message()
        busy = await world.call(GET)
        await (await origin.accept()).message()
        await origin.wires[0].send(HELLO)
        await idle.message()
        another.answer(answer(b"new"))
        world.apply(changed(plan, versions=(version("1", another),)))
        assert await origin.wires[0].closed(), "the idle one at once"
        await origin.wires[1].send(HELLO)
        assert (await busy.message())[1] == b"hello", "the busy one finishes"
        assert await origin.wires[1].closed(), "and is not kept"
        assert (await world.ask())[1] == b"new"


async def test_an_endpoint_that_stays_keeps_its_connections(origin: Origin) -> None:
    origin.answer(HELLO)
    plan = model(version("1", origin))
    async with serving(plan) as world:
        for number in range(2, 5):
            await world.ask()
            world.apply(plan, number=number)
        assert len(origin.wires) == 1
