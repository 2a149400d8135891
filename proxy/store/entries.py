"""One entry of the history, and how it stands in the file: one line of JSON, chained.

``prev`` is the SHA-256 of the previous line exactly as it is stored, its newline included, so
that ``head -n 1 history.jsonl | sha256sum`` is what the second line must name.  Bytes are
hashed, not meaning: a changed space shows as well.
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import Any, Final

import msgspec

#: What the first entry names as its predecessor.
GENESIS: Final = "0" * 64


class Event(StrEnum):
    """What can happen to a release, as written in the history."""

    STARTED = "started"  # a desk began its work
    CONFIG_CHANGED = "config_changed"  # the file's word on one model is another one now
    SPLIT_SET = "split_set"  # a person overrode the file's split of one model
    SPLIT_CLEARED = "split_cleared"  # the override is gone: cleared, or the file was edited
    REVERTED = "reverted"  # a canary was taken out and latched
    LATCH_ADOPTED = "latch_adopted"  # a worker knew of a revert that was never written down
    REVERT_CLEARED = "revert_cleared"  # a person took a latch away
    PLAN_ADOPTED = "plan_adopted"  # a worker held a later plan than this desk knew of
    HELD = "held"  # a canary's share may not grow, until a person clears it
    HOLD_CLEARED = "hold_cleared"  # a person let it grow again
    SHIFTED = "shifted"  # stable did not answer: everybody gets the version of last resort
    SHIFT_CLEARED = "shift_cleared"  # a person gave the traffic back to stable
    BASELINE = "baseline"  # what stable did before a canary began
    VALIDATED = "validated"  # whether stable was well again after a revert
    HISTORY_REPAIRED = "history_repaired"  # a torn last line was completed or set aside


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who did what to which version, when, why, and what it was before and is now.

    ``seq`` (from 1) and ``prev`` are given by the history when it writes the entry.  ``plan``
    is the number of the plan that carries the change; ``at`` is seconds since the epoch;
    ``reason`` is the check that tripped, or the operator's own words.
    """

    event: str
    at: float
    actor: str
    seq: int = 0
    model: str = ""
    version: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str = ""
    message: str = ""
    numbers: dict[str, float] = msgspec.field(default_factory=dict)
    plan: int = 0
    prev: str = ""


def finite(numbers: dict[str, float]) -> dict[str, float]:
    """Without infinities and not-a-number: JSON has no word for them."""
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def encode(entry: Entry, seq: int, prev: str) -> bytes:
    """The line that is stored, with its newline, at place ``seq`` after the line ``prev``."""
    placed = msgspec.structs.replace(entry, seq=seq, prev=prev, numbers=finite(entry.numbers))
    return msgspec.json.encode(placed) + b"\n"


def decode(line: bytes) -> Entry:
    """The entry in a stored line.  Raises msgspec.DecodeError when it is none."""
    try:
        return msgspec.json.decode(line, type=Entry)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error


def digest(line: bytes) -> str:
    """SHA-256 of the stored bytes, newline included, in hexadecimal digits."""
    return hashlib.sha256(line).hexdigest()
