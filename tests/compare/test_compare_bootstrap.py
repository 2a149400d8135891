"""Intervals by resampling agree with those by formula, where both are right."""

import pytest
from compare_scores import made

from proxy.compare.bootstrap import auc_interval, ece_interval
from proxy.compare.figures import figures
from proxy.compare.labelled import LabelledScores


def of(rows):
    labelled = LabelledScores(bins=200)
    for score, positive in rows:
        labelled.add(score, positive)
    return labelled


def test_auc():
    labelled = of([(score, label) for score, _, label in made("smooth", 1_000)])
    drawn, formula = auc_interval(labelled, 1), figures(labelled).auc
    assert (drawn.value, drawn.low, drawn.high) == pytest.approx(
        (formula.value, formula.low, formula.high), abs=0.004
    )
    assert auc_interval(labelled, 1) == drawn


def test_ece_of_what_is_badly_calibrated():
    labelled = of([(score**0.4, label) for score, _, label in made("smooth", 1_000)])
    drawn, formula = ece_interval(labelled, 1), figures(labelled).ece
    assert (drawn.value, drawn.low, drawn.high) == pytest.approx(
        (formula.value, formula.low, formula.high), abs=0.01
    )


def test_ece_of_what_is_well_calibrated_is_told_to_be_mostly_chance():
    labelled = of([(score, label) for score, _, label in made("smooth", 1_000)])
    found = ece_interval(labelled, 1)
    assert found.low < 0.5 * found.value
    assert found.low < figures(labelled).ece_chance


def test_of_nothing_there_is_none():
    assert auc_interval(LabelledScores(), 1) is None
    assert ece_interval(LabelledScores(), 1) is None
