"""Nouns to rows and back.  JSON has no NaN and no infinity: they are written as ``{"f": "nan"}``,
which no prediction and no label can be by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ARRAY,
    Connection,
    Select,
    Table,
    Text,
    any_,
    cast,
    func,
    literal,
    literal_column,
    select,
)

from proxy.feedback import Kpi, Label, Prediction
from proxy.store.ledger.nouns import LONGEST_ID

PREDICTION: Final = (
    "request_id", "model", "version", "arm", "share", "drawn", "customer", "segments", "at",
    "value", "problem",
)  # fmt: skip
EVENT: Final = (
    "event_id", "kind", "name", "value", "model", "customer", "at", "request_id", "since", "until",
    "received", "delivered",
)  # fmt: skip

#: Keys in one statement.
STEP: Final = 5_000

_ENCODE: Final = msgspec.json.Encoder().encode
_SEGMENTS: Final = msgspec.json.Decoder(tuple[str, ...])
_ANY: Final = msgspec.json.Decoder()

Row = tuple[Any, ...]


def fetch(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """The rows of a query, by column.  From PostgreSQL as one JSON text: its driver is written in
    Python, and takes ten times as long for each row by itself."""
    if connection.dialect.name != "postgresql":
        result = connection.execute(query)
        names = tuple(result.keys())
        return [dict(zip(names, row, strict=True)) for row in result]
    packed = select(cast(func.json_agg(literal_column("t")), Text)).select_from(query.subquery("t"))
    content = connection.execute(packed).scalar_one()
    found: list[dict[str, Any]] = _ANY.decode(content) if content else []
    return found


def among(connection: Connection, column: Any, keys: Sequence[int] | Sequence[str]) -> Any:
    """``column`` is one of ``keys``, as one value: a statement with a thousand of them takes
    longer to build than to run."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(keys), ARRAY(column.type)))
    listed = func.json_each(msgspec.json.encode(keys).decode()).table_valued("value")
    return column.in_(select(listed.c.value))


def by_id(connection: Connection, table: Table, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The rows of a table with these ids."""
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(keys), STEP):
        some = among(connection, table.c.id, keys[start : start + STEP])
        found |= {row["id"]: row for row in fetch(connection, select(table).where(some))}
    return found


def of_prediction(prediction: Prediction) -> Row:
    """Its columns in the order of ``PREDICTION``."""
    return (
        prediction.request_id,
        prediction.model,
        prediction.version,
        prediction.arm,
        prediction.share,
        prediction.drawn,
        prediction.customer,
        of_value(prediction.segments),
        prediction.at,
        of_value(prediction.value),
        prediction.problem,
    )


def of_event(event: Label | Kpi, received: float) -> Row:
    """Its columns in the order of ``EVENT``."""
    if isinstance(event, Label):
        return (
            event.event_id, "label", event.name, of_value(event.value), event.model,
            event.customer, event.at, event.request_id, event.since, event.until, received, True,
        )  # fmt: skip
    return (
        event.event_id, "kpi", event.name, of_value(event.value), event.model,
        event.customer, event.at, "", None, None, received, False,
    )  # fmt: skip


def prediction_of(row: Mapping[Any, Any]) -> Prediction:
    return Prediction(
        request_id=row["request_id"],
        model=row["model"],
        version=row["version"],
        arm=row["arm"],
        share=row["share"],
        drawn=bool(row["drawn"]),
        customer=row["customer"],
        segments=_SEGMENTS.decode(row["segments"]),
        at=row["at"],
        value=value_of(row["value"]),
        problem=row["problem"],
    )


def label_of(row: Mapping[Any, Any]) -> Label:
    return Label(
        event_id=row["event_id"],
        name=row["name"],
        value=value_of(row["value"]),
        at=row["at"],
        request_id=row["request_id"],
        model=row["model"],
        customer=row["customer"],
        since=row["since"],
        until=row["until"],
    )


def kpi_of(row: Mapping[Any, Any]) -> Kpi:
    return Kpi(
        event_id=row["event_id"],
        name=row["name"],
        value=value_of(row["value"]),
        model=row["model"],
        customer=row["customer"],
        at=row["at"],
    )


def of_value(value: Any) -> str:
    """The JSON of a predicted or true value."""
    try:
        encoded = _ENCODE(value)
        odd = b"null" in encoded and value is not None
    except UnicodeEncodeError:
        odd = True
    if odd:
        encoded = _ENCODE(_speakable(value))
    text: str = encoded.decode()
    return text


def value_of(text: str) -> Any:
    """The value of a JSON text."""
    value = _ANY.decode(text)
    return _plain(value) if '{"f":' in text else value


def storable(text: str) -> str:
    """Without what a database has no character for: NUL, and halves of a character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def clean(row: Sequence[Any]) -> Row:
    """The row with storable texts."""
    return tuple(storable(each) if isinstance(each, str) else each for each in row)


def unfit(event: Label | Kpi) -> str:
    """What no database takes, for an error; "" when all is fine."""
    fields = {"event_id": event.event_id, "name": event.name, "customer": event.customer}
    times = {"at": event.at}
    fields |= {"model": event.model}
    if isinstance(event, Label):
        fields["request_id"] = event.request_id
        times |= {"since": event.since or 0.0, "until": event.until or 0.0}
    for name, text in fields.items():
        if len(text) > LONGEST_ID:
            return f"{name} has {len(text)} characters; allowed are at most {LONGEST_ID}"
    for name, seconds in times.items():
        if not math.isfinite(seconds):
            return f"{name} is {seconds}; allowed are seconds since the epoch"
    return ""


def _speakable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"f": str(value)}
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list | tuple):
        return [_speakable(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return float(value["f"])
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
