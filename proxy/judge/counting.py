"""Whose bad event was counted already: the first of each customer counts, and no other.

Requests cluster by customer: one who fails retries, and heavy users meet everything first.  But
the arm is drawn by a salted hash of the customer, which knows nothing of who will fail.  So under
the null hypothesis, that nobody's first bad event comes sooner or later for being in the canary,
that event finds the customer in the canary with the chance r, the share he was drawn with, and
independently of all other customers, whatever retries, habits, drift and changes of the share.
Later events of the same customer are in the arm that is known by then, and prove nothing.

The chance stays exact when not every customer can be remembered, as long as who is left out has
nothing to do with the arm.  Over the bound, only every other customer is counted from then on, by
a hash of its own; those outside are forgotten and never counted again, and what was counted stays
counted.  So too little is seen, never too much.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from proxy.routing import split

#: Customers that are remembered as counted, in one trial, all guardrails and segments together.
MOST_COUNTED: Final = 50_000

_SALT: Final = b"judge/counted"


def draw(customer: str) -> int:
    """Where a customer lies in the sample of those who count; independent of every split."""
    return split.point(_SALT, customer.encode())


class Counted:
    """The customers that were counted, for each of several series, by their ``draw``.

    ``least``: only customers with that many low bits of their draw at nought count, one of
    2**least.  Two customers with the same draw are taken for one; of 50,000 that has a chance
    of one in ten billion.
    """

    __slots__ = ("_mask", "least", "most", "n", "series")

    def __init__(self, most: int = MOST_COUNTED, least: int = 0) -> None:
        self.most = most
        self.n = 0  # in all series
        self.series: dict[str, set[int]] = {}
        self.least = least
        self._mask = (1 << least) - 1

    def begin(self, series: str, draws: Iterable[int] = ()) -> None:
        """Knows of ``series`` from now on; of those in ``draws`` as counted."""
        self.series[series] = set(draws)
        self.n += len(self.series[series])

    def counts(self, drawn: int) -> bool:
        """Whether a customer is among those who count."""
        return not drawn & self._mask

    def first(self, series: str, drawn: int) -> bool:
        """Whether this is the customer's first event in ``series``, and counts."""
        had = self.series[series]
        if drawn & self._mask or drawn in had:
            return False
        had.add(drawn)
        self.n += 1
        if self.n > self.most:
            self._halve()
        return True

    def _halve(self) -> None:
        """Until there is room.  How many there are has nothing to do with their arms."""
        while self.n > self.most:
            self.least += 1
            self._mask = (1 << self.least) - 1
            for name, had in self.series.items():
                self.series[name] = {it for it in had if not it & self._mask}
            self.n = sum(map(len, self.series.values()))


def pack(draws: Iterable[int]) -> bytes:
    """The same bytes for the same draws, eight each."""
    ordered = sorted(draws)
    return struct.pack(f"<{len(ordered)}Q", *ordered)


def unpack(packed: bytes) -> tuple[int, ...]:
    """What ``pack`` packed; ValueError when it cannot have."""
    if len(packed) % 8:
        raise ValueError(f"{len(packed)} bytes of packed customers: must be 8 for each")
    return struct.unpack(f"<{len(packed) // 8}Q", packed)
