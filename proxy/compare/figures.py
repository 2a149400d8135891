"""What a version's labelled scores say: each figure with its 95 % interval at one look.

Intervals that hold at every look are those of paired differences (paired.py); nothing is decided
by the ones here.  None: not known, for there is too little for the figure.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec

from proxy.compare.labelled import CalibrationBin, Decided, LabelledScores
from proxy.compare.recalibration import recalibrate
from proxy.compare.scores import aligned
from proxy.measure.confidence import rate_interval

_Z_95: Final = 1.959963984540054
_TOP: Final = 0.1  # the share of scores whose lift is told
_LEAST_MEAN: Final = 1e-12  # of scores, for a ratio to it


class Figure(msgspec.Struct, frozen=True):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


class BrierParts(msgspec.Struct, frozen=True):
    """Murphy 1973 over the calibration bins: Brier = reliability - resolution + uncertainty
    + ``within``, what differs inside of the bins (Stephenson, Coelho and Jolliffe 2008)."""

    reliability: float
    resolution: float
    uncertainty: float
    within: float


class ScoreFigures(msgspec.Struct, frozen=True, tag_field="of", tag="probability"):
    """Of ``n`` labelled scores.  docs/comparison-numbers.md says what each is, and its interval.

    ``auc_error``: the exact AUC is at most so far from ``auc``.  ``ece_chance``: the ECE to be
    expected of perfect calibration with so many labels.  ``observed_to_expected``: the share of
    label 1 over the mean score.
    """

    n: int
    positives: int
    refused: int = 0
    base_rate: Figure | None = None
    mean_score: float | None = None
    auc: Figure | None = None
    auc_error: float | None = None
    log_loss: Figure | None = None
    brier: Figure | None = None
    brier_parts: BrierParts | None = None
    ece: Figure | None = None
    ece_chance: float | None = None
    slope: Figure | None = None
    intercept: Figure | None = None
    observed_to_expected: Figure | None = None
    threshold: float = 0.5
    decided: Decided = Decided()
    accuracy: Figure | None = None
    precision: Figure | None = None
    recall: Figure | None = None
    specificity: Figure | None = None
    f1: Figure | None = None
    lift: Figure | None = None  # of the top tenth of the scores
    reliability_curve: tuple[CalibrationBin, ...] = ()  # bins that hold any


def figures(labelled: LabelledScores) -> ScoreFigures:
    """All of them; cheap enough for a report, not for a pair (some ms at 20,000 bins)."""
    n, positives = labelled.n, labelled.positives.n
    if not n:
        return ScoreFigures(0, 0, labelled.refused, threshold=labelled.threshold)
    bins = labelled.calibration_bins()
    base, mean = _rate(positives, n), _mean_score(labelled)
    area = auc(labelled)
    fitted = recalibrate(labelled)
    decided = labelled.decided
    return ScoreFigures(
        n=n,
        positives=positives,
        refused=labelled.refused,
        base_rate=base,
        mean_score=mean,
        auc=area and area.figure,
        auc_error=area and area.error,
        log_loss=mean_of(n, *labelled.log_losses),
        brier=mean_of(n, *labelled.brier_losses),
        brier_parts=brier_parts(bins, labelled.brier_losses[0] / n),
        ece=ece(bins),
        ece_chance=ece_chance(bins),
        slope=fitted and Figure(*fitted.slope),
        intercept=fitted and Figure(*fitted.intercept),
        observed_to_expected=_scaled(base, 1.0 / mean) if base and mean > _LEAST_MEAN else None,
        threshold=labelled.threshold,
        decided=decided,
        accuracy=_rate(decided.true_positives + decided.true_negatives, n),
        precision=_rate(decided.true_positives, decided.true_positives + decided.false_positives),
        recall=_rate(decided.true_positives, positives),
        specificity=_rate(decided.true_negatives, n - positives),
        f1=f1(decided),
        lift=lift(labelled),
        reliability_curve=tuple(it for it in bins if it.n),
    )


class Area(NamedTuple):
    figure: Figure
    error: float


def auc(labelled: LabelledScores) -> Area | None:
    """The chance that a positive scores above a negative, ties (also in a bin) as a half.

    None without either.  Interval: DeLong, DeLong and Clarke-Pearson 1988; where all positives
    are above (or below) all negatives it would be a point, so there it is Wilson's for as many
    trials as the rarer label has.
    """
    m, n = labelled.positives.n, labelled.negatives.n
    if not m or not n:
        return None
    total = squares_up = squares_down = tied = 0.0
    below_up = below_down = 0
    for _, up, down in aligned(labelled.positives, labelled.negatives).rows:
        place = (below_down + down / 2.0) / n  # of these positives among the negatives
        total += up * place
        squares_up += up * place * place
        place = 1.0 - (below_up + up / 2.0) / m  # of these negatives under the positives
        squares_down += down * place * place
        tied += up * down
        below_up += up
        below_down += down
    area = total / m
    square = _error(squares_up, m, area) + _error(squares_down, n, area)
    if area in (0.0, 1.0) or square <= 0.0:
        rarer = min(m, n)
        low, high = rate_interval(area * rarer, rarer)
    else:
        low, high = area - _Z_95 * math.sqrt(square), area + _Z_95 * math.sqrt(square)
    return Area(Figure(area, max(0.0, low), min(1.0, high)), tied / (2.0 * m * n))


def _error(squares: float, n: int, mean: float) -> float:
    """The squared standard error of a mean from its sum of squares."""
    return max(0.0, (squares - n * mean * mean) / (n - 1) / n) if n > 1 else 0.25


def mean_of(n: int, total: float, squares: float) -> Figure | None:
    """A mean loss with the normal interval; None under two."""
    if n < 2:
        return None
    mean = total / n
    radius = _Z_95 * math.sqrt(max(0.0, (squares / n - mean * mean) / (n - 1)))
    return Figure(mean, max(0.0, mean - radius), mean + radius)


def brier_parts(bins: tuple[CalibrationBin, ...], brier: float) -> BrierParts | None:
    n = sum(it.n for it in bins)
    if not n:
        return None
    rate = sum(it.positives for it in bins) / n
    full = [it for it in bins if it.n]
    reliability = math.fsum(it.n * (it.predicted - it.observed) ** 2 for it in full) / n
    resolution = math.fsum(it.n * (it.observed - rate) ** 2 for it in full) / n
    uncertainty = rate * (1.0 - rate)
    within = brier - (reliability - resolution + uncertainty)
    return BrierParts(reliability, resolution, uncertainty, within)


def ece(bins: tuple[CalibrationBin, ...]) -> Figure | None:
    """sum of n_k / n |observed - predicted| over the bins: Naeini, Cooper and Hauskrecht 2015.

    The interval is the delta method's with the scores as they are, so it is not to be trusted
    near ``ece_chance``; a bootstrap is in bootstrap.py.
    """
    full = [it for it in bins if it.n]
    n = sum(it.n for it in full)
    if not n:
        return None
    value = math.fsum(it.n / n * abs(it.observed - it.predicted) for it in full)
    square = math.fsum(it.n / n**2 * it.observed * (1.0 - it.observed) for it in full)
    radius = _Z_95 * math.sqrt(square)
    return Figure(value, max(0.0, value - radius), min(1.0, value + radius))


def ece_chance(bins: tuple[CalibrationBin, ...]) -> float | None:
    """The ECE to be expected when each bin's labels come with its mean score: the mean of a
    folded normal, sqrt(2 / pi) of a standard error, in each."""
    full = [it for it in bins if it.n]
    n = sum(it.n for it in full)
    if not n:
        return None
    spreads = (math.sqrt(it.n * max(0.0, it.predicted * (1.0 - it.predicted))) for it in full)
    return math.sqrt(2.0 / math.pi) * math.fsum(spreads) / n


def f1(decided: Decided) -> Figure | None:
    """2 tp / (2 tp + fp + fn).  With J = tp / (tp + fp + fn) it is 2 J / (1 + J), which grows
    with J; so its interval is that of J, a rate, by Wilson."""
    found = _rate(
        decided.true_positives,
        decided.true_positives + decided.false_positives + decided.false_negatives,
    )
    if found is None:
        return None
    return Figure(*(2.0 * it / (1.0 + it) for it in (found.value, found.low, found.high)))


def lift(labelled: LabelledScores) -> Figure | None:
    """How many times more often label 1 is in the top tenth of the scores than in all of them.

    A bin that reaches over the tenth is divided evenly.  The interval is that of its logarithm
    by the delta method, the labels within and outside of the tenth being independent.  None
    under ten scores, or without a positive.
    """
    m, n = labelled.positives.n, labelled.negatives.n
    if not m or m + n < 10:
        return None
    room = (m + n) * _TOP
    found = 0.0
    for _, up, down in reversed(aligned(labelled.positives, labelled.negatives).rows):
        part = min(1.0, room / (up + down))
        found += up * part
        room -= (up + down) * part
        if room <= 0.0:
            break
    return _lift(found, (m + n) * _TOP, m, m + n)


def _lift(found: float, top: float, positives: int, n: int) -> Figure:
    """``found`` of the ``positives`` are in the ``top`` of n."""
    value = found / positives / _TOP
    if found <= 0.0:
        high = rate_interval(0.0, top).high * n / positives
        return Figure(0.0, 0.0, high)
    inside = (found + 0.5) / (top + 1.0)  # so that a tenth of one label is not certain
    outside = (positives - found + 0.5) / (n - top + 1.0)
    square = (1.0 / found - 1.0 / positives) ** 2 * top * inside * (1.0 - inside)
    square += (n - top) * outside * (1.0 - outside) / positives**2
    factor = math.exp(_Z_95 * math.sqrt(max(0.0, square)))
    return Figure(value, value / factor, value * factor)


def _rate(events: int, n: int) -> Figure | None:
    return Figure(events / n, *rate_interval(events, n)) if n else None


def _scaled(figure: Figure, by: float) -> Figure:
    return Figure(figure.value * by, figure.low * by, figure.high * by)


def _mean_score(labelled: LabelledScores) -> float:
    both = labelled.positives.total + labelled.negatives.total
    return both / labelled.n
