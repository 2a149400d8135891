"""The rate follows the cost: within the budget, and back to everything when there is time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.pacing import LEAST, Pace


def after(pace, pairs_a_second, cost, seconds, start=0.0):
    """The share of a core that is used in the last second."""
    used = 0.0
    for tick in range(seconds * 10):
        used = pairs_a_second / 10 * pace.rate * cost
        pace.spent(used, start + tick / 10)
    return used * 10


def test_with_time_for_all_nothing_is_passed_over():
    pace = Pace(0.5)
    after(pace, 1000, 50e-6, 30)
    assert pace.rate == 1.0


@given(st.floats(0.05, 1), st.floats(0.6, 50))
def test_it_settles_at_the_budget(budget, load):
    pace = Pace(budget)
    used = after(pace, 1000 * load, 1e-3, 60)
    assert used == pytest.approx(min(budget, load), rel=0.2)


def test_it_comes_back_when_there_is_time_again():
    pace = Pace(0.5)
    after(pace, 100_000, 1e-3, 20)
    assert pace.rate < 0.01
    after(pace, 10, 1e-3, 60, start=20.0)
    assert pace.rate == 1.0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 10)), max_size=50))
def test_the_rate_is_always_one(events):
    pace, now = Pace(), 0.0
    for seconds, passed in events:
        now += passed
        assert LEAST <= pace.spent(seconds, now) <= 1.0


def test_a_budget_is_a_share():
    with pytest.raises(ValueError, match="budget 0"):
        Pace(0.0)
