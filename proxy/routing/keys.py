"""Whose request it is, read from a header, a cookie, the query or a JSON field.

A reader answers with the value's bytes, or None when it is missing, empty, or said twice
with two values: a customer that two servers could read differently is no customer.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

from proxy.routing.plan import KeySource, SegmentPlan


def _only(values: list[bytes]) -> bytes | None:
    if not values:
        return None
    first = values[0]
    if len(values) > 1 and any(value != first for value in values):
        return None
    return first or None


class HeaderKey:
    """Reads a header.  ``line`` is the name of the lines to collect, in lower case."""

    __slots__ = ("line",)
    kind: ClassVar[Literal["header"]] = "header"

    def __init__(self, name: str) -> None:
        self.line = name.lower().encode()

    def read(self, values: list[bytes]) -> bytes | None:
        """``values`` of all lines of that name, without the white space around them."""
        if len(values) == 1:
            return values[0] or None
        return _only(values)


class CookieKey:
    """Reads a cookie, its value as it was sent (RFC 6265 section 5.2: quotes belong to it)."""

    __slots__ = ("_crumb", "line")
    kind: ClassVar[Literal["cookie"]] = "cookie"

    def __init__(self, name: str) -> None:
        self.line = b"cookie"
        self._crumb = re.compile(rb";[ \t]*" + re.escape(name.encode()) + rb"=([^;]*)")

    def read(self, values: list[bytes]) -> bytes | None:
        """``values`` of all Cookie lines."""
        found = self._crumb.findall(b";" + b";".join(values))
        return _only([value.strip(b" \t") for value in found])


class QueryKey:
    """Reads a query parameter as a form does: ``+`` is a space, then percent-decoded."""

    __slots__ = ("name",)
    kind: ClassVar[Literal["query"]] = "query"

    def __init__(self, name: str) -> None:
        self.name = name.encode()

    def read(self, target: bytes) -> bytes | None:
        """``target`` as received."""
        query = target.partition(b"?")[2]
        found = []
        for field in query.split(b"&"):
            left, _, right = field.partition(b"=")
            if left == self.name or _decoded(left) == self.name:
                found.append(_decoded(right))
        return _only(found)


# As integers: to look for bytes in bytes costs four times as much.
_PERCENT: Final = ord("%")
_PLUS: Final = ord("+")


def _decoded(field: bytes) -> bytes:
    if _PERCENT in field or _PLUS in field:
        return unquote_to_bytes(field.replace(b"+", b" "))
    return field


#: RFC 6901 section 4: digits without leading zeros; no array has more than these.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class _Step:
    """One token of a pointer: a member of an object, or an element of an array.

    Decoding into a struct of that one member skips all others without building them.
    """

    __slots__ = ("_elements", "_index", "_member")

    def __init__(self, token: str) -> None:
        absent = msgspec.field(default=msgspec.UNSET, name=token)
        shape = msgspec.defstruct("Member", [("value", msgspec.Raw | msgspec.UnsetType, absent)])
        self._member: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
        self._index = int(token) if _INDEX.fullmatch(token) else None
        self._elements = msgspec.json.Decoder(list[msgspec.Raw])

    def into(self, value: bytes | msgspec.Raw) -> msgspec.Raw | None:
        """The part of ``value`` that the token names.  Raises msgspec.DecodeError."""
        try:
            member = self._member.decode(value).value
        except msgspec.ValidationError:
            if self._index is None:
                return None
            elements = self._elements.decode(value)
            return elements[self._index] if self._index < len(elements) else None
        return member if isinstance(member, msgspec.Raw) else None


_SCALAR: Final[msgspec.json.Decoder[str | int | float | bool]] = msgspec.json.Decoder(
    str | int | float | bool
)


class JsonKey:
    """Reads a JSON field by its RFC 6901 pointer; strings, whole numbers and booleans count.

    Of a member that is named twice the last one is read.  Raises ValueError for a pointer
    that is none.
    """

    __slots__ = ("_steps",)
    kind: ClassVar[Literal["json"]] = "json"

    def __init__(self, pointer: str) -> None:
        if pointer and not pointer.startswith("/"):
            raise ValueError(f"JSON pointer {pointer!r}; it must be empty or start with '/'")
        self._steps = [_Step(_token(part)) for part in pointer.split("/")[1:]]

    def read(self, body: bytes) -> bytes | None:
        """``body`` whole.  Broken JSON, a float, null, an object or array is a missing key."""
        value: bytes | msgspec.Raw = body
        try:
            for step in self._steps:
                part = step.into(value)
                if part is None:
                    return None
                value = part
            scalar = _SCALAR.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return _bytes_of(scalar)


def _token(part: str) -> str:
    if part.replace("~0", "").replace("~1", "").count("~"):
        raise ValueError(f"JSON pointer token {part!r}; '~' must be written '~0', '/' '~1'")
    return part.replace("~1", "/").replace("~0", "~")


def _bytes_of(scalar: str | int | float | bool) -> bytes | None:
    if isinstance(scalar, str):
        return scalar.encode() or None
    if isinstance(scalar, bool):
        return b"true" if scalar else b"false"
    return b"%d" % scalar if isinstance(scalar, int) else None


#: What ``reader`` makes.  ``kind`` says what ``read`` wants: for header and cookie the values
#: of the lines called ``line``, for query the target, for json the held body.
Reader: TypeAlias = HeaderKey | CookieKey | QueryKey | JsonKey


def reader(source: KeySource) -> Reader:
    """The reader for ``source``.  Raises ValueError for a broken JSON pointer."""
    match source.kind:
        case "header":
            return HeaderKey(source.name)
        case "cookie":
            return CookieKey(source.name)
        case "query":
            return QueryKey(source.name)
        case "json":
            return JsonKey(source.name)


#: Those that read lines of the head.
FROM_LINES: Final = (HeaderKey, CookieKey)


class SegmentKey:
    """One dimension to count by: its reader, and the labels that its values fold to."""

    __slots__ = ("_labels", "_missing", "_other", "reader")

    def __init__(self, plan: SegmentPlan) -> None:
        self.reader = reader(plan.source)
        self._labels = {value.encode(): f"{plan.name}={value}" for value in plan.values}
        self._other = f"{plan.name}=other"
        self._missing = f"{plan.name}=missing"

    def label(self, value: bytes | None) -> str:
        """``dimension=value`` for a value of the plan, else ``=other``; None is ``=missing``."""
        if value is None:
            return self._missing
        return self._labels.get(value, self._other)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that ``label`` can answer with."""
        return (*self._labels.values(), self._other, self._missing)
