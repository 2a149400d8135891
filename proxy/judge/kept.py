"""What a trial is between two lives: plain data, the same bytes for the same state."""

from __future__ import annotations

import msgspec

from proxy.judge.guardrails import Guardrails
from proxy.judge.totals import Sums

FORMAT = 1


class KeptRate(msgspec.Struct, frozen=True):
    check: str
    counts: list[tuple[float, int, int]]  # share, canary, stable
    peak: float
    certified: bool
    keyless: tuple[int, int]
    anew: bool
    counted: bytes  # counting.pack


class KeptMean(msgspec.Struct, frozen=True):
    check: str
    totals: dict[str, float]
    sums: list[tuple[float, Sums, Sums]]  # share, canary, stable
    peak: float
    certified: bool
    anew: bool


class KeptMembers(msgspec.Struct, frozen=True):
    share: float
    canary: bool
    level: int
    customers: list[str]


class Kept(msgspec.Struct, frozen=True, tag_field="kind", tag="trial"):
    format: int
    guardrails: Guardrails
    model: str
    version: str
    stable: str
    began: float
    share: float
    dropped: int
    ignored: int
    requests: dict[str, tuple[int, int]]
    sampled: int  # counting.Counted.least
    rates: list[KeptRate]
    means: list[KeptMean]
    census_least: int
    came: list[tuple[float, int, int]]
    since: list[tuple[float, float, float]]  # share, lowest and highest after it
    members: list[KeptMembers]
    arrivals_peak: float


def encode(kept: Kept) -> bytes:
    return msgspec.msgpack.encode(kept)


def decode(stored: bytes) -> Kept:
    """ValueError when these bytes are no trial that this version wrote."""
    try:
        kept = msgspec.msgpack.decode(stored, type=Kept)
    except msgspec.MsgspecError as error:
        raise ValueError(f"a trial's snapshot of {len(stored)} bytes: {error}") from error
    if kept.format != FORMAT:
        raise ValueError(f"a trial's snapshot of format {kept.format}: known is {FORMAT}")
    return kept
