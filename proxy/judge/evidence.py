"""What the judge is shown: observations of single customers, and how many there were.

Plain data.  A line of an evidence file (store) is one Evidence; the live judge, ``pointsman
replay`` and ``pointsman simulate`` are all fed with it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from proxy.terms import Arm, Newcomers


class Source(StrEnum):
    """Where an observation comes from."""

    ERROR = "error"  # the version failed by its own fault (terms.OWNER)
    SLOW = "slow"  # ``value`` seconds, over the least SLO that any guardrail names
    FALLBACK = "fallback"  # stable answered in its place
    BAD_INPUT = "bad_input"  # a request broke the data-quality rule ``name``
    BAD_OUTPUT = "bad_output"  # an answer broke the data-quality rule ``name``
    SIGNAL = "signal"  # the downstream system ``name`` reported an anomaly
    KPI = "kpi"  # the event ``name`` with its ``value``
    LABEL = "label"  # the outcome ``name``; ``value`` is the loss, 1.0 for a wrong decision


class Observation(msgspec.Struct, frozen=True):
    """One thing that was seen of one customer in one arm.

    ``share`` is the canary's share, 0 to 1, that this customer was drawn with: under the null
    hypothesis the chance that ``arm`` is the canary.  ``customer`` is a keyed hash, "" for a
    request that named nobody and was drawn by itself.
    """

    source: Source
    arm: Arm
    share: float
    customer: str
    at: float  # seconds since the epoch
    name: str = ""
    value: float = 1.0
    segments: tuple[str, ...] = ()  # ``dimension=value``


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that became known of one canary since the line before.

    ``requests`` maps a segment (``dimension=value``, "" for everyone) to the judged requests of
    (canary, stable).
    """

    at: float
    model: str
    version: str  # the canary
    stable: str
    share: float  # the canary's, 0 to 1, now
    observations: tuple[Observation, ...] = ()
    requests: dict[str, tuple[int, int]] = {}
    newcomers: tuple[Newcomers, ...] = ()
    dropped: int = 0  # incidents that no report had room for, whatever their arm
