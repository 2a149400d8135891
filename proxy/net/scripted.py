"""Transports that tests and benchmarks write to: no socket, no loop, all in memory."""

from __future__ import annotations

import asyncio
from typing import Any


class ScriptedTransport(asyncio.Transport):
    """Keeps what was written and what was asked of it; ``written`` is one entry per write."""

    def __init__(self, peer: tuple[str, int] = ("192.0.2.1", 40_000)) -> None:
        super().__init__(extra={"peername": peer, "socket": None})
        self.written: list[bytes] = []
        self.reading = True
        self.closed = False
        self.aborted = False
        self.ended_writing = False
        self.buffered = 0

    def write(self, data: Any) -> None:
        if not self.closed:
            self.written.append(bytes(data))

    def take(self) -> bytes:
        """All that was written since the last call."""
        data, self.written = b"".join(self.written), []
        return data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended_writing = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.buffered
