"""Request heads: strict in what is read, unchanged in what is forwarded.

``RequestBook.scan`` turns the bytes of a head into a RequestHead whose ``lines`` are those
to forward, in their order, case and number, without what belongs to this connection only.
"""

from __future__ import annotations

import re
from typing import Any, Final

from proxy.errors import RequestRefused
from proxy.wire.fields import (
    TOKEN,
    UNSEEN,
    BadLine,
    Kind,
    Line,
    LineBook,
    check_host,
    content,
    nominated,
    split_line,
    tokens,
    without,
)

_START: Final = re.compile(rb"(" + TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])")
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?@]+)((?:/[^?]*)?)((?:\?.*)?)")
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._~:@/+=\-]{1,128}")
_START_MEMO: Final = 4096
_START_MEMO_BYTES: Final = 512

#: RFC 9110 7.6.1, and the fields of RFC 9110 11.7 that are for the next hop only.
_HOP_BY_HOP: Final = (
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"http2-settings",
)
#: Who an HTTP/1.0 request without Host is for: RFC 9112 3.3 leaves the name to the server.
_NO_HOST: Final = b"host: localhost"
_NEVER_NOMINATED: Final = frozenset((b"host", b"content-length", b"transfer-encoding"))
_KINDS: Final[dict[bytes, Kind]] = {
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"host": Kind.HOST,
    b"expect": Kind.EXPECT,
    b"upgrade": Kind.UPGRADE,
    b"x-request-id": Kind.REQUEST_ID,
    b"x-shadow": Kind.SHADOW_MARK,
    b"x-forwarded-proto": Kind.FORWARDED_PROTO,
    **dict.fromkeys(_HOP_BY_HOP, Kind.HOP),
}
#: The names of fields that mean something to a proxy, whatever a Plan reads.
RULED: Final = frozenset(_KINDS)
_HOST_LINE: Final = Kind.HOST
_LENGTH_LINE: Final = Kind.CONTENT_LENGTH
_WANTED_LINE: Final = Kind.WANTED
_HOP_LINE: Final = Kind.HOP
_KEEP_ALIVE: Final = re.compile(rb"(?i:connection):[ \t]*(?i:keep-alive)[ \t]*")


