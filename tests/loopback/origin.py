"""Both ends of the proxy as bare sockets: a scripted origin, and callers.

Nothing happens unless the test says so: bytes are read when it asks for them, so an end that
does not read is really slow, and ``taken`` is all that has reached an end, byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 10.0  # seconds: only a hang takes so long
_RESET = struct.pack("ii", 1, 0)
T = TypeVar("T")


async def soon(what: Awaitable[T]) -> T:
    """The result of ``what``, or a failure instead of a hang."""
    async with asyncio.timeout(PATIENCE):
        return await what


async def until(what: Callable[[], object]) -> None:
    """Waits until ``what`` holds, letting the loop run."""
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110  the product has no event for it
            await asyncio.sleep(0.002)


class Wire:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.taken = bytearray()  # all that was ever read
        self.unread = bytearray()  # of that, what no step of the script has consumed

    async def more(self) -> bool:
        """Takes in what comes next; False at the end.  Raises ConnectionResetError."""
        data = await soon(asyncio.get_running_loop().sock_recv(self.socket, 262_144))
        self.taken += data
        self.unread += data
        return bool(data)

    def _consume(self, size: int) -> bytes:
        found = bytes(self.unread[:size])
        del self.unread[:size]
        return found

    async def past(self, mark: bytes) -> bytes:
        """Everything up to and with ``mark``."""
        while mark not in self.unread:
            assert await self.more(), f"ended before {mark!r}: {self.unread[:2000]!r}"
        return self._consume(self.unread.index(mark) + len(mark))

    async def exactly(self, size: int) -> bytes:
        while len(self.unread) < size:
            assert await self.more(), f"ended {size - len(self.unread)} bytes early"
        return self._consume(size)

    async def swallow(self, size: int) -> None:
        """Reads ``size`` bytes without keeping them."""
        loop = asyncio.get_running_loop()
        size -= len(self._consume(size))
        while size > 0:
            got = len(await soon(loop.sock_recv(self.socket, min(size, 1_048_576))))
            assert got, f"ended {size} bytes early"
            size -= got

    async def rest(self) -> bytes:
        """Everything up to a clean end.  Raises ConnectionResetError."""
        while await self.more():
            pass
        return self._consume(len(self.unread))

    async def closed(self) -> bool:
        """Waits for the end, clean (True) or by a reset (False); what came before is taken."""
        try:
            while await self.more():
                pass
        except ConnectionError:
            return False
        return True

    async def message(self) -> tuple[bytes, bytes]:
        """A whole request or answer with a length or in chunks: its head and payload."""
        head = await self.past(b"\r\n\r\n")
        low = head.lower()
        if b"\r\ntransfer-encoding: chunked\r\n" in low:
            return head, await self._chunks()
        if b"\r\ncontent-length: " not in low:
            return head, b""
        size = int(low.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
        return head, await self.exactly(size)

    async def chunk(self) -> bytes:
        size = int(await self.past(b"\r\n"), 16)
        return (await self.exactly(size + 2))[:-2] if size else b""

    async def _chunks(self) -> bytes:
        pieces = []
        while piece := await self.chunk():
            pieces.append(piece)
        while await self.past(b"\r\n") != b"\r\n":  # trailers
            pass
        return b"".join(pieces)

    async def send(self, data: bytes) -> None:
        await soon(asyncio.get_running_loop().sock_sendall(self.socket, data))

    def push(self, data: bytes) -> int:
        """Sends what goes at once; 0 when the other side takes no more."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    async def stuff(self, block: bytes, most: int) -> int:
        """Pushes until the other side has taken nothing for a while, or left; how much went."""
        sent, still = 0, 0
        while sent < most and still < 25:
            try:
                gone = self.push(block[: most - sent])
            except ConnectionError:
                return sent
            sent += gone
            still = 0 if gone else still + 1
            await asyncio.sleep(0 if gone else 0.01)
        return sent

    def end(self) -> None:
        """Sends no more, but still reads."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()


def narrow(sock: socket.socket, size: int = 65_536) -> None:
    """Small kernel buffers, so that a slow end is felt early."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


class Origin:
    """A model server whose every byte is scripted.

    Either the test takes each connection with ``accept`` and plays it, or ``serve`` answers
    whatever comes by a script.
    """

    def __init__(self, path: str = "", *, backlog: int = 128, slow: bool = False) -> None:
        kind = socket.AF_UNIX if path else socket.AF_INET
        self.socket = socket.socket(kind, socket.SOCK_STREAM)
        if slow:
            narrow(self.socket)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.socket.setblocking(False)
        self.path = path
        self.port = 0 if path else self.socket.getsockname()[1]
        self.wires: list[Wire] = []
        self.requests: list[bytes] = []  # heads that ``serve`` has read
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self) -> Wire:
        loop = asyncio.get_running_loop()
        sock, _ = await soon(loop.sock_accept(self.socket))
        wire = Wire(sock)
        self.wires.append(wire)
        return wire

    def nobody(self) -> bool:
        """Whether no connection waits to be accepted."""
        try:
            sock, _ = self.socket.accept()
        except BlockingIOError:
            return True
        self.wires.append(Wire(sock))
        return False

    def serve(self, play: Callable[[Wire], Awaitable[None]]) -> None:
        """From now on plays ``play`` on every connection, until it ends."""
        self._start(self._serve(play))

    def answer(self, answer: bytes) -> None:
        """From now on answers every request with the same bytes."""

        async def play(wire: Wire) -> None:
            while True:
                head, _ = await wire.message()
                self.requests.append(head)
                await wire.send(answer)

        self.serve(play)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, play: Callable[[Wire], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self.socket)
            wire = Wire(sock)
            self.wires.append(wire)
            self._start(self._play(play, wire))

    async def _play(self, play: Callable[[Wire], Awaitable[None]], wire: Wire) -> None:
        with contextlib.suppress(ConnectionError, AssertionError, TimeoutError):
            await play(wire)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.socket.close()
        for wire in self.wires:
            wire.close()
