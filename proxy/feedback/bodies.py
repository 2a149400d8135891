"""A body into its items, in pieces as it comes: JSON, or JSON lines.

Items stay raw here, so that one that is broken (NaN, say, which is no JSON) costs only itself.
A body whose brackets do not match is refused as a whole: nobody knows where its items end.
A body of more items than its reader wants is refused before each has cost an object: ten million
bytes hold five million of them, and to make and count these keeps every other thread waiting.
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


class TooMany(Broken):
    """The body holds more items than its reader takes."""


class Splitter(Protocol):
    """Takes a body in pieces.  Items come with their index; both raise Broken or TooMany."""

    def feed(self, piece: bytes) -> Sequence[tuple[int, Raw]]:
        """The items that are whole now."""

    def finish(self) -> Sequence[tuple[int, Raw]]:
        """The items that are left, once the body has ended."""


class Lines:
    """JSON lines: an item each, its index that of its line, from 0.  Empty lines are let be.

    ``most`` bounds the lines, empty ones too, by four times as many.
    """

    def __init__(self, most: int) -> None:
        self._rest = b""
        self._line = 0
        self._most = most

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
        if self._line + text.count(b"\n") > 4 * self._most:
            raise TooMany(self._most)
        lines = text.split(b"\n")
        first, self._line = self._line, self._line + len(lines)
        return [(at, line) for at, line in enumerate(lines, first) if line and not line.isspace()]


class Document:
    """One JSON text: an object, a list, or an object whose one field ``wrapper`` is a list."""

    def __init__(self, wrapper: str, most: int) -> None:
        self._wrapper = wrapper
        self._most = most
        self._parts: list[bytes] = []

    def feed(self, piece: bytes) -> Sequence[tuple[int, Raw]]:
        self._parts.append(piece)
        return ()

    def finish(self) -> Sequence[tuple[int, Raw]]:
        return list(enumerate(split(b"".join(self._parts), self._wrapper, self._most)))


def split(body: bytes, wrapper: str, most: int) -> Sequence[Raw]:
    """The items of a JSON text, at most ``most``.  Raises Broken, and TooMany for more.

    The quick way is the decoder's; where it stumbles over one item, the slow way finds the
    others.  The slow way also takes what may hold millions of items, since it can stop early.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip(_BLANK)
    if not text:
        raise Broken("The body is empty; allowed are an event, a list of events, or JSON lines")
    if text[:1] not in (b"[", b"{"):
        raise Broken(f"The body begins with {text[:20]!r}; allowed are a JSON object or list")
    if text.count(b",") > _MANY_COMMAS:
        return _by_hand(text, wrapper, most)
    try:
        items = _quickly(text, wrapper)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _by_hand(text, wrapper, most)
    if len(items) > most:
        raise TooMany(most)
    return items


def _quickly(text: bytes, wrapper: str) -> Sequence[Raw]:
    if text[:1] == b"[":
        return _LIST.decode(text)
    fields = _FIELDS.decode(text)
    if wrapper not in fields:
        return [text]
    if len(fields) > 1:
        others = ", ".join(sorted(name for name in fields if name != wrapper))[:100]
        raise Broken(f"Beside {wrapper!r} the body has {others}; allowed is {wrapper!r} alone")
    try:
        return _LIST.decode(fields[wrapper])
    except msgspec.ValidationError:
        raise Broken(f"{wrapper}: what stands there is no list of events") from None


def _by_hand(text: bytes, wrapper: str, most: int) -> Sequence[Raw]:
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
    items: list[bytes] = []
    start = 1
    for cut in _cuts(text):
        if len(items) == most:
            raise TooMany(most)
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


#: An event has four fields at least, so that a quarter of a million of them stay below it.
_MANY_COMMAS: Final = 1_000_000
_BLANK: Final = b" \t\r\n"
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: A whole text, or a sign that builds.  A quote alone is a text without an end.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
