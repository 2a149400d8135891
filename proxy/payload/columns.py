"""What is in a body, whatever protocol it came in: named columns of values.

A column holds one value per row; a batch of one has columns of length one.  A value is a number,
a text, a truth value, None for null, or a list of those for a vector.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Value: TypeAlias = "float | int | str | bool | list[Value] | None"


class Columns(msgspec.Struct, frozen=True):
    """A body that was read: ``columns`` by name in their order, all with ``rows`` values."""

    rows: int
    columns: dict[str, list[Value]]
    types: dict[str, str] = {}  # the protocol's own word (FP32, BYTES), where it has one


class Unreadable(Exception):
    """The body is not what its protocol promises.  ``reason`` is one of a few words, for counting;
    the text says what was found."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
