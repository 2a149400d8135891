"""Chunked bodies (RFC 9112 7.1): taken apart strictly, put together canonically.

What was chunked is decoded and encoded again, so that no extension, odd size line or
framing trick of one side ever reaches the other.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.wire.fields import TOKEN, BadLine, split_line

#: RFC 9112 7.1.1, word for word.  No two parts can match the same byte, so that a line costs no
#: more than its length; possessive quantifiers would say so, but match wrongly in Python 3.11.2.
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_VALUE: Final = rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_EXTENSION: Final = rb"[ \t]*;[ \t]*" + TOKEN + _VALUE
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*")
_LINE_BYTES: Final = 4096 + 1  # with its CR
_EXTENSION_BYTES: Final = 16_384  # in one body; hyper's limit
_TRAILER_BYTES: Final = 16_384
_TRAILER_LINES: Final = 64
#: Size lines without extensions that were good before: a stream of events repeats them, and a
#: whole chunk behind one is found at once.
_PLAIN_SIZES: Final[dict[bytes, int]] = {}
_PLAIN_SIZE_BYTES: Final = 8
_MEMO: Final = 1024
LAST_CHUNK: Final = b"0\r\n\r\n"
#: Fields that would change framing, routing, conditions or identity after the decision
#: (RFC 9110 6.5.1), or that only a proxy may write.
_NEVER_TRAILING: Final = frozenset(
    b"transfer-encoding content-length host connection keep-alive te trailer upgrade "
    b"proxy-connection proxy-authenticate proxy-authorization authorization cookie set-cookie "
    b"content-encoding content-type content-range cache-control expect max-forwards range "
    b"http2-settings if-match if-none-match if-modified-since if-unmodified-since if-range "
    b"www-authenticate proxy-authentication-info via forwarded x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto "
    b"x-request-id x-shadow x-model x-model-version x-model-arm x-release-id x-fallback".split()
)

_SIZE, _DATA, _DATA_END, _TRAILER = range(4)


class BadChunk(ValueError):
    """The chunked framing is broken; the text says how."""


class ChunkDecoder:
    """Finds the payload and the end of one chunked body, however it was cut into reads.

    ``trailers`` holds the trailer lines that may be forwarded, once ``feed`` found the end.
    """

    __slots__ = (
        "_extension_bytes",
        "_line",
        "_need",
        "_state",
        "_trailer_bytes",
        "_trailer_count",
        "trailers",
    )

    def __init__(self) -> None:
        self._state = _SIZE
        self._need = 0
        self._line = b""
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self._trailer_count = 0
        self.trailers: list[bytes] = []

    def feed(self, data: bytes, at: int = 0) -> tuple[list[bytes], int]:
        """The payload pieces of ``data[at:]``, and the index behind the body, or -1 if it goes on.

        Raises BadChunk.
        """
        pieces: list[bytes] = []
        size = len(data)
        while at < size:
            if self._state == _DATA:
                have = size - at
                if have < self._need:
                    self._need -= have
                    pieces.append(data[at:] if at else data)
                    return pieces, -1
                pieces.append(data[at : at + self._need])
                at += self._need
                self._state = _DATA_END
                continue
            if self._state == _SIZE and not self._line:
                end = data.find(b"\r\n", at)
                need = _PLAIN_SIZES.get(data[at:end], 0) if end > 0 else 0
                behind = end + 2 + need
                if need and data[behind : behind + 2] == b"\r\n":
                    pieces.append(data[end + 2 : behind])
                    at = behind + 2
                    continue
            end = data.find(b"\n", at)
            if end < 0:
                self._keep(data[at:])
                return pieces, -1
            line = self._line + data[at:end]
            self._line = b""
            at = end + 1
            if line[-1:] != b"\r":
                raise BadChunk("a line ends with a bare LF")
            if len(line) > _LINE_BYTES:
                raise BadChunk("a line is too long")
            if self._take(line[:-1]):
                return pieces, at
        return pieces, -1

    def _keep(self, part: bytes) -> None:
        """Keeps a line that has not come whole, unless it can no longer become a good one."""
        line = self._line = self._line + part
        if self._state == _DATA_END and line != b"\r":
            raise BadChunk("a chunk's data is longer than its size says")
        if len(line) > _LINE_BYTES:
            raise BadChunk("a line is too long")
        if line.find(b"\r", 0, len(line) - 1) >= 0:
            raise BadChunk("a line has a bare CR")

    def _take(self, line: bytes) -> bool:
        """Takes one whole line in; whether it was the body's last."""
        if self._state == _SIZE:
            self._take_size(line)
        elif self._state == _DATA_END:
            if line:
                raise BadChunk("a chunk's data is longer than its size says")
            self._state = _SIZE
        elif not line:
            return True
        else:
            self._take_trailer(line)
        return False

    def _take_size(self, line: bytes) -> None:
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise BadChunk(f"{line[:40].decode('latin-1')!r} is no chunk size")
        self._extension_bytes += len(line) - found.end(1)
        if self._extension_bytes > _EXTENSION_BYTES:
            raise BadChunk("the chunk extensions are too long")
        need = self._need = int(found[1], 16)
        if need and len(line) <= _PLAIN_SIZE_BYTES and found.end(1) == len(line):
            if len(_PLAIN_SIZES) >= _MEMO:
                _PLAIN_SIZES.clear()
            _PLAIN_SIZES[line] = need
        self._state = _DATA if self._need else _TRAILER

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        self._trailer_count += 1
        if self._trailer_bytes > _TRAILER_BYTES or self._trailer_count > _TRAILER_LINES:
            raise BadChunk("the trailers are too long")
        try:
            name, _ = split_line(line)
        except BadLine as bad:
            raise BadChunk(str(bad)) from None
        if name.lower() not in _NEVER_TRAILING:
            self.trailers.append(line)


def encode(pieces: list[bytes]) -> bytes:
    """The pieces as one chunk; nothing for no payload (an empty chunk would end the body)."""
    size = sum(map(len, pieces))
    if not size:
        return b""
    return b"".join((b"%x\r\n" % size, *pieces, b"\r\n"))


def last(trailers: list[bytes]) -> bytes:
    """The last chunk with its trailer section."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n" + b"\r\n".join(trailers) + b"\r\n\r\n"
