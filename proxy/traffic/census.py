"""Who was ever asked under a canary: a bounded sample of customers, each counted once.

Pure.  A customer is sampled by the low bits of the split's own point, and his arm is decided by
its height.  These have nothing to do with each other: of the points that end in ``least`` noughts
the canary's are every ``2**least``-th one below its threshold, so that its share among them is off
by less than ``2**least / 2**64``.  So the sample has the split's own share of canary customers
whatever its size, and nobody needs to know the arm to decide who is in it.

Which points are in it depends on who came, never on the order: ``least`` is the smallest number
of noughts of which there are no more than ``bound``.  So two workers' samples, cut to the higher
``least`` of the two, are the sample of one worker who met the customers of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xxhash import xxh3_64_intdigest

from proxy.routing import split
from proxy.terms import Newcomers

#: Customers that a worker remembers of one canary: 1.7 MB of a model that has so many.
BOUND: Final = 8192


def level(point: int) -> int:
    """How many low bits of a point are nought: 0 to 64."""
    return (point & -point).bit_length() - 1 if point else 64


class Census:
    """The customers of one canary whom one worker has met.

    ``least``: those whose points end in fewer noughts are not in the sample; ``mask`` picks those
    bits.  ``seen`` maps a point to the customer as he may be told, and to the percentage that he
    was first drawn with.  ``trial`` is what is compared, with what draw: the canary, stable, the
    salt.  ``astir`` is where it says that it has something to tell; ``hashed`` makes of a key what
    may be kept of it.  ``percent`` is the canary's now.
    """

    __slots__ = (
        "_astir", "_bound", "_hashed", "_news", "least", "mask", "model", "percent", "seen",
        "trial", "version",
    )  # fmt: skip

    def __init__(
        self,
        model: str,
        trial: tuple[str, str, bytes],
        hashed: Callable[[bytes], str],
        astir: dict[Census, None],
        bound: int = BOUND,
    ) -> None:
        self.model = model
        self.trial = trial
        self.version = trial[0]
        self.percent = 0.0
        self.least = self.mask = 0
        self._hashed = hashed
        self._astir = astir
        self._bound = bound
        self.seen: dict[int, tuple[str, float]] = {}
        self._news: list[int] = []  # points that were not told yet

    def meet(self, point: int, key: bytes, percent: float) -> None:
        """Takes in a customer whose point is in the sample and not ``seen`` yet."""
        noughts = level(point)
        while noughts >= self.least and len(self.seen) >= self._bound:
            self._thin()
        if noughts >= self.least:
            self.seen[point] = self._hashed(key), percent
            self._news.append(point)
        self._astir[self] = None

    def _thin(self) -> None:
        """Half of them go: about one in two points ends in one nought more."""
        self.least += 1
        self.mask = mask = (1 << self.least) - 1
        self.seen = {point: met for point, met in self.seen.items() if not point & mask}
        self._news = [point for point in self._news if not point & mask]

    def tell_again(self) -> None:
        """For a desk that knows nothing yet: everybody is news."""
        self._news = list(self.seen)
        if self._news or self.least:
            self._astir[self] = None

    def take(self, most: int) -> list[Newcomers]:
        """At most so many whom nobody was told of yet; ``untold`` says whether more are left.

        One without customers says that the sample has become thinner.  Asked only if ``astir``.
        """
        told, self._news = self._news[:most], self._news[most:]
        arms: dict[float, tuple[list[tuple[str, int]], list[tuple[str, int]]]] = {}
        for point in told:
            customer, percent = self.seen[point]
            of_share = arms.setdefault(percent, ([], []))
            of_share[point >= split.threshold(percent)].append((customer, level(point)))
        if not arms:
            arms[self.percent] = ([], [])
        return [
            Newcomers(
                self.model, self.version, percent / 100, self.least, tuple(canary), tuple(stable)
            )
            for percent, (canary, stable) in arms.items()
        ]

    @property
    def untold(self) -> int:
        return len(self._news)


class CountedShare(split.Share):
    """The canary's share, where a census is taken of those who are drawn."""

    __slots__ = ("_census",)

    def __init__(self, share: split.Share, census: Census) -> None:
        super().__init__(share.salt.decode(), share.percent)
        self._census = census
        census.percent = share.percent

    def takes(self, key: bytes) -> bool:
        """The same answer; who is in the sample is met on the way, by the one hash."""
        point = xxh3_64_intdigest(self._prefix + key)
        census = self._census
        if not point & census.mask and point not in census.seen:
            census.meet(point, key, self.percent)
        return point < self.limit
