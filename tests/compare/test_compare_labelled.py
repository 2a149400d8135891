"""Labelled scores: scikit-learn's numbers, any partition the same bytes, intervals that cover."""

import json
import math
import random
from pathlib import Path

import msgspec
import numpy
import pytest
from compare_scores import CASES, made
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from proxy.compare.drift import between
from proxy.compare.figures import ScoreFigures, auc, ece, f1, figures, lift
from proxy.compare.labelled import Decided, LabelledScores, LabelledSnapshot
from proxy.compare.scores import BINS, COARSE, FINE, ScoreHistogram

ORACLE = json.loads((Path(__file__).parent / "scikit_learn.json").read_text())
WITHIN = 1e-4


def of(rows, **options):
    labelled = LabelledScores(**options)
    for score, positive in rows:
        labelled.add(score, positive)
    return labelled


def case(name, **options):
    return of([(score, label) for score, _, label in made(name)], threshold=0.3, **options)


def packed(labelled):
    return msgspec.msgpack.encode(labelled.snapshot())


rows = st.lists(
    st.tuples(
        st.one_of(st.floats(0.0, 1.0), st.integers(0, 20).map(lambda k: k * 0.05)), st.booleans()
    ),
    max_size=150,
)


@pytest.mark.parametrize("bins", [COARSE, BINS])
@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_scikit_learns(name, bins):
    found, oracle = figures(case(name, bins=bins)), ORACLE[name]
    if bins == BINS or name != "rare":
        assert found.auc.value == pytest.approx(oracle["auc"], abs=WITHIN)
    assert abs(found.auc.value - oracle["auc"]) <= found.auc_error
    assert found.brier.value == pytest.approx(oracle["brier"], abs=1e-14)
    assert found.log_loss.value == pytest.approx(oracle["log_loss"], abs=1e-14)
    assert found.slope.value == pytest.approx(oracle["slope"], abs=2e-3)
    assert found.intercept.value == pytest.approx(oracle["intercept"], abs=1e-2)
    for told in ("precision", "recall", "f1", "accuracy", "specificity"):
        figure = getattr(found, told)
        if figure is None:  # nobody was found positive
            assert (told, oracle[told]) == ("precision", 0.0)
        else:
            assert figure.value == pytest.approx(oracle[told], abs=1e-14)


