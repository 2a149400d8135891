"""Paired differences: exact moments, intervals for every look, evidence that is no chance."""

import math
import random
from statistics import variance

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.paired import (
    LOG_LOSS_BOUND,
    PairedDifference,
    PairedSnapshot,
    brier_difference,
    log_difference,
)
from proxy.measure.confidence import EmpiricalBernstein

differences = st.lists(st.floats(-1.0, 1.0), max_size=300)


def of(values, **options):
    paired = PairedDifference(**options)
    for value in values:
        paired.add(value)
    return paired


def numbers(values):
    return of(values, lo=None, hi=None)


def packed(paired):
    return msgspec.msgpack.encode(paired.snapshot())


@given(differences)
def test_the_sequence_is_that_of_choe_and_ramdas(values):
    sequence = EmpiricalBernstein(-1.0, 1.0)
    for value in values:
        sequence.add(value)
    paired = of(values)
    if values:
        assert paired.interval() == sequence.interval()
        assert paired.mean == pytest.approx(sequence.mean, abs=1e-12)
    assert paired.log_e() == sequence.log_e()


@given(differences, st.integers(0, 300), st.randoms(use_true_random=False))
def test_moments_of_any_order_and_partition_are_the_same_to_the_bit(values, cut, chance):
    shuffled = list(values)
    chance.shuffle(shuffled)
    whole, merged, other = of(values), of(shuffled[:cut]), of(shuffled[cut:])
    before = packed(other)
    merged.merge(other)
    assert packed(other) == before
    assert merged.n == whole.n
    if len(values) > 1:
        assert (merged.mean, merged.variance) == (whole.mean, whole.variance)
        assert whole.variance == pytest.approx(variance(values), abs=1e-12)
        low, high = merged.interval()
        assert low - 1e-12 <= merged.mean <= high + 1e-12


@pytest.mark.parametrize("options", [{}, {"lo": None, "hi": None}, {"lo": -2.0, "hi": 3.0}])
@given(values=differences, more=differences)
def test_a_restored_one_goes_on_as_the_same(options, values, more):
    whole = of(values + more, **options)
    half = of(values, **options)
    again = PairedDifference.restore(msgspec.msgpack.decode(packed(half), type=PairedSnapshot))
    for value in more:
        again.add(value)
    half.snapshot()
    for value in more:
        half.add(value)
    assert packed(again) == packed(half)
    assert again.figures() == half.figures()
    assert again.mean == whole.mean or not values + more


@pytest.mark.parametrize("pieces", [1, 4])
def test_it_covers_at_every_look_also_when_merged(pieces):
    """Drifting and dependent differences; several objects, merged afresh at each look."""
    missed, runs = 0, 60
    for seed in range(runs):
        chance, total = random.Random(seed), 0.0
        parts = [PairedDifference() for _ in range(pieces)]
        for t in range(1, 401):
            middle = 0.2 * math.sin(t / 30)
            total += middle
            parts[t % pieces].add(chance.uniform(middle - 0.3, middle + 0.3))
            if t % 40 == 0:
                whole = PairedDifference()
                for part in parts:
                    whole.merge(part)
                low, high = whole.interval()
                if not low <= total / t <= high:
                    missed += 1
                    break
    assert missed <= 0.05 * runs


def test_numbers_are_covered_at_every_look():
    missed, runs = 0, 100
    for seed in range(runs):
        chance, paired = random.Random(seed), PairedDifference(None, None)
        for t in range(1, 1501):
            paired.add(chance.expovariate(0.01) - 100)
            if t % 50 == 0 and (interval := paired.interval()):
                low, high = interval
                if not low <= 0.0 <= high:
                    missed += 1
                    break
    assert missed <= 0.1 * runs


def test_without_a_difference_evidence_is_rare():
    """P(ever e >= 1/alpha) <= alpha, with bounded differences that are skewed."""
    crossed, runs = 0, 100
    for seed in range(runs):
        chance, paired = random.Random(seed), PairedDifference()
        most = 0.0
        for t in range(1, 801):
            paired.add(0.3 if chance.random() < 0.1 else -0.3 / 9)
            if t % 20 == 0:
                most = max(most, paired.log_e())
        crossed += most >= math.log(20)
    assert crossed <= 0.05 * runs


def test_a_shift_of_two_hundredths_is_seen_in_some_thousand_pairs():
    chance = random.Random(3)
    found = of(chance.gauss(0.02, 0.03) for _ in range(1_500)).figures()
    assert 0.0 < found.low < 0.02 < found.high < 0.05
    assert found.log_e > math.log(20)
    assert found.p == pytest.approx(math.exp(-found.log_e))
    assert found.method == "empirical-Bernstein"


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.booleans())
def test_losses_stay_in_their_bounds(stable, shadow, positive):
    assert -1.0 <= brier_difference(stable, shadow, positive) <= 1.0
    assert abs(log_difference(stable, shadow, positive)) < LOG_LOSS_BOUND
    assert brier_difference(stable, shadow, positive) == -brier_difference(shadow, stable, positive)


def test_what_is_out_of_bounds_is_refused():
    found = of([0.5, 1.5, math.nan, -math.inf]).figures()
    assert (found.n, found.refused, found.mean, found.deviation) == (1, 3, 0.5, None)
    assert numbers([1e100, 5.0]).figures().refused == 1


def test_nothing_is_not_known():
    found = of([]).figures()
    assert (found.n, found.mean, found.low, found.high, found.log_e) == (0, None, None, None, 0.0)
    assert of([]).interval() is None
    assert math.isnan(of([]).mean)
    few = numbers([1.0] * 99).figures()
    assert (few.low, few.log_e, few.method) == (None, 0.0, "asymptotic")


def test_numbers_that_all_differ_by_the_same():
    assert numbers([0.0] * 200).figures().log_e == 0.0
    assert numbers([0.5] * 200).figures().log_e > math.log(20)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="must be two or none"):
        PairedDifference(None, 1.0)
    with pytest.raises(ValueError, match="to be merged"):
        PairedDifference().merge(PairedDifference(None, None))
