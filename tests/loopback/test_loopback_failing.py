"""Every way an endpoint can fail, at every moment: what the caller sees, and who is blamed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from loopback_world import CHUNKED_POST, GET, answer, model, post, serving, version
from origin import Origin, Wire

from proxy.routing.plan import Deadlines

PARTS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
}


def problem(head: bytes, body: bytes) -> tuple[int, str]:
    """Status and reason of a problem answer, which must say whose side it was on."""
    said = json.loads(body)
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    assert said["owner"] == "upstream"
    assert b"\r\nx-model-version: 1\r\n" in head
    return int(head[9:12]), said["type"].rpartition(":")[2]


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a listener that accepts nothing and whose queue is full."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    fillers = []
    for _ in range(4):  # Linux lets a few more in than it was told
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listening.getsockname())
        fillers.append(filler)
    yield listening.getsockname()[1]
    for sock in (*fillers, listening):
        sock.close()


@pytest.fixture
def shut() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class TestConnect:
    async def test_refused(self, shut: int) -> None:
        async with serving(model(version("1", shut))) as world:
            for request in (GET, post(b"x")):
                assert problem(*await world.ask(request)) == (502, "upstream_connect")
            await world.counted("stable", "upstream_connect", 2)

    async def test_recovers_without_a_restart(self, shut: int) -> None:
        async with serving(model(version("1", shut))) as world:
            for _ in range(10):  # taken out by now, were it not the only one
                await world.ask()
            origin = Origin.__new__(Origin)
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", shut))
            listening.listen()
            listening.setblocking(False)
            origin.socket, origin.wires = listening, []
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(answer(b"back"))
            assert (await caller.message())[1] == b"back"
            listening.close()
            wire.close()

    async def test_hangs(self, deaf: int) -> None:
        plan = model(version("1", deaf), deadlines=Deadlines(connect=0.05))
        async with serving(plan) as world:
            assert problem(*await world.ask()) == (502, "upstream_connect")
            # An upload waits for the connection, and is answered all the same.
            caller = await world.call(post(bytes(1_000_000), 10_000_000))
            assert problem(*await caller.message()) == (502, "upstream_connect")

    async def test_a_name_that_cannot_be_one(self) -> None:
        plan = model(version("1", 1))
        endpoint = type(plan.versions[0].endpoints[0])("a" * 64 + ".invalid", 80)
        broken = type(plan.versions[0])("1", (endpoint,))
        async with serving(model(broken)) as world:
            assert problem(*await world.ask()) == (502, "upstream_connect")

    async def test_accepts_and_closes_at_once(self, origin: Origin) -> None:
        async def play(wire: Wire) -> None:
            wire.close()

        origin.serve(play)
        async with serving(model(version("1", origin))) as world:
            for _ in range(20):
                status, reason = problem(*await world.ask(post(b"x")))
                assert status == 502
                assert reason in ("upstream_connect", "upstream_reset")

    async def test_a_missing_unix_socket(self) -> None:
        plan = model(version("1", 1))
        endpoint = type(plan.versions[0].endpoints[0])(unix="/nowhere/model.sock")
        broken = type(plan.versions[0])("1", (endpoint,))
        async with serving(model(broken)) as world:
            assert problem(*await world.ask()) == (502, "upstream_connect")


class TestBeforeAnAnswer:
    @pytest.mark.parametrize("part", [b"", b"HTT", b"HTTP/1.1 200 OK\r\nContent-Le"])
    @pytest.mark.parametrize("how", ["close", "reset"])
    async def test_breaks_off(self, origin: Origin, part: bytes, how: str) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(part)
            getattr(wire, how)()
            assert problem(*await caller.message()) == (502, "upstream_reset")
            await caller.send(GET)  # and the caller's connection lives
            await origin.accept()
            await world.counted("stable", "upstream_reset")

    @pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
    async def test_falls_silent(self, origin: Origin, part: bytes) -> None:
        plan = model(version("1", origin), deadlines=Deadlines(first_byte=0.05))
        async with serving(plan) as world:
            caller = await world.call(post(b"x"))
            wire = await origin.accept()
            await wire.message()
            await wire.send(part)
            assert problem(*await caller.message()) == (504, "upstream_timeout")
            await wire.closed()
            await world.counted("stable", "upstream_timeout")

    async def test_takes_nothing_of_the_upload(self) -> None:
        origin = Origin(slow=True)
        plan = model(version("1", origin), deadlines=Deadlines(idle=0.1))
        async with serving(plan) as world:
            size = 16 * 1024 * 1024
            caller = await world.call(post(b"", size), slow=True)
            await origin.accept()
            assert await caller.stuff(bytes(65_536), size) == size, "what is left is read away"
            assert problem(*await caller.message()) == (504, "upstream_timeout")
            await world.counted("stable", "upstream_timeout")
        await origin.stop()

    async def test_ends_while_the_upload_is_stuck(self) -> None:
        """It has closed its side without reading: what is unsent will never go."""
        origin = Origin(slow=True)
        size = 16 * 1024 * 1024
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(post(b"", size), slow=True)
            wire = await origin.accept()
            await caller.stuff(bytes(65_536), size)
            wire.end()
            assert problem(*await caller.message()) == (502, "upstream_reset")
        await origin.stop()

    async def test_breaks_off_during_the_upload(self, origin: Origin) -> None:
        async with serving(model(version("1", origin))) as world:
            for how in ("close", "reset"):
                caller = await world.call(CHUNKED_POST + b"4\r\nhalf\r\n")
                wire = await origin.accept()
                await wire.past(b"half")
                getattr(wire, how)()
                assert problem(*await caller.message()) == (502, "upstream_reset")
                assert await caller.closed()
            await world.counted("stable", "upstream_reset", 2)

    async def test_speaks_no_http(self, origin: Origin) -> None:
        for noise in (b"SSH-2.0-x\r\n\r\n", answer(b"", b"99 Odd"), bytes(70_000)):
            async with serving(model(version("1", origin))) as world:
                caller = await world.call(GET)
                wire = await origin.accept()
                await wire.message()
                wire.push(noise)
                assert problem(*await caller.message()) == (502, "upstream_protocol")
                await wire.closed()
                await world.counted("stable", "upstream_protocol")


class TestMidBody:
    @pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
    @pytest.mark.parametrize("how", ["close", "reset"])
    async def test_breaks_off(self, origin: Origin, part: bytes, how: str) -> None:
        """The caller sees a broken transfer, never a clean end (http.md row 68)."""
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(part)
            await caller.past(b"half")
            getattr(wire, how)()
            await caller.closed()
            assert b"0\r\n" not in caller.unread
            await world.counted("stable", "upstream_reset")

    async def test_breaks_its_framing(self, origin: Origin) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(PARTS["chunks"])
            await caller.past(b"half")
            await wire.send(b"no size\r\n")
            await caller.closed()
            assert b"0\r\n\r\n" not in caller.unread
            await world.counted("stable", "upstream_protocol")

    @pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
    async def test_falls_silent(self, origin: Origin, part: bytes) -> None:
        plan = model(version("1", origin), deadlines=Deadlines(idle=0.05))
        async with serving(plan) as world:
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(part)
            await caller.closed()
            assert b"half" in caller.taken
            assert b"0\r\n\r\n" not in caller.taken
            await wire.closed()
            await world.counted("stable", "upstream_timeout")

    async def test_drips_for_ever(self, origin: Origin) -> None:
        """Never silent for long, but over the total deadline."""
        plan = model(version("1", origin), deadlines=Deadlines(idle=10, total=0.2))
        async with serving(plan) as world:
            caller = await world.call(GET)
            wire = await origin.accept()
            await wire.message()
            await wire.send(PARTS["chunks"])
            await caller.past(b"half")
            while await _dripped(wire, caller):
                pass
            await world.counted("stable", "upstream_timeout")


async def _dripped(wire: Wire, caller: Wire) -> bool:
    """One more chunk that the caller has received; False when it was cut off instead."""
    try:
        await wire.send(b"1\r\n.\r\n")
        return bool(await caller.more())
    except ConnectionError:
        return False


async def test_a_slow_caller_is_never_the_upstreams_fault(origin: Origin) -> None:
    """The deadline between two reads does not run while the caller takes nothing."""
    plan = model(version("1", origin), deadlines=Deadlines(idle=0.15))
    size = 8 * 1024 * 1024
    async with serving(plan) as world:
        caller = await world.call(GET, slow=True)
        wire = await origin.accept()
        await wire.message()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        sent = await wire.stuff(bytes(65_536), size)
        await wire.stuff(b"", 1)  # a quarter of a second in which nobody moves
        await caller.past(b"\r\n\r\n")
        for _ in range(size // 65_536):
            await caller.exactly(65_536)
            sent += wire.push(bytes(min(size - sent, 1_000_000)))
        assert sent == size
        await world.counted("stable", "ok")