class RequestHead:
    """What a request's head says; many requests may share one, so nobody changes it.

    ``lines`` holds the request line and the fields to forward; ``length`` is the body's size
    in bytes (0 without a body, -1 when chunked); ``minor`` is 0 for an HTTP/1.0 caller;
    ``wanted`` maps the lower-case names that the Plan reads to their values in order;
    ``request_id`` is the caller's when it is sane, else None; ``plain`` means HTTP/1.1 from a
    caller that says nothing of its own protocol, so that what a proxy adds is always the same;
    ``changes`` means that an answer's head must say something of the connection.

    Where requests differ in one value only, that value is cut out (memory.py): ``cut`` is the
    lower-case name of its field, ``cut_line`` the index of its line, which ends where the value
    began; ``wanted`` does not hold it.  What goes on is ``before``, the value, ``after``.
    ``prepared`` is for whoever serves the request to keep what he worked out from the head.

    Where more than that differs, a request has a head of its own, made of its ``origin``, which is
    remembered; ``varying`` tells in which lines they differ, by the name of the field.
    """

    __slots__ = (
        "_content", "after", "before", "changes", "close", "cut", "cut_line", "expects",
        "forwarded_proto", "host", "length", "lines", "method", "minor", "origin", "plain",
        "prepared", "request_id", "shadow_mark", "target", "to_head", "varying", "wanted",
    )  # fmt: skip

    def __init__(self, method: bytes, target: bytes, minor: int, lines: list[bytes]) -> None:
        self.method = method
        self.to_head = method == b"HEAD"
        self.target = target
        self.minor = minor
        self.lines = lines
        self.length = 0
        self.close = False
        self.host = b""
        self.expects = False
        self.forwarded_proto = False
        self.shadow_mark = False
        self.request_id: bytes | None = None
        self.wanted: dict[bytes, list[bytes]] | None = None
        self.plain = True
        self.changes = False
        self.cut = self.after = b""
        self.cut_line = -1
        self.prepared: Any = None
        self.origin: RequestHead | None = None
        self.varying: dict[bytes, int] | None = None
        self._content: tuple[str, str] | None = None

    def content(self) -> tuple[str, str]:
        """Content-Type and Content-Encoding, read once for all who share the head or its origin."""
        shared = self.origin or self
        if shared._content is None:
            shared._content = content(self.lines)
        return shared._content

    def leave_out(self, value: bytes) -> None:
        """Cuts ``value`` out of the one line that ends with it and is ``wanted``.

        ``cut`` and ``cut_line`` say which one.
        """
        lines, at = self.lines, self.cut_line
        assert self.wanted is not None
        del self.wanted[self.cut]
        lines[at] = lines[at][: -len(value)]
        self.before = b"\r\n".join(lines[: at + 1])
        self.after = b"".join(b"\r\n" + line for line in lines[at + 1 :])

    def shared(self, varying: dict[bytes, int], values: dict[bytes, bytes]) -> RequestHead:
        """What heads like this have in common: all but the ``values`` of the ``varying`` lines."""
        head = self._twin(self.lines.copy())
        head.wanted = None if self.wanted is None else self.wanted.copy()
        head.request_id = None
        head.before = self.before
        head.varying = varying
        for name, at in varying.items():
            head.lines[at] = head.lines[at][: -len(values[name])]
        return head

    def varied(self, values: dict[bytes, bytes]) -> RequestHead:
        """A head of its own for a request with these values; the request id is one of them."""
        head = self._twin(self.lines)
        head.wanted, head.cut, head.cut_line = self.wanted, self.cut, self.cut_line
        head.before, head.after = self.before, self.after
        head.origin, head.prepared, head.varying = self, self.prepared, self.varying
        request_id = values.get(b"x-request-id", b"")
        if _SANE_ID.fullmatch(request_id):
            head.request_id = request_id
        if self.varying:
            lines = head.lines = self.lines.copy()
            for name, at in self.varying.items():
                lines[at] += values[name]
            behind = self.cut_line + 1 if self.cut else len(lines)
            head.before = b"\r\n".join(lines[:behind])
            head.after = b"\r\n".join([b"", *lines[behind:]])
        return head

    def _twin(self, lines: list[bytes]) -> RequestHead:
        head = RequestHead(self.method, self.target, self.minor, lines)
        head.host, head.length, head.plain = self.host, self.length, self.plain
        head.close, head.changes, head.expects = self.close, self.changes, self.expects
        head.forwarded_proto, head.shadow_mark = self.forwarded_proto, self.shadow_mark
        return head

    def without(self, name: bytes, value: bytes) -> RequestHead:
        """The same without the lines of a field, and with ``value`` where it was cut out."""
        head = self._twin(self.lines.copy())
        head.request_id, head.wanted = self.request_id, self.wanted
        if self.cut:
            head.lines[self.cut_line] += value
            head.wanted = {**(self.wanted or {}), self.cut: [value]}
        head.lines = head.lines[:1] + without(head.lines[1:], frozenset((name,)))
        head.before = b"\r\n".join(head.lines)
        return head


def _refuse(detail: str, status: int = 400, reason: str = "bad_request") -> RequestRefused:
    return RequestRefused(status, reason, detail)


