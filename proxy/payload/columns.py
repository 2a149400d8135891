"""What is in a body, whatever protocol it came in: named columns of values.

A column holds one value per row; a batch of one has columns of length one.  A value is a number,
a text, a truth value, None for null, or a list of those for a vector.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Value: TypeAlias = "float | int | str | bool | list[Value] | None"

#: Why a body could not be read.
Reason = Literal[
    "cut",  # longer than what was kept of it: says nothing about who sent it
    "unsupported",  # an encoding, content type or datatype that is not read here
    "too_large",  # expands to more than is taken
    "encoding",  # not the gzip or deflate that it claims to be
    "syntax",  # no JSON, no CSV, torn binary data
    "schema",  # well-formed, but not what the protocol promises
    "truncated",  # a stream that ends before its end: cut by its server, or on the way
]
#: Those that are a limit of ours, and no fault of the body.
OUR_LIMITS: Final[frozenset[Reason]] = frozenset({"cut", "unsupported", "too_large"})


class Columns(msgspec.Struct, frozen=True):
    """A body that was read: ``columns`` by name in their order, all with ``rows`` values."""

    rows: int
    columns: dict[str, list[Value]]
    types: dict[str, str] = {}  # the protocol's own word (FP32, BYTES), where it has one


class Unreadable(Exception):
    """The body is not what its protocol promises.  ``reason`` is one of a few words, for counting;
    the text says what was found, never a value."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


def kind(value: object) -> str:
    """What a JSON value is, for an error: a sample of it might be a customer's."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return f"a list of {len(value)}" if isinstance(value, list) else "a mapping"
