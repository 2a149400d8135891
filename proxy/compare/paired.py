"""Differences on the same inputs, shadow minus stable, with an interval that holds at every look.

Each request is its own control: what makes requests differ drops out, so a shift of a hundredth
is seen in some hundred pairs where two histograms would need thousands.

Bounded differences (probabilities, Brier and log loss, right or wrong) have the empirical-
Bernstein sequence: nothing need be independent.  Unbounded ones (numbers and their errors) have
the asymptotic sequence, which asks for a hundred pairs and for pairs that are about independent.
Either is about the requests that came, not about customers who might come.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from proxy.compare.axes import LARGEST
from proxy.compare.labelled import brier_loss, log_loss
from proxy.measure.confidence import BURN_IN, EmpiricalBernstein, Interval, mean_log_e, mean_radius
from proxy.measure.exact import ExactSum, squared_deviations

#: Of paired log losses: a sequence needs bounds, and the wider they are the slower it is.
LOSS_CLIP: Final = 1e-3
LOG_LOSS_BOUND: Final = -math.log(LOSS_CLIP)

_BATCH: Final = 128
_UNBOUNDED: Final = math.nextafter(LARGEST, 0.0)

Method = Literal["empirical-Bernstein", "asymptotic"]


class PairedFigures(msgspec.Struct, frozen=True):
    """The mean difference, shadow minus stable, over ``n`` pairs.

    ``low`` and ``high`` hold at every look, at 1 - alpha; None where there are too few pairs.
    ``log_e`` is of an e-value against "no difference", from both sides: at least log(1/alpha) is
    evidence at every look.  ``p`` is 1/e, at most 1: an always-valid p.
    """

    n: int
    refused: int
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None
    log_e: float
    p: float
    method: Method
    alpha: float


class PairedSnapshot(msgspec.Struct, frozen=True):
    lo: float | None
    hi: float | None
    alpha: float
    opt: float
    n: int
    refused: int
    total: tuple[float, ...]
    squares: tuple[float, ...]
    sequence: tuple[int, float, float]  # n, total and misses of the empirical-Bernstein sequence


class PairedDifference:
    """``add(shadow - stable)``.

    ``lo`` and ``hi``: between which all differences lie; both None when nothing is known.
    ``opt``: where the sequence is to be tightest: bounded, the sum of squared deviations by then
    (pairs times variance); else the number of pairs.  What is not finite or out of bounds is
    counted in ``refused``, and in nothing else.

    n, mean and variance are those of all differences for any order and partition, to the bit.
    The sequence predicts each difference from those that were added before to the same object;
    after a merge its width differs a little from that of one object, and holds as well.
    """

    __slots__ = ("_alpha", "_n", "_opt", "_pending", "_refused", "_sequence", "_squares", "_total",
                 "hi", "lo")  # fmt: skip

    def __init__(
        self,
        lo: float | None = -1.0,
        hi: float | None = 1.0,
        alpha: float = 0.05,
        opt: float | None = None,
    ) -> None:
        self._sequence: EmpiricalBernstein | None = None
        if lo is not None and hi is not None:
            self._opt = 10.0 if opt is None else opt
            self._sequence = EmpiricalBernstein(lo, hi, alpha, self._opt)
        elif lo is not None or hi is not None:
            raise ValueError(f"bounds {lo} and {hi}: must be two or none")
        else:
            self._opt = 10_000.0 if opt is None else opt
        self.lo, self.hi, self._alpha = lo, hi, alpha
        self._n = self._refused = 0
        self._total, self._squares = ExactSum(), ExactSum()
        self._pending: list[float] = []

    def add(self, difference: float) -> None:
        self._pending.append(difference)
        if len(self._pending) >= _BATCH:
            self._settle()

    def _settle(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        lo = -_UNBOUNDED if self.lo is None else self.lo
        hi = _UNBOUNDED if self.hi is None else self.hi
        kept = [it for it in pending if lo <= it <= hi]
        self._refused += len(pending) - len(kept)
        self._n += len(kept)
        self._total.add(kept)
        self._squares.add([it * it for it in kept])
        if self._sequence is not None:
            for it in kept:
                self._sequence.add(it)

    def merge(self, other: PairedDifference) -> None:
        """Add the differences of ``other``, which is not changed; ValueError for other bounds."""
        if (self.lo, self.hi) != (other.lo, other.hi):
            raise ValueError(
                f"bounds {other.lo} and {other.hi}: must be {self.lo} and {self.hi} to be merged"
            )
        self._settle()
        other._settle()
        self._n += other._n
        self._refused += other._refused
        self._total.add(other._total.parts)
        self._squares.add(other._squares.parts)
        if self._sequence is not None and other._sequence is not None:
            self._sequence.merge(other._sequence)

    @property
    def n(self) -> int:
        self._settle()
        return self._n

    @property
    def mean(self) -> float:
        """nan without a difference."""
        self._settle()
        return self._total.value / self._n if self._n else math.nan

    @property
    def variance(self) -> float:
        """With n - 1 as divisor; nan under two."""
        self._settle()
        n = self._n
        if n < 2:
            return math.nan
        return squared_deviations(n, self._total, self._squares) / (n - 1)

    def interval(self) -> Interval | None:
        """Where the mean of all expectations lies, at all looks together, at 1 - alpha.

        None without a pair, and under a hundred unbounded ones.
        """
        if not self.n:
            return None
        if self._sequence is not None:
            return self._sequence.interval()
        if self._n < BURN_IN:
            return None
        error = math.sqrt(self.variance / self._n)
        radius = mean_radius(error, self._n, self._alpha, self._opt)
        return Interval(self.mean - radius, self.mean + radius)

    def log_e(self, null: float = 0.0) -> float:
        """log of an e-value against "the mean difference is ``null``", from both sides."""
        if self._sequence is not None:
            self._settle()
            return self._sequence.log_e(null)
        if self.n < BURN_IN:
            return 0.0
        apart, error = self.mean - null, math.sqrt(self.variance / self._n)
        if error == 0.0:
            return 0.0 if apart == 0.0 else float(self._n)  # all differ by the same
        return mean_log_e(apart / error, self._n, self._alpha, self._opt)

    def figures(self) -> PairedFigures:
        interval, log_e = self.interval(), self.log_e()
        return PairedFigures(
            n=self._n,
            refused=self._refused,
            mean=self.mean if self._n else None,
            deviation=math.sqrt(self.variance) if self._n > 1 else None,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            log_e=log_e,
            p=min(1.0, math.exp(-log_e)) if log_e > 0.0 else 1.0,
            method="asymptotic" if self._sequence is None else "empirical-Bernstein",
            alpha=self._alpha,
        )

    def snapshot(self) -> PairedSnapshot:
        self._settle()
        sequence = self._sequence
        return PairedSnapshot(
            self.lo, self.hi, self._alpha, self._opt, self._n, self._refused,
            self._total.parts, self._squares.parts,
            (sequence.n, sequence.total, sequence.misses) if sequence else (0, 0.0, 0.0),
        )  # fmt: skip

    @classmethod
    def restore(cls, kept: PairedSnapshot) -> PairedDifference:
        paired = cls(kept.lo, kept.hi, kept.alpha, kept.opt)
        paired._n, paired._refused = kept.n, kept.refused
        paired._total, paired._squares = ExactSum(kept.total), ExactSum(kept.squares)
        sequence = paired._sequence
        if sequence is not None:
            sequence.n, sequence.total, sequence.misses = kept.sequence
        return paired


def brier_difference(stable: float, shadow: float, positive: bool) -> float:
    """Above 0 when the shadow was worse; -1 to 1."""
    return brier_loss(shadow, positive) - brier_loss(stable, positive)


def log_difference(stable: float, shadow: float, positive: bool) -> float:
    """Of the log losses of scores that are held ``LOSS_CLIP`` away from 0 and 1; its size is
    under ``LOG_LOSS_BOUND``."""
    return log_loss(shadow, positive, LOSS_CLIP) - log_loss(stable, positive, LOSS_CLIP)
