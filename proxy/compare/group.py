"""Everything that is counted of one group of pairs: all of a model's, or a segment's.

Without labels: agreement, both versions' distributions, the paired shift.  With labels: both
versions' figures, and the paired regret, the loss of the shadow minus that of stable.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from proxy.compare import drift
from proxy.compare.axes import LARGEST, LEAST_BINS
from proxy.compare.drift import Drift
from proxy.compare.figures import Figure, ScoreFigures, figures
from proxy.compare.labelled import CALIBRATION_BINS, LabelledScores, LabelledSnapshot
from proxy.compare.labelled_classes import ClassesSnapshot, ClassFigures, LabelledClasses
from proxy.compare.labelled_numbers import LabelledNumbers, NumberFigures, NumbersSnapshot
from proxy.compare.paired import (
    LOG_LOSS_BOUND,
    PairedDifference,
    PairedFigures,
    PairedSnapshot,
    brier_difference,
    log_difference,
)
from proxy.compare.scores import BINS, FINE, ScoreHistogram, ScoreSnapshot
from proxy.measure.confidence import rate_interval

Of = Literal["probability", "number", "class"]
Loss = Literal["brier", "log", "absolute", "squared", "zero_one"]

#: What may be lost by each kind of prediction, the default first.
LOSSES: Final[dict[Of, tuple[Loss, ...]]] = {
    "probability": ("brier", "log"),
    "number": ("absolute", "squared"),
    "class": ("zero_one",),
}

Labelled = LabelledScores | LabelledNumbers | LabelledClasses
LabelledFigures = ScoreFigures | NumberFigures | ClassFigures
Kept = LabelledSnapshot | NumbersSnapshot | ClassesSnapshot


class GroupOptions(msgspec.Struct, frozen=True):
    """``of`` the predictions; everything that is no score and no number is a ``class``.
    ``bins``: of all predictions; ``labelled_bins``: of those with labels, where fewer do; both
    as a whole model has them (segments.py takes fewer).  ``loss``: of the regret, None for the
    first of ``LOSSES``."""

    of: Of = "probability"
    bins: int = FINE
    labelled_bins: int = BINS
    threshold: float = 0.5
    calibration_bins: int = CALIBRATION_BINS
    loss: Loss | None = None
    alpha: float = 0.05

    @property
    def lost(self) -> Loss:
        return self.loss or LOSSES[self.of][0]


class GroupFigures(msgspec.Struct, frozen=True):
    """Of one group.  ``agreement``: the share of pairs that agree, with Wilson's interval.
    ``stable`` and ``shadow`` are of the labelled pairs; ``regret`` above 0: shadow is worse."""

    pairs: int
    labelled: int
    agreement: Figure | None = None
    shift: PairedFigures | None = None
    drift: Drift | None = None  # shadow against stable
    stable_mean: float | None = None
    shadow_mean: float | None = None
    regret: PairedFigures | None = None
    loss: str = ""
    stable: ScoreFigures | NumberFigures | ClassFigures | None = None
    shadow: ScoreFigures | NumberFigures | ClassFigures | None = None


class GroupSnapshot(msgspec.Struct, frozen=True):
    options: GroupOptions
    pairs: int
    agreed: tuple[int, int]  # pairs that agree, pairs that were told
    shift: PairedSnapshot | None
    regret: PairedSnapshot
    scores: tuple[ScoreSnapshot, ScoreSnapshot] | None
    probabilities: tuple[LabelledSnapshot, LabelledSnapshot] | None = None
    numbers: tuple[NumbersSnapshot, NumbersSnapshot] | None = None
    classes: tuple[ClassesSnapshot, ClassesSnapshot] | None = None


class Group:
    """``add_pair``, ``add_label``, ``merge``, ``figures``, ``snapshot``.

    ValueError for options that do not fit together.
    """

    __slots__ = (
        "_agreed",
        "_told",
        "labelled",
        "options",
        "pairs",
        "regret",
        "scores",
        "shift",
    )

    def __init__(self, options: GroupOptions | None = None) -> None:
        self.options = options = options or GroupOptions()
        if options.lost not in LOSSES[options.of]:
            raise ValueError(
                f"loss {options.lost} of a {options.of}: must be {' or '.join(LOSSES[options.of])}"
            )
        self.pairs = self._agreed = self._told = 0
        self.scores: tuple[ScoreHistogram, ScoreHistogram] | None = None
        self.shift: PairedDifference | None = None
        if options.of != "class":
            bins = max(options.bins, LEAST_BINS[options.of])
            self.scores = ScoreHistogram(options.of, bins), ScoreHistogram(options.of, bins)
            bound = 1.0 if options.of == "probability" else None
            self.shift = PairedDifference(bound and -bound, bound, options.alpha)
        bound = {"brier": 1.0, "zero_one": 1.0, "log": LOG_LOSS_BOUND}.get(options.lost)
        self.regret = PairedDifference(bound and -bound, bound, options.alpha)
        self.labelled: tuple[Labelled, Labelled] | None = None  # from the first label on

    def add_pair(self, stable: float | str, shadow: float | str, agree: bool | None = None) -> None:
        """One prediction of each version on the same input; ``agree`` when somebody knows."""
        if self.scores is not None and self.shift is not None:
            if isinstance(stable, str) or isinstance(shadow, str):
                raise ValueError(f"a {self.options.of}: found a text, must be a number")
            self.scores[0].add(stable)
            self.scores[1].add(shadow)
            self.shift.add(shadow - stable if self._on_scale(stable, shadow) else math.nan)
        self.pairs += 1
        if agree is not None:
            self._told += 1
            self._agreed += agree

    def _on_scale(self, *values: float) -> bool:
        """Whether a difference of them says anything; NaN is on no scale."""
        if self.options.of == "number":
            return all(-LARGEST < it < LARGEST for it in values)
        return all(0.0 <= it <= 1.0 for it in values)

    def add_label(
        self, stable: float | str, shadow: float | str, label: float | str | bool
    ) -> None:
        """The truth about a pair that was added before: a bool or 0 and 1 of a probability.

        ValueError when the values are not of this kind.
        """
        of = self.options.of
        if self.labelled is None:
            self.labelled = self._fresh(), self._fresh()
        first, second = self.labelled
        if isinstance(first, LabelledClasses) and isinstance(second, LabelledClasses):
            truth = str(label)
            first.add(str(stable), truth)
            second.add(str(shadow), truth)
            self.regret.add(float(str(shadow) != truth) - float(str(stable) != truth))
            return
        if isinstance(stable, str) or isinstance(shadow, str) or isinstance(label, str):
            raise ValueError(f"a {of} and its label: found a text, must be numbers")
        if isinstance(first, LabelledNumbers) and isinstance(second, LabelledNumbers):
            first.add(stable, label)
            second.add(shadow, label)
            self.regret.add(self._number_regret(stable, shadow, label))
            return
        if isinstance(first, LabelledScores) and isinstance(second, LabelledScores):
            if label not in (0, 1):
                raise ValueError(f"label {label} of a probability: must be 0 or 1")
            positive = bool(label)
            first.add(stable, positive)
            second.add(shadow, positive)
            self.regret.add(self._score_regret(stable, shadow, positive))

    def _score_regret(self, stable: float, shadow: float, positive: bool) -> float:
        if not self._on_scale(stable, shadow):
            return math.nan  # refused, as the score is
        difference = brier_difference if self.options.lost == "brier" else log_difference
        return difference(stable, shadow, positive)

    def _number_regret(self, stable: float, shadow: float, label: float) -> float:
        if not self._on_scale(stable, shadow, label):
            return math.nan
        old, new = abs(stable - label), abs(shadow - label)
        return new - old if self.options.lost == "absolute" else new * new - old * old

    def _fresh(self) -> Labelled:
        options = self.options
        if options.of == "probability":
            return LabelledScores(
                options.threshold, options.labelled_bins, options.calibration_bins
            )
        return LabelledNumbers() if options.of == "number" else LabelledClasses()

    def merge(self, other: Group) -> None:
        """Add what ``other`` counted, which is not changed; ValueError for other options."""
        if self.options != other.options:
            raise ValueError("groups with different options: must be the same to be merged")
        self.pairs += other.pairs
        self._agreed += other._agreed
        self._told += other._told
        self.regret.merge(other.regret)
        if self.shift is not None and other.shift is not None:
            self.shift.merge(other.shift)
        if self.scores is not None and other.scores is not None:
            for mine, theirs in zip(self.scores, other.scores, strict=True):
                mine.merge(theirs)
        if other.labelled is not None:
            if self.labelled is None:
                self.labelled = self._fresh(), self._fresh()
            for one, two in zip(self.labelled, other.labelled, strict=True):
                one.merge(two)  # type: ignore[arg-type]  # the same options, so the same kind

    def figures(self, brief: bool = False) -> GroupFigures:
        """``brief``: only what is paired, and the means: some 10 times cheaper."""
        stable = shadow = apart = None
        if self.scores is not None and self.scores[0].n and self.scores[1].n:
            stable, shadow = (it.mean for it in self.scores)
            apart = None if brief else drift.between(self.scores[1], self.scores[0])
        agreement = None
        if self._told:
            interval = rate_interval(self._agreed, self._told)
            agreement = Figure(self._agreed / self._told, *interval)
        labelled = self.labelled
        return GroupFigures(
            pairs=self.pairs,
            labelled=labelled[0].n if labelled else 0,
            agreement=agreement,
            shift=self.shift.figures() if self.shift else None,
            drift=apart,
            stable_mean=stable,
            shadow_mean=shadow,
            regret=self.regret.figures() if labelled else None,
            loss=self.options.lost if labelled else "",
            stable=_figures(labelled[0]) if labelled and not brief else None,
            shadow=_figures(labelled[1]) if labelled and not brief else None,
        )

    def snapshot(self) -> GroupSnapshot:
        probabilities = numbers = classes = None
        first, second = self.labelled or (None, None)
        if isinstance(first, LabelledScores) and isinstance(second, LabelledScores):
            probabilities = first.snapshot(), second.snapshot()
        elif isinstance(first, LabelledNumbers) and isinstance(second, LabelledNumbers):
            numbers = first.snapshot(), second.snapshot()
        elif isinstance(first, LabelledClasses) and isinstance(second, LabelledClasses):
            classes = first.snapshot(), second.snapshot()
        return GroupSnapshot(
            self.options,
            self.pairs,
            (self._agreed, self._told),
            self.shift.snapshot() if self.shift else None,
            self.regret.snapshot(),
            (self.scores[0].snapshot(), self.scores[1].snapshot()) if self.scores else None,
            probabilities,
            numbers,
            classes,
        )

    @classmethod
    def restore(cls, kept: GroupSnapshot) -> Group:
        group = cls(kept.options)
        group.pairs = kept.pairs
        group._agreed, group._told = kept.agreed
        group.regret = PairedDifference.restore(kept.regret)
        if kept.shift is not None:
            group.shift = PairedDifference.restore(kept.shift)
        if kept.scores is not None:
            first, second = map(ScoreHistogram.restore, kept.scores)
            group.scores = first, second
        if kept.probabilities is not None:
            one, two = map(LabelledScores.restore, kept.probabilities)
            group.labelled = one, two
        elif kept.numbers is not None:
            group.labelled = (
                LabelledNumbers.restore(kept.numbers[0]),
                LabelledNumbers.restore(kept.numbers[1]),
            )
        elif kept.classes is not None:
            group.labelled = (
                LabelledClasses.restore(kept.classes[0]),
                LabelledClasses.restore(kept.classes[1]),
            )
        return group


def _figures(labelled: Labelled) -> LabelledFigures:
    return figures(labelled) if isinstance(labelled, LabelledScores) else labelled.figures()
