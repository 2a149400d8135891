"""A head on its way: what is refused before it has come whole, or before it is taken apart."""

from __future__ import annotations

from typing import Final

from proxy.errors import RequestRefused
from proxy.routing.plan import ListenerLimits

_BLANK_LINES: Final = 4  # before a request line: RFC 9112 2.2 says ignore, not for ever
_TOKEN_START: Final = frozenset(
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


def check(data: bytes, limits: ListenerLimits) -> bytes:
    """``data`` itself while it may be the beginning of a head; without blank lines before it.

    Raises RequestRefused as soon as it can be no head, or none within the limits.
    """
    if data[0] == 0x0D:
        blank = 0
        while data.startswith(b"\r\n", blank):
            blank += 2
            if blank > 2 * _BLANK_LINES:
                raise RequestRefused(400, "bad_request", "the request begins with blank lines")
        if blank:
            return data[blank:]
        if data != b"\r":
            raise RequestRefused(400, "bad_request", "the request begins with a bare CR")
    elif data[0] not in _TOKEN_START:
        raise RequestRefused(400, "bad_request", "this is no HTTP/1.1 request")
    check_size(data, len(data), limits)
    if data.count(b"\n") != data.count(b"\r\n"):
        raise RequestRefused(400, "bad_request", "a line of the head ends with a bare LF")
    return data


def check_size(data: bytes, end: int, limits: ListenerLimits) -> None:
    """Raises RequestRefused where the head in ``data[:end]`` is too long."""
    if end > limits.request_line:
        first = data.find(b"\r\n", 0, limits.request_line + 2)
        if first < 0:
            detail = f"the request line is over {limits.request_line} bytes"
            raise RequestRefused(414, "request_line", detail)
    if end > limits.head_bytes:
        raise RequestRefused(431, "head_bytes", f"the head is over {limits.head_bytes} bytes")
    if data.count(b"\r\n", 0, end) > limits.head_lines:
        raise RequestRefused(431, "head_lines", f"the head has over {limits.head_lines} lines")


def never_too_long(limits: ListenerLimits) -> int:
    """A head of at most this many bytes is within every limit: a line has four at least."""
    return min(512, limits.request_line, limits.head_bytes, 4 * limits.head_lines)
