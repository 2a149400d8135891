"""Whether a connection has something for us that the loop has not read yet."""

from __future__ import annotations

import asyncio
import select


def unread(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes, or the end of the stream, wait in the kernel; False without a socket."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
