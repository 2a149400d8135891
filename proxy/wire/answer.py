"""Answer heads: what an upstream says, and which of its lines may reach the caller."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import AnswerBroken
from proxy.wire.fields import UNSEEN, BadLine, Kind, Line, LineBook, nominated, tokens, without

_START: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_START_MEMO: Final = 256
_NEVER_NOMINATED: Final = frozenset((b"content-length", b"transfer-encoding"))
#: Fields that say what produced the answer: only the proxy may write them (promise 8).
OWNED: Final = (
    b"x-request-id",
    b"x-model",
    b"x-model-version",
    b"x-model-arm",
    b"x-release-id",
    b"x-fallback",
)
_KINDS: Final[dict[bytes, Kind]] = {
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"keep-alive": Kind.HOP,
    b"proxy-connection": Kind.HOP,
    b"te": Kind.HOP,
    b"upgrade": Kind.HOP,
    **dict.fromkeys(OWNED, Kind.OWNED),
}

#: ``AnswerHead.length`` of a chunked body, and of one that ends with its connection.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
_LENGTH_LINE: Final = Kind.CONTENT_LENGTH


class AnswerHead:
    """What an answer's head says.

    ``lines`` holds the status line and the fields to forward, without any Transfer-Encoding;
    ``length`` is the body's size in bytes as framed (CHUNKED, UNTIL_CLOSE), 0 where the status
    or the request's method allows no body.
    """

    __slots__ = ("close", "length", "lines", "status")

    def __init__(self, status: int, close: bool, lines: list[bytes]) -> None:
        self.status = status
        self.close = close
        self.lines = lines
        self.length = UNTIL_CLOSE


class AnswerBook:
    """Scans answer heads."""

    __slots__ = ("_book", "_starts")

    def __init__(self) -> None:
        self._book = LineBook(_KINDS)
        self._starts: dict[bytes, tuple[int, bool]] = {}

    def scan(self, block: bytes, to_head: bool) -> AnswerHead:
        """Reads a head without its closing empty line; ``to_head``: the request was a HEAD.

        Raises AnswerBroken.
        """
        lines = block.split(b"\r\n")
        start = self._starts.get(lines[0]) or self._learn_start(lines[0])
        head = AnswerHead(start[0], start[1], lines)
        find = self._book.find
        special: list[tuple[bytes, Line]] | None = None
        length = -1
        for raw in lines[1:]:
            line = find(raw, UNSEEN)
            if line is UNSEEN:
                line = self._learn(raw)
            if line is None:
                continue
            if line[0] is _LENGTH_LINE:
                if length >= 0:
                    raise AnswerBroken("the answer has two Content-Lengths")
                length = head.length = line[3]
            elif special is None:
                special = [(raw, line)]
            else:
                special.append((raw, line))
        if special is not None:
            _apply(head, special, length)
        if start[1]:
            _settle_version(head)
        status = start[0]
        if to_head or status < 200 or status == 204 or status == 304:
            head.length = 0  # RFC 9112 6.3, rule 1: whatever the fields say
        return head

    def _learn(self, raw: bytes) -> Line | None:
        try:
            return self._book.learn(raw)
        except BadLine as bad:
            raise AnswerBroken(str(bad)) from None

    def _learn_start(self, raw: bytes) -> tuple[int, bool]:
        found = _START.fullmatch(raw)
        if found is None:
            raise AnswerBroken("the status line is not HTTP/1.1 SP STATUS SP REASON")
        start = (int(found[2]), found[1] == b"0")
        if len(self._starts) >= _START_MEMO:
            self._starts.clear()
        self._starts[raw] = start
        return start


def _apply(head: AnswerHead, special: list[tuple[bytes, Line]], length: int) -> None:
    options: list[bytes] = []
    codings: list[bytes] = []
    for _, line in special:
        if line.kind is Kind.CONNECTION:
            options.append(line.value)
        elif line.kind is Kind.TRANSFER_ENCODING:
            codings.append(line.value)
    dropped = [raw for raw, _ in special]
    head.lines = [raw for raw in head.lines if raw not in dropped]
    if options:
        said = [option for value in options for option in tokens(value)]
        # HTTP/1.0 keeps a connection only when it says so; we then still close: it is rare.
        head.close = head.close or b"close" in said
        names = nominated(options, _NEVER_NOMINATED)
        if names:
            head.lines = head.lines[:1] + without(head.lines[1:], names)
    if codings:
        if length >= 0:
            raise AnswerBroken("the answer has Content-Length and Transfer-Encoding")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise AnswerBroken("the answer has a Transfer-Encoding other than chunked")
        if head.close and head.lines[0].startswith(b"HTTP/1.0"):
            raise AnswerBroken("the answer has Transfer-Encoding with HTTP/1.0")
        head.length = CHUNKED


def _settle_version(head: AnswerHead) -> None:
    """An HTTP/1.0 answer goes on under our own version (RFC 9110 6.2)."""
    head.lines[0] = b"HTTP/1.1" + head.lines[0][8:]


def frame_answer(head: AnswerHead, chunked: bool, close: bool, minor: int) -> None:
    """Adds the fields of our own framing and connection to ``head.lines``.

    ``chunked``: the body goes out in chunks; ``close``: the connection ends after it;
    ``minor`` is the caller's HTTP minor version.
    """
    if chunked:
        head.lines.append(b"transfer-encoding: chunked")
    if close:
        head.lines.append(b"connection: close")
    elif minor == 0:
        head.lines.append(b"connection: keep-alive")
