"""What is said before the start, against theory and against the simulated releases."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from proxy.judge import Guardrail, Guardrails, Source
from proxy.judge.guardrails import DEFAULT
from proxy.judge.power import PARTS, Outlook, Traffic, _came, _firsts, outlook, warnings
from proxy.judge.rivals import HarmRule
from proxy.judge.scenario import Scenario, Step
from proxy.judge.simulate import run

HOUR = 3600.0
STEPS = (Step(0.05, 6 * HOUR), Step(0.25, 12 * HOUR))
ERRORS = DEFAULT.rules[0]


@cache
def look(traffic: Traffic, rule: Guardrail = ERRORS, rate: float = 0.01) -> Outlook:
    return outlook(traffic, STEPS, rule, rate, Guardrails((rule,)), np.random.default_rng(1))


def test_more_customers_find_smaller_effects_sooner():
    few, many = look(Traffic(500.0)), look(Traffic(20_000.0))
    for small, large in zip(few.steps, many.steps, strict=True):
        assert large.detectable is not None
        assert small.detectable is None or small.detectable > large.detectable
        assert small.doubling_seconds is not None
        assert large.doubling_seconds is not None
        assert small.doubling_seconds > 10 * large.doubling_seconds
    assert many.steps[-1].doubling == 1.0
    assert [step.canary_per_hour for step in many.steps] == [1000.0, 5000.0]


def test_a_healthy_canary_stays_within_its_part_of_alpha():
    found = look(Traffic(500.0))
    assert (found.needed, found.bound) == pytest.approx((20.0, 0.05))
    assert found.false_revert <= found.bound


def test_a_doubling_takes_as_long_as_in_simulated_releases():
    found = look(Traffic(20_000.0))
    scenario = Scenario(
        effect=2.0, customers=None, requests_per_second=20_000 / HOUR, tick=60.0,
        steps=(Step(0.05, 6 * HOUR),),
    )  # fmt: skip
    (result,) = run(scenario, [HarmRule()], 400, np.random.default_rng(2))
    assert result.seconds is not None
    assert found.steps[0].doubling_seconds == pytest.approx(result.seconds.p50, rel=0.2)


def test_where_less_is_harm_it_looks_for_less():
    rule = Guardrail("approvals", Source.KPI, of="approved", direction="decrease")
    found = look(Traffic(2000.0), rule, 0.3)
    assert found.direction == "decrease"
    assert found.steps[-1].detectable is not None
    assert 0.5 < found.steps[-1].detectable < 1.0
    assert found.steps[-1].doubling == 1.0


def test_a_small_customer_base_runs_out():
    endless, small = look(Traffic(500.0)), look(Traffic(500.0, customers=600.0))
    assert small.steps[-1].doubling < endless.steps[-1].doubling
    assert small.steps[-1].canary_customers < 600 * 0.25
    said = list(warnings([look(Traffic(20.0, customers=200.0))]))
    assert said[0].startswith("the canary will have met about")
    assert said[1].startswith("errors: statistics alone will not protect: a doubling is found in")


def test_enough_traffic_has_no_warning():
    assert list(warnings([look(Traffic(20_000.0))])) == []
    assert list(warnings([])) == []


def test_first_events_come_as_expected():
    """A finite base loses those who were counted, and its steps move them to the canary."""
    traffic = Traffic(1000.0, customers=5000.0)
    edges = np.linspace(0.0, 20 * HOUR, 41)
    shares = np.repeat([0.1, 0.5], 20)
    found = _firsts(traffic, 0.2, 3.0, edges, shares, 400, np.random.default_rng(3))
    pace = 0.2 * 0.2  # per customer and hour
    early, late = -math.expm1(-10 * pace), -math.expm1(-10 * pace * 3)
    mean = found.reshape(400, 2, 20, 2).sum(axis=2).mean(axis=0)
    left = 5000 * 0.4 * (1 - early)
    canary = 500 * -math.expm1(-20 * pace * 3)
    assert mean[0, 0] + mean[1, 0] == pytest.approx(canary + left * late, rel=0.02)
    assert mean[0, 1] == pytest.approx(4500 * early, rel=0.02)
    assert mean[1, 1] == pytest.approx(2500 * (1 - early) * early, rel=0.02)


def test_customers_who_came_are_counted_once():
    assert _came(Traffic(1000.0), STEPS) == pytest.approx(300.0 + 3000.0)
    all_of_them = _came(Traffic(1000.0, customers=1000.0), (Step(0.2, 1000 * HOUR),))
    assert all_of_them == pytest.approx(200.0)


def test_progress_is_told_to_the_end():
    ticks: list[int] = []
    outlook(
        Traffic(1000.0), STEPS[:1], ERRORS, 0.01, DEFAULT, np.random.default_rng(1),
        lambda: ticks.append(1),
    )  # fmt: skip
    assert len(ticks) == PARTS + 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Traffic(0.0), "customers per hour 0: must be over 0"),
        (lambda: Traffic(10.0, 4.0), "10 customers per hour of 4 in all"),
        (lambda: look(Traffic(10.0), rate=1.0), "base rate 1: must be over 0 and under 1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