@pytest.mark.parametrize("bins", [5, 10, 15])
@pytest.mark.parametrize("name", CASES)
def test_ece_is_exact_for_the_same_bins(name, bins):
    found = ece(case(name, calibration_bins=bins).calibration_bins())
    assert found.value == pytest.approx(ORACLE[name]["ece"][str(bins)], abs=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_the_reliability_curve_is_scikit_learns(name):
    curve = figures(case(name)).reliability_curve
    observed, predicted = ORACLE[name]["curve"]
    assert [it.observed for it in curve] == pytest.approx(observed, abs=1e-14)
    assert [it.predicted for it in curve] == pytest.approx(predicted, abs=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_ks_of_a_whole_model_is_scipys(name):
    sides = ScoreHistogram("probability", FINE), ScoreHistogram("probability", FINE)
    for stable, shadow, _ in made(name):
        sides[0].add(stable)
        sides[1].add(shadow)
    found = between(sides[1], sides[0])
    assert found.ks == pytest.approx(ORACLE[name]["ks"], abs=WITHIN)
    assert found.ks_p == pytest.approx(ORACLE[name]["ks_p"], rel=0.05, abs=1e-3)


@given(rows, st.integers(1, 30))
def test_ece_is_its_definition_with_numpys_bins(pairs, bins):
    if not pairs:
        return
    scores = numpy.array([score for score, _ in pairs])
    labels = numpy.array([float(label) for _, label in pairs])
    ids = numpy.searchsorted(numpy.linspace(0.0, 1.0, bins + 1)[1:-1], scores)
    exact = sum(
        abs(labels[ids == at].sum() - scores[ids == at].sum()) / len(pairs) for at in set(ids)
    )
    found = ece(of(pairs, calibration_bins=bins).calibration_bins())
    assert found.value == pytest.approx(exact, abs=1e-12)


@given(rows)
def test_the_exact_auc_is_within_its_error(pairs):
    ups = [score for score, positive in pairs if positive]
    downs = [score for score, positive in pairs if not positive]
    found = auc(of(pairs, bins=100))
    if not ups or not downs:
        assert found is None
        return
    wins = sum((up > down) + 0.5 * (up == down) for up in ups for down in downs)
    exact = wins / len(ups) / len(downs)
    assert abs(found.figure.value - exact) <= found.error + 1e-12
    assert 0.0 <= found.figure.low <= found.figure.value + 1e-12
    assert found.figure.value - 1e-12 <= found.figure.high <= 1.0


@given(rows, st.randoms(use_true_random=False), st.integers(0, 150))
def test_any_order_and_any_partition_is_the_same_bytes(pairs, chance, cut):
    shuffled = list(pairs)
    chance.shuffle(shuffled)
    merged, other = of(shuffled[:cut]), of(shuffled[cut:])
    before = packed(other)
    merged.merge(other)
    assert packed(merged) == packed(of(pairs))
    assert packed(other) == before
    again = LabelledScores.restore(msgspec.msgpack.decode(packed(merged), type=LabelledSnapshot))
    assert packed(again) == packed(merged)
    assert figures(again) == figures(merged)


@given(rows)
def test_brier_is_the_sum_of_its_parts(pairs):
    found = figures(of(pairs))
    if found.brier is None:
        return
    exact = sum((score - label) ** 2 for score, label in pairs) / len(pairs)
    assert found.brier.value == pytest.approx(exact, abs=1e-12)
    parts = found.brier_parts
    told = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert told == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("bins", [100, 300])
@pytest.mark.parametrize("name", ["smooth", "rare"])
def test_with_few_bins_the_error_is_told(name, bins):
    found = auc(case(name, bins=bins))
    assert WITHIN < found.error < 0.1
    assert abs(found.figure.value - ORACLE[name]["auc"]) <= found.error


def test_delong_is_the_formula():
    pairs = [(score, label) for score, _, label in made("tied", 300)]
    ups = numpy.array([score for score, positive in pairs if positive])
    downs = numpy.array([score for score, positive in pairs if not positive])
    wins = (ups[:, None] > downs) + 0.5 * (ups[:, None] == downs)
    square = wins.mean(axis=1).var(ddof=1) / len(ups) + wins.mean(axis=0).var(ddof=1) / len(downs)
    found = auc(of(pairs)).figure
    assert found.value == pytest.approx(wins.mean())
    assert found.high - found.value == pytest.approx(norm.ppf(0.975) * math.sqrt(square))


def test_perfect_discrimination_is_no_certainty():
    found = auc(of([(0.1, False), (0.2, False), (0.9, True), (0.8, True)])).figure
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low < 0.5


def test_intervals_cover():
    """All figures of 120 small samples from a world whose figures are known."""
    runs = 120
    truth = figures(of([(it, label) for it, _, label in made("smooth", 120_000, 99)]))
    asked = ("base_rate", "auc", "log_loss", "brier", "slope", "intercept", "precision", "recall",
             "specificity", "accuracy", "f1", "lift")  # fmt: skip
    missed = dict.fromkeys(asked, 0)
    for seed in range(runs):
        found = figures(of([(it, label) for it, _, label in made("smooth", 400, seed)], bins=200))
        for name in asked:
            figure, true = getattr(found, name), getattr(truth, name).value
            missed[name] += not figure.low <= true <= figure.high
    assert all(n <= 0.12 * runs for n in missed.values()), missed


def test_chance_is_the_ece_of_perfect_calibration():
    found = [
        figures(of([(it, label) for it, _, label in made("smooth", 500, seed)], bins=200))
        for seed in range(60)
    ]
    mean = sum(it.ece.value for it in found) / len(found)
    assert mean == pytest.approx(sum(it.ece_chance for it in found) / len(found), rel=0.1)


def test_ruined_calibration_is_far_over_chance():
    pairs = [(score**0.5, label) for score, _, label in made("smooth", 3_000)]
    found = figures(of(pairs))
    assert found.ece.low > 5 * found.ece_chance
    assert found.auc.value == pytest.approx(
        figures(of([(s, y) for s, _, y in made("smooth", 3_000)])).auc.value, abs=1e-3
    )
    assert found.observed_to_expected.high < 0.8
    assert found.slope.low > 1.1


def test_lift():
    assert lift(of([(0.9, True)] * 10 + [(0.1, False)] * 90)).value == pytest.approx(10.0)
    assert lift(of([(0.5, k % 4 == 0) for k in range(100)])).value == pytest.approx(1.0)
    assert lift(of([(0.9, True)] * 9)) is None


def test_f1_is_its_definition():
    figure = f1(Decided(30, 10, 50, 20))
    assert figure.value == pytest.approx(60 / 90)
    assert figure.low < figure.value < figure.high
    assert f1(Decided(0, 0, 9, 0)) is None


def test_decisions_are_exact_at_the_threshold():
    found = of([(0.3, True), (0.30000000000000004, False), (0.29999999999999993, True)],
               threshold=0.3)  # fmt: skip
    assert found.decided == Decided(1, 1, 0, 1)


def test_what_is_no_probability_is_refused():
    found = of([(0.5, True), (math.nan, True), (1.5, False), (-math.inf, False)])
    assert (found.n, found.refused) == (1, 3)
    assert figures(found).log_loss is None
    assert sum(it.n for it in found.calibration_bins()) == 1


def test_nothing_is_not_known():
    assert figures(LabelledScores()) == ScoreFigures(0, 0)
    one = figures(of([(0.5, True)]))
    assert (one.auc, one.brier, one.slope, one.specificity) == (None,) * 4
    assert one.recall.value == 1.0


def test_certain_and_wrong_is_as_bad_as_scikit_learn_says():
    found = figures(of([(0.0, True), (1.0, False)]))
    assert found.log_loss.value == pytest.approx(-math.log(2.0**-52))
    assert found.brier.value == 1.0


def test_what_cannot_be():
    with pytest.raises(ValueError, match="0 calibration bins"):
        LabelledScores(calibration_bins=0)
    with pytest.raises(ValueError, match="threshold 2"):
        LabelledScores(threshold=2)
    with pytest.raises(ValueError, match=r"must be 0.5 and 10"):
        LabelledScores().merge(LabelledScores(0.4))


def test_the_page_explains_every_figure():
    page = (Path(__file__).parents[2] / "docs" / "comparison-numbers.md").read_text()
    missing = [name for name in ScoreFigures.__struct_fields__ if f"`{name}`" not in page]
    assert missing == []


def test_the_cases_are_the_same_on_every_machine():
    chance = random.Random("smooth 7")
    assert made("smooth", 1)[0][0] == round(chance.random() ** 2, 9)
    assert sum(label for *_, label in made("smooth")) == 3945
