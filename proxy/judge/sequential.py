"""Sequential tests of a rate ratio: is the canary's bad-event rate worse than stable's?

Every bad event came from the canary or from stable.  With a canary share r and a log rate ratio
d, canary over stable, it came from the canary with the chance

    theta(d, r) = expit(logit(r) + d) = r e^d / (1 - r + r e^d)

A bet on one alternative d_k against the boundary d_0 of the null multiplies its stake by the
likelihood ratio of each event; the test is the mean of forty such bets.

    log E = logsumexp_k [ log w_k + sum_i   c_i  log(theta(d_k, r_i) / theta(d_0, r_i))
                                  + (1 - c_i) log((1 - theta(d_k, r_i)) / (1 - theta(d_0, r_i))) ]

E is an e-process: its expectation is at most 1 under the null hypothesis whenever one stops to
look, so the chance that it *ever* reaches 1/a is at most a (Ville's inequality).  Lindon and
Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022; ter Schure et al.,
"The anytime-valid logrank test", 2020.

Why the null may be composite: let p be the true chance that the next event is the canary's.  The
expected factor of a bet is p theta_k/theta_0 + (1 - p) (1 - theta_k)/(1 - theta_0): linear in p,
and 1 at p = theta_0.  All alternatives of one test lie on the same side of d_0, so the factor is
at most 1 for every p on the other side.

    HarmTest        null: d <= log(1 + tolerance)   alternatives above: E large = harm
    PromotionTest   null: d >= log(1 + margin)      alternatives below: E large = harm excluded

For ``direction`` decrease, where fewer events are the harm, the boundaries are
log(1 - tolerance) and log(1 - margin), and the sides are swapped.

What p is, is the caller's to guarantee (counting.py).  For the harm test at tolerance 0 it is
exact by design: the hash that draws the arm knows nothing of who fails.  The promotion test asks
for more: p >= theta at *every* event while the harm lasts.  Counting first events breaks that
when customers run out: those of a harmful canary have all been counted before stable's, and
late events come from stable alone.  So whoever certifies must see that few were counted
(trial.py does).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

Direction = Literal["increase", "decrease"]

#: share of the canary, 0 to 1 -> bad events of (canary, stable)
Counts = Mapping[float, tuple[int, int]]


def log_spaced(first: float, last: float, n: int) -> tuple[float, ...]:
    """``n`` numbers from ``first`` to ``last``, each the same factor over the one before."""
    step = math.log(last / first) / (n - 1)
    return tuple(first * math.exp(step * i) for i in range(n))


#: How far the alternatives lie from the null's boundary, in log rate ratio: 5 % to 20 times.
GRID: Final = log_spaced(0.05, 3.0, 40)

#: What rounding may come to, of a log E or beside one.
_NOTHING: Final = 1e-9

_LOG_2: Final = math.log(2.0)


class RatioTest:
    """A mixture of bets on log rate ratios beyond ``boundary``; keeps no counts itself.

    ``side`` is +1 when the alternatives lie above the boundary, -1 when below.
    """

    __slots__ = ("boundary", "grid", "offsets", "side")

    def __init__(self, boundary: float, side: int, grid: tuple[float, ...] = GRID) -> None:
        if not grid or not all(math.isfinite(it) and it > 0.0 for it in grid):
            raise ValueError("a grid of offsets: needs at least one, each finite and over 0")
        self.boundary = boundary
        self.side = side
        self.grid = grid
        self.offsets = tuple(side * it for it in grid)

    def costs(self, share: float) -> tuple[float, ...]:
        """What any event at ``share`` takes from each bet's log stake; see ``log_stakes``.

        ValueError unless 0 < share < 1: where all or none are the canary's, nothing compares.
        """
        return _costs(self.boundary, self.offsets, share)

    def chance(self, share: float) -> float:
        """That an event at ``share`` is the canary's, on the null's boundary: theta(d_0, r)."""
        return _chance(self.boundary, share)

    def log_stakes(self, counts: Counts) -> list[float]:
        """The log stake of each bet.

        log theta(d, r) = log r + d - g and log(1 - theta(d, r)) = log(1 - r) - g, with
        g = log(1 - r + r e^d): so a canary event wins its bet's offset, and every event costs
        what g has grown from the boundary to the alternative.
        """
        spent = [0.0] * len(self.offsets)
        won = 0
        for share in sorted(counts):
            canary, stable = counts[share]
            won += canary
            n = canary + stable
            spent = [had + n * cost for had, cost in zip(spent, self.costs(share), strict=True)]
        return [won * offset - cost for offset, cost in zip(self.offsets, spent, strict=True)]

    def log_e(self, counts: Counts) -> float:
        """log E of the events counted.  0 without any."""
        return log_mean(self.log_stakes(counts))


class HarmTest(RatioTest):
    """E grows with evidence that the canary's harm is over ``tolerance`` (relative to stable).

    ValueError for a tolerance below 0, or of 1 and more where fewer events are the harm.
    """

    def __init__(
        self,
        tolerance: float,
        direction: Direction = "increase",
        grid: tuple[float, ...] = GRID,
    ) -> None:
        harm = 1 if direction == "increase" else -1
        super().__init__(log_ratio("tolerance", tolerance, direction), harm, grid)


class PromotionTest(RatioTest):
    """E grows with evidence that the canary's harm is under ``margin`` (relative to stable)."""

    def __init__(
        self,
        margin: float,
        direction: Direction = "increase",
        grid: tuple[float, ...] = GRID,
    ) -> None:
        harm = 1 if direction == "increase" else -1
        super().__init__(log_ratio("margin", margin, direction), -harm, grid)


