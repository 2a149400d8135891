"""Statistics of few repeats: medians, ratios round by round, and when to call it noise.

Pure.  A machine that is shared drifts, so figures of different rounds are never compared: each
round gives one ratio, and the ratios are summed up by their median and by an interval that
holds the true median with at least 90 % (from the order statistics alone: no assumption about
the shape; with five rounds or fewer the interval is the whole range, and with four or fewer it
covers less than 90 %).

**The rule.**  A comparison is resolved only when there were three rounds or more and the whole
interval lies on one side of the bound; otherwise it is noise, and more rounds or a quieter
machine must decide.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

SURE = 0.90
FEWEST = 3
#: Up to this factor, an interval around "no difference" is narrow enough to say so.
NARROW = 1.25


class Verdict(StrEnum):
    """Of a bound: what the rounds say about it."""

    HOLDS = "holds"
    MISSED = "missed"
    NOISE = "noise"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the interval around it; ``rounds`` values went into it."""

    median: float
    low: float
    high: float
    rounds: int

    def resolved_from(self, bound: float) -> bool:
        """Whether the whole interval lies on one side of ``bound``, of enough rounds."""
        return self.rounds >= FEWEST and (self.high <= bound or self.low > bound)


def quantile(ordered: Sequence[float], q: float) -> float:
    """By nearest rank: always a value that was really seen; nan when there is none."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, max(0, math.ceil(q * len(ordered)) - 1))]


def spread(values: Iterable[float]) -> Spread | None:
    """Median and interval; None without values."""
    ordered = sorted(value for value in values if math.isfinite(value))
    if not ordered:
        return None
    cut = _trimmed(len(ordered))
    return Spread(statistics.median(ordered), ordered[cut], ordered[-1 - cut], len(ordered))


def _trimmed(count: int) -> int:
    """How many of the lowest and of the highest may be left out and ``SURE`` still be kept.

    The true median lies outside [k-th lowest, k-th highest] as often as a fair coin, thrown
    ``count`` times, shows fewer than k heads, or fewer than k tails.
    """
    cut = 0
    while cut + 1 <= (count - 1) // 2:
        outside = 2 * sum(math.comb(count, heads) for heads in range(cut + 2)) / 2**count
        if 1 - outside < SURE:
            break
        cut += 1
    return cut


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
    """Ours over theirs in each round that has both (round to value), then summed up."""
    return spread(
        ours[number] / theirs[number]
        for number in sorted(ours.keys() & theirs.keys())
        if theirs[number] > 0
    )


def differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    """Ours less theirs, round by round."""
    return {number: ours[number] - theirs[number] for number in ours.keys() & theirs.keys()}


def at_most(found: Spread | None, bound: float) -> Verdict:
    """Whether the median is at most ``bound``."""
    if found is None:
        return Verdict.NOT_MEASURED
    if not found.resolved_from(bound):
        return Verdict.NOISE
    return Verdict.HOLDS if found.high <= bound else Verdict.MISSED


def no_worse(found: Spread | None) -> Verdict:
    """Of a ratio that should be 1: a difference that is seen is a miss.

    An interval that holds 1 but is wider than ``NARROW`` says nothing.
    """
    if found is None:
        return Verdict.NOT_MEASURED
    if found.rounds < FEWEST:
        return Verdict.NOISE
    if found.low > 1:
        return Verdict.MISSED
    return Verdict.HOLDS if found.high <= NARROW else Verdict.NOISE
