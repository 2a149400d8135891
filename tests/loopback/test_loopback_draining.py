"""Draining: nobody who was let in, or waited at the door, is turned away."""

from __future__ import annotations

import asyncio
import socket

from loopback_world import GET, OLD, answer, model, post, serving, shadow, version
from origin import Origin, Wire, soon, until


async def test_what_is_under_way_finishes_and_says_close(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        asked = await world.call(post(b"x"))
        wire = await origin.accept()
        await wire.message()
        uploading = await world.call(post(b"half", 8))
        other = await origin.accept()
        await other.past(b"half")
        drained = asyncio.ensure_future(world.plane.drain(10))
        await asyncio.sleep(0.05)
        await wire.send(answer(b"done"))
        head, body = await asked.message()
        assert (b"\r\nconnection: close\r\n" in head, body) == (True, b"done")
        assert await asked.closed()
        await uploading.send(b"rest")
        await other.past(b"rest")
        await other.send(answer(b"done too"))
        assert (await uploading.message())[1] == b"done too"
        assert await uploading.closed()
        await soon(drained)


async def test_a_stream_under_way_finishes(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await caller.past(b"\r\n\r\n")
        assert await caller.chunk() == b"a"
        drained = asyncio.ensure_future(world.plane.drain(10))
        await asyncio.sleep(0.05)
        await wire.send(b"1\r\nb\r\n0\r\n\r\n")
        assert [await caller.chunk(), await caller.chunk()] == [b"b", b""]
        # Keep-alive was promised before; the connection ends once nothing is under way.
        assert await caller.closed()
        await soon(drained)


async def test_idle_callers_are_let_go_and_upstreams_closed(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(answer(b"done"))
        await caller.message()
        await soon(world.plane.drain(10))
        assert await caller.closed()
        assert await wire.closed()


async def test_who_waited_at_the_door_is_served() -> None:
    """Connections in the accept queue when the drain begins, some with their request sent."""
    origin = Origin()
    origin.answer(answer(b"served"))
    async with serving(model(version("1", origin))) as world:
        socks = [socket.create_connection(world.address) for _ in range(40)]  # no turn of the loop
        callers = [Wire(sock) for sock in socks]
        for caller in callers[:20]:
            caller.push(GET)
        drained = asyncio.ensure_future(world.plane.drain(10))
        await asyncio.sleep(0.05)
        for caller in callers[20:]:
            caller.push(GET)
        for caller in callers:
            head, body = await caller.message()
            assert (b"\r\nconnection: close\r\n" in head, body) == (True, b"served")
            assert await caller.closed()
            caller.close()
        await soon(drained)
    await origin.stop()


async def test_a_request_that_came_on_a_kept_connection_is_served(origin: Origin) -> None:
    origin.answer(answer(b"served"))
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        await caller.message()
        caller.push(GET)  # and the loop has not turned since
        drained = asyncio.ensure_future(world.plane.drain(10))
        assert (await caller.message())[1] == b"served"
        await soon(drained)


async def test_a_caller_between_two_requests_is_answered_and_told_to_close(origin: Origin) -> None:
    """Closing it at once would lose the request that is on its way."""
    origin.answer(answer(b"served"))
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        await caller.message()
        drained = asyncio.ensure_future(world.plane.drain(10))
        await asyncio.sleep(0.1)
        await caller.send(GET)
        head, body = await caller.message()
        assert (b"\r\nconnection: close\r\n" in head, body) == (True, b"served")
        assert await caller.closed()
        await soon(drained)


async def test_nobody_new_is_let_in(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        await soon(world.plane.drain(10))
        try:
            wire = await world.call()
        except ConnectionRefusedError:
            return
        raise AssertionError(f"let in: {wire}")


async def test_what_hangs_is_cut_at_the_deadline(origin: Origin, mirrored: Origin) -> None:
    plan = model(version("1", origin), version("3", mirrored), shadows=(shadow(),))
    async with serving(plan) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        copy = await mirrored.accept()
        await copy.message()
        await soon(world.plane.drain(0.2))
        await caller.closed()
        await wire.closed()
        await copy.closed()
        assert caller.taken == b""
        await world.counted("stable", "proxy_error")
        await world.copied("dropped_drain")
        report = world.look()
        assert (report.connections, report.in_flight, report.copies_in_flight) == (0, 0, 0)


async def test_what_is_cut_looks_cut(origin: Origin) -> None:
    """Also to a caller for whom the end of the connection is the end of the body."""
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(OLD)
        wire = await origin.accept()
        await wire.message()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await caller.past(b"half")
        await soon(world.plane.drain(0.05))
        assert not await caller.closed()


async def test_a_silent_newcomer_does_not_hold_it_up_for_long(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call()
        await until(lambda: world.look().connections == 1)
        await soon(world.plane.drain(60))
        assert await caller.closed()
