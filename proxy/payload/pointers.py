"""``custom``: each column's value stands at an RFC 6901 pointer of the JSON body."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from proxy.payload.columns import Columns, Unreadable, Value, kind
from proxy.payload.decoding import json_of
from proxy.payload.tables import MOST_CELLS, plain

#: RFC 6901 4: digits without a leading zero.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_ABSENT: Final = object()


class Pointers(msgspec.Struct, frozen=True):
    """Where the columns stand: name to pointer.

    ``rows`` points at a list, each item of which is a row that the other pointers start from;
    without it the body is one row.
    """

    columns: dict[str, str]
    rows: str | None = None


def read(body: bytes, pointers: Pointers) -> Columns:
    """The columns; one whose pointer leads nowhere is missing in that row."""
    document = json_of(body)
    rows = [document]
    if pointers.rows is not None:
        found = _at(document, pointers.rows)
        if not isinstance(found, list):
            where = "nothing" if found is _ABSENT else kind(found)
            raise Unreadable("schema", f"found {where} at {pointers.rows}; allowed is a list")
        rows = found
    if len(rows) * len(pointers.columns) > MOST_CELLS:
        raise Unreadable("too_large", f"found {len(rows)} rows")
    columns = {name: [_value(row, it) for row in rows] for name, it in pointers.columns.items()}
    return Columns(len(rows), columns)


def _value(row: Any, pointer: str) -> Value:
    found = _at(row, pointer)
    return None if found is _ABSENT else plain(found)


def _at(document: Any, pointer: str) -> Any:
    """What stands at a pointer, or ``_ABSENT``."""
    for step in pointer.split("/")[1:]:
        if isinstance(document, dict):
            document = document.get(step.replace("~1", "/").replace("~0", "~"), _ABSENT)
        elif isinstance(document, list) and _INDEX.fullmatch(step) and int(step) < len(document):
            document = document[int(step)]
        else:
            return _ABSENT
    return document
