"""What one transaction does: log predictions, take events, join the two, forget the old.

Every pair of a label and a prediction is made exactly once: when the second of the two comes,
in its own transaction, whichever that is.  There is one writer (database.py), so that one of them
always sees the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, func, select, text, update

from proxy.feedback import Kpi, Label
from proxy.store.ledger import rows
from proxy.store.ledger.nouns import Joined, Taken
from proxy.store.ledger.tables import FEEDBACK, JOINS, PREDICTIONS

#: Rows in one statement.
_CHUNK: Final = 5_000

#: The new rows first, then the index of the others: CROSS JOIN keeps SQLite to this order, and
#: OFFSET 0 PostgreSQL, whatever either believes of the sizes of its tables.
_JOIN: Final = {
    "sqlite": (
        "INSERT INTO joins (feedback_id, prediction_id, delivered) SELECT f.id, p.id, 0 "
        "FROM {new} {n} CROSS JOIN {others} {o} WHERE {n}.id > :before AND {how}"
    ),
    "postgresql": (
        "INSERT INTO joins (feedback_id, prediction_id, delivered) SELECT f.id, p.id, FALSE "
        "FROM {new} {n} CROSS JOIN LATERAL "
        "(SELECT {o}.id FROM {others} {o} WHERE {how} OFFSET 0) {o} WHERE {n}.id > :before"
    ),
}
_BY_REQUEST: Final = (
    "p.request_id = f.request_id AND f.kind = 'label' AND f.request_id <> '' "
    "AND (f.model = '' OR f.model = p.model)"
)
_BY_CUSTOMER: Final = (
    "p.customer = f.customer AND p.model = f.model AND f.kind = 'label' AND f.request_id = '' "
    "AND f.customer <> '' AND p.at >= COALESCE(f.since, -1e300) AND p.at <= COALESCE(f.until, f.at)"
)


class TooMany(Exception):
    """One call would join more than is allowed; nothing of it is taken."""


def log(connection: Connection, batch: Sequence[rows.Row]) -> list[Joined]:
    """Write rows of predictions; those that are there already are passed over.  Returns the
    joins with labels that waited for them."""
    before = _last(connection, PREDICTIONS)
    joins = _last(connection, JOINS)
    _insert(connection, "predictions", rows.PREDICTION, batch)
    if not _join(connection, "predictions", "feedback", before):
        return []
    return joined(connection, JOINS.c.id > joins)


def take(
    connection: Connection, events: Sequence[Label | Kpi], received: float, most: int
) -> Taken:
    """Write events that are new by their id, and join the labels.  Raises TooMany."""
    before = _last(connection, FEEDBACK)
    joins = _last(connection, JOINS)
    _insert(connection, "feedback", rows.EVENT, [rows.of_event(each, received) for each in events])
    new = select(FEEDBACK.c.event_id).where(FEEDBACK.c.id > before)
    fresh = set(connection.scalars(new))
    accepted = len(fresh)
    count = _join(connection, "feedback", "predictions", before)
    if count > most:
        raise TooMany(f"the labels of one call meet {count} predictions; allowed are {most}")
    met = joined(connection, JOINS.c.id > joins)
    kpis: list[Kpi] = []
    labels = 0
    for each in events:
        key = each.event_id if each.event_id in fresh else rows.storable(each.event_id)
        if key not in fresh:
            continue
        fresh.discard(key)
        if isinstance(each, Kpi):
            kpis.append(each)
        else:
            labels += 1
    waiting = labels - len({each.label.event_id for each in met})
    return Taken(accepted, len(events) - accepted, met, kpis, waiting)


def joined(connection: Connection, *where: Any, limit: int | None = None) -> list[Joined]:
    """Joins with both their sides, in the order in which they came about.

    Three plain look-ups: the plan of a join would depend on statistics.
    """
    query = select(JOINS).where(*where).order_by(JOINS.c.id).limit(limit)
    met = rows.fetch(connection, query)
    events = rows.by_id(connection, FEEDBACK, sorted({row["feedback_id"] for row in met}))
    keys = sorted({row["prediction_id"] for row in met})
    found = rows.by_id(connection, PREDICTIONS, keys)
    labels = {key: rows.label_of(row) for key, row in events.items()}
    predictions = {key: rows.prediction_of(row) for key, row in found.items()}
    return [
        Joined(row["id"], labels[row["feedback_id"]], predictions[row["prediction_id"]])
        for row in met
    ]


def undelivered(
    connection: Connection, join: int, event: int, limit: int
) -> tuple[list[Joined], list[tuple[int, Kpi]]]:
    """Joins after number ``join``, and KPI events after number ``event``, that the judge has
    not confirmed; at most ``limit`` of each."""
    met = joined(connection, JOINS.c.id > join, ~JOINS.c.delivered, limit=limit)
    query = (
        select(FEEDBACK)
        .where(FEEDBACK.c.id > event, ~FEEDBACK.c.delivered)
        .order_by(FEEDBACK.c.id)
        .limit(limit)
    )
    return met, [(row["id"], rows.kpi_of(row)) for row in rows.fetch(connection, query)]


def settle(connection: Connection, joins: Sequence[int], events: Sequence[str]) -> None:
    """Mark what the judge has confirmed."""
    for column, keys in ((JOINS.c.id, list(joins)), (FEEDBACK.c.event_id, list(events))):
        for start in range(0, len(keys), rows.STEP):
            some = rows.among(connection, column, keys[start : start + rows.STEP])
            connection.execute(update(column.table).where(some).values(delivered=True))


def models(connection: Connection) -> list[str]:
    """The models that have predictions: one step in the index for each, not one for each row."""
    found: list[str] = []
    step = select(func.min(PREDICTIONS.c.model))
    name = connection.scalar(step)
    while name is not None:
        found.append(name)
        name = connection.scalar(step.where(PREDICTIONS.c.model > name))
    return found


def forget_predictions(connection: Connection, model: str, before: float, limit: int) -> int:
    """Remove at most ``limit`` of one model's predictions older than ``before``, and their
    joins; returns how many."""
    query = (
        select(PREDICTIONS.c.id)
        .where(PREDICTIONS.c.model == model, PREDICTIONS.c.at < before)
        .order_by(PREDICTIONS.c.at)
        .limit(limit)
    )
    ids = list(connection.scalars(query))
    _remove(connection, JOINS.c.prediction_id, ids)
    _remove(connection, PREDICTIONS.c.id, ids)
    return len(ids)


def forget_feedback(connection: Connection, before: float, limit: int) -> int:
    """Remove at most ``limit`` of the events received before ``before``, and their joins.

    They came in the order of their numbers: no index of the time is needed.
    """
    query = select(FEEDBACK.c.id, FEEDBACK.c.received).order_by(FEEDBACK.c.id).limit(limit)
    ids: list[int] = []
    for number, received in connection.execute(query):
        if received >= before:
            break
        ids.append(number)
    _remove(connection, JOINS.c.feedback_id, ids)
    _remove(connection, FEEDBACK.c.id, ids)
    return len(ids)


def _remove(connection: Connection, column: Any, ids: Sequence[int]) -> None:
    if ids:
        connection.execute(delete(column.table).where(rows.among(connection, column, ids)))


def _join(connection: Connection, new: str, others: str, before: int) -> int:
    """Pair the rows of ``new`` after number ``before`` with those of the other table."""
    names = {"new": new, "others": others, "n": new[0], "o": others[0]}
    count = 0
    for how in (_BY_REQUEST, _BY_CUSTOMER):
        statement = _JOIN[connection.dialect.name].format(how=how, **names)
        count += connection.execute(text(statement), {"before": before}).rowcount
    return count


def _last(connection: Connection, table: Any) -> int:
    number: int | None = connection.scalar(select(func.max(table.c.id)))
    return number or 0


def _insert(
    connection: Connection, table: str, columns: Sequence[str], batch: Sequence[rows.Row]
) -> None:
    """Rows into a table, but for those that its unique index knows already."""
    insert = _insert_sqlite if connection.dialect.name == "sqlite" else _insert_postgresql
    for start in range(0, len(batch), _CHUNK):
        insert(connection, table, columns, batch[start : start + _CHUNK])


def _insert_sqlite(
    connection: Connection, table: str, columns: Sequence[str], batch: Sequence[rows.Row]
) -> None:
    places = ", ".join("?" * len(columns))
    # The names are this program's own, and the values are bound.
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) "  # noqa: S608
        "ON CONFLICT DO NOTHING"
    )
    try:
        connection.exec_driver_sql(statement, list(batch))
    except UnicodeEncodeError:
        connection.exec_driver_sql(statement, [rows.clean(row) for row in batch])


_TYPES: Final = {
    "at": "double precision",
    "share": "double precision",
    "since": "double precision",
    "until": "double precision",
    "received": "double precision",
    "drawn": "boolean",
    "delivered": "boolean",
}


def _insert_postgresql(
    connection: Connection, table: str, columns: Sequence[str], batch: Sequence[rows.Row]
) -> None:
    """All rows as one JSON value: the driver would make a round trip for each row otherwise."""
    try:
        content = msgspec.json.encode(batch)
        dirty = b"\\u0000" in content
    except UnicodeEncodeError:
        dirty = True
    if dirty:
        content = msgspec.json.encode([rows.clean(row) for row in batch])
    fields = ", ".join(
        f"CAST(r.value ->> {number} AS {_TYPES.get(name, 'text')})"
        for number, name in enumerate(columns)
    )
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {fields} "  # noqa: S608 - own names
        "FROM json_array_elements(CAST(:rows AS json)) WITH ORDINALITY AS r(value, number) "
        "ORDER BY r.number ON CONFLICT DO NOTHING"
    )
    connection.execute(text(statement), {"rows": content.decode()})
