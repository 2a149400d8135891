"""A body into its items, in pieces as it comes: JSON, or JSON lines.

Items stay raw here, so that one that is broken (NaN, say, which is no JSON) costs only itself.
A body whose brackets do not match is refused as a whole: nobody knows where its items end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

#: An item as it came, not looked into.
Raw: TypeAlias = "bytes | msgspec.Raw"


class Broken(Exception):
    """The body as a whole cannot be read; says what was found and what is allowed."""


class Splitter(Protocol):
    """Takes a body in pieces.  Items come with their index; both raise Broken."""

    def feed(self, piece: bytes) -> Sequence[tuple[int, Raw]]:
        """The items that are whole now."""

    def finish(self) -> Sequence[tuple[int, Raw]]:
        """The items that are left, once the body has ended."""


class Lines:
    """JSON lines: an item each, its index that of its line, from 0.  Empty lines are let be."""

    def __init__(self) -> None:
        self._rest = b""
        self._line = 0

    def feed(self, piece: bytes) -> Sequence[tuple[int, Raw]]:
        whole, end, rest = piece.rpartition(b"\n")
        if not end:
            self._rest += piece
            return ()
        text, self._rest = self._rest + whole, rest
        return self._items(text)

    def finish(self) -> Sequence[tuple[int, Raw]]:
        text, self._rest = self._rest, b""
        return self._items(text)

    def _items(self, text: bytes) -> Sequence[tuple[int, Raw]]:
        lines = text.split(b"\n")
        first, self._line = self._line, self._line + len(lines)
        return [(at, line) for at, line in enumerate(lines, first) if line and not line.isspace()]


class Document:
    """One JSON text: an object, a list, or an object whose one field ``wrapper`` is a list."""

    def __init__(self, wrapper: str) -> None:
        self._wrapper = wrapper
        self._parts: list[bytes] = []

    def feed(self, piece: bytes) -> Sequence[tuple[int, Raw]]:
        self._parts.append(piece)
        return ()

    def finish(self) -> Sequence[tuple[int, Raw]]:
        return list(enumerate(split(b"".join(self._parts), self._wrapper)))


def split(body: bytes, wrapper: str) -> Sequence[Raw]:
    """The items of a JSON text.  Raises Broken.

    The quick way is the decoder's; where it stumbles over one item, the slow way finds the
    others.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip(_BLANK)
    if not text:
        raise Broken("The body is empty; allowed are an event, a list of events, or JSON lines")
    if text[:1] not in (b"[", b"{"):
        raise Broken(f"The body begins with {text[:20]!r}; allowed are a JSON object or list")
    try:
        if text[:1] == b"[":
            return _LIST.decode(text)
        fields = _FIELDS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _by_hand(text, wrapper)
    if wrapper not in fields:
        return [text]
    if len(fields) > 1:
        others = ", ".join(sorted(name for name in fields if name != wrapper))[:100]
        raise Broken(f"Beside {wrapper!r} the body has {others}; allowed is {wrapper!r} alone")
    try:
        return _LIST.decode(fields[wrapper])
    except msgspec.ValidationError:
        raise Broken(f"{wrapper}: what stands there is no list of events") from None


def _by_hand(text: bytes, wrapper: str) -> Sequence[Raw]:
    """The same by brackets and commas alone, whatever the items are."""
    if text[:1] == b"{":
        head = re.match(rb'\{[ \t\r\n]*"%s"[ \t\r\n]*:[ \t\r\n]*(?=\[)' % wrapper.encode(), text)
        if head is None:
            for _ in _cuts(text):
                pass  # is it one object?
            return [text]
        end = text.rfind(b"]")
        if end < 0 or text[end + 1 :].strip(_BLANK) != b"}":
            raise Broken(f"The body is no JSON: after the list of {wrapper!r} a }} is missing")
        text = text[head.end() : end + 1]
    items, start = [], 1
    for cut in _cuts(text):
        items.append(text[start:cut].strip(_BLANK))
        start = cut + 1
    return [] if items == [b""] else items


def _cuts(text: bytes) -> Iterator[int]:
    """Where the items of the outermost list or object end: at its commas, and its last bracket."""
    depth, last = 0, len(text) - 1
    for found in _TOKEN.finditer(text):
        sign = found[0]
        if sign in b"[{":
            depth += 1
        elif sign in b"]}":
            depth -= 1
            if depth == 0:
                if found.start() != last:
                    raise Broken(f"The body is no JSON: it goes on at byte {found.start() + 1}")
                yield last
        elif sign == b'"':
            raise Broken(f"The body is no JSON: a text begins at byte {found.start()}, and no end")
        elif sign == b"," and depth == 1:
            yield found.start()
    if depth:
        raise Broken("The body is no JSON: it ends before its last bracket; was it cut?")


_BLANK: Final = b" \t\r\n"
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: A whole text, or a sign that builds.  A quote alone is a text without an end.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
