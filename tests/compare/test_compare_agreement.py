"""Agreement, its intervals, the noise floor, time, examples and decisions: sums that merge."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.agreement import Agreement, Distances, excess
from proxy.compare.decisions import DecisionRule, Decisions, Worth
from proxy.compare.examples import Example, Examples, said
from proxy.compare.noise import LEAST, Differing, NoiseFloor, paths
from proxy.compare.timeline import MOST, Timeline

PAIRS = st.lists(
    st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=30
)
TIMES = st.lists(st.tuples(st.integers(0, 10**7), st.booleans()), max_size=300)


def agreement(pairs):
    found = Agreement()
    for rows, agreed in pairs:
        found.add(rows, agreed)
    return found


@given(PAIRS, PAIRS)
def test_agreement_merges_to_the_same_as_one(first, second):
    one = agreement(first)
    one.merge(agreement(second))
    assert one == agreement(first + second)


@given(PAIRS)
def test_the_rate_lies_in_its_interval(pairs):
    found = agreement(pairs)
    low, high = found.span()
    assert 0 <= low <= high <= 1
    if found.rows:
        assert low - 1e-12 <= found.rate <= high + 1e-12
        assert found.error > 0
        assert found.effective <= max(found.rows, found.pairs)


def test_single_rows_have_wilsons_interval():
    found = agreement([(1, 1)] * 90 + [(1, 0)] * 10)
    # statsmodels' proportion_confint(90, 100, method="wilson"), within the n - 1 of the variance
    assert found.span() == pytest.approx((0.8256, 0.9448), abs=1e-3)


def test_rows_of_one_batch_are_no_independent_witnesses():
    rows = agreement([(1, 1)] * 500 + [(1, 0)] * 500)
    batches = agreement([(100, 100)] * 5 + [(100, 0)] * 5)
    assert rows.rate == batches.rate
    assert rows.span().high - rows.span().low < 0.1
    assert batches.span().high - batches.span().low > 0.4


def test_the_interval_of_batches_covers_as_often_as_it_says():
    chance, truth, covered = random.Random(7), 0.8, 0
    for _ in range(300):
        found = Agreement()
        for _ in range(80):
            level = chance.betavariate(8, 2)  # a batch's own rate, 0.8 in the mean
            found.add(20, sum(chance.random() < level for _ in range(20)))
        low, high = found.span()
        covered += low <= truth <= high
    assert covered / 300 > 0.91


def test_no_excess_where_both_differ_alike():
    shadow, noise = (
        agreement([(1, 1)] * 900 + [(1, 0)] * 100),
        agreement([(1, 1)] * 90 + [(1, 0)] * 10),
    )
    more, (low, high) = excess(shadow, noise)
    assert more == pytest.approx(0)
    assert low < 0 < high
    worse = agreement([(1, 1)] * 600 + [(1, 0)] * 400)
    assert excess(worse, noise)[1].low > 0.1


@given(st.lists(st.floats(0, allow_nan=False), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_of_distances_are_a_sixteenth_too_large_at_most(values, q):
    found = Distances()
    for value in values:
        found.add(value)
    exact = sorted(values)[max(0, math.ceil(q * len(values) - 1e-9) - 1)]
    got = found.quantile(q)
    if exact == 0 or exact == math.inf:
        assert got == exact
    elif 1e-11 < exact < 1e18:
        assert exact <= got <= exact * (1 + 1 / 15.9)


def floor(pairs, agreeing, distance=0.1):
    found = NoiseFloor()
    for k in range(pairs):
        agree = k < agreeing
        found.agreement.add(1, int(agree))
        found.distances.add(0.0 if agree else distance)
    return found


def test_the_floor_is_not_known_before_enough_pairs():
    shadow = agreement([(1, 1)] * 50)
    assert floor(LEAST - 1, LEAST - 1).summary(shadow).state == "unknown"
    assert floor(LEAST, LEAST).summary(shadow).state == "still"
    noisy = floor(200, 150).summary(shadow)
    assert noisy.state == "noisy"
    assert noisy.excess < 0
    assert noisy.distance_p99 == pytest.approx(0.1, rel=0.07)


def test_a_place_that_differs_from_itself_comes_last():
    shadow, noise = Differing(), NoiseFloor()
    for _ in range(200):
        noise.agreement.add(1, 0)
        noise.note({"/id": 1})
        shadow.agreement.add(1, 0)
        shadow.note({"/id": 1, "/score": 2})
    assert [(it.pointer, it.share, it.noise) for it in paths(shadow, noise)] == [
        ("/score", 1.0, 0.0),
        ("/id", 1.0, 1.0),
    ]


def test_places_are_bounded():
    found = Differing()
    for k in range(1000):
        found.note({f"/{k}": 1})
    assert len(found.paths) <= 201
    assert sum(found.paths.values()) == 1000


@given(TIMES, TIMES, st.sampled_from([1, 3600, 86_400]))
def test_time_merges_to_the_same_as_one(first, second, scale):
    def line(events):
        found = Timeline()
        for at, agree in events:
            found.add(float(at * scale), 1, int(agree))
        return found

    one = line(first)
    one.merge(line(second))
    assert one == line(first + second)
    assert len(one.steps) <= MOST


def example(k, distance):
    return Example(f"id-{k}", 0, "hash", (), 0.0, distance, False)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1) | st.none()), max_size=60))
def test_examples_are_the_same_in_any_order_and_however_merged(given_):
    unique = list({k: (k, d) for k, d in given_}.values())

    def kept(items):
        found = Examples()
        for k, distance in items:
            if found.wants(f"id-{k}", math.inf if distance is None else distance):
                found.add(example(k, distance))
        return found

    whole, half = kept(unique), kept(unique[::2])
    half.merge(kept(unique[1::2]))
    assert kept(unique[::-1]) == whole
    assert half == whole
    assert len(whole.farthest) <= 10
    far = sorted((math.inf if d is None else d for _, d in unique), reverse=True)[:10]
    assert [math.inf if it.distance is None else it.distance for it in whole.farthest] == far


def test_examples_say_values_short():
    assert said(0.123456789) == "0.123457"
    assert len(said("x" * 10_000)) == 160
    assert said([1.0] * 20).endswith("\u2026]")


WORTH = Worth(true_positive=100, false_positive=-500)


def test_decisions_by_segment_and_in_money():
    found = Decisions(DecisionRule(0.5, worth=WORTH))
    found.add(("age=young",), 0.4, 0.6)
    found.add(("age=old",), 0.6, 0.7)
    found.add(("age=old",), math.nan, 0.7)
    found.add_label(("age=young",), 0.4, 0.6, False)
    found.add_label(("age=old",), 0.6, 0.7, True)
    everyone, young, old = found.summary()
    assert (everyone.rows, everyone.to_yes, everyone.to_no) == (2, 1, 0)
    assert (young.segment, young.flips, young.gain_total) == ("age=young", 1.0, -500)
    assert (old.flips, old.gain) == (0.0, 0.0)
    assert everyone.gain == -250
    assert everyone.gain_low < -250 < everyone.gain_high


def test_classes_decide_by_name():
    rule = DecisionRule(positive=("bad", "1"))
    assert rule.decide("bad") is True
    assert rule.decide(1) is True
    assert rule.decide([0.2, 0.8]) is True
    assert rule.decide([math.nan, 0.8]) is None
    assert rule.decide(None) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1), st.floats(0, 1)), max_size=30))
def test_decisions_merge_to_the_same_as_one(rows):
    def counted(items):
        found = Decisions(DecisionRule(0.5, worth=WORTH))
        for segment, a, b in items:
            found.add((f"s={segment}",), a, b)
            found.add_label((f"s={segment}",), a, b, a > b)
        return found

    half = counted(rows[::2])
    half.merge(counted(rows[1::2]))
    assert half.summary() == counted(rows).summary()
    assert msgspec.json.encode(half.summary())
