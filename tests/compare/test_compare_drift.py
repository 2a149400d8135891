"""Drift: the statistics are scipy's, chance is what it is said to be, words follow the bounds."""

import math
import random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, kstwo
from scipy.stats import ks_2samp as scipy_ks

from proxy.compare import drift
from proxy.compare.drift import Reference, between, from_training, of_classes, reference_of
from proxy.compare.scores import ScoreHistogram
from proxy.quality.gathering import Gatherer


def of(numbers, scale="probability", bins=1_000):
    histogram = ScoreHistogram(scale, bins)
    for x in numbers:
        histogram.add(x)
    return histogram


def drawn(seed, n, power=2.0, move=0.0):
    chance = random.Random(seed)
    return [min(1.0, chance.random() ** power + move) for _ in range(n)]


scores = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=80)


@pytest.mark.parametrize("scale", ["probability", "number"])
@given(scores, scores)
def test_the_exact_ks_is_between_ours_and_its_error(scale, first, second):
    found = between(of(first, scale), of(second, scale))
    at = numpy.sort([*first, *second])
    below = [numpy.searchsorted(sorted(it), at, "right") / len(it) for it in (first, second)]
    exact = numpy.abs(below[0] - below[1]).max()
    assert found.ks - 1e-12 <= exact <= found.ks + found.ks_error + 1e-12


def test_ks_of_tied_scores_is_exact():
    first = [round(x, 2) for x in drawn(1, 3_000)]
    second = [round(x, 2) for x in drawn(2, 2_000, 2.1)]
    exact = scipy_ks(first, second, method="asymp")
    found = between(of(first), of(second))
    assert found.ks == pytest.approx(exact.statistic, abs=1e-12)
    assert found.ks_p == pytest.approx(exact.pvalue, rel=0.1)


@given(st.floats(0.01, 0.4), st.integers(60, 5000), st.integers(60, 5000))
def test_the_chance_of_ks_is_kolmogorovs(d, n, m):
    exact = kstwo.sf(d, round(n * m / (n + m)))
    assert drift.ks_chance(d, n, m) == pytest.approx(exact, rel=0.12, abs=0.004)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12))
def test_jensen_shannon_is_scipys_squared(pairs):
    a, b = zip(*pairs, strict=True)
    if sum(a) and sum(b):
        exact = jensenshannon(a, b, base=2) ** 2
        assert drift.jensen_shannon(a, b) == pytest.approx(float(numpy.nan_to_num(exact)), abs=1e-9)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=1, max_size=12))
def test_psi_is_its_definition(pairs):
    p, q = (numpy.array(it) / sum(it) for it in zip(*pairs, strict=True))
    exact = float(numpy.sum((p - q) * numpy.log(p / q)))
    assert drift.psi(*zip(*pairs, strict=True)) == pytest.approx(exact, abs=1e-12)


def test_an_empty_group_is_half_a_prediction():
    p, q = 10.5 / 11, 0.5 / 11
    assert drift.psi([10, 0], [0, 10]) == pytest.approx(2 * (p - q) * math.log(p / q))
    assert drift.jensen_shannon([10, 0], [0, 10]) == 1.0


def test_chance_is_what_95_of_100_stay_under():
    over, wrong, runs = 0, 0, 200
    for seed in range(runs):
        found = between(of(drawn(seed, 400)), of(drawn(-seed - 1, 500)))
        over += found.psi > found.psi_chance
        wrong += found.psi_word not in ("little", "not known")
    assert wrong <= 0.05 * runs
    assert 0.01 * runs <= over <= 0.12 * runs


def test_chance_is_the_quantile_of_chi_square():
    exact = chi2.ppf(0.95, 9) * (1 / 400 + 1 / 500)
    assert drift._psi_chance(10, 400, 500) == pytest.approx(exact, rel=0.01)


