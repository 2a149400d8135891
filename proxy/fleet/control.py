"""The control line between the parent and one child: frames, and file descriptors beside them.

asyncio's transports cannot pass descriptors, so this one works on the bare socket.  A stream
keeps bytes and descriptors in order, so the n-th message that brings one takes the n-th.
"""

from __future__ import annotations

import array
import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from proxy.fleet import messages as m
from proxy.fleet.framing import FrameBroken, Splitter, frame

log = logging.getLogger(__name__)

_CHUNK = 65536
_MOST_FDS = 16
#: The messages that bring a descriptor.
BRINGS_SOCKET = (m.WorkerBirth, m.DeskBirth, m.NewChannel)

Incoming = TypeVar("Incoming")

to_child = msgspec.msgpack.Decoder(m.ToChild)
to_parent = msgspec.msgpack.Decoder(m.ToParent)


class Control(Generic[Incoming]):
    """One end of a control line, on the running loop.

    ``on_message(message, socket | None)``; ``on_lost()`` once, at end of stream.  ``send``
    never blocks; what the peer does not take waits in order, and ``crowded`` says so.
    """

    def __init__(
        self,
        sock: socket.socket,
        decoder: msgspec.msgpack.Decoder[Incoming],
        on_message: Callable[[Incoming, socket.socket | None], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._decoder = decoder
        self._on_message = on_message
        self._on_lost = on_lost
        self._splitter = Splitter()
        self._fds: deque[int] = deque()
        self._queue: deque[tuple[bytes, socket.socket | None]] = deque()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def crowded(self) -> bool:
        return bool(self._queue)

    def send(self, message: msgspec.Struct, brings: socket.socket | None = None) -> None:
        """Queue one message.  ``brings`` is handed over: this end's copy is closed once sent."""
        if self._closed:
            if brings is not None:
                brings.close()
            return
        self._queue.append((frame(message), brings))
        if len(self._queue) == 1:
            self._writable()

    def close(self) -> None:
        """Close at once; ``on_lost`` is not called."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        while self._queue:
            _, brought = self._queue.popleft()
            if brought is not None:
                brought.close()
        while self._fds:
            socket.close(self._fds.popleft())

    def _lost(self) -> None:
        if not self._closed:
            self.close()
            self._on_lost()

    def _writable(self) -> None:
        while self._queue:
            data, brings = self._queue.popleft()
            try:
                sent = self._send_once(data, brings)
            except BlockingIOError:
                self._queue.appendleft((data, brings))
                self._loop.add_writer(self._sock.fileno(), self._writable)
                return
            except OSError:
                if brings is not None:
                    brings.close()
                self._lost()
                return
            if brings is not None:
                brings.close()
            if sent < len(data):
                self._queue.appendleft((data[sent:], None))
        self._loop.remove_writer(self._sock.fileno())

    def _send_once(self, data: bytes, brings: socket.socket | None) -> int:
        if brings is None:
            return self._sock.send(data)
        fds = array.array("i", [brings.fileno()])
        return self._sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])

    def read_rest(self) -> None:
        """Hear what a peer that has ended said last."""
        while not self._closed and self._readable():
            pass

    def _readable(self) -> bool:
        """Hear one chunk; False when nothing was there."""
        try:
            data, fds, _flags, _address = socket.recv_fds(self._sock, _CHUNK, _MOST_FDS)
        except BlockingIOError:
            return False
        except OSError:
            data, fds = b"", []
        self._fds.extend(fds)
        if not data:
            self._lost()
            return False
        try:
            bodies = [self._decoder.decode(body) for body in self._splitter.feed(data)]
        except (FrameBroken, msgspec.DecodeError) as error:
            log.error("control line cut: %s", error)
            self._lost()
            return False
        for message in bodies:
            if not self._closed:
                self._on_message(message, self._brought(message))
        return True

    def _brought(self, message: Incoming) -> socket.socket | None:
        if not isinstance(message, BRINGS_SOCKET) or not self._fds:
            return None
        return socket.socket(fileno=self._fds.popleft())
