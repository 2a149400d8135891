"""Header lines: the grammar, and a memo of whole lines already judged.

Each line is validated and classified the first time it is seen; afterwards it costs one
dict hit.  The memo is bounded and emptied when full, so that a caller who never repeats a
line pays (and can cost) only the validation.  A line that no rule speaks of maps to None.

Law of this room: bytes in, heads and bodies out.  Nothing here decodes to text before it is
validated, and whatever two servers could read differently is refused (RFC 9112 section 11.2).
"""

from __future__ import annotations

import re
from enum import IntEnum
from ipaddress import IPv6Address
from typing import Final, NamedTuple

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
#: RFC 9110 5.5: visible characters, obs-text, SP and HTAB.  CR, LF, NUL and other controls are out.
FIELD_VALUE_BYTES: Final = bytes(b for b in range(256) if (b >= 0x20 and b != 0x7F) or b == 0x09)
_NAME: Final = re.compile(TOKEN)
#: RFC 3986 3.2.2: an IP literal or a registered name, and perhaps a port.
_HOST: Final = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
_SHOWN: Final = 80  # bytes of what was found that an error repeats
_MEMO_LINES: Final = 8192
_MEMO_NAMES: Final = 1024
_MEMO_LINE_BYTES: Final = 256


class Kind(IntEnum):
    """What a line means to the proxy.  A line without meaning has no kind: it passes."""

    CONTENT_LENGTH = 1
    TRANSFER_ENCODING = 2
    CONNECTION = 3
    HOST = 4
    EXPECT = 5
    UPGRADE = 6
    REQUEST_ID = 7
    WANTED = 8  # a field the Plan reads: customer key, segment, tester override
    SHADOW_MARK = 9
    FORWARDED_PROTO = 10
    HOP = 11  # for this connection only: never forwarded (RFC 9110 7.6.1)
    OWNED = 12  # a response field that only the proxy may write
    RESPELLED_LENGTH = 13  # a Content-Length that goes on in the plain spelling
    UNSEEN = 14


class Line(NamedTuple):
    """A classified line: ``name`` in lower case, ``value`` trimmed of SP and HTAB.

    ``number`` is the value of a Content-Length, in bytes.
    """

    kind: Kind
    name: bytes
    value: bytes
    number: int = 0


#: What ``LineBook.find`` is asked to answer for a line that it does not remember.
UNSEEN: Final = Line(Kind.UNSEEN, b"", b"")


class BadLine(ValueError):
    """A header line that no rule allows; the text says which."""


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """The name (as written) and the trimmed value of a header line.

    Raises BadLine for a missing colon, a name that is no token (RFC 9110 5.1; with it spaces
    before the colon, RFC 9112 5.1, and obs-fold, 5.2) and for control bytes in the value.
    """
    colon = line.find(b":")
    if colon < 0:
        raise BadLine("a header line has no colon")
    name = line[:colon]
    if _NAME.fullmatch(name) is None:
        raise BadLine(_why_no_token(name))
    value = line[colon + 1 :].strip(b" \t")
    if value.translate(None, FIELD_VALUE_BYTES):
        raise BadLine(_bad_value(name))
    return name, value


def _bad_value(name: bytes) -> str:
    return f"control bytes in the value of {name[:_SHOWN].decode()}"


def _why_no_token(name: bytes) -> str:
    if not name:
        return "a header line has an empty name"
    if name[:1] in b" \t":
        return "a header line begins with white space (obs-fold)"
    if name[-1:] in b" \t":
        return f"white space before the colon of {name[:_SHOWN].strip().decode('latin-1')!r}"
    return f"{name[:_SHOWN].decode('latin-1')!r} is no header name"


