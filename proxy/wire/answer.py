"""Answer heads: what an upstream says, and which of its lines may reach the caller."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import AnswerBroken
from proxy.wire.fields import (
    UNSEEN,
    BadLine,
    Kind,
    Line,
    LineBook,
    content,
    nominated,
    tokens,
    without,
)

_START: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
_HEAD_MEMO: Final = 256
_HEAD_MEMO_BYTES: Final = 1024
_START_MEMO: Final = 256
_START_MEMO_BYTES: Final = 512
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
#: RFC 9110 7.6.1, and the fields of 11.7 that are for the next hop only.
_HOP_BY_HOP: Final = (
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"upgrade",
    b"proxy-authenticate",
    b"proxy-authentication-info",
)
_KINDS: Final[dict[bytes, Kind]] = {
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    **dict.fromkeys(_HOP_BY_HOP, Kind.HOP),
    **dict.fromkeys(OWNED, Kind.OWNED),
}

#: ``AnswerHead.length`` of a chunked body, and of one that ends with its connection.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
_LENGTH_LINE: Final = Kind.CONTENT_LENGTH
_HOP_LINE: Final = Kind.HOP
_OWNED_LINE: Final = Kind.OWNED
_LENGTH: Final = frozenset((b"content-length",))


class AnswerHead:
    """What an answer's head says; many answers may share one, so nobody changes it.

    ``lines`` holds the status line and the fields to forward, without any Transfer-Encoding,
    ``text`` the same in one piece; ``length`` is the body's size in bytes as framed (CHUNKED,
    UNTIL_CLOSE), 0 where the status or the request's method allows no body.
    """

    __slots__ = ("_content", "close", "length", "lines", "status", "text")

    def __init__(self, status: int, close: bool, lines: list[bytes]) -> None:
        self.status = status
        self.close = close
        self.lines = lines
        self.length = UNTIL_CLOSE
        self.text = b""
        self._content: tuple[str, str] | None = None

    def content(self) -> tuple[str, str]:
        """Content-Type and Content-Encoding; what is not said is empty."""
        found = self._content
        if found is None:
            found = self._content = content(self.lines)
        return found


class AnswerBook:
    """Scans answer heads.

    A server's answers of one second have the same head as long as their length is the same, so
    whole heads are remembered.  ``recall(block)`` is the hot path, one dict hit: the final answer
    to a request that was no HEAD, or None.
    """

    __slots__ = ("_book", "_heads", "_starts", "recall")

    def __init__(self) -> None:
        self._book = LineBook(_KINDS)
        self._heads: dict[bytes, AnswerHead] = {}
        self.recall = self._heads.get
        self._starts: dict[bytes, tuple[int, bool, bytes | None]] = {}

    def scan(self, block: bytes, to_head: bool) -> AnswerHead:
        """Reads a head without its closing empty line; ``to_head``: the request was a HEAD.

        Raises AnswerBroken.
        """
        if to_head:
            return self._read(block, True)
        known = self.recall(block)
        if known is not None:
            return known
        head = self._read(block, False)
        if len(block) <= _HEAD_MEMO_BYTES and head.status >= 200:
            if len(self._heads) >= _HEAD_MEMO:
                self._heads.clear()
            self._heads[block] = head
        return head

    def _read(self, block: bytes, to_head: bool) -> AnswerHead:
        lines = block.split(b"\r\n")
        start = self._starts.get(lines[0]) or self._learn_start(lines[0])
        head = AnswerHead(start[0], start[1], lines)
        find = self._book.find
        dropped: set[bytes] | None = None
        special: list[Line] = []
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
            else:
                if dropped is None:
                    dropped = set()
                dropped.add(raw)
                if line[0] is not _HOP_LINE and line[0] is not _OWNED_LINE:
                    special.append(line)
        if dropped is not None:
            head.lines = [raw for raw in lines if raw not in dropped]
        if start[2] is not None:
            head.lines[0] = start[2]
        if special:
            _apply(head, special, length, start[1])
        status = start[0]
        if to_head or status < 200 or status == 204 or status == 304:
            _settle_bodiless(head)
        head.text = b"\r\n".join(head.lines)
        return head

    def _learn(self, raw: bytes) -> Line | None:
        try:
            return self._book.learn(raw)
        except BadLine as bad:
            raise AnswerBroken(str(bad)) from None

    def _learn_start(self, raw: bytes) -> tuple[int, bool, bytes | None]:
        """The status, whether it is HTTP/1.0, and the line to send where it is not ``raw``."""
        found = _START.fullmatch(raw)
        if found is None:
            raise AnswerBroken("the status line is not HTTP/1.1 SP STATUS SP REASON")
        # Our own version (RFC 9110 6.2), and the space that some leave out (RFC 9112 4).
        line = b"HTTP/1.1 %b %b" % (found[2], found[3] or b"")
        start = (int(found[2]), found[1] == b"0", None if line == raw else line)
        if len(raw) <= _START_MEMO_BYTES:
            if len(self._starts) >= _START_MEMO:
                self._starts.clear()
            self._starts[raw] = start
        return start


def _apply(head: AnswerHead, special: list[Line], length: int, old: bool) -> None:
    """Applies the rules of the rarer lines; ``length`` is -1 without a plain Content-Length.

    ``old``: the answer is HTTP/1.0.
    """
    options = [line.value for line in special if line.kind is Kind.CONNECTION]
    codings = [line.value for line in special if line.kind is Kind.TRANSFER_ENCODING]
    for line in special:
        if line.kind is Kind.RESPELLED_LENGTH:
            if length >= 0:
                raise AnswerBroken("the answer has two Content-Lengths")
            length = head.length = line.number
            head.lines.append(b"content-length: %d" % length)
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
        if old:
            raise AnswerBroken("the answer has Transfer-Encoding with HTTP/1.0")
        head.length = CHUNKED


def _settle_bodiless(head: AnswerHead) -> None:
    """No body, whatever the fields say (RFC 9112 6.3, rule 1)."""
    head.length = 0
    if head.status < 200 or head.status == 204:
        # RFC 9110 8.6: no Content-Length here.  A caller that believed it would wait for more.
        head.lines = head.lines[:1] + without(head.lines[1:], _LENGTH)


def framed(head: AnswerHead, chunked: bool, close: bool, minor: int) -> bytes:
    """``head.text`` with the fields of our own framing and connection.

    ``chunked``: the body goes out in chunks; ``close``: the connection ends after it;
    ``minor`` is the caller's HTTP minor version.
    """
    text = head.text
    if chunked:
        text += b"\r\ntransfer-encoding: chunked"
    if close:
        text += b"\r\nconnection: close"
    elif minor == 0:
        text += b"\r\nconnection: keep-alive"
    return text
