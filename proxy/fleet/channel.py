"""The channel between a worker and the desk, on an asyncio transport.

Nobody waits for a slow peer: ``send`` never blocks, and whoever sends looks at ``backlog``
first and keeps what the peer would not read.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from proxy.fleet.framing import FrameBroken, Splitter, frame

log = logging.getLogger(__name__)

#: Bytes that may lie unread before a sender keeps the rest to itself.
BACKLOG_BOUND = 256 * 1024

Incoming = TypeVar("Incoming", covariant=True)


class Decoder(Protocol[Incoming]):
    """Bytes to a message, as msgspec's do."""

    def decode(self, body: bytes, /) -> Incoming:
        """Raises msgspec.DecodeError."""
        ...


class Channel(asyncio.Protocol, Generic[Incoming]):
    """One end.  ``on_message`` gets each decoded message, ``on_lost`` is called once at the end.

    A peer that breaks the framing is cut: the stream is out of step.
    """

    def __init__(
        self,
        decoder: Decoder[Incoming],
        on_message: Callable[[Incoming], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._decoder = decoder
        self._on_message = on_message
        self._on_lost = on_lost
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None

    def send(self, message: msgspec.Struct) -> None:
        """Queue one message; silently nothing once the channel is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(message))

    def send_framed(self, framed: bytes) -> None:
        """The same for a message that was framed before, for several channels."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed)

    @property
    def backlog(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def crowded(self) -> bool:
        return self.backlog > BACKLOG_BOUND

    def close(self) -> None:
        """Close once what was sent is out."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._splitter.feed(data):
                self._on_message(self._decoder.decode(body))
        except (FrameBroken, msgspec.DecodeError) as error:
            log.error("channel cut: %s", error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost()


async def connect(sock: socket.socket, channel: Channel[Any]) -> None:
    """Run ``channel`` on an already connected socket, which it then owns."""
    sock.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
