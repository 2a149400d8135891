"""Few repeats: medians, ratios round by round, and what counts as noise."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.bench.spread import (
    Spread,
    Verdict,
    at_most,
    differences,
    no_worse,
    quantile,
    ratios,
    spread,
)


def test_a_quantile_is_a_value_that_was_seen() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    assert [quantile(values, q) for q in (0.0, 0.5, 0.51, 0.99, 1.0)] == [1, 2, 3, 4, 4]
    assert math.isnan(quantile([], 0.5))


@pytest.mark.parametrize(
    ("count", "left_out"), [(1, 0), (3, 0), (5, 0), (7, 0), (8, 1), (11, 2), (20, 5)]
)
def test_the_interval_leaves_out_only_what_ninety_percent_allow(count: int, left_out: int) -> None:
    found = spread(range(count))
    assert found == Spread((count - 1) / 2, left_out, count - 1 - left_out, count)


def test_without_values_there_is_no_spread() -> None:
    assert spread([]) is None
    assert spread([math.nan, math.inf]) is None


@given(st.lists(st.floats(0.1, 1e6), min_size=1))
def test_the_median_lies_in_its_interval(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert min(values) <= found.low <= found.median <= found.high <= max(values)


def test_ratios_are_taken_within_a_round_only() -> None:
    """A machine that slows down threefold after the first round changes no ratio."""
    ours, theirs = {0: 10.0, 1: 30.0, 2: 33.0}, {0: 20.0, 1: 60.0, 3: 1.0}
    assert ratios(ours, theirs) == Spread(0.5, 0.5, 0.5, 2)
    assert ratios(ours, {}) is None
    assert ratios({0: 1.0}, {0: 0.0}) is None


def test_differences_are_taken_within_a_round_only() -> None:
    assert differences({0: 5.0, 1: 7.0}, {1: 4.0, 2: 1.0}) == {1: 3.0}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (None, Verdict.NOT_MEASURED),
        (Spread(0.5, 0.4, 0.6, 5), Verdict.HOLDS),
        (Spread(0.5, 0.4, 0.61, 5), Verdict.NOISE),
        (Spread(0.7, 0.61, 0.9, 5), Verdict.MISSED),
        (Spread(0.7, 0.6, 0.9, 5), Verdict.NOISE),
        (Spread(0.5, 0.4, 0.5, 2), Verdict.NOISE),
    ],
)
def test_a_bound_within_the_interval_is_noise(found: Spread | None, verdict: Verdict) -> None:
    assert at_most(found, 0.6) is verdict


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (None, Verdict.NOT_MEASURED),
        (Spread(1.01, 0.95, 1.10, 5), Verdict.HOLDS),
        (Spread(0.9, 0.8, 0.95, 5), Verdict.HOLDS),
        (Spread(1.1, 1.01, 1.2, 5), Verdict.MISSED),
        (Spread(1.1, 0.8, 1.6, 5), Verdict.NOISE),
        (Spread(1.0, 1.0, 1.0, 1), Verdict.NOISE),
    ],
)
def test_no_difference_is_said_only_of_a_narrow_interval(
    found: Spread | None, verdict: Verdict
) -> None:
    assert no_worse(found) is verdict
