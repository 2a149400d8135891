"""Rows, records and columns of plain JSON to ``Columns``.

A vector of one value is that value, when it is one in every row.  A mapping inside a record
becomes columns of its own, ``address.city``; TensorFlow Serving's ``{"b64": ...}`` is a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proxy.payload.columns import Columns, Unreadable, Value, kind

#: Ragged records may claim many more values than the body holds.
MOST_CELLS: Final = 131_072
DEEPEST: Final = 16


def from_rows(
    rows: object, name: str, names: Sequence[str] = (), *, most_cells: int = MOST_CELLS
) -> Columns:
    """A list of records, of lists or of single values.

    Lists of as many values as there are ``names`` become columns of these names; all else that
    has no names is one column ``name``.
    """
    if not isinstance(rows, list):
        raise Unreadable("schema", f"found {kind(rows)} as {name}; allowed is a list")
    if rows and all(isinstance(row, dict) and not _is_text(row) for row in rows):
        return _from_records(rows, most_cells)
    if names and rows and all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return Columns(
            len(rows),
            {it: _values([row[at] for row in rows]) for at, it in enumerate(names)},
        )
    return Columns(len(rows), {name: squeezed(_values(rows))})


def from_columns(given: Mapping[str, object]) -> Columns:
    """Column by column.  Those that do not agree on the number of rows are one row together."""
    lengths = {len(it) if isinstance(it, list) else -1 for it in given.values()}
    if len(lengths) == 1 and (rows := lengths.pop()) >= 0:
        columns = {name: squeezed(_values(it)) for name, it in given.items()}  # type: ignore[arg-type]
        return Columns(rows, columns)
    if not given:
        raise Unreadable("schema", "found a mapping without columns")
    return Columns(1, {name: squeezed([plain(it)]) for name, it in given.items()})


def from_split(table: object) -> Columns:
    """pandas' ``split``: names in ``columns``, rows of values in ``data``."""
    if not isinstance(table, dict):
        raise Unreadable("schema", f"found {kind(table)}; allowed is columns and data")
    names, rows = table.get("columns"), table.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        raise Unreadable("schema", "found no lists of columns and data")
    if not all(isinstance(name, str | int) for name in names):
        raise Unreadable("schema", "found a column's name that is no text")
    texts = [str(name) for name in names]
    if len(set(texts)) != len(texts):
        raise Unreadable("schema", "found a column's name twice")
    for row in rows:
        if not isinstance(row, list) or len(row) != len(texts):
            raise Unreadable("schema", f"found {kind(row)} as a row of {len(texts)} columns")
    return Columns(
        len(rows), {name: _values([row[at] for row in rows]) for at, name in enumerate(texts)}
    )


def _from_records(rows: list[dict[str, Any]], most_cells: int) -> Columns:
    if len(rows) == 1:
        flat = dict(_flat(rows[0], ""))
        return Columns(1, {name: [plain(value)] for name, value in flat.items()})
    records = [dict(_flat(row, "")) for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    if len(names) * len(rows) > most_cells:
        raise Unreadable("too_large", f"found {len(names)} columns in {len(rows)} records")
    return Columns(len(rows), {it: _values([row.get(it) for row in records]) for it in names})


def _flat(record: Mapping[str, Any], prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise Unreadable("schema", f"found records nested deeper than {DEEPEST}")
    for name, value in record.items():
        if isinstance(value, dict) and not _is_text(value):
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, value


def _is_text(value: Mapping[str, object]) -> bool:
    return value.keys() == {"b64"} and isinstance(value["b64"], str)


def _values(raw: list[Any]) -> list[Value]:
    """The same list when it holds single values only, which is nearly always."""
    for value in raw:
        if isinstance(value, list | dict):
            return [plain(it) for it in raw]
    return raw


def plain(value: Any, depth: int = 0) -> Value:
    """One value: single, or a list of lists to a bounded depth."""
    if isinstance(value, list):
        if depth > DEEPEST:
            raise Unreadable("schema", f"found lists nested deeper than {DEEPEST}")
        return [plain(it, depth + 1) for it in value]
    if isinstance(value, dict):
        if not _is_text(value):
            raise Unreadable("schema", "found a mapping in the place of a value")
        text: str = value["b64"]
        return text
    single: Value = value
    return single


def squeezed(values: list[Value]) -> list[Value]:
    """Vectors of one value as their values."""
    singles: list[Value] = []
    for value in values:
        if not isinstance(value, list) or len(value) != 1 or isinstance(value[0], list):
            return values
        singles.append(value[0])
    return singles
