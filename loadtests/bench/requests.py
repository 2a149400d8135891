"""The requests of the callers, and the reading of answers: bytes in, bytes out, no sockets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from loadtests.bench.works import CUSTOMER_HEADER, SEGMENT_HEADER, SEGMENT_VALUES, path

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


def template(model: int, body: bytes, leaf: str = "infer") -> tuple[bytes, bytes]:
    """A request in two halves; the customer's number goes between them."""
    first = (
        f"POST {path(model, leaf)} HTTP/1.1\r\nHost: models.example.com\r\n"
        f"Content-Type: application/json\r\n{SEGMENT_HEADER}: {SEGMENT_VALUES[0]}\r\n"
        f"{CUSTOMER_HEADER}: "
    )
    return first.encode(), b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def arrival(number: int, rate: float, start: int) -> int:
    """When request ``number`` is due: nanoseconds, at an even rate from ``start`` on.

    From the number and not from the arrival before, so that nothing adds up.
    """
    return start + round(number * 1e9 / rate)


class Requests:
    """Request after request, of customers ``first``, ``first + 1``, ...; ``customers`` in all."""

    def __init__(self, models: int, body: bytes, leaf: str, first: int, customers: int) -> None:
        self._halves = [template(model, body, leaf) for model in range(models)]
        self._number, self._customers = first, customers

    def __next__(self) -> bytes:
        self._number += 1
        before, after = self._halves[self._number % len(self._halves)]
        return b"%b%d%b" % (before, self._number % self._customers, after)


class Answer:
    """Reads one answer after the other.  ``began_at`` is when the first byte of the body came."""

    __slots__ = ("_clock", "_head", "_left", "_tail", "began_at", "first", "good")

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.expect()

    def expect(self) -> None:
        """Begin with the next answer."""
        self._head = b""
        self._left: int | None = None  # bytes to come; None: in the head; -1: in chunks
        self._tail = b""
        self.began_at = 0
        self.good = False
        self.first = b""  # the first byte of the body: the version, by our upstreams

    def feed(self, data: bytes | memoryview) -> bool:
        """True when the answer is complete."""
        if self._left is None:
            data = self._head + data
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self._head = data
                return False
            found = _LENGTH.search(data, 0, end)
            self._left = int(found[1]) if found else -1
            self.good = data.startswith(b"HTTP/1.1 200 ")
            data = data[end:]
        if data and not self.began_at:
            self.began_at = self._clock()
            self.first = bytes(data[:1])
        return self._body(data)

    def _body(self, data: bytes | memoryview) -> bool:
        assert self._left is not None
        if self._left >= 0:
            self._left -= len(data)
            return self._left <= 0
        size = len(_LAST_CHUNK)
        self._tail = (self._tail + bytes(data[-size:]))[-size:]
        return self._tail == _LAST_CHUNK