class RequestBook:
    """Scans request heads; made anew for each Plan, which says what names are ``wanted``."""

    __slots__ = ("_book", "_both", "_starts")

    def __init__(self, wanted: frozenset[bytes] = frozenset()) -> None:
        #: Names that have a rule of their own and are read by the Plan as well: Host, say.
        self._both = wanted & _KINDS.keys()
        self._book = LineBook({**dict.fromkeys(wanted, Kind.WANTED), **_KINDS})
        self._starts: dict[bytes, tuple[bytes, bytes, int, bool]] = {}

    def scan(self, block: bytes) -> RequestHead:
        """Reads a head without its closing empty line.  Raises RequestRefused."""
        lines = block.split(b"\r\n")
        start = self._starts.get(lines[0]) or self._learn_start(lines[0])
        head = RequestHead(start[0], start[1], start[2], lines)
        find = self._book.find
        length = -1
        dropped: set[bytes] | None = None
        rare: list[tuple[bytes, Line]] = []
        for raw in lines[1:]:
            line = find(raw, UNSEEN)
            if line is UNSEEN:
                line = self._learn(raw)
            if line is None:
                continue
            kind = line[0]
            if kind is _HOST_LINE:
                if head.host:
                    raise _refuse("Host was sent twice; exactly one is allowed")
                head.host = line[2]
            elif kind is _LENGTH_LINE:
                if length >= 0:
                    raise _refuse("Content-Length was sent twice; exactly one is allowed")
                length = head.length = line[3]
            elif kind is _WANTED_LINE:
                if head.wanted is None:
                    head.wanted = {}
                head.wanted.setdefault(line[1], []).append(line[2])
            elif kind is _HOP_LINE:
                if dropped is None:
                    dropped = set()
                dropped.add(raw)
            else:
                rare.append((raw, line))
        if start[2] == 0:
            head.close = not any(_KEEP_ALIVE.fullmatch(raw) for raw in dropped or ())
        if dropped is not None:
            head.lines = [raw for raw in lines if raw not in dropped]
        if rare:
            _Rare(head, length).apply(rare)
        if self._both:
            self._read_both(head, lines)
        if not head.host and head.minor:
            raise _refuse("Host is missing; HTTP/1.1 requires exactly one")
        if start[3]:
            _settle_start(head)
        head.plain = start[2] == 1 and not head.forwarded_proto
        head.changes = head.close or start[2] == 0
        head.before = b"\r\n".join(head.lines)
        return head

    def _read_both(self, head: RequestHead, lines: list[bytes]) -> None:
        for raw in lines[1:]:
            name, value = split_line(raw)
            if name.lower() in self._both:
                head.wanted = head.wanted or {}
                head.wanted.setdefault(name.lower(), []).append(value)

    def _learn(self, raw: bytes) -> Line | None:
        try:
            return self._book.learn(raw)
        except BadLine as bad:
            raise _refuse(str(bad)) from None

    def _learn_start(self, raw: bytes) -> tuple[bytes, bytes, int, bool]:
        """Method, target, minor version, and whether the line goes on in another form."""
        found = _START.fullmatch(raw)
        if found is None:
            raise _refuse("the request line is not METHOD SP TARGET SP HTTP/1.1")
        method, target, major, minor = found.groups()
        if major != b"1":
            version = f"HTTP/{major.decode()}.{minor.decode()}"
            raise _refuse(f"{version} was asked for; 1.1 and 1.0 are served", 505, "version")
        if method == b"CONNECT":
            raise _refuse("CONNECT was asked for; this is no tunnel", 501, "connect")
        other = target[:1] != b"/" or minor != b"1"
        start = (method, target, min(int(minor), 1), other)
        if len(raw) <= _START_MEMO_BYTES:
            if len(self._starts) >= _START_MEMO:
                self._starts.clear()
            self._starts[raw] = start
        return start


