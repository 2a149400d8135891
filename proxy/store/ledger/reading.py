"""Queries for others, in chunks: by position, so that a long one holds no lock in between."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select, tuple_

from proxy.feedback import Label
from proxy.store.ledger import rows
from proxy.store.ledger.nouns import Counts, Labelled
from proxy.store.ledger.tables import FEEDBACK, JOINS, PREDICTIONS


class Range(NamedTuple):
    """Predictions of a model from ``since`` up to, not with, ``until``; of one version, or (None)
    of all."""

    model: str
    version: str | None
    since: float
    until: float


class Position(NamedTuple):
    """Where the next chunk goes on: behind this row."""

    at: float
    id: int


START: Final = Position(float("-1e300"), -1)


def _rows(where: Range, after: Position, limit: int, *columns: Any) -> Any:
    query = (
        select(*columns)
        .where(
            PREDICTIONS.c.model == where.model,
            PREDICTIONS.c.at >= max(where.since, after.at),
            PREDICTIONS.c.at < where.until,
            tuple_(PREDICTIONS.c.at, PREDICTIONS.c.id) > (after.at, after.id),
        )
        .order_by(PREDICTIONS.c.at, PREDICTIONS.c.id)
        .limit(limit)
    )
    return query if where.version is None else query.where(PREDICTIONS.c.version == where.version)


def predictions(
    connection: Connection, where: Range, after: Position, limit: int
) -> tuple[list[Labelled], Position]:
    """The next chunk with its labels, and where to go on; an empty chunk is the end."""
    found = rows.fetch(connection, _rows(where, after, limit, PREDICTIONS))
    if not found:
        return [], after
    labels = _labels(connection, [row["id"] for row in found])
    chunk = [Labelled(rows.prediction_of(row), tuple(labels.get(row["id"], ()))) for row in found]
    return chunk, Position(found[-1]["at"], found[-1]["id"])


def request_ids(
    connection: Connection, where: Range, after: Position, limit: int
) -> tuple[list[str], Position]:
    """The next chunk of request ids, and where to go on; an empty chunk is the end."""
    columns = PREDICTIONS.c.request_id, PREDICTIONS.c.at, PREDICTIONS.c.id
    found = rows.fetch(connection, _rows(where, after, limit, *columns))
    if not found:
        return [], after
    return [row["request_id"] for row in found], Position(found[-1]["at"], found[-1]["id"])


def counts(connection: Connection) -> Counts:
    """Walks the indexes: some 0.1 s for each million rows."""
    by_version: dict[str, dict[str, int]] = {}
    query = select(PREDICTIONS.c.model, PREDICTIONS.c.version, func.count()).group_by(
        PREDICTIONS.c.model, PREDICTIONS.c.version
    )
    for model, version, count in connection.execute(query):
        by_version.setdefault(model, {})[version] = count
    by_kind = select(FEEDBACK.c.kind, func.count()).group_by(FEEDBACK.c.kind)
    kinds = {row[0]: row[1] for row in connection.execute(by_kind)}
    met = select(JOINS.c.id).where(JOINS.c.feedback_id == FEEDBACK.c.id).exists()
    waiting = select(func.count()).where(FEEDBACK.c.kind == "label", ~met)
    open_joins = select(func.count()).where(~JOINS.c.delivered)
    open_events = select(func.count()).where(~FEEDBACK.c.delivered)
    return Counts(
        predictions=by_version,
        labels=kinds.get("label", 0),
        labels_waiting=connection.scalar(waiting) or 0,
        kpis=kinds.get("kpi", 0),
        undelivered=(connection.scalar(open_joins) or 0) + (connection.scalar(open_events) or 0),
    )


def _labels(connection: Connection, ids: Sequence[int]) -> dict[int, list[Label]]:
    """By prediction.  Two plain look-ups: a join's plan would depend on statistics."""
    met: list[dict[str, Any]] = []
    for start in range(0, len(ids), rows.STEP):
        some = rows.among(connection, JOINS.c.prediction_id, ids[start : start + rows.STEP])
        met += rows.fetch(
            connection, select(JOINS.c.prediction_id, JOINS.c.feedback_id).where(some)
        )
    met.sort(key=itemgetter("feedback_id"))
    events = rows.by_id(connection, FEEDBACK, sorted({row["feedback_id"] for row in met}))
    labels = {key: rows.label_of(row) for key, row in events.items()}
    found: dict[int, list[Label]] = {}
    for row in met:
        found.setdefault(row["prediction_id"], []).append(labels[row["feedback_id"]])
    return found
