"""Means over customers: the total of each customer's values, nought for who had none.

A customer's total counts for the arm in which he was first seen, wherever he is later: who draws
the arms decides that, so the two groups differ by chance alone, even when some move to the other
arm as the share changes.  Moving only blurs a difference; by how much at most is known from the
shares, and whoever certifies takes it into account (``kept_apart``).

Those who came at the same share are compared with each other, stratum by stratum: who came early
had longer to add up, and the early ones are spread over the arms by another share than the late.
The strata are put together by their size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from proxy.judge.census import Member
from proxy.measure.confidence import Moments

#: Customers of either arm under which a stratum is left out: its spread is not known.
_FEWEST: Final = 10


class Sums(NamedTuple):
    """Of the customers of one arm who came at one share."""

    total: float = 0.0
    squares: float = 0.0
    nonzero: int = 0  # customers with any value


class Contrast(NamedTuple):
    """mean(canary) - factor mean(stable), over the strata."""

    value: float
    error: float  # standard


class Totals:
    """The totals of one quantity; ``came`` is the census's, share -> customers of each arm."""

    __slots__ = ("of", "sums")

    def __init__(self) -> None:
        self.of: dict[str, float] = {}  # of the members who had any
        self.sums: dict[float, tuple[Sums, Sums]] = {}  # share -> canary, stable

    def add(self, customer: str, member: Member, value: float) -> None:
        had = self.of.get(customer)
        before = had or 0.0
        after = before + value
        self.of[customer] = after
        canary, stable = self.sums.get(member.share, (Sums(), Sums()))
        was = canary if member.canary else stable
        now = Sums(
            was.total + value,
            was.squares + after * after - before * before,
            was.nonzero + (had is None),
        )
        self.sums[member.share] = (now, stable) if member.canary else (canary, now)

    def forget(self, customer: str) -> None:
        """He left the sample: his total stays in the sums as it is, and grows no more."""
        self.of.pop(customer, None)

    def strata(self, came: Mapping[float, tuple[int, int]]) -> dict[float, tuple[Moments, Moments]]:
        """Share -> canary, stable; those left out that have too few customers to tell."""
        found = {}
        for share in sorted(came):
            if min(came[share]) >= _FEWEST:
                sums = self.sums.get(share, (Sums(), Sums()))
                canary, stable = (
                    Moments(n, it.total, it.squares)
                    for n, it in zip(came[share], sums, strict=True)
                )
                found[share] = (canary, stable)
        return found

    def nonzero(self) -> int:
        """Customers who had any value, in both arms."""
        return sum(canary.nonzero + stable.nonzero for canary, stable in self.sums.values())


def customers(strata: Mapping[float, tuple[Moments, Moments]]) -> tuple[int, int]:
    """How many are compared: of the canary, of stable."""
    return sum(it[0].n for it in strata.values()), sum(it[1].n for it in strata.values())


def contrast(strata: Mapping[float, tuple[Moments, Moments]], factor: float) -> Contrast:
    """mean(canary) - ``factor`` mean(stable), each stratum weighing as many customers as it has.

    The variance of an arm is at least that of both together: a small arm in which the rare value
    has not shown up yet looks as if it had none, and would be sure of itself for no reason.
    """
    everyone = sum(canary.n + stable.n for canary, stable in strata.values())
    value = variance = 0.0
    for canary, stable in strata.values():
        weight = (canary.n + stable.n) / everyone
        both = Moments(
            canary.n + stable.n, canary.total + stable.total, canary.squares + stable.squares
        ).variance
        value += weight * (canary.mean - factor * stable.mean)
        variance += weight**2 * (
            max(canary.variance, both) / canary.n
            + factor**2 * max(stable.variance, both) / stable.n
        )
    return Contrast(value, math.sqrt(variance))


def means(strata: Mapping[float, tuple[Moments, Moments]]) -> tuple[float, float]:
    """The means of canary and stable, the strata weighing the same in both."""
    canary = contrast(strata, 0.0).value
    return canary, canary - contrast(strata, 1.0).value


def kept_apart(share: float, lowest: float, highest: float) -> float:
    """At least this part of the difference is left between those who came at ``share``, when the
    share has since been as low as ``lowest`` and as high as ``highest``; 0 when nothing is.

    At a higher share, some who came to stable move to the canary; at a lower one, some back.
    """
    left_canary = 1.0 - min(lowest, share) / share
    left_stable = (max(highest, share) - share) / (1.0 - share)
    return max(0.0, 1.0 - left_canary - left_stable)