def promotion_log_e(counts: Counts, margin: float, direction: Direction = "increase") -> float:
    """log E against the null hypothesis that the harm is at least ``margin``."""
    return PromotionTest(margin, direction).log_e(counts)


class Running:
    """One test with its counts, as events come in, and the largest E that was ever looked at.

    Exact: what it says depends on the counts alone (and ``peak`` on when ``look`` was called).
    Several may share one dict of ``counts``, when each is told of what was ``added`` to it.
    """

    __slots__ = ("_rest", "counts", "peak", "test")

    def __init__(
        self,
        test: RatioTest,
        counts: dict[float, tuple[int, int]] | None = None,
        peak: float = 0.0,
    ) -> None:
        self.test = test
        self.counts = {} if counts is None else counts
        self.peak = peak
        self._rest: _Rest | None = None

    def add(self, share: float, canary: bool, n: int = 1) -> None:
        """``n`` bad events at ``share`` (0 < share < 1, else ValueError)."""
        had = self.counts.get(share)
        if had is None:
            had = (0, 0)
            self.test.costs(share)
        self.counts[share] = (had[0] + n, had[1]) if canary else (had[0], had[1] + n)
        self.added(share)

    def added(self, share: float) -> None:
        """There are other counts at ``share`` than before."""
        if self._rest is not None and share != self._rest.newest:
            self._rest = None

    @property
    def log_e(self) -> float:
        """log E now: what ``test.log_e(counts)`` says, at the cost of the newest share alone."""
        return log_mean(self.log_stakes()) if self.counts else 0.0

    def look(self) -> float:
        """The largest log E there was at any look, this one included; 0 while it was under log 2.

        So p-values over a half are called 1, which spares most looks at a healthy canary.
        """
        known = max(self.peak, _LOG_2)
        if self.most() > known:
            stakes = self.log_stakes()
            if max(stakes) > known and (log_e := log_mean(stakes)) > known:
                self.peak = log_e
        return self.peak

    def reaches(self, bound: float) -> bool:
        """Whether log E >= ``bound``, which is over 0."""
        if self.most() < bound:
            return False
        stakes = self.log_stakes()
        return max(stakes) >= bound and log_mean(stakes) >= bound

    def most(self) -> float:
        """log E is no more than this, which costs far less to know.

        The log likelihood ratio of the chances that fit each share's counts best; and nothing
        as long as the counts lie on the null's side, where every bet loses: a bet's log stake is
        concave in d, and falls from 0 at the boundary.
        """
        surplus = fit = 0.0
        for share, (canary, stable) in self.counts.items():
            chance = self.test.chance(share)
            n = canary + stable
            surplus += canary - n * chance
            if canary:
                fit += canary * math.log(canary / (n * chance))
            if stable:
                fit += stable * math.log(stable / (n * (1.0 - chance)))
        return fit * (1.0 + _NOTHING) + _NOTHING if surplus * self.test.side > 0.0 else _NOTHING

    @property
    def leans(self) -> bool:
        """Whether the counts speak for the alternatives at all, however weakly."""
        return self.most() > _NOTHING

    @property
    def p(self) -> float:
        """Always-valid p-value: the least alpha at which a look so far would have crossed."""
        return math.exp(-self.peak)

    def log_stakes(self) -> list[float]:
        """The log stake of each bet, as ``RatioTest.log_stakes`` says, to the last bit."""
        if self._rest is None:
            self._rest = self._all_but_newest()
        rest = self._rest
        canary, stable = self.counts[rest.newest]
        n, won = canary + stable, canary + rest.won
        costs = self.test.costs(rest.newest)
        return [
            won * offset - (had + n * cost)
            for offset, had, cost in zip(self.test.offsets, rest.spent, costs, strict=True)
        ]

    def _all_but_newest(self) -> _Rest:
        """A canary's share grows as a rule, so events come at the largest one: the rest is kept
        summed up, in the order of ``RatioTest.log_stakes``."""
        shares = sorted(self.counts)
        newest = shares.pop()
        spent = [0.0] * len(self.test.offsets)
        for share in shares:
            n = sum(self.counts[share])
            spent = [
                had + n * cost for had, cost in zip(spent, self.test.costs(share), strict=True)
            ]
        return _Rest(newest, sum(self.counts[share][0] for share in shares), array("d", spent))


