"""Callers who leave, stall, come too many, or go on after their answer."""

from __future__ import annotations

import asyncio
import json

import pytest
from loopback_world import CHUNKED_POST, GET, answer, model, post, serving, version
from origin import Origin, until

from proxy.routing.plan import ListenerLimits, ModelLimits

QUICK = ListenerLimits(head_seconds=0.1, body_seconds=0.1, idle_seconds=0.3)


def reason(body: bytes) -> str:
    said = json.loads(body)
    return str(said["type"].rpartition(":")[2])


@pytest.mark.parametrize("how", ["close", "reset", "end"])
class TestLeaving:
    async def test_before_the_answer(self, origin: Origin, how: str) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(post(b"long work"))
            wire = await origin.accept()
            await wire.message()
            getattr(caller, how)()
            await wire.closed()
            await world.counted("stable", "caller_left")

    async def test_in_the_middle_of_the_answer(self, origin: Origin, how: str) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            await caller.past(b"x\r\n")
            getattr(caller, how)()
            await wire.closed()
            await world.counted("stable", "caller_left")

    async def test_in_the_middle_of_the_upload(self, origin: Origin, how: str) -> None:
        """The origin sees an incomplete message (http.md row 70)."""
        async with serving(model(version("1", origin))) as world:
            for start in (post(b"half", 100), CHUNKED_POST + b"4\r\nhalf\r\n"):
                caller = await world.call(start)
                wire = await origin.accept()
                await wire.past(b"half")
                getattr(caller, how)()
                await wire.closed()
                assert b"0\r\n" not in wire.unread
            await world.counted("stable", "caller_left", 2)

    async def test_while_queued(self, origin: Origin, how: str) -> None:
        """Nobody works for who has gone; the next in the queue gets the place."""
        plan = model(version("1", origin), limits=ModelLimits(in_flight=1, queue_wait=10))
        async with serving(plan) as world:
            busy = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            leaving = await world.call(post(b"nobody's"))
            await world.call(post(b"mine"))
            await until(lambda: world.look().connections == 3)
            getattr(leaving, how)()
            await until(lambda: world.look().connections == 2)
            await wire.send(answer(b"done"))
            await busy.message()
            assert (await wire.message())[1] == b"mine"


