"""Messages to bytes and back: four bytes of length, big endian, then msgpack.  Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.errors import PointsmanError

HEAD: Final = 4
#: A frame beyond this is a peer gone mad, or two streams out of step.
LARGEST: Final = 64 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()


class FrameBroken(PointsmanError):
    """The bytes are no frame, or the frame no message: the stream cannot be trusted any more."""


def frame(message: msgspec.Struct) -> bytes:
    """``message`` as one frame.  Raises FrameBroken when it is over ``LARGEST`` bytes."""
    body = _encoder.encode(message)
    if len(body) > LARGEST:
        raise FrameBroken(f"a {type(message).__name__} of {len(body)} bytes, at most {LARGEST}")
    return len(body).to_bytes(HEAD, "big") + body


class Splitter:
    """Collects bytes as they come and gives whole frames' bodies back."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that ``data`` completes.  Raises FrameBroken for a length over ``LARGEST``."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        start = 0
        while len(buffer) - start >= HEAD:
            length = int.from_bytes(buffer[start : start + HEAD], "big")
            if length > LARGEST:
                raise FrameBroken(f"a frame of {length} bytes, at most {LARGEST}")
            end = start + HEAD + length
            if len(buffer) < end:
                break
            bodies.append(bytes(buffer[start + HEAD : end]))
            start = end
        del buffer[:start]
        return bodies