class _Rare:
    """Applies the rules of lines that most requests do not have, or have just one of."""

    __slots__ = ("_coding", "_drop", "_head", "_length", "_options", "_respelled")

    def __init__(self, head: RequestHead, length: int) -> None:
        self._head = head
        self._length = length
        self._coding: list[bytes] = []
        self._options: list[bytes] = []
        self._respelled = False
        self._drop: set[bytes] = set()

    def apply(self, rare: list[tuple[bytes, Line]]) -> None:
        head = self._head
        for raw, line in rare:
            if self._drops(line):
                self._drop.add(raw)
        if self._drop:
            drop = self._drop
            head.lines = [raw for raw in head.lines if raw not in drop]
        self._apply_options()
        if self._respelled:
            head.lines.append(b"content-length: %d" % head.length)
        if self._coding:
            self._apply_coding()

    def _drops(self, line: Line) -> bool:
        """Takes one line in; whether it stays with this connection."""
        head = self._head
        kind, _, value, number = line
        if kind is Kind.CONNECTION:
            self._options.append(value)
        elif kind is Kind.TRANSFER_ENCODING:
            self._coding.append(value)
        elif kind is Kind.RESPELLED_LENGTH:
            if self._length >= 0:
                raise _refuse("Content-Length was sent twice; exactly one is allowed")
            self._length = head.length = number
            self._respelled = True
        elif kind is Kind.REQUEST_ID:
            if head.request_id is None and _SANE_ID.fullmatch(value):
                head.request_id = value
        elif kind is Kind.EXPECT:
            if value.lower() != b"100-continue":
                raise _refuse("Expect allows only 100-continue", 417, "expectation")
            head.expects = head.minor == 1
        elif kind is Kind.UPGRADE:
            # h2c is never forwarded (RFC 9113 3.1); clients that offer it live without.
            # HTTP/1.0 cannot ask (RFC 9110 7.8).
            if head.minor and any(not offer.startswith(b"h2c") for offer in tokens(value)):
                raise _refuse("Upgrade is not served yet", 501, "upgrade")
        elif kind is Kind.SHADOW_MARK:
            head.shadow_mark = True
        elif kind is Kind.FORWARDED_PROTO:
            head.forwarded_proto = True
            return False
        return True

    def _apply_options(self) -> None:
        head = self._head
        options = [option for value in self._options for option in tokens(value)]
        if b"close" in options:
            head.close = True
        elif b"keep-alive" in options:
            head.close = False
        names = nominated(self._options, _NEVER_NOMINATED)
        if names:
            head.lines = head.lines[:1] + without(head.lines[1:], names)
            if b"x-forwarded-proto" in names:
                head.forwarded_proto = False

    def _apply_coding(self) -> None:
        head = self._head
        if self._length >= 0:
            raise _refuse("Content-Length and Transfer-Encoding were both sent; one is allowed")
        if head.minor == 0:
            raise _refuse("Transfer-Encoding was sent with HTTP/1.0, which has none")
        if len(self._coding) > 1 or self._coding[0].lower() != b"chunked":
            # RFC 9112 6.1: a coding that we do not know how to take off is answered 501.
            unknown = b", ".join(self._coding)[:80].decode("latin-1")
            last_is_chunked = len(self._coding) == 1 and tokens(self._coding[0])[-1:] == [
                b"chunked"
            ]
            status = 501 if last_is_chunked and unknown.lower().count("chunked") == 1 else 400
            raise _refuse(f"Transfer-Encoding {unknown!r}; only chunked is allowed", status)
        head.length = -1
        head.lines.append(b"transfer-encoding: chunked")


def _settle_start(head: RequestHead) -> None:
    """Targets that are not a plain path, and versions that are not ours (RFC 9112 3.2)."""
    asterisk = head.target == b"*" and head.method == b"OPTIONS"
    if head.target[:1] != b"/" and not asterisk:
        _settle_absolute(head)
    elif not head.host:
        head.lines.insert(1, _NO_HOST)
    # We speak our own version to the upstream, whatever the caller's was (RFC 9110 6.2).
    head.lines[0] = b"%b %b HTTP/1.1" % (head.method, head.target)


def _settle_absolute(head: RequestHead) -> None:
    """An absolute URI goes on as its path, its authority as Host (RFC 9112 3.2.2)."""
    found = _ABSOLUTE.fullmatch(head.target)
    if found is None:
        raise _refuse("the target is neither a path nor an absolute http URI")
    authority, path, query = found.groups()
    try:
        check_host(authority)
    except BadLine as bad:
        raise _refuse(str(bad)) from None
    if head.host and head.host.lower() != authority.lower():
        raise _refuse("Host and the authority of the target differ; they must be one")
    # RFC 9112 3.2.4: OPTIONS for a whole server is an asterisk again at the last proxy.
    empty = b"*" if head.method == b"OPTIONS" and not query else b"/"
    head.target = (path or empty) + query
    if not head.host:
        head.host = authority
        head.lines.insert(1, b"host: " + authority)