class LineBook:
    """Classified header lines, remembered.

    ``kinds`` maps a lower-case name to its kind.  ``line = find(raw, UNSEEN)`` is the hot
    path, one dict hit; a raw line that no rule speaks of is remembered as None.
    """

    __slots__ = ("_kinds", "_memo", "_names", "find")

    def __init__(self, kinds: dict[bytes, Kind]) -> None:
        self._kinds = kinds
        self._names: dict[bytes, tuple[bytes, Kind | None]] = {}
        self._memo: dict[bytes, Line | None] = {}
        self.find = self._memo.get

    def learn(self, raw: bytes) -> Line | None:
        """Validates and classifies a line that ``find`` does not know.  Raises BadLine."""
        colon = raw.find(b":")
        known = self._names.get(raw[:colon]) if colon > 0 else None
        if known is None:
            known = self._learn_name(raw)
        value = raw[colon + 1 :].strip(b" \t")
        if value.translate(None, FIELD_VALUE_BYTES):
            raise BadLine(_bad_value(raw[:colon]))
        lower, kind = known
        if kind is Kind.WANTED:
            return Line(kind, lower, value)  # customers: too many to remember
        line = None if kind is None else _read(kind, lower, value, raw)
        if len(raw) <= _MEMO_LINE_BYTES:
            if len(self._memo) >= _MEMO_LINES:
                self._memo.clear()
            self._memo[raw] = line
        return line

    def _learn_name(self, raw: bytes) -> tuple[bytes, Kind | None]:
        name = split_line(raw)[0]
        lower = name.lower()
        known = lower, self._kinds.get(lower)
        if len(name) <= _MEMO_LINE_BYTES:
            if len(self._names) >= _MEMO_NAMES:
                self._names.clear()
            self._names[name] = known
        return known

    def __len__(self) -> int:
        return len(self._memo)


def _read(kind: Kind, name: bytes, value: bytes, raw: bytes) -> Line:
    if kind is Kind.CONTENT_LENGTH:
        number = content_length(value)
        rest = raw[len(name) + 1 :]
        if rest not in (b"%d" % number, b" %d" % number):
            # Leading zeros and tabs are legal, but there are servers that read octal or
            # trim blanks only: what frames the message goes on in one spelling.
            kind = Kind.RESPELLED_LENGTH
        return Line(kind, name, value, number)
    if kind is Kind.HOST:
        check_host(value)
    if kind is Kind.CONNECTION and value.lower() == b"keep-alive":
        return Line(Kind.HOP, name, value)  # says nothing that HTTP/1.1 does not say anyway
    return Line(kind, name, value)


def check_host(value: bytes) -> None:
    """Raises BadLine unless ``value`` is a host and perhaps a port (RFC 9110 7.2)."""
    found = _HOST.fullmatch(value)
    if found is not None and found[1] is not None:
        try:
            IPv6Address(found[1].decode())
        except ValueError:
            found = None
    if found is None:
        raise BadLine(f"Host {value[:_SHOWN].decode('latin-1')!r} is no host and port")


def tokens(value: bytes) -> list[bytes]:
    """A comma-separated list in lower case, its empty members left out (RFC 9110 5.6.1)."""
    return [t for t in (part.strip(b" \t").lower() for part in value.split(b",")) if t]


def content_length(value: bytes) -> int:
    """A Content-Length value in bytes.  Raises BadLine unless it is 1 to 18 ASCII digits.

    ``int`` alone would take signs, blanks and underscores (CVE-2022-24761, CVE-2023-47627).
    """
    if not value.isdigit() or len(value) > 18:  # bytes.isdigit: ASCII digits only
        raise BadLine(f"Content-Length {value[:_SHOWN].decode('latin-1')!r} is no number of bytes")
    return int(value)


def nominated(values: list[bytes], never: frozenset[bytes]) -> frozenset[bytes]:
    """The field names that Connection values nominate for removal, but for those in ``never``.

    RFC 9110 7.6.1.  A nominated framing field or Host stays: removing it would change what
    the message means (request smuggling by "Connection: content-length").
    """
    named = {token for value in values for token in tokens(value)}
    return frozenset(named - {b"close", b"keep-alive"} - never)


def without(lines: list[bytes], names: frozenset[bytes]) -> list[bytes]:
    """``lines`` without those whose field name is in ``names`` (lower case)."""
    return [line for line in lines if line[: line.find(b":")].lower() not in names]


def content(lines: list[bytes]) -> tuple[str, str]:
    """Content-Type and Content-Encoding of a head's lines; what is not said is empty."""
    return _first(lines, b"content-type:"), _first(lines, b"content-encoding:")


def _first(lines: list[bytes], start: bytes) -> str:
    found = (x for x in lines if x[: len(start)].lower() == start)
    return next(found, start)[len(start) :].strip().decode("latin-1")
