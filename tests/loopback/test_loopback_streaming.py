"""Bodies stream both ways, chunk by chunk, and either end may slow the other down."""

from __future__ import annotations

import pytest
from loopback_world import CHUNKED_POST, GET, OLD, answer, model, post, serving, version
from origin import Origin, Wire, until

BLOCK = bytes(65_536)
BIG = 64 * 1024 * 1024
#: Kernel buffers of both sockets on both sides, narrowed, and what the proxy holds itself.
UNDER_WAY = 12 * 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_events_arrive_one_by_one(origin: Origin) -> None:
    """Each event is in the caller's hands before the origin writes the next."""
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(
            CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n")
        )
        assert (await caller.past(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"), "head before body"
        for n in range(100):
            event = b"data: token %d\n\n" % n
            await wire.send(chunk(event))
            assert await caller.chunk() == event
        await wire.send(b"0\r\nX-Total: 100\r\n\r\n")
        assert await caller.past(b"\r\n\r\n") == b"0\r\nX-Total: 100\r\n\r\n"
        await caller.send(GET)
        await wire.message()  # kept on both sides


async def test_a_body_until_close_arrives_piece_by_piece(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(UNTIL_CLOSE)
        await caller.past(b"\r\n\r\n")
        for n in range(10):
            await wire.send(b"piece %d" % n)
            assert await caller.chunk() == b"piece %d" % n
        wire.close()
        assert await caller.chunk() == b""
        await caller.past(b"\r\n")
        await caller.send(GET)
        await origin.accept()  # the caller's connection outlives the upstream's
        await world.counted("stable", "ok")


async def test_an_upload_arrives_chunk_by_chunk(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(CHUNKED_POST)
        wire = await origin.accept()
        await wire.past(b"\r\n\r\n")
        for n in range(100):
            await caller.send(chunk(b"row %d" % n))
            assert await wire.chunk() == b"row %d" % n
        await caller.send(b"0\r\n\r\n")
        assert await wire.chunk() == b""
        await wire.past(b"\r\n")
        await wire.send(answer(b"done"))
        assert (await caller.message())[1] == b"done"


async def test_both_at_once(origin: Origin) -> None:
    """Full duplex: the answer runs while the request is still coming (http.md row 83)."""
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(CHUNKED_POST)
        wire = await origin.accept()
        await wire.past(b"\r\n\r\n")
        await wire.send(CHUNKED)
        await caller.past(b"\r\n\r\n")
        for n in range(20):
            await caller.send(chunk(b"ask %d" % n))
            assert await wire.chunk() == b"ask %d" % n
            await wire.send(chunk(b"say %d" % n))
            assert await caller.chunk() == b"say %d" % n
        await caller.send(b"0\r\n\r\n")
        assert await wire.chunk() == b""
        await wire.send(b"0\r\n\r\n")
        assert await caller.chunk() == b""
        await world.counted("stable", "ok")


async def test_a_slow_origin_holds_the_caller_back() -> None:
    origin = Origin(slow=True)
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(post(b"", BIG), slow=True)
        wire = await origin.accept()
        await wire.past(b"\r\n\r\n")
        sent = await caller.stuff(BLOCK, BIG)
        assert sent < UNDER_WAY
        assert await caller.stuff(BLOCK, BIG) == 0, "nothing moves while the origin does not read"
        got = len(wire.unread)
        await wire.exactly(got)
        for _ in range(200):  # and it goes on as the origin reads
            await wire.exactly(100_000)
            sent += await _top_up(caller, BIG - sent)
        assert sent > UNDER_WAY
    await origin.stop()


async def _top_up(wire: Wire, left: int) -> int:
    sent = 0
    while sent < left and (gone := wire.push(BLOCK[: left - sent])):
        sent += gone
    return sent


async def test_even_what_came_before_the_connection_was_there() -> None:
    """The first piece alone fills the connection: the caller must wait from then on."""
    origin = Origin(slow=True)
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(slow=False)
        sent = caller.push(post(bytes(1024 * 1024), BIG))
        sent += await caller.stuff(BLOCK, BIG)
        assert sent < UNDER_WAY
    await origin.stop()


async def test_a_slow_caller_holds_the_origin_back(origin: Origin) -> None:
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(GET, slow=True)
        wire = await origin.accept()
        await wire.message()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        sent = await wire.stuff(BLOCK, BIG)
        assert sent < UNDER_WAY
        assert await wire.stuff(BLOCK, BIG) == 0, "nothing moves while the caller does not read"
        await caller.past(b"\r\n\r\n")
        for _ in range(400):
            await caller.exactly(65_536)
            sent += await _top_up(wire, BIG - sent)
        assert sent > UNDER_WAY


async def test_a_caller_who_never_reads_gets_no_second_answer(origin: Origin) -> None:
    """Pipelined requests wait while the answers before them have not been taken."""
    origin.answer(answer(bytes(100_000)))
    async with serving(model(version("1", origin))) as world:
        caller = await world.call(slow=True)
        await caller.stuff(GET * 100, 100 * len(GET) * 100)
        await caller.stuff(GET, 1)  # a while
        assert len(origin.requests) * 100_000 < UNDER_WAY
        answered = len(origin.requests)
        for _ in range(answered + 20):
            assert len((await caller.message())[1]) == 100_000


@pytest.mark.parametrize("size", [0, 1, 4096, 1024 * 1024, 5_000_000])
async def test_whole_bodies_are_equal(origin: Origin, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)

    async def play(wire: Wire) -> None:
        while True:
            _, came = await wire.message()
            await wire.send(CHUNKED + (chunk(came) if came else b"") + b"0\r\n\r\n")

    origin.serve(play)
    async with serving(model(version("1", origin))) as world:
        assert (await world.ask(post(body)))[1] == body
        payload = b"".join(chunk(body[at : at + 30_000]) for at in range(0, size, 30_000))
        assert (await world.ask(CHUNKED_POST + payload + b"0\r\n\r\n"))[1] == body


class TestHTTP10:
    async def test_a_body_of_unknown_length_ends_with_the_connection(self, origin: Origin) -> None:
        async with serving(model(version("1", origin))) as world:
            for framed in (
                CHUNKED + chunk(b"all of it") + b"0\r\n\r\n",
                UNTIL_CLOSE + b"all of it",
            ):
                caller = await world.call(OLD)
                wire = await origin.accept()
                await wire.message()
                await wire.send(framed)
                wire.end()
                head, _, body = (await caller.rest()).partition(b"\r\n\r\n")
                assert b"transfer-encoding" not in head.lower()
                assert b"\r\nconnection: close" in head
                assert body == b"all of it"

    @pytest.mark.parametrize("start", [CHUNKED + b"ff\r\nhalf", CHUNKED + chunk(b"half")])
    async def test_a_truncated_one_is_reset(self, origin: Origin, start: bytes) -> None:
        """The end of the connection would be the end of the body; http.md row 69."""
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(OLD)
            wire = await origin.accept()
            await wire.message()
            await wire.send(start)
            await caller.past(b"half")
            wire.close()
            assert not await caller.closed()
            await world.counted("stable", "upstream_reset")

    async def test_an_until_close_one_that_is_reset_is_reset(self, origin: Origin) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(OLD)
            wire = await origin.accept()
            await wire.message()
            await wire.send(UNTIL_CLOSE + b"half")
            await caller.past(b"half")
            wire.reset()
            assert not await caller.closed()
            await world.counted("stable", "upstream_reset")


class TestEarlyAnswer:
    TOO_LARGE = answer(b"too large", b"413 Content Too Large", b"Connection: close\r\n")

    async def test_it_reaches_a_caller_who_goes_on_uploading(self, origin: Origin) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(post(b"", BIG))
            wire = await origin.accept()
            await wire.past(b"\r\n\r\n")
            await wire.send(self.TOO_LARGE)
            await caller.stuff(BLOCK, 4 * 1024 * 1024)
            head, body = await caller.message()
            assert (head[9:12], body) == (b"413", b"too large")
            assert b"\r\nconnection: close\r\n" in head
            await wire.closed()
            await world.counted("stable", "upstream_4xx")

    async def test_even_when_the_origin_closes_without_reading(self, origin: Origin) -> None:
        """Its reset follows the answer at once; what it said must not be lost in it."""
        rounds = 20
        async with serving(model(version("1", origin))) as world:
            for _ in range(rounds):
                caller = await world.call(post(bytes(300_000), BIG))
                wire = await origin.accept()
                await wire.past(b"\r\n\r\n")
                caller.push(BLOCK)
                await wire.send(self.TOO_LARGE)
                wire.close()
                for _ in range(10):
                    caller.push(BLOCK)
                head, body = await caller.message()
                assert (head[9:12], body) == (b"413", b"too large")
                caller.close()
            await world.counted("stable", "upstream_4xx", rounds)

    async def test_an_answer_in_parts_goes_on_while_the_upload_does(self, origin: Origin) -> None:
        async with serving(model(version("1", origin))) as world:
            caller = await world.call(post(b"half", 8))
            wire = await origin.accept()
            await wire.past(b"half")
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            await caller.past(b"ab")
            await caller.send(b"rest")
            await wire.past(b"rest")
            await wire.send(b"cd")
            await caller.past(b"cd")
            await until(lambda: world.look().in_flight == 0)
