"""Simulated releases: the harness against theory and published numbers, then what it shows."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from proxy.judge.policy import ErrorRate
from proxy.judge.rivals import HarmRule, ThresholdRule, ZTest, first_at_least, peeking, z_scores
from proxy.judge.scenario import Scenario, Step
from proxy.judge.sequential import HarmTest
from proxy.judge.simulate import CANARY, STABLE, Release, draw, interval, run

SHORT = Scenario(steps=(Step(0.05, 1800.0),))
STEPS = Scenario(
    base_rate=0.02,
    customers=3000,
    failures=3,
    drift=2.0,
    steps=(Step(0.01, 600.0), Step(0.1, 600.0), Step(0.4, 600.0)),
)


def changed(scenario: Scenario, **fields: object) -> Scenario:
    return msgspec.structs.replace(scenario, **fields)


# The peeking table: before it is right, no other figure counts.

ARMITAGE = {1: 0.050, 2: 0.083, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320}


def peeking_exactly(looks: int, bound: float, points: int = 801) -> float:
    """The density of the sum while no look has fired, integrated from look to look."""
    grid = np.linspace(-bound, bound, points)
    density = stats.norm.pdf(grid)
    for look in range(2, looks + 1):
        wider = np.linspace(-1, 1, points) * bound * math.sqrt(look)
        weights = np.full(points, grid[1] - grid[0])
        weights[[0, -1]] /= 2
        density = stats.norm.pdf(wider[:, None] - grid[None, :]) @ (density * weights)
        grid = wider
    return 1.0 - float(np.trapezoid(density, grid))


@pytest.mark.parametrize("looks", ARMITAGE)
def test_peeking_as_published(looks):
    exact = peeking_exactly(looks, stats.norm.ppf(0.975))
    assert exact == pytest.approx(ARMITAGE[looks], abs=0.0006)
    replications = 100_000
    found = peeking(looks, replications, np.random.default_rng(looks))
    assert abs(found - exact) < 4 * math.sqrt(exact * (1 - exact) / replications)


def test_peeking_at_releases_with_the_harness_itself():
    """The same table from releases, requests and the z-test as they are simulated."""
    scenario = Scenario(
        base_rate=0.3,
        customers=None,
        requests_per_second=1000.0,
        steps=(Step(0.5, 10.0),),
        tick=1.0,
    )
    random, bound, fired = np.random.default_rng(5), stats.norm.ppf(0.975), 0
    for _ in range(4000):
        it = draw(scenario, random)
        z = z_scores(np.cumsum(it.errors, axis=0), np.cumsum(it.requests, axis=0))
        fired += first_at_least(np.abs(z), bound) is not None
    low, high = interval(fired, 4000, z=4.0)
    assert low < ARMITAGE[10] < high


# The draw against theory.


def test_a_seed_gives_the_same_release_again():
    first, again, other = (draw(STEPS, np.random.default_rng(seed)) for seed in (3, 3, 4))
    for name in ("firsts", "requests", "errors"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


@pytest.mark.parametrize("effect", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("activity", ["even", "log-normal", "pareto"])
def test_as_many_fail_as_the_rates_say(effect, activity):
    """Whoever makes the traffic: failures are the rate times the requests, in both arms."""
    scenario = changed(STEPS, effect=effect, activity=activity, spread=1.2 + (activity == "pareto"))
    random = np.random.default_rng(1)
    ratio = np.zeros(2)
    for _ in range(60):
        it = draw(scenario, random)
        hazard = scenario.base_rate * scenario.drift ** np.linspace(0.0, 1.0, scenario.ticks)
        good = (it.requests - it.errors).sum(axis=0)
        middle = np.average(hazard, weights=it.shares), np.average(hazard, weights=1 - it.shares)
        chance = np.array(middle) * (effect, 1.0)
        ratio += it.errors.sum(axis=0) / scenario.failures / (good / (1 - chance) * chance) / 60
    assert ratio == pytest.approx([1.0, 1.0], rel=0.06)


def test_first_failures_of_even_customers_run_out_as_they_should():
    scenario = changed(STEPS, activity="even", drift=1.0, effect=2.0, steps=(Step(0.3, 3600.0),))
    random = np.random.default_rng(2)
    found = np.mean([draw(scenario, random).firsts.sum(axis=0) for _ in range(80)], axis=0)
    hits = scenario.base_rate * scenario.per_tick * scenario.ticks / scenario.customers
    canary = 0.3 * 3000 * -math.expm1(-2 * hits)
    stable = 0.7 * 3000 * -math.expm1(-hits)
    assert found == pytest.approx([canary, stable], rel=0.01)


def test_a_first_failure_is_the_canary_s_as_often_as_its_share_says():
    """The reason why customers are counted once: exact with heavy tails, drift and steps."""
    random, seen = np.random.default_rng(7), np.zeros((3, 2))
    for _ in range(100):
        it = draw(STEPS, random)
        for k, share in enumerate((0.01, 0.1, 0.4)):
            seen[k] += it.firsts[it.shares == share].sum(axis=0)
    for share, (canary, stable) in zip((0.01, 0.1, 0.4), seen, strict=True):
        test = stats.binomtest(int(canary), int(canary + stable), share)
        assert test.pvalue > 0.001


def test_who_failed_adds_up_to_the_counts():
    it = draw(STEPS, np.random.default_rng(9))
    assert it.failed is not None
    for tick in range(STEPS.ticks):
        mine = it.failed.tick == tick
        canary = int((it.failed.join[mine] <= tick).sum())
        assert tuple(it.firsts[tick]) == (canary, int(mine.sum()) - canary)
    assert len(np.unique(it.failed.customer)) == len(it.failed.customer)


def test_exposed_customers_only_grow_up_to_the_canary_s():
    it = draw(STEPS, np.random.default_rng(9))
    exposed = [it.exposed(ticks) for ticks in range(STEPS.ticks + 1)]
    assert exposed == sorted(exposed)
    assert exposed[0] == 0.0
    assert exposed[-1] <= sum(len(each) for each in it.joined) == pytest.approx(1200, abs=100)


# The rules against what they stand for.

FIRSTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=12)


@given(
    FIRSTS,
    FIRSTS,
    st.sampled_from([(0.0, "increase"), (0.3, "increase"), (0.2, "decrease")]),
)
def test_the_harm_rule_is_the_harm_test_at_every_look(early, late, kind):
    rule, test = HarmRule(*kind), HarmTest(*kind)
    shares = np.array([0.05] * len(early) + [0.5] * len(late))
    path = rule.log_e(shares, np.array(early + late))
    counts = {}
    for share, (canary, stable), found in zip(shares, early + late, path, strict=True):
        had = counts.get(float(share), (0, 0))
        counts[float(share)] = (had[0] + canary, had[1] + stable)
        assert found == pytest.approx(test.log_e(counts), abs=1e-9)


def release(errors: list[tuple[int, int]], requests: list[tuple[int, int]]) -> Release:
    made = changed(SHORT, steps=(Step(0.5, 10.0 * len(errors)),))
    counts = np.array(errors)
    return Release(made, np.full(len(errors), 0.5), counts, np.array(requests), counts)


def test_the_threshold_looks_at_its_window_alone():
    rule = ThresholdRule(ErrorRate(absolute=0.1, window=20.0, min_requests=50))
    quiet = [(0, 0)] * 4
    assert rule.crossing(release([*quiet, (11, 0)], [(50, 50)] * 5)) == 4
    assert rule.crossing(release([*quiet, (10, 0)], [(50, 50)] * 5)) is None
    assert rule.crossing(release([(5, 0), (0, 0), (8, 0)], [(50, 50)] * 3)) is None
    assert rule.crossing(release([(20, 0)], [(49, 50)])) is None


def test_the_relative_threshold_needs_stable_and_three_failures():
    rule = ThresholdRule(ErrorRate(relative=2.0, window=10.0, min_requests=50))
    assert rule.crossing(release([(5, 1)], [(100, 100)])) == 0
    assert rule.crossing(release([(4, 1)], [(100, 100)])) is None
    assert rule.crossing(release([(5, 1)], [(100, 49)])) is None
    assert rule.crossing(release([(2, 0)], [(50, 500)])) is None


def test_the_z_test_is_the_pooled_one():
    found = z_scores(np.array([[30, 40]]), np.array([[500, 1000]]))[0]
    pooled = 70 / 1500
    assert found == pytest.approx(0.02 / math.sqrt(pooled * (1 - pooled) * (1 / 500 + 1 / 1000)))
    assert math.isnan(z_scores(np.array([[30, 40]]), np.array([[49, 1000]]))[0])
    bad = release([(20, 2)], [(100, 100)])
    assert (ZTest().crossing(bad), ZTest(direction="decrease").crossing(bad)) == (0, None)


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_interval_is_wilson_s(successes, trials):
    successes = min(successes, trials)
    wilson = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert interval(successes, trials) == pytest.approx((wilson.low, wilson.high), abs=1e-9)
    assert interval(0, 0) == (0.0, 1.0)


# What it shows; docs/judge-tools.md has the same with 2,000 releases.


def test_healthy_canaries_stay_and_a_z_test_reverts_most():
    """Heavy-tailed customers, five failures in a row, a look at every tick."""
    scenario = changed(SHORT, failures=5)
    ours, z = run(scenario, [HarmRule(), ZTest()], 400, np.random.default_rng(1))
    assert ours.share <= 0.05
    assert ours.low < 0.05
    assert z.low > 0.5


def test_counting_requests_breaks_the_promise_that_counting_customers_keeps():
    rules = [HarmRule(), HarmRule(by_request=True)]
    scenario = changed(SHORT, failures=5, activity="even")
    ours, naive = run(scenario, rules, 300, np.random.default_rng(4))
    assert ours.low < 0.05
    assert naive.low > 0.2


@pytest.mark.parametrize(
    ("base", "bad", "median"), [(0.01, 0.02, 940), (0.01, 0.05, 120), (0.05, 0.1, 210)]
)
def test_detection_takes_as_many_requests_as_said(base, bad, median):
    length = median / 0.05  # requests of everybody, one a second
    scenario = Scenario(
        base_rate=base,
        effect=bad / base,
        customers=None,
        requests_per_second=1.0,
        steps=(Step(0.05, 8 * length),),
        tick=length / 150,
    )
    (found,) = run(scenario, [HarmRule()], 300, np.random.default_rng(3))
    assert found.canary_requests is not None
    assert found.share > 0.99
    assert median / 1.3 < found.canary_requests.p50 < median * 1.3


def test_a_curve_rises_to_the_share():
    done: list[int] = []
    (found,) = run(
        changed(SHORT, effect=4.0), [HarmRule()], 300, np.random.default_rng(1), done.append
    )
    assert done == list(range(1, 301))
    assert found.curve == tuple(sorted(found.curve))
    assert found.curve[0] == (0.0, 0.0)
    assert found.curve[-1] == (1800.0, found.share)
    assert len(found.curve) <= 200
    assert found.reverted == round(found.share * 300)


def test_no_revert_has_no_quantiles():
    (found,) = run(changed(SHORT, base_rate=0.0), [HarmRule()], 5, np.random.default_rng(1))
    assert (found.reverted, found.seconds, found.hurt) == (0, None, None)


def test_columns_are_named_as_the_arrays_are_made():
    it = draw(changed(SHORT, effect=5.0), np.random.default_rng(1))
    rate = it.errors.sum(axis=0) / it.requests.sum(axis=0)
    assert rate[CANARY] > 3 * rate[STABLE]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"base_rate": 1.5}, "base_rate 1.5: must be from 0 to 1"),
        ({"base_rate": 0.5, "effect": 3.0}, "base_rate x effect x drift is 1.5"),
        ({"customers": 1}, "customers 1: must be from 2"),
        ({"activity": "odd"}, "must be one of even, log-normal, pareto"),
        ({"activity": "pareto", "spread": 1.0}, "for pareto: under it no mean exists"),
        ({"steps": ()}, "steps: found none"),
        ({"steps": (Step(0.0, 60.0),)}, "share 0: must be from"),
        ({"steps": (Step(0.1, 1.0),)}, "seconds of a step 1: must be from 10"),
        ({"steps": (Step(0.2, 60.0), Step(0.1, 60.0))}, "shares 0.2, 0.1: each must be"),
        ({"tick": 0.001, "steps": (Step(0.1, 7200.0),)}, "7200000 looks: at most 1000000"),
    ],
)
def test_a_scenario_that_cannot_be_says_why(fields, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        changed(SHORT, **fields).__post_init__()
