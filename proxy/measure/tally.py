"""The Tally: all that was counted for one (model, version, arm, segment) in some time.

A worker starts a fresh Tally after each report, so what crosses the channel is always a
difference; the desk adds them up.  Merging is associative (window.py, and the property test).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Final, TypeVar

import msgspec

from proxy.terms import OWNER, Incident, Logged, Newcomers, Outcome, Owner, Pair, Sample

K = TypeVar("K", bound=Hashable)

#: What counts against a version: failures that are the upstream's own.
FAILURES: Final[tuple[str, ...]] = tuple(o.value for o in Outcome if OWNER[o] is Owner.UPSTREAM)

#: What a version answered in whole.
ANSWERED: Final[tuple[str, ...]] = tuple(
    o.value for o in (Outcome.OK, Outcome.UPSTREAM_4XX, Outcome.UPSTREAM_5XX)
)

#: What the error rate is a share of.  What the caller or the proxy broke says nothing.
JUDGED: Final[tuple[str, ...]] = (Outcome.OK.value, Outcome.UPSTREAM_4XX.value, *FAILURES)


class Tally(msgspec.Struct):
    """Counts of one series since the last report.

    ``first_byte`` and ``total`` map a bucket number (histogram.py) to a count; they hold the
    exchanges that the upstream answered (outcomes ok, upstream_4xx, upstream_5xx).

    Streaks are the only counts that a report does not start at nought: a worker carries
    ``streak`` over into the next Tally, so that failures in a row are seen across reports.
    Outcomes that are the caller's or the proxy's neither add to a streak nor end it.
    """

    model: str
    version: str
    arm: str
    segment: str = ""  # "" for everyone, else ``dimension=value``
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    first_byte: dict[int, int] = msgspec.field(default_factory=dict)
    total: dict[int, int] = msgspec.field(default_factory=dict)
    bytes_in: int = 0  # request bodies, caller to upstream
    bytes_out: int = 0  # answer bodies, upstream to caller
    streak: int = 0  # upstream failures in a row, still running at the end
    longest_streak: int = 0  # the longest that ran in this time, what was carried over included


class ModelTally(msgspec.Struct):
    """Counts of one model that belong to no single version."""

    model: str
    customers: dict[str, int] = msgspec.field(default_factory=dict)  # arm -> decisions by key
    missing_keys: int = 0
    overrides: int = 0  # tester overrides that were honoured
    held_too_large: int = 0  # bodies over the hold limit, decided by the missing-key rule
    copies: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)  # shadow -> result
    pairs_dropped: dict[str, int] = msgspec.field(default_factory=dict)  # by shadow
    fallbacks: dict[str, int] = msgspec.field(default_factory=dict)  # reason -> answered by stable
    fallback_failures: int = 0  # stable could not answer either
    replays: int = 0  # stale pooled connections replayed
    refused: dict[str, int] = msgspec.field(default_factory=dict)  # reason -> before any version


class EndpointState(msgspec.Struct):
    """How one endpoint is, as one worker sees it."""

    model: str
    version: str
    endpoint: str
    in_flight: int
    ejected: bool
    reason: str = ""
    shadow: bool = False  # copies have connections of their own (promise 2)


class PoolState(msgspec.Struct):
    """How many connections to an endpoint one worker has; all its models share them."""

    endpoint: str
    shadow: bool
    connections: int  # 0: there are none any more


class Report(msgspec.Struct):
    """All that one worker has to say since its last report."""

    seconds: float  # the time it covers
    tallies: list[Tally] = msgspec.field(default_factory=list)
    models: list[ModelTally] = msgspec.field(default_factory=list)
    refused: dict[str, int] = msgspec.field(default_factory=dict)  # reason -> before any model
    pairs: list[Pair] = msgspec.field(default_factory=list)
    pairs_dropped: int = 0  # over the bound between two reports
    incidents: list[Incident] = msgspec.field(default_factory=list)
    incidents_dropped: int = 0  # over the bound between two reports, whatever their arm
    newcomers: list[Newcomers] = msgspec.field(default_factory=list)
    samples: list[Sample] = msgspec.field(default_factory=list)
    samples_dropped: int = 0
    log: list[Logged] = msgspec.field(default_factory=list)
    log_dropped: int = 0
    endpoints: list[EndpointState] = msgspec.field(default_factory=list)  # that have changed
    gone: list[EndpointState] = msgspec.field(default_factory=list)  # before ``endpoints``
    pools: list[PoolState] = msgspec.field(default_factory=list)  # that have changed
    whole: bool = False  # those are all there are: forget what was told before
    connections: int = 0  # callers now
    in_flight: int = 0  # exchanges now
    copies_in_flight: int = 0
    copies_bytes: int = 0
    draining: bool = False
    desk_silent: bool = False  # the dead-man switch is thrown
    plan_number: int = 0  # of the Plan in force when the report was written


def merge(into: Tally, other: Tally) -> None:
    """Add ``other`` to ``into``, which keeps its own names; ``other`` is not changed.

    Associative, and an empty Tally changes nothing.  Counts commute.  Of the streaks only
    ``longest_streak`` does: ``streak`` is what still runs at the end, so ``other`` has to be the
    later report of the same worker for it to mean anything.
    """
    add_counts(into.outcomes, other.outcomes)
    add_counts(into.first_byte, other.first_byte)
    add_counts(into.total, other.total)
    into.bytes_in += other.bytes_in
    into.bytes_out += other.bytes_out
    if other.outcomes:
        into.streak = other.streak
    into.longest_streak = max(into.longest_streak, other.longest_streak)


def merge_model(into: ModelTally, other: ModelTally) -> None:
    """Add ``other`` to ``into``, which keeps its own name.  Associative and commutative."""
    add_counts(into.customers, other.customers)
    into.missing_keys += other.missing_keys
    into.overrides += other.overrides
    into.held_too_large += other.held_too_large
    for shadow, results in other.copies.items():
        add_counts(into.copies.setdefault(shadow, {}), results)
    add_counts(into.pairs_dropped, other.pairs_dropped)
    add_counts(into.fallbacks, other.fallbacks)
    into.fallback_failures += other.fallback_failures
    into.replays += other.replays
    add_counts(into.refused, other.refused)


def add_counts(into: dict[K, int], other: Mapping[K, int]) -> None:
    """Add the counts of ``other`` to those of ``into``, key by key."""
    for key, n in other.items():
        into[key] = into.get(key, 0) + n


def errors(tally: Tally) -> int:
    """Exchanges that failed by the upstream's own fault."""
    return sum(tally.outcomes.get(outcome, 0) for outcome in FAILURES)


def requests(tally: Tally) -> int:
    """Exchanges that say something about the version: answered, or failed by its own fault."""
    return sum(tally.outcomes.get(outcome, 0) for outcome in JUDGED)


def error_rate(tally: Tally) -> float:
    """``errors`` as a share of ``requests``, from 0 to 1; nan when there are none."""
    judged = requests(tally)
    return errors(tally) / judged if judged else math.nan
