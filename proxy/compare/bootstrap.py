"""Intervals by resampling the counts: for offline reports, where a second does not matter.

Needs numpy, which is loaded on the first call.  The seed is an argument: the same counts and
seed give the same interval.
"""

from __future__ import annotations

from proxy.compare.figures import Figure, auc, ece
from proxy.compare.labelled import LabelledScores
from proxy.compare.scores import aligned


def auc_interval(labelled: LabelledScores, seed: int, draws: int = 1_000) -> Figure | None:
    """The 95 % percentile interval, positives and negatives resampled by themselves."""
    import numpy

    area = auc(labelled)
    if area is None:
        return None
    rows = aligned(labelled.positives, labelled.negatives).rows
    up, down = (numpy.array([row[at] for row in rows]) for at in (1, 2))
    chance = numpy.random.default_rng(seed)
    m, n = int(up.sum()), int(down.sum())
    found = []
    for _ in range(draws):
        some, others = chance.multinomial(m, up / m), chance.multinomial(n, down / n)
        below = numpy.cumsum(others) - others / 2.0
        found.append(float((some * below).sum()) / m / n)
    low, high = numpy.quantile(found, [0.025, 0.975])
    return Figure(area.figure.value, float(low), float(high))


def ece_interval(labelled: LabelledScores, seed: int, draws: int = 1_000) -> Figure | None:
    """The 95 % basic interval (twice the figure minus the quantiles), which takes away that a
    resample is calibrated worse than what it was drawn from.  Bins keep their mean scores."""
    import numpy

    bins = labelled.calibration_bins()
    figure = ece(bins)
    if figure is None:
        return None
    full = [it for it in bins if it.n]
    n = sum(it.n for it in full)
    predicted = numpy.array([it.predicted for it in full])
    shares = [part / n for it in full for part in (it.positives, it.n - it.positives)]
    chance = numpy.random.default_rng(seed)
    drawn = chance.multinomial(n, shares, size=draws).reshape(draws, len(full), 2)
    totals = drawn.sum(axis=2)
    apart = numpy.abs(drawn[:, :, 0] - totals * predicted).sum(axis=1) / n
    low, high = (2.0 * figure.value - float(it) for it in numpy.quantile(apart, [0.975, 0.025]))
    return Figure(figure.value, max(0.0, low), min(1.0, max(0.0, high)))