async def test_leaving_during_a_dial_leaves_its_connection_to_the_next(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        caller.reset()
        await until(lambda: world.look().connections == 0)
        other = await world.call(GET)
        wire = await origin.accept()
        if not await _gets(wire):
            wire = await origin.accept()
        await wire.send(answer(b"served"))
        assert (await other.message())[1] == b"served"


async def _gets(wire) -> bool:  # type: ignore[no-untyped-def]
    try:
        await wire.message()
    except (AssertionError, ConnectionError):
        return False
    return True


class TestStalling:
    async def test_a_head_that_drips(self, origin: Origin) -> None:
        """Slowloris: each byte is no reason to wait longer."""
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            caller = await world.call()
            for byte in b"GET /m HTTP/1.1\r\nHost: m\r\nX-A: " + b"a" * 1000:
                caller.push(bytes([byte]))
                await asyncio.sleep(0.01)
                if world.look().refused:
                    break
            head, body = await caller.message()
            assert (head[9:12], reason(body)) == (b"408", "head_timeout")
            assert await caller.closed()
            assert origin.nobody()

    async def test_a_body_that_stops(self, origin: Origin) -> None:
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            caller = await world.call(post(b"half", 100))
            wire = await origin.accept()
            await wire.past(b"half")
            head, body = await caller.message()
            assert (head[9:12], reason(body)) == (b"408", "body_timeout")
            await wire.closed()
            await world.counted("stable", "caller_timeout")

    async def test_one_who_says_nothing(self, origin: Origin) -> None:
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            caller = await world.call()
            assert await caller.closed()
            assert caller.taken == b""

    async def test_one_who_does_not_take_the_answer(self, origin: Origin) -> None:
        size = 32 * 1024 * 1024
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            await world.call(GET, slow=True)
            wire = await origin.accept()
            await wire.message()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            await wire.stuff(bytes(65_536), size)
            await wire.closed()
            await world.counted("stable", "caller_timeout")
            await until(lambda: world.look().connections == 0)

    async def test_one_who_takes_the_answer_slowly(self, origin: Origin) -> None:
        """Each time within the limit, in all far longer: slow is not stalled."""
        size = 3 * 1024 * 1024
        origin.answer(answer(bytes(size)))
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            caller = await world.call(GET, slow=True)
            await caller.past(b"\r\n\r\n")
            for _ in range(48):
                await caller.exactly(size // 48)
                await asyncio.sleep(0.02)
            await world.counted("stable", "ok")

    async def test_one_who_does_not_take_the_last_answer(self, origin: Origin) -> None:
        """Closing waits for what is unsent, but not for ever."""
        origin.answer(answer(bytes(8_000_000)))
        close = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            await world.call(close, slow=True)
            await until(lambda: origin.requests)
            await until(lambda: world.look().connections == 0)

    async def test_long_work_is_not_stalling(self, origin: Origin) -> None:
        async with serving(model(version("1", origin)), limits=QUICK) as world:
            caller = await world.call(post(b"x"))
            wire = await origin.accept()
            await wire.message()
            await asyncio.sleep(0.5)  # longer than every limit of the listener
            await wire.send(answer(b"at last"))
            assert (await caller.message())[1] == b"at last"


class TestTooMany:
    async def test_connections(self, origin: Origin) -> None:
        origin.answer(answer(b"served"))
        limits = ListenerLimits(connections=2)
        async with serving(model(version("1", origin)), limits=limits) as world:
            kept = [await world.call(GET) for _ in range(2)]
            for caller in kept:
                await caller.message()
            for request in (b"", GET, post(bytes(100_000))):
                caller = await world.call(request)
                head, body = await caller.message()
                assert (head[9:12], reason(body)) == (b"503", "connections")
                assert b"\r\nretry-after: 1\r\n" in head
                caller.close()
            kept[0].close()
            await until(lambda: world.look().connections == 1)
            assert (await world.ask())[1] == b"served"

    async def test_in_flight(self, origin: Origin) -> None:
        plan = model(version("1", origin), limits=ModelLimits(in_flight=1, queue=1, queue_wait=0.1))
        async with serving(plan) as world:
            busy = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            queued = await world.call(post(bytes(100_000)))
            await until(lambda: world.look().connections == 2)
            await asyncio.sleep(0.01)
            head, body = await world.ask(post(bytes(100_000)))
            assert (head[9:12], reason(body)) == (b"503", "overload")
            head, body = await queued.message()
            assert (head[9:12], reason(body)) == (b"503", "queue_wait")
            await wire.send(answer(b"served"))
            assert (await busy.message())[1] == b"served"


class TestLingering:
    async def test_a_refusal_reaches_who_is_still_uploading(self, origin: Origin) -> None:
        """The whole upload is sent before the caller reads, as simple clients do."""
        plan = model(version("1", origin), limits=ModelLimits(body=1000))
        size = 16 * 1024 * 1024
        async with serving(plan) as world:
            caller = await world.call()
            await caller.send(post(bytes(size)))
            head, body = await caller.message()
            assert (head[9:12], reason(body)) == (b"413", "body_bytes")
            assert await caller.closed()
            assert origin.nobody()

    async def test_so_does_one_in_the_middle_of_chunks(self, origin: Origin) -> None:
        plan = model(version("1", origin), limits=ModelLimits(body=100_000))
        async with serving(plan) as world:
            caller = await world.call(CHUNKED_POST)
            for _ in range(50):
                await caller.send(b"10000\r\n" + bytes(65_536) + b"\r\n")
            head, body = await caller.message()
            assert (head[9:12], reason(body)) == (b"413", "body_bytes")

    async def test_pipelined_requests_after_the_last_are_not_served(self, origin: Origin) -> None:
        origin.answer(answer(b"last"))
        close = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(close + GET * 50)
            assert (await caller.rest()).endswith(b"\r\n\r\nlast")
            assert len(origin.requests) == 1
