"""How many customers came to each arm: the workers' samples, merged.

Each worker tells of the customers it sees for the first time, sampled by level (terms.Newcomers).
The same customer may be told by several workers, and again by one that was restarted: he is taken
once, in the arm and with the share of the first time.  The highest ``least`` of all samples holds
for the whole, so merging is exact in any order.

``came`` counts arrivals by share and is never taken back, not even when the sample shrinks: what
tests the shares (sample_ratio.py) is a bet on each arrival, made when it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from proxy.terms import Newcomers

#: Customers that are remembered of one trial.
MOST_CUSTOMERS: Final = 50_000


class Member(NamedTuple):
    """How a customer of the sample came."""

    share: float  # the canary's, at his first sight
    canary: bool
    level: int


class Census:
    """A sample of the customers: one of 2**``least``, those of at least that level."""

    __slots__ = ("_kinds", "came", "canary", "least", "members", "most", "stable")

    def __init__(self, most: int = MOST_CUSTOMERS) -> None:
        self.most = most
        self.least = 0
        self.members: dict[str, Member] = {}
        self.came: dict[float, tuple[int, int]] = {}  # share -> canary, stable
        self.canary = 0  # of the members
        self.stable = 0
        self._kinds: dict[Member, Member] = {}  # one object for all members that are alike

    def add(self, newcomers: Newcomers) -> list[str]:
        """Takes in who came; returns who is in the sample no more.

        A share of nought or all draws nobody, so those who came at one are left out.
        """
        if not 0.0 < newcomers.share < 1.0:
            return []
        gone = self._shrink(newcomers.least) if newcomers.least > self.least else []
        for arm, canary in ((newcomers.canary, True), (newcomers.stable, False)):
            for customer, level in arm:
                if level >= self.least and customer not in self.members:
                    self._join(customer, Member(newcomers.share, canary, level))
                    self._count(newcomers.share, canary)
        while len(self.members) > self.most:
            gone += self._shrink(self.least + 1)
        return gone

    def customers(self) -> tuple[int, int]:
        """How many came to canary and to stable; estimates as soon as ``least`` is over 0."""
        return self.canary << self.least, self.stable << self.least

    def restore(self, least: int, came: dict[float, tuple[int, int]]) -> None:
        self.least, self.came = least, came

    def rejoin(self, member: Member, customers: Iterable[str]) -> None:
        """Puts back members that were counted before."""
        for customer in customers:
            self._join(customer, member)

    def groups(self) -> Iterator[tuple[Member, list[str]]]:
        """The members, those alike together, in a fixed order."""
        alike: dict[Member, list[str]] = {}
        for customer, member in self.members.items():
            alike.setdefault(member, []).append(customer)
        for member in sorted(alike):
            yield member, sorted(alike[member])

    def _join(self, customer: str, member: Member) -> None:
        self.members[customer] = self._kinds.setdefault(member, member)
        if member.canary:
            self.canary += 1
        else:
            self.stable += 1

    def _count(self, share: float, canary: bool) -> None:
        had = self.came.get(share, (0, 0))
        self.came[share] = (had[0] + canary, had[1] + (not canary))

    def _shrink(self, least: int) -> list[str]:
        self.least = least
        gone = [customer for customer, it in self.members.items() if it.level < least]
        for customer in gone:
            if self.members.pop(customer).canary:
                self.canary -= 1
            else:
                self.stable -= 1
        return gone