class _Rest(NamedTuple):
    """What the events at all shares but the ``newest`` come to."""

    newest: float
    won: int
    spent: array[float]  # of each bet; an array, for there are thousands of these


def log_mean(logs: list[float]) -> float:
    """log of the mean of exp(logs), whatever their size."""
    try:
        return math.log(sum(map(math.exp, logs)) / len(logs))
    except (OverflowError, ValueError):  # over exp(709), or all under exp(-745)
        top = max(logs)
        return top + math.log(sum(math.exp(it - top) for it in logs) / len(logs))


def log_ratio(name: str, harm: float, direction: Direction) -> float:
    """The log rate ratio at which the harm is ``harm``, relative to stable.

    ``name`` is how the ValueError calls it when there is no such ratio.
    """
    if direction == "increase" and 0.0 <= harm < math.inf:
        return math.log1p(harm)
    if direction == "decrease" and 0.0 <= harm < 1.0:
        return math.log1p(-harm)
    most = "" if direction == "increase" else " and below 1"
    raise ValueError(f"{name} {harm}, direction {direction}: must be at least 0{most}")


def expected(counts: Counts) -> float:
    """How many canary events would have been as many as stable's, share by share."""
    return sum(counts[share][1] * share / (1.0 - share) for share in sorted(counts))


@lru_cache(maxsize=1024)
def _chance(boundary: float, share: float) -> float:
    return share * math.exp(boundary) / (1.0 + share * math.expm1(boundary))


@lru_cache(maxsize=1024)
def _costs(boundary: float, offsets: tuple[float, ...], share: float) -> tuple[float, ...]:
    if not 0.0 < share < 1.0:
        raise ValueError(f"a canary share of {share}: must be between 0 and 1")
    start = math.log1p(share * math.expm1(boundary))
    return tuple(math.log1p(share * math.expm1(boundary + it)) - start for it in offsets)
