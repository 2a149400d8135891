"""Confidence sequences: formulas, published relations, and that they cover."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from proxy.measure.confidence import (
    EmpiricalBernstein,
    Interval,
    Moments,
    mean_difference,
    mean_log_e,
    mean_radius,
    rate_interval,
    rho_squared,
)
from proxy.measure.multiplicity import e_bh


@given(st.integers(0, 500), st.integers(1, 5000))
def test_the_interval_of_a_rate_is_wilsons(events, more):
    n = events + more
    oracle = binomtest(events, n).proportion_ci(method="wilson")
    assert rate_interval(events, n) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_a_rate_of_nobody():
    assert rate_interval(0, 0) == (0.0, 1.0)


def test_the_asymptotic_sequence_is_the_formula():
    error, n, alpha, planned = 0.01, 12_000.0, 0.05, 10_000.0
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned
    assert rho_squared(alpha, planned) == pytest.approx(rho2)
    spread = error * math.sqrt(n)
    by_the_book = spread * math.sqrt(
        2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha)
    )
    assert mean_radius(error, n, alpha, planned) == pytest.approx(by_the_book)


@given(st.floats(0.001, 0.5), st.floats(1.0, 1e6), st.floats(10.0, 1e6))
def test_its_e_value_crosses_where_the_sequence_ends(alpha, n, planned):
    z = mean_radius(1.0, n, alpha, planned)
    assert mean_log_e(z, n, alpha, planned) == pytest.approx(-math.log(alpha), abs=1e-6)
    assert mean_log_e(z * 1.01, n, alpha, planned) > -math.log(alpha)


def test_it_is_tightest_about_where_it_was_planned():
    at = {
        planned: mean_radius(1.0, 10_000.0, 0.05, planned)
        for planned in (100.0, 1_000.0, 10_000.0, 100_000.0, 1e6)
    }
    assert min(at, key=at.__getitem__) == 10_000.0


def moments(values):
    return Moments(len(values), sum(values), sum(it * it for it in values))


def test_a_difference_needs_a_hundred_customers():
    few, many = moments([1.0, 0.0] * 49), moments([1.0, 0.0] * 500)
    assert mean_difference(few, many, 0.05, 1000) is None
    assert mean_difference(many, few, 0.05, 1000) is None
    found = mean_difference(many, many, 0.05, 1000)
    assert found is not None
    assert found.low == -found.high < 0


def test_rounding_makes_no_variance_negative():
    assert Moments(3, 0.3, 0.0299999).variance == 0.0


def test_paired_scores_are_covered_at_all_times():
    """Differences that drift and depend: the mean of their expectations is never left."""
    missed, runs = 0, 60
    for seed in range(runs):
        chance, sequence, total = random.Random(seed), EmpiricalBernstein(-1.0, 1.0), 0.0
        for t in range(1, 200):
            middle = 0.3 * math.sin(t / 20)
            total += middle
            sequence.add(max(-1.0, min(1.0, chance.uniform(middle - 0.4, middle + 0.4))))
            if t % 8:
                continue
            low, high = sequence.interval()
            if not low <= total / t <= high:
                missed += 1
                break
    assert missed <= runs * 0.05


def test_paired_scores_tell_a_difference():
    chance, sequence = random.Random(1), EmpiricalBernstein(-1.0, 1.0)
    assert math.isnan(sequence.mean)
    assert sequence.interval() == Interval(-1.0, 1.0)
    for _ in range(2000):
        sequence.add(chance.uniform(0.0, 0.2))
    low, high = sequence.interval()
    assert 0 < low < 0.1 < high < 0.2
    assert high - low < 0.05


def test_a_score_out_of_bounds_is_refused():
    with pytest.raises(ValueError, match=r"2.0: must be from -1.0 to 1.0"):
        EmpiricalBernstein(-1.0, 1.0).add(2.0)
    with pytest.raises(ValueError, match="first must be less"):
        EmpiricalBernstein(1.0, 1.0)


def test_e_bh_names_the_largest_list_that_holds():
    # m = 4, alpha = 0.1: one needs 40, two need 20 each, three 13.3, four 10.
    assert e_bh([39.0, 1.0, 1.0, 1.0], 0.1) == []
    assert e_bh([41.0, 1.0, 1.0, 1.0], 0.1) == [0]
    assert e_bh([1.0, 21.0, 1.0, 25.0], 0.1) == [1, 3]
    assert e_bh([14.0, 14.0, 14.0, 1.0], 0.1) == [0, 1, 2]
    assert e_bh([11.0, 10.0, 12.0, 10.0], 0.1) == [0, 1, 2, 3]
    assert e_bh([], 0.1) == []
    with pytest.raises(ValueError, match="alpha"):
        e_bh([1.0], 0.0)


@given(st.lists(st.floats(0, 1e6), max_size=20), st.floats(0.01, 0.5))
def test_e_bh_names_the_largest(values, alpha):
    named = e_bh(values, alpha)
    least = min((values[it] for it in named), default=math.inf)
    assert all(value <= least for it, value in enumerate(values) if it not in named)


bounded = st.lists(st.floats(-1.0, 1.0), max_size=40)


def sequence_of(values):
    sequence = EmpiricalBernstein(-1.0, 1.0)
    for value in values:
        sequence.add(value)
    return sequence


@given(bounded, bounded)
def test_two_sequences_are_one_of_all_their_numbers(some, others):
    merged, other = sequence_of(some), sequence_of(others)
    merged.merge(other)
    whole = sequence_of(some + others)
    assert merged.n == whole.n
    assert merged.total == pytest.approx(whole.total, abs=1e-9)
    assert other.n == len(others)
    if whole.n:
        low, high = merged.interval()
        assert low <= merged.mean <= high


def test_sequences_of_other_bounds_are_not_merged():
    with pytest.raises(ValueError, match="to be merged"):
        EmpiricalBernstein(-1.0, 1.0).merge(EmpiricalBernstein(0.0, 1.0))


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=60), st.floats(-0.5, 0.5))
def test_its_e_value_is_at_least_half_of_the_side_that_crosses(values, null):
    """Outside of the sequence at alpha one side is at least 2/alpha, so their mean 1/alpha."""
    sequence = sequence_of(values)
    low, high = sequence.interval()
    if low > null or high < null:
        assert sequence.log_e(null) >= -math.log(sequence.alpha) - 1e-6
    if sequence.log_e(null) < -math.log(sequence.alpha) - 1e-6:
        assert low <= null <= high


def test_an_e_value_of_nothing_is_one():
    assert EmpiricalBernstein(-1.0, 1.0).log_e() == 0.0
