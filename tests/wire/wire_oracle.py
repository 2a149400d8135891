"""What llhttp (httptools) reads in the same bytes."""

from __future__ import annotations

from typing import NamedTuple

import httptools

Field = tuple[bytes, bytes]


class Reading(NamedTuple):
    """One message as llhttp reads it.

    ``ends`` counts the messages that ended; ``start`` holds method and target, or the status;
    values are trimmed of the white space that llhttp leaves behind them.
    """

    error: str
    start: tuple[bytes, bytes]
    fields: list[Field]
    trailers: list[Field]
    body: bytes
    ends: int


class _Ears:
    """httptools' callbacks."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[Field] = []
        self.trailers: list[Field] = []
        self.body = b""
        self.ends = 0
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.fields if self.in_head else self.trailers).append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ends += 1


def _feed(parser: httptools.HttpParser, pieces: tuple[bytes, ...]) -> str:
    try:
        for piece in pieces:
            if piece:
                parser.feed_data(piece)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def llhttp_request(*pieces: bytes) -> Reading:
    """Reads the pieces one after the other; an error ends the reading."""
    ears = _Ears()
    parser = httptools.HttpRequestParser(ears)
    error = _feed(parser, pieces)
    start = (b"" if error and not ears.fields else parser.get_method(), ears.target)
    return Reading(error, start, ears.fields, ears.trailers, ears.body, ears.ends)


def llhttp_answer(*pieces: bytes) -> Reading:
    """As ``llhttp_request``, of an answer to a GET."""
    ears = _Ears()
    parser = httptools.HttpResponseParser(ears)
    error = _feed(parser, pieces)
    start = (b"%d" % parser.get_status_code(), b"")
    return Reading(error, start, ears.fields, ears.trailers, ears.body, ears.ends)
