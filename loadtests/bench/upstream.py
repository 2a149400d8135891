"""What stands behind the proxies when nginx cannot play it: a small server on uvloop.

    python -m loadtests.bench.upstream PORT:VERSION[:KIND] ...

It reads whole requests and answers 200 bytes that begin with the version.  By the path's leaf:
``answer-<bytes>`` gives a body of so many bytes, ``events-<count>-<ms>`` an event stream.  By
KIND: ``slow`` answers one request at a time, a tenth of what the headline rate would need;
``hung`` reads and never answers.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque
from typing import Final, cast

import uvloop

from loadtests.bench.works import ANSWER_BYTES, HEADLINE_RATE, MIB, SEEN

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
_EVENTS: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_EVENT: Final = b"data: " + b"t" * 40 + b"\n\n"
_CHUNK: Final = b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
_SLOW_RATE: Final = HEADLINE_RATE // 10


class Queue:
    """A server that is slow because it is busy: one answer at a time, in order."""

    def __init__(self, rate: int) -> None:
        self.seen = 0  # requests, over all versions
        self._waiting: deque[Serving] = deque()
        self._pause = 1 / rate

    def join(self, one: Serving) -> None:
        self._waiting.append(one)
        if len(self._waiting) == 1:
            self._later()

    def _later(self) -> None:
        asyncio.get_running_loop().call_later(self._pause, self._serve)

    def _serve(self) -> None:
        self._waiting.popleft().answer()
        if self._waiting:
            self._later()


class Serving(asyncio.Protocol):
    """One connection: one request at a time, without pipelining."""

    def __init__(self, version: str, kind: str, queue: Queue) -> None:
        body = version.encode().ljust(ANSWER_BYTES, b"y")
        self._small = _HEAD % (b"application/json", len(body)) + body
        self._version, self._kind, self._queue = version.encode(), kind, queue
        self._data = b""
        self._left = 0  # bytes of the body to come; -1: chunked
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._body(data)
            return
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head, rest = self._data[: end + 2], self._data[end + 4 :]
        self._data = b""
        self._path = head.split(b" ", 2)[1]
        found = _LENGTH.search(head)
        self._left = int(found[1]) if found else (-1 if _CHUNKED.search(head) else 0)
        self._body(rest)

    def _body(self, data: bytes) -> None:
        if self._left < 0:
            self._data = (self._data + data)[-len(_LAST_CHUNK) :]
            if self._data != _LAST_CHUNK:
                return
            self._data = b""
            self._left = 0
        else:
            self._left -= len(data)
        if not self._left:
            self._asked()

    def _asked(self) -> None:
        self._queue.seen += 1
        if self._kind == "slow":
            self._queue.join(self)
        elif self._kind != "hung":
            self.answer()

    def answer(self) -> None:
        if self._transport.is_closing():
            return
        kind, *numbers = self._path.rpartition(b"/")[2].split(b"-")
        if kind == b"answer":
            self._give(int(numbers[0]))
        elif kind == b"events":
            self._transport.write(_EVENTS + _CHUNK)
            self._later(int(numbers[0]) - 1, int(numbers[1]) / 1000)
        elif kind == SEEN.encode():
            said = b"%d\n" % self._queue.seen
            self._transport.write(_HEAD % (b"text/plain", len(said)) + said)
        else:
            self._transport.write(self._small)

    def _give(self, size: int) -> None:
        block = self._version.ljust(min(size, 4 * MIB), b"y")
        self._transport.write(_HEAD % (b"application/octet-stream", size))
        self._blocks(block, size)

    def _blocks(self, block: bytes, left: int) -> None:
        """A block at a time: a gibibyte never stands in memory."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MIB:
            asyncio.get_running_loop().call_later(0.001, self._blocks, block, left)
            return
        self._transport.write(block[:left])
        if left > len(block):
            asyncio.get_running_loop().call_soon(self._blocks, block, left - len(block))

    def _later(self, left: int, pause: float) -> None:
        asyncio.get_running_loop().call_later(pause, self._event, left, pause)

    def _event(self, left: int, pause: float) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(_CHUNK if left else _LAST_CHUNK)
        if left:
            self._later(left - 1, pause)


async def serve(places: list[str]) -> None:
    """Listen on every PORT:VERSION[:KIND] until the process is ended."""
    loop = asyncio.get_running_loop()
    queue = Queue(_SLOW_RATE)
    for place in places:
        port, version, kind = f"{place}:quick".split(":")[:3]
        await loop.create_server(
            lambda version=version, kind=kind: Serving(version, kind, queue),  # type: ignore[misc]
            "127.0.0.1",
            int(port),
            backlog=4096,
        )
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))
