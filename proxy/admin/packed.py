"""Bodies that come packed: unpacked piece by piece, never to more than is allowed."""

from __future__ import annotations

import zlib
from typing import Final

#: Content-Encoding -> what zlib calls it (RFC 9110, 8.4.1): gzip, and deflate with zlib's head.
_FORMATS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
ENCODINGS: Final = ("identity", *_FORMATS)


class Broken(Exception):
    """The packed bytes cannot be unpacked."""


class TooLarge(Exception):
    """What is packed is larger than allowed."""


class Unpacker:
    """At most ``largest`` bytes come out of it, whatever goes in."""

    def __init__(self, encoding: str, largest: int) -> None:
        self._format = _FORMATS.get(encoding)
        self._stream = self._new()
        self._left = largest

    def feed(self, piece: bytes) -> bytes:
        """The next bytes unpacked.  Raises Broken, TooLarge."""
        out = piece if self._stream is None else self._unpacked(piece)
        self._left -= len(out)
        if self._left < 0:
            raise TooLarge
        return out

    def finish(self) -> None:
        """Raises Broken when the packed bytes were cut."""
        if self._stream is not None and not self._stream.eof:
            raise Broken("it ends before it is over; was it cut?")

    def _new(self) -> zlib._Decompress | None:
        return None if self._format is None else zlib.decompressobj(self._format)

    def _unpacked(self, piece: bytes) -> bytes:
        parts: list[bytes] = []
        room = self._left + 1  # one too many shows that there is more
        while piece and room > 0:
            assert self._stream is not None
            if self._stream.eof:  # gzip may have several members, one after the other
                self._stream = self._new()
                continue
            try:
                parts.append(self._stream.decompress(piece, room))
            except zlib.error as error:
                raise Broken(str(error)) from error
            room -= len(parts[-1])
            piece = self._stream.unused_data or self._stream.unconsumed_tail
        return b"".join(parts)