def test_words():
    same = between(of(drawn(1, 20_000)), of(drawn(2, 20_000)))
    words = same.psi_word, same.js_word, same.ks_word, same.mean_word
    assert words == ("little",) * 4
    far = between(of(drawn(1, 5_000, 0.5)), of(drawn(2, 5_000)))
    words = far.psi_word, far.js_word, far.ks_word, far.mean_word
    assert words == ("much",) * 4
    few = between(of(drawn(1, 10)), of(drawn(2, 10)))
    assert few.psi_word == few.mean_word == "not known"
    some = between(of(drawn(1, 20_000, 2.5)), of(drawn(2, 20_000)))
    assert (some.mean_word, some.ks_word) == ("some", "some")


def test_the_shift_of_the_mean_is_covered():
    first, second = drawn(1, 4_000, 2.0, 0.02), drawn(2, 4_000)
    found = between(of(first), of(second))
    assert found.mean_shift == pytest.approx(numpy.mean(first) - numpy.mean(second))
    assert found.mean_low < found.mean_shift < found.mean_high
    half = 1.96 * math.sqrt(numpy.var(first, ddof=1) / 4_000 + numpy.var(second, ddof=1) / 4_000)
    assert found.mean_high - found.mean_shift == pytest.approx(half, rel=1e-4)


def test_nothing_is_no_drift():
    found = between(of([]), of([0.5]))
    assert (found.n, found.reference_n, found.psi, found.psi_word) == (0, 1, None, "not known")
    alone = between(of([0.5] * 200), of([0.5] * 200))
    assert (alone.psi, alone.ks, alone.mean_shift, alone.mean_word) == (0.0, 0.0, 0.0, "little")


def test_other_bins_are_not_compared():
    with pytest.raises(ValueError, match="must be the same to be compared"):
        between(of([0.5]), of([0.5], bins=200))


def profile_of(numbers):
    gatherer = Gatherer()
    gatherer.add(len(numbers), {"score": numbers})
    return gatherer.profile().columns[0]


@pytest.mark.parametrize("scale", ["probability", "number"])
def test_against_a_training_profile(scale):
    reference = reference_of(profile_of(drawn(1, 20_000)))
    same = from_training(of(drawn(2, 20_000), scale), reference)
    assert (same.psi_word, same.mean_word) == ("little", "little")
    assert same.psi < 2 * same.psi_chance
    far = from_training(of(drawn(2, 20_000, 0.7), scale), reference)
    assert (far.psi_word, far.ks_word, far.mean_word) == ("much", "much", "much")
    exact = scipy_ks(drawn(2, 20_000, 0.7), drawn(1, 20_000)).statistic
    assert far.ks - 0.002 <= exact <= far.ks + far.ks_error + 0.002


def test_a_profile_with_one_value_in_many_rows():
    """Zero-inflated: nought is an edge, and all of it lies above the edge."""
    numbers = [0.0] * 600 + drawn(1, 400)
    reference = reference_of(profile_of(numbers))
    assert from_training(of(numbers), reference).psi < 0.001
    assert from_training(of(numbers, "number"), reference).psi < 0.001


@given(scores, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_no_prediction_is_lost_between_edges(numbers, inner):
    inner = sorted(set(inner))
    found = drift._at_edges(of(numbers), inner)
    assert sum(found) == pytest.approx(len(numbers))
    assert min(found) >= -1e-9
    for at, edge in enumerate(inner):
        exact = sum(x < edge for x in numbers)
        near = sum(abs(x - edge) < 0.0011 for x in numbers)
        assert abs(sum(found[: at + 1]) - exact) <= near + 1e-9


def test_a_profile_without_numbers_is_no_reference():
    assert reference_of(profile_of(["a", "b"] * 20)) is None
    assert from_training(of([0.5]), Reference((0.0, 1.0), (0,), 0.0, 0.0, 0)).psi is None


def test_classes():
    found = of_classes({"a": 900, "b": 100}, {"a": 500, "b": 500, "c": 1})
    assert (found.psi_word, found.ks, found.mean_shift) == ("much", None, None)
    assert of_classes({}, {"a": 1}).psi is None
    assert of_classes({"a": 5}, {"a": 7}).psi == 0.0
