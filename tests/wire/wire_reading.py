"""Reads whole messages with the room's own parts, as the data plane does with a connection."""

from __future__ import annotations

from typing import NamedTuple

from proxy.wire import AnswerBook, AnswerHead, ChunkDecoder, RequestBook, RequestHead

END = b"\r\n\r\n"


class Request(NamedTuple):
    """A request as read; ``rest`` is what comes behind it on the connection."""

    head: RequestHead
    body: bytes
    whole: bool
    rest: bytes
    trailers: list[bytes]

    @property
    def sent(self) -> bytes:
        """The head that goes on, before the proxy adds its own lines."""
        return b"\r\n".join(self.head.lines) + END


class Answer(NamedTuple):
    """An answer as read; ``rest`` is what comes behind it on the connection."""

    head: AnswerHead
    body: bytes
    whole: bool
    rest: bytes
    trailers: list[bytes]

    @property
    def sent(self) -> bytes:
        """The head that goes on, before the proxy adds its own lines."""
        return b"\r\n".join(self.head.lines) + END


def _body(length: int, data: bytes) -> tuple[bytes, bool, bytes, list[bytes]]:
    if length == -1:
        decoder = ChunkDecoder()
        pieces, end = decoder.feed(data)
        rest = data[end:] if end >= 0 else b""
        return b"".join(pieces), end >= 0, rest, decoder.trailers
    if length == -2:
        return data, False, b"", []
    return data[:length], len(data) >= length, data[length:], []


def read_request(raw: bytes, book: RequestBook | None = None) -> Request:
    """Raises RequestRefused and BadChunk; ``raw`` must hold the end of a head."""
    block, end, data = raw.partition(END)
    assert end
    head = (book or RequestBook()).scan(block)
    return Request(head, *_body(head.length, data))


def read_answer(raw: bytes, to_head: bool = False, book: AnswerBook | None = None) -> Answer:
    """Raises AnswerBroken and BadChunk; ``raw`` must hold the end of a head."""
    block, end, data = raw.partition(END)
    assert end
    head = (book or AnswerBook()).scan(block, to_head)
    return Answer(head, *_body(head.length, data))


def post(*fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A POST to /m with a Host, these header lines and this body."""
    return b"\r\n".join((b"POST /m HTTP/" + version, b"Host: a", *fields, b"", body))


def get(*fields: bytes, start: bytes = b"GET /m HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    """A request without a body."""
    return b"\r\n".join((start, *((host,) if host else ()), *fields, b"", b""))
