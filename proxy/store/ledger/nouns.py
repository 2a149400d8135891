"""What goes into the ledger and comes out of it.  Plain data; times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from proxy.feedback import Kpi, Label, Prediction

#: Longest event id, request id or name, in characters: what an index takes on every database.
LONGEST_ID: Final = 512


class Joined(msgspec.Struct, frozen=True):
    """A label met a prediction.  ``id`` names the meeting, for ``Ledger.delivered``."""

    id: int
    label: Label
    prediction: Prediction


class Taken(msgspec.Struct, frozen=True):
    """What became of one call's events: all of this is committed.

    ``kpis`` are the KPI events that were not known before; only they count.  ``waiting`` are the
    new labels whose prediction is not known yet.
    """

    accepted: int
    duplicates: int
    joined: list[Joined]
    kpis: list[Kpi]
    waiting: int


class Logged(msgspec.Struct, frozen=True):
    """What became of one call's predictions, for the judge: the joins with waiting labels."""

    joined: list[Joined]
    kpis: tuple[Kpi, ...] = ()


class Labelled(msgspec.Struct, frozen=True):
    """A prediction with all labels that met it, in the order they came."""

    prediction: Prediction
    labels: tuple[Label, ...]


class Counts(msgspec.Struct, frozen=True):
    """Rows at the moment of asking.  ``predictions`` by model and version."""

    predictions: dict[str, dict[str, int]]
    labels: int
    labels_waiting: int  # that met no prediction so far
    kpis: int
    undelivered: int  # joins and KPI events that the judge has not confirmed


class LedgerStatus(msgspec.Struct, frozen=True):
    """From memory, at once.  ``database`` names it without its secret; ``error`` is why nothing
    can be written now, "" when all is well; the counters run since the start."""

    database: str
    error: str
    logged: int  # predictions
    lost: int  # predictions that there was no room for
    pending: int  # predictions that wait to be written
    accepted: int
    duplicates: int
    joined: int


class LedgerLimits(msgspec.Struct, frozen=True):
    """Rows and seconds."""

    waiting: int = 20_000  # predictions in memory, for the database
    batch: int = 1_000  # predictions in one transaction
    linger: float = 0.25  # for more predictions to come
    retry: float = 1.0  # after a failure
    settle: float = 1.0  # a delivery is marked so long after it was confirmed
    lock: float = 2.0  # for another writer of the database
    jobs: int = 64  # calls that wait
    joins: int = 200_000  # of one call


#: Called on the loop with joins and KPI events that nobody waits for.
Deliver = Callable[[Sequence[Joined], Sequence[Kpi]], None]
