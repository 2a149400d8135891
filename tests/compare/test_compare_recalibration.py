"""Calibration slope and intercept: the likelihood's maximum, and None where it has none."""

import numpy
import pytest
from compare_scores import made
from scipy.optimize import minimize

from proxy.compare.labelled import LabelledScores
from proxy.compare.recalibration import recalibrate


def of(rows, bins=1_000):
    labelled = LabelledScores(bins=bins)
    for score, positive in rows:
        labelled.add(score, positive)
    return labelled


def best(rows):
    """By a general optimiser on the scores themselves."""
    scores = numpy.clip([score for score, _ in rows], 1e-6, 1 - 1e-6)
    labels = numpy.array([label for _, label in rows], dtype=float)
    logits = numpy.log(scores / (1 - scores))

    def loss(ab):
        moved = ab[0] + ab[1] * logits
        return float(numpy.sum(numpy.logaddexp(0, moved) - labels * moved))

    return minimize(loss, [0.0, 1.0], method="BFGS").x


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_it_is_the_maximum_of_the_likelihood(power):
    rows = [(score**power, label) for score, _, label in made("smooth", 3_000)]
    intercept, slope = best(rows)
    found = recalibrate(of(rows))
    assert found.slope[0] == pytest.approx(slope, abs=5e-3)
    assert found.intercept[0] == pytest.approx(intercept, abs=1e-2)
    assert found.slope[1] < found.slope[0] < found.slope[2]


def test_scores_at_the_ends_do_not_carry_it_away():
    rows = [(score, label) for score, _, label in made("smooth", 2_000)]
    found = recalibrate(of([*rows, (0.0, True), (1.0, False)]))
    intercept, slope = best([*rows, (0.0, True), (1.0, False)])
    assert found.slope[0] == pytest.approx(slope, abs=5e-3)
    assert found.intercept[0] == pytest.approx(intercept, abs=1e-2)


def test_far_off_scores_are_fitted_as_well():
    rows = [(0.999 if score > 0.5 else 0.99, label) for score, _, label in made("smooth", 2_000)]
    intercept, slope = best(rows)
    found = recalibrate(of(rows))
    assert found.slope[0] == pytest.approx(slope, rel=0.02)
    assert found.intercept[0] == pytest.approx(intercept, rel=0.02)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0.3, True)] * 5,
        [(0.3, True), (0.3, False)] * 5,
        [(0.2, False), (0.3, False), (0.7, True), (0.8, True)],
        [(0.2, True), (0.3, True), (0.7, False), (0.8, False)],
    ],
    ids=["nothing", "one label", "one score", "separated", "separated the wrong way"],
)
def test_there_is_none(rows):
    assert recalibrate(of(rows)) is None
