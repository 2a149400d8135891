"""Promise 2 on real sockets: whatever the shadow does, the caller's answers are the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from loopback_world import (
    CHUNKED_POST,
    GET,
    World,
    answer,
    endpoint,
    model,
    post,
    serving,
    shadow,
    version,
)
from origin import Origin, Wire, until

from proxy.routing.plan import ModelPlan, VersionPlan

MIB = 1024 * 1024


def mirrored_model(live: Origin, copies: Origin | int, **bounds: object) -> ModelPlan:
    return model(version("1", live), version("3", copies), shadows=(shadow(**bounds),))


@pytest_asyncio.fixture
async def live() -> AsyncIterator[Origin]:
    made = Origin()
    made.answer(answer(b"live"))
    yield made
    await made.stop()


async def _callers_are_served(world: World, n: int) -> None:
    caller = await world.call()
    for at in range(n):
        await caller.send(post(b"%d" % at))
        head, body = await caller.message()
        assert (head[9:12], body) == (b"200", b"live")
    await world.counted("stable", "ok", n)


async def test_a_copy_is_the_same_request_but_marked(live: Origin, mirrored: Origin) -> None:
    async with serving(mirrored_model(live, mirrored)) as world:
        await world.ask(
            b"POST /m HTTP/1.1\r\nHost: m\r\nAuthorization: secret\r\nX-A: 1\r\n"
            b"Content-Length: 4\r\n\r\nbody"
        )
        wire = await mirrored.accept()
        head, body = await wire.message()
        assert head.startswith(b"POST /m HTTP/1.1\r\nHost: m\r\nX-A: 1\r\nContent-Length: 4\r\n")
        assert b"\r\nx-shadow: 3\r\n" in head
        assert b"uthorization" not in head
        assert body == b"body"
        await wire.send(answer(b"nobody hears"))
        await world.copied("sent")
        assert not any(b"x-shadow" in head for head in live.requests)


async def test_one_that_hangs(live: Origin, mirrored: Origin) -> None:
    """It never answers: places, then the queue, are full; the rest is dropped and counted."""
    plan = mirrored_model(live, mirrored, in_flight=2, queue=3, deadline=0.3)
    async with serving(plan) as world:
        await _callers_are_served(world, 20)
        report = world.look()
        assert report.copies_in_flight <= 2
        await world.copied("dropped_queue", 15)
        await until(lambda: world.look().copies_in_flight == 0)
        assert world.look().copies_bytes == 0


async def test_one_that_refuses(live: Origin) -> None:
    gone = Origin()
    await gone.stop()
    async with serving(mirrored_model(live, gone.port)) as world:
        await _callers_are_served(world, 20)
        await world.copied("dropped_connect", 20)


async def test_one_that_hangs_at_connect(live: Origin) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listening.getsockname())
    plan = mirrored_model(live, listening.getsockname()[1], in_flight=4, queue=4, deadline=0.1)
    async with serving(plan) as world:
        await _callers_are_served(world, 20)
        await until(lambda: world.look().copies_in_flight == 0)
    for sock in (*fillers, listening):
        sock.close()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"noise"]
)
async def test_one_that_breaks(live: Origin, mirrored: Origin, how: str, part: bytes) -> None:
    async def play(wire: Wire) -> None:
        await wire.message()
        await wire.send(part)
        getattr(wire, how)()

    mirrored.serve(play)
    async with serving(mirrored_model(live, mirrored)) as world:
        await _callers_are_served(world, 10)
        await world.copied("sent", 10)
        assert not world.outcomes["shadow", "ok"]


async def test_one_that_reads_a_byte_at_a_time(live: Origin) -> None:
    """Memory is bounded by bytes, whatever callers upload; over it copies are dropped."""
    slow = Origin(slow=True)

    async def play(wire: Wire) -> None:
        for _ in range(1000):
            await wire.swallow(1)
            await asyncio.sleep(0.05)

    slow.serve(play)
    bound, size = MIB, 6 * MIB  # more than the kernel takes for a connection
    async with serving(mirrored_model(live, slow, bytes=bound)) as world:
        caller = await world.call()
        for _ in range(8):
            await caller.send(post(bytes(size)))
            assert (await caller.message())[1] == b"live"
            assert world.look().copies_bytes <= bound
        await world.copied("dropped_bytes", 8)
    await slow.stop()


async def test_one_that_reads_nothing_slows_no_upload(origin: Origin) -> None:
    """The live version has all of it while the shadow has read nothing."""
    slow = Origin(slow=True)
    size = 48 * MIB
    async with serving(mirrored_model(origin, slow)) as world:
        caller = await world.call(post(b"", size))
        wire = await origin.accept()
        await wire.past(b"\r\n\r\n")
        copy = await slow.accept()
        sending = asyncio.ensure_future(caller.send(bytes(size)))
        await wire.swallow(size)
        await sending
        await wire.send(answer(b"live"))
        assert (await caller.message())[1] == b"live"
        assert copy.taken == b""
        await world.copied("dropped_bytes")
        await world.counted("stable", "ok")
        assert world.look().copies_bytes == 0
    await slow.stop()


async def test_what_it_has_taken_counts_no_longer(live: Origin, mirrored: Origin) -> None:
    """It has the upload and thinks: its bytes are not in our memory any more."""
    async with serving(mirrored_model(live, mirrored)) as world:
        caller = await world.call(post(bytes(6 * MIB)))
        wire = await mirrored.accept()
        await wire.message()
        assert (await caller.message())[1] == b"live"
        await until(lambda: world.look().copies_bytes < MIB)
        assert world.look().copies_in_flight == 1


async def test_an_upload_that_breaks_off_breaks_its_copy(origin: Origin, mirrored: Origin) -> None:
    async with serving(mirrored_model(origin, mirrored)) as world:
        caller = await world.call(CHUNKED_POST + b"4\r\nhalf\r\n")
        await (await origin.accept()).past(b"half")
        wire = await mirrored.accept()
        await wire.past(b"half")
        caller.close()
        await wire.closed()
        assert b"0\r\n\r\n" not in wire.taken
        await world.copied("dropped_caller")


async def test_an_early_answer_ends_the_copy_too(origin: Origin, mirrored: Origin) -> None:
    async with serving(mirrored_model(origin, mirrored)) as world:
        caller = await world.call(post(b"half", 100))
        live = await origin.accept()
        await live.past(b"half")
        wire = await mirrored.accept()
        await wire.past(b"half")
        await live.send(answer(b"", b"413 Content Too Large"))
        await caller.message()
        await wire.closed()


async def test_copies_have_their_own_connections(origin: Origin) -> None:
    """Even to the same endpoint: a shadow never takes a place in the live pool."""
    plan = model(version("1", origin), VersionPlan("3", (endpoint(origin),)), shadows=(shadow(),))
    origin.answer(answer(b"live"))
    async with serving(plan) as world:
        for n in range(4):
            await world.ask()
            await world.copied("sent", n + 1)
        by_mark = [wire.taken.count(b"x-shadow: 3") for wire in origin.wires]
        assert sorted(by_mark) == [0, 4]


async def test_callers_who_never_stop_are_served_while_it_dies_and_returns(
    live: Origin, mirrored: Origin
) -> None:
    answers = [True]

    async def play(wire: Wire) -> None:
        while True:
            await wire.message()
            if not answers[0]:
                return wire.reset()
            await wire.send(answer(b"copy"))

    mirrored.serve(play)
    async with serving(mirrored_model(live, mirrored)) as world:
        caller = await world.call()
        for n in range(60):
            answers[0] = n < 20 or n >= 40
            await caller.send(GET)
            assert (await caller.message())[1] == b"live"
        await world.counted("stable", "ok", 60)
