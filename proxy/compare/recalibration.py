"""Logistic recalibration: how the logit of the score would have to be stretched and moved.

    logit P(label = 1) = intercept + slope * logit(score)          Cox 1958

Slope 1 and intercept 0 are right.  A slope under 1: too extreme (overfitted); over 1: too timid.
Fitted by Newton on the bins of the two histograms, each taken at its middle.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from proxy.compare.labelled import LabelledScores
from proxy.compare.scores import aligned

#: Scores nearer to 0 and 1 are taken as this far away: one of them would move the fit alone.
LOGIT_CLIP: Final = 1e-6

_STEPS: Final = 50
_CLOSE: Final = 1e-9
_Z_95: Final = 1.959963984540054
_STEEPEST: Final = 1e3  # a slope beyond it: the labels are separated

_Row = tuple[float, int, int]  # logit, positives, all


class Recalibration(NamedTuple):
    """(value, low, high) each; Wald's 95 % intervals."""

    slope: tuple[float, float, float]
    intercept: tuple[float, float, float]


class _Fit(NamedTuple):
    """At one point: log likelihood, its gradient, and the information (minus the Hessian)."""

    likelihood: float
    by_intercept: float
    by_slope: float
    aa: float
    ab: float
    bb: float


def recalibrate(labelled: LabelledScores) -> Recalibration | None:
    """None with one label only, one score only, or labels that a threshold separates."""
    rows = _rows(labelled)
    positives = sum(row[1] for row in rows)
    if len(rows) < 2 or not 0 < positives < sum(row[2] for row in rows):
        return None
    a, b = 0.0, 1.0
    fit = _at(rows, a, b)
    for _ in range(_STEPS):
        determinant = fit.aa * fit.bb - fit.ab * fit.ab
        if determinant <= 1e-12 * fit.aa * fit.bb:
            return None
        da = (fit.bb * fit.by_intercept - fit.ab * fit.by_slope) / determinant
        db = (fit.aa * fit.by_slope - fit.ab * fit.by_intercept) / determinant
        if max(abs(da), abs(db)) < _CLOSE:
            return _told(a, b, fit, determinant)
        a, b, fit = _step(rows, a, b, da, db, fit.likelihood)
        if not abs(b) < _STEEPEST:
            return None
    return None


def _step(
    rows: list[_Row], a: float, b: float, da: float, db: float, likelihood: float
) -> tuple[float, float, _Fit]:
    """A Newton step, halved until the fit is no worse."""
    fit = _at(rows, a + da, b + db)
    for _ in range(30):
        if fit.likelihood >= likelihood - 1e-9 * abs(likelihood):
            break
        da, db = da / 2.0, db / 2.0
        fit = _at(rows, a + da, b + db)
    return a + da, b + db, fit


def _rows(labelled: LabelledScores) -> list[_Row]:
    histogram = labelled.positives
    level, found = aligned(histogram, labelled.negatives)
    rows = []
    for key, ups, downs in found:
        middle = min(1.0 - LOGIT_CLIP, max(LOGIT_CLIP, histogram.middle(key, level)))
        rows.append((math.log(middle / (1.0 - middle)), ups, ups + downs))
    return rows


def _at(rows: list[_Row], a: float, b: float) -> _Fit:
    likelihood = by_intercept = by_slope = aa = ab = bb = 0.0
    for x, positives, n in rows:
        logit = a + b * x
        # the smaller exponential, which cannot overflow
        small = math.exp(-abs(logit))
        p = 1.0 / (1.0 + small) if logit >= 0.0 else small / (1.0 + small)
        likelihood += positives * logit - n * (max(logit, 0.0) + math.log1p(small))
        miss, weight = positives - n * p, n * p * (1.0 - p)
        by_intercept += miss
        by_slope += miss * x
        aa += weight
        ab += weight * x
        bb += weight * x * x
    return _Fit(likelihood, by_intercept, by_slope, aa, ab, bb)


def _told(a: float, b: float, fit: _Fit, determinant: float) -> Recalibration:
    of_a = _Z_95 * math.sqrt(fit.bb / determinant)
    of_b = _Z_95 * math.sqrt(fit.aa / determinant)
    return Recalibration((b, b - of_b, b + of_b), (a, a - of_a, a + of_a))
