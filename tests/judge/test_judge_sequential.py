"""The sequential tests of a rate ratio: exact expectations, both directions, counts only."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, logsumexp

from proxy.judge.sequential import (
    GRID,
    HarmTest,
    PromotionTest,
    Running,
    expected,
    log_ratio,
    promotion_log_e,
)

SHARES = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 0.9])
DIRECTIONS = st.sampled_from(["increase", "decrease"])
HARMS = st.sampled_from([0.0, 0.1, 0.5, 0.9])
COUNTS = st.dictionaries(SHARES, st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=4)
EVENTS = st.lists(st.tuples(SHARES, st.booleans()), max_size=60)


def by_the_book(counts, boundary, alternatives):
    """judge.md's formula, as it stands."""
    logs = []
    for d in alternatives:
        total = -math.log(len(alternatives))
        for share, (canary, stable) in counts.items():
            here, null = expit(logit(share) + d), expit(logit(share) + boundary)
            total += canary * math.log(here / null) + stable * math.log((1 - here) / (1 - null))
        logs.append(total)
    return float(logsumexp(logs))


def test_the_grid_is_forty_log_spaced_offsets():
    assert len(GRID) == 40
    assert GRID[0] == pytest.approx(0.05)
    assert GRID[-1] == pytest.approx(3.0)
    assert GRID[1] / GRID[0] == pytest.approx(GRID[-1] / GRID[-2])


@given(COUNTS, HARMS, DIRECTIONS)
def test_it_is_the_formula(counts, harm, direction):
    boundary = math.log(1 + harm if direction == "increase" else 1 - harm)
    above = [boundary + it for it in GRID]
    below = [boundary - it for it in GRID]
    worse, better = (above, below) if direction == "increase" else (below, above)
    close = {"rel": 1e-9, "abs": 1e-9}
    assert HarmTest(harm, direction).log_e(counts) == pytest.approx(
        by_the_book(counts, boundary, worse), **close
    )
    assert promotion_log_e(counts, harm, direction) == pytest.approx(
        by_the_book(counts, boundary, better), **close
    )


def expectation(test, shares, ratio):
    """E's exact mean over all outcomes of one event at each of ``shares``."""
    mean = 0.0
    for arms in product((False, True), repeat=len(shares)):
        counts, chance = {}, 1.0
        for share, canary in zip(shares, arms, strict=True):
            p = expit(logit(share) + math.log(ratio))
            chance *= p if canary else 1 - p
            had = counts.get(share, (0, 0))
            counts[share] = (had[0] + canary, had[1] + (not canary))
        mean += chance * math.exp(test.log_e(counts))
    return mean


@given(st.lists(SHARES, max_size=7), HARMS, DIRECTIONS, st.floats(0.05, 20.0), st.booleans())
def test_its_mean_is_at_most_one_wherever_the_null_holds(shares, harm, direction, ratio, harmful):
    """Exactly enumerated: at most 1 inside the composite null, 1 on its boundary."""
    edge = math.exp(log_ratio("harm", harm, direction))
    test = HarmTest(harm, direction) if harmful else PromotionTest(harm, direction)
    inside = min(ratio, edge) if test.side > 0 else max(ratio, edge)
    assert expectation(test, shares, inside) <= 1 + 1e-9
    assert expectation(test, shares, edge) == pytest.approx(1.0)


@given(st.lists(SHARES, min_size=1, max_size=7), st.floats(1.3, 20.0))
def test_its_mean_grows_where_there_is_harm(shares, ratio):
    assert expectation(HarmTest(0.0), shares, ratio) > 1


def test_the_longest_peek_cannot_be_gamed():
    """Ville, exactly: the chance that E ever reaches 1/alpha in 14 events, at any look."""
    test, share, bound = HarmTest(0.0), 0.3, math.log(1 / 0.05)
    alive, crossed = {(0, 0): 1.0}, 0.0
    for _ in range(14):
        following = {}
        for (canary, stable), chance in alive.items():
            for now, p in (((canary + 1, stable), share), ((canary, stable + 1), 1 - share)):
                if test.log_e({share: now}) >= bound:
                    crossed += chance * p
                else:
                    following[now] = following.get(now, 0.0) + chance * p
        alive = following
    assert 0 < crossed <= 0.05


@given(COUNTS, SHARES, HARMS, DIRECTIONS)
def test_more_bad_canary_events_are_never_better(counts, share, harm, direction):
    canary, stable = counts.get(share, (0, 0))
    worse = {**counts, share: (canary + 1, stable)}
    sign = 1 if direction == "increase" else -1
    harmful, fine = HarmTest(harm, direction), PromotionTest(harm, direction)
    assert sign * (harmful.log_e(worse) - harmful.log_e(counts)) > -1e-12
    assert sign * (fine.log_e(worse) - fine.log_e(counts)) < 1e-12


@given(EVENTS, st.randoms())
def test_order_does_not_matter_and_counting_is_exact(events, chance):
    test = HarmTest(0.1)
    one, other, largest = Running(test), Running(test), 0.0
    mixed = list(events)
    chance.shuffle(mixed)
    for share, canary in events:
        one.add(share, canary)
        one.look()
        largest = max(largest, one.log_e)
    for share, canary in mixed:
        other.add(share, canary)
    assert one.counts == other.counts
    assert one.log_e == other.log_e == test.log_e(one.counts)
    assert one.peak == (largest if largest > math.log(2) else 0.0)
    assert Running(test, one.counts, one.peak).log_e == one.log_e


@given(COUNTS, HARMS, DIRECTIONS, st.booleans())
def test_no_log_e_is_over_its_bound(counts, harm, direction, harmful):
    test = HarmTest(harm, direction) if harmful else PromotionTest(harm, direction)
    running = Running(test, counts)
    assert running.log_e <= running.most()
    assert running.log_e <= 1e-9 or running.leans
    for bound in (0.1, 1.0, 3.0):
        assert running.reaches(bound) == (running.log_e >= bound)


@given(EVENTS)
def test_the_p_value_never_rises(events):
    running, before = Running(HarmTest(0.0)), 1.0
    for share, canary in events:
        running.add(share, canary)
        running.look()
        assert 0 <= running.p <= before
        before = running.p


def test_no_events_are_no_evidence():
    running = Running(HarmTest(0.0))
    assert running.look() == 0.0
    assert running.p == 1.0
    assert HarmTest(0.0).log_e({}) == pytest.approx(0.0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_share_of_all_or_none_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Running(HarmTest(0.0)).add(share, True)


@pytest.mark.parametrize(
    ("harm", "direction"), [(-0.1, "increase"), (math.inf, "increase"), (1.0, "decrease")]
)
def test_a_tolerance_that_means_nothing_is_refused(harm, direction):
    with pytest.raises(ValueError, match="tolerance"):
        HarmTest(harm, direction)
    with pytest.raises(ValueError, match="margin"):
        PromotionTest(harm, direction)


@pytest.mark.parametrize("grid", [(), (0.0,), (-1.0,), (math.inf,)])
def test_a_grid_that_bets_on_nothing_is_refused(grid):
    with pytest.raises(ValueError, match="grid"):
        HarmTest(0.0, grid=grid)


def test_numbers_too_large_for_exp_are_no_trouble():
    counts = {0.05: (100_000, 1_000)}
    assert HarmTest(0.0).log_e(counts) > 10_000
    assert promotion_log_e(counts, 0.5) < -1_000


def test_what_was_expected_of_a_healthy_canary():
    assert expected({0.1: (14, 18), 0.5: (3, 4)}) == pytest.approx(2.0 + 4.0)
