"""Scores whose labels came, of one version: discrimination, loss, calibration, decisions.

State only; what is read from it is in figures.py and calibration.py.  Exact are counts, sums of
scores and losses, the decisions at the threshold, and the bins of the calibration error; AUC,
slope and intercept are read from histograms and say how wrong they may be.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Final

import msgspec

from proxy.compare.scores import BINS, ScoreHistogram, ScoreSnapshot
from proxy.measure.exact import ExactSum

#: A probability is at least this far from 0 and 1 when its logarithm is taken, as
#: scikit-learn does it: the distance of 1 from the next float.
CLIP: Final = 2.0**-52

CALIBRATION_BINS: Final = 10
_MOST_BINS: Final = 1_000
_BATCH: Final = 128


class CalibrationBin(msgspec.Struct, frozen=True):
    """Scores in ``(low, high]``, the first with 0: how many, with label 1, and their sum."""

    low: float
    high: float
    n: int
    positives: int
    total: float

    @property
    def predicted(self) -> float:
        """The mean score; nan when there are none."""
        return self.total / self.n if self.n else math.nan

    @property
    def observed(self) -> float:
        """The share of label 1; nan when there are none."""
        return self.positives / self.n if self.n else math.nan


class Decided(msgspec.Struct, frozen=True):
    """Labels by what was decided: positive when score >= threshold."""

    true_positives: int = 0
    false_positives: int = 0
    true_negatives: int = 0
    false_negatives: int = 0


class LabelledSnapshot(msgspec.Struct, frozen=True):
    threshold: float
    positives: ScoreSnapshot
    negatives: ScoreSnapshot
    decided: tuple[int, int]  # positives and negatives at or above the threshold
    bins: list[tuple[int, int, tuple[float, ...]]]  # n, positives, parts of the sum
    losses: tuple[tuple[float, ...], tuple[float, ...]]  # log loss, its squares
    squared: tuple[float, ...]  # squares of the Brier losses


class LabelledScores:
    """``add(score, positive)``; probabilities of a binary label.

    ``bins``: of the histograms.  ``threshold``: of the decisions, exact only for this one.
    ``calibration_bins``: equal-width bins of ECE and the reliability curve, 1 to 1,000; their
    edges and their closed upper ends are those of scikit-learn's ``calibration_curve``.
    Scores that are no probabilities are counted in ``refused``, and in nothing else.
    """

    __slots__ = (
        "_above",
        "_bins",
        "_edges",
        "_log_losses",
        "_log_squares",
        "_negatives",
        "_pending",
        "_positives",
        "_squared",
        "_sums",
        "threshold",
    )  # fmt: skip

    def __init__(
        self, threshold: float = 0.5, bins: int = BINS, calibration_bins: int = CALIBRATION_BINS
    ) -> None:
        if not 1 <= calibration_bins <= _MOST_BINS:
            raise ValueError(f"{calibration_bins} calibration bins: must be 1 to {_MOST_BINS}")
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold {threshold}: must be from 0 to 1")
        self.threshold = threshold
        self._positives = ScoreHistogram("probability", bins)
        self._negatives = ScoreHistogram("probability", bins)
        width = 1.0 / calibration_bins
        self._edges = [at * width for at in range(1, calibration_bins)]  # as numpy.linspace
        self._bins = [[0, 0] for _ in range(calibration_bins)]  # n, positives
        self._sums = [ExactSum() for _ in range(calibration_bins)]
        self._above = [0, 0]  # negatives, positives
        self._log_losses, self._log_squares, self._squared = ExactSum(), ExactSum(), ExactSum()
        self._pending: list[tuple[float, bool]] = []

    def add(self, score: float, positive: bool) -> None:
        self._pending.append((score, positive))
        if len(self._pending) >= _BATCH:
            self._settle()

    def _settle(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        log_losses, squared = [], []
        by_bin: dict[int, list[float]] = {}
        for score, positive in pending:
            (self._positives if positive else self._negatives).add(score)
            if not 0.0 <= score <= 1.0:
                continue
            self._above[positive] += score >= self.threshold
            at = bisect_left(self._edges, score)
            counts = self._bins[at]
            counts[0] += 1
            counts[1] += positive
            by_bin.setdefault(at, []).append(score)
            log_losses.append(log_loss(score, positive))
            squared.append(brier_loss(score, positive) ** 2)
        for at, scores in by_bin.items():
            self._sums[at].add(scores)
        self._log_losses.add(log_losses)
        self._log_squares.add([it * it for it in log_losses])
        self._squared.add(squared)

    def merge(self, other: LabelledScores) -> None:
        """Add what ``other`` counted, which is not changed.  Associative, commutative.

        ValueError unless threshold and bins are the same.
        """
        if (self.threshold, len(self._bins)) != (other.threshold, len(other._bins)):
            raise ValueError(
                f"threshold {other.threshold}, {len(other._bins)} calibration bins: must be "
                f"{self.threshold} and {len(self._bins)} to be merged"
            )
        self._settle()
        other._settle()
        self._positives.merge(other._positives)
        self._negatives.merge(other._negatives)
        for mine, theirs in zip(self._bins, other._bins, strict=True):
            mine[0] += theirs[0]
            mine[1] += theirs[1]
        for total, more in zip(self._sums, other._sums, strict=True):
            total.add(more.parts)
        for label in (0, 1):
            self._above[label] += other._above[label]
        self._log_losses.add(other._log_losses.parts)
        self._log_squares.add(other._log_squares.parts)
        self._squared.add(other._squared.parts)

    @property
    def positives(self) -> ScoreHistogram:
        """The scores with label 1."""
        self._settle()
        return self._positives

    @property
    def negatives(self) -> ScoreHistogram:
        self._settle()
        return self._negatives

    @property
    def n(self) -> int:
        self._settle()
        return self._positives.n + self._negatives.n

    @property
    def refused(self) -> int:
        """NaN, infinity, and what lies outside of [0, 1]."""
        self._settle()
        return sum(it.not_finite + it.outside for it in (self._positives, self._negatives))

    @property
    def log_losses(self) -> tuple[float, float]:
        """The sum of the log losses, and of their squares."""
        self._settle()
        return self._log_losses.value, self._log_squares.value

    @property
    def brier_losses(self) -> tuple[float, float]:
        """The sum of the squared errors, and of their squares."""
        self._settle()
        hits, misses = self._positives, self._negatives
        total = misses.squares + math.fsum((hits.n, -2.0 * hits.total, hits.squares))
        return max(0.0, total), self._squared.value

    @property
    def decided(self) -> Decided:
        self._settle()
        below, above = self._above
        return Decided(above, below, self._negatives.n - below, self._positives.n - above)

    def calibration_bins(self) -> tuple[CalibrationBin, ...]:
        """All of them, also the empty ones, by rising score."""
        self._settle()
        edges = [0.0, *self._edges, 1.0]
        return tuple(
            CalibrationBin(edges[at], edges[at + 1], n, positives, self._sums[at].value)
            for at, (n, positives) in enumerate(self._bins)
        )

    def snapshot(self) -> LabelledSnapshot:
        """The same for the same scores and labels, in any order."""
        self._settle()
        return LabelledSnapshot(
            self.threshold,
            self._positives.snapshot(),
            self._negatives.snapshot(),
            (self._above[1], self._above[0]),
            [
                (n, positives, total.parts)
                for (n, positives), total in zip(self._bins, self._sums, strict=True)
            ],
            (self._log_losses.parts, self._log_squares.parts),
            self._squared.parts,
        )

    @classmethod
    def restore(cls, kept: LabelledSnapshot) -> LabelledScores:
        labelled = cls(kept.threshold, kept.positives.bins, len(kept.bins))
        labelled._positives = ScoreHistogram.restore(kept.positives)
        labelled._negatives = ScoreHistogram.restore(kept.negatives)
        labelled._above = [kept.decided[1], kept.decided[0]]
        labelled._bins = [[n, positives] for n, positives, _ in kept.bins]
        labelled._sums = [ExactSum(parts) for _, _, parts in kept.bins]
        labelled._log_losses, labelled._log_squares = map(ExactSum, kept.losses)
        labelled._squared = ExactSum(kept.squared)
        return labelled


def brier_loss(score: float, positive: bool) -> float:
    """(score - label)**2, 0 to 1."""
    apart = 1.0 - score if positive else score
    return apart * apart


def log_loss(score: float, positive: bool, clip: float = CLIP) -> float:
    """-log of the probability that was given to what came; at most -log(clip)."""
    given = min(1.0 - clip, max(clip, score))
    return -math.log(given if positive else 1.0 - given)
