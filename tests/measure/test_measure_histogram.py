"""Buckets keep 2.5 % over 1 us to 3 hours, and everything read from them follows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.measure import histogram

MICROSECOND = 1_000
THREE_HOURS = 3 * 3600 * 1_000_000_000
ERROR = 1 / 64 + 1e-9  # reached at the octaves' beginnings; promised are 2.5 %

durations = st.integers(min_value=MICROSECOND, max_value=THREE_HOURS) | st.integers(
    min_value=10, max_value=43
).map(lambda octave: 1 << octave)


def counted(values):
    buckets = {}
    for value in values:
        at = histogram.bucket(value)
        buckets[at] = buckets.get(at, 0) + 1
    return buckets


@given(durations)
def test_the_middle_is_near_whatever_is_in_the_bucket(nanoseconds):
    exact = nanoseconds / 1e9
    assert abs(histogram.middle(histogram.bucket(nanoseconds)) - exact) <= exact * ERROR
    assert ERROR < 0.025


@given(durations)
def test_a_duration_lies_between_the_edges_of_its_bucket(nanoseconds):
    at = histogram.bucket(nanoseconds)
    assert histogram.lower(at) <= nanoseconds / 1e9 < histogram.upper(at)


def test_every_bucket_begins_where_the_one_before_ends():
    for at in range(histogram.FIRST, histogram.LAST):
        assert histogram.upper(at) == histogram.lower(at + 1)
        first_ns = round(histogram.lower(at + 1) * 1e9)
        assert histogram.bucket(first_ns) == at + 1
        assert histogram.bucket(first_ns - 1) == at


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_a_longer_duration_never_has_a_lower_bucket(a, b):
    assert (histogram.bucket(min(a, b))) <= histogram.bucket(max(a, b))


@pytest.mark.parametrize("nanoseconds", [0, 1, 31, 32, 511, 512])
def test_what_is_too_short_counts_in_the_first_bucket(nanoseconds):
    assert histogram.bucket(nanoseconds) == histogram.FIRST


@pytest.mark.parametrize("nanoseconds", [2**44 - 1, 2**44, 2**63, 10**30])
def test_what_is_too_long_counts_in_the_last_bucket(nanoseconds):
    assert histogram.bucket(nanoseconds) == histogram.LAST


@pytest.mark.parametrize("edge", [histogram.lower, histogram.upper, histogram.middle])
@pytest.mark.parametrize("at", [-1, 0, histogram.FIRST - 1, histogram.LAST + 1])
def test_no_bucket_of_ours_is_refused(edge, at):
    with pytest.raises(ValueError, match=f"bucket {at}: must be from 160 to 1279"):
        edge(at)


@given(
    st.lists(durations, min_size=1, max_size=300),
    st.floats(min_value=0, max_value=1),
)
def test_a_quantile_is_within_the_bound_of_the_exact_one(values, q):
    exact = sorted(values)[max(math.ceil(q * len(values) - 1e-9), 1) - 1] / 1e9
    assert abs(histogram.quantile(counted(values), q) - exact) <= exact * ERROR


def test_the_rank_does_not_slip_by_a_rounding_error():
    values = [i * 1_000_000 for i in range(1, 101)]  # 0.07 * 100 is 7.000000000000001
    assert histogram.rank(counted(values), 0.07) == histogram.bucket(7_000_000)


def test_nothing_counted_has_no_quantile():
    assert math.isnan(histogram.quantile({}, 0.5))
    assert histogram.rank({}, 0.5) is None
    assert histogram.rank({200: 0}, 0.5) is None
    assert histogram.count({}) == 0
    assert histogram.seconds({}) == 0.0


@pytest.mark.parametrize("q", [-0.1, 1.1, 95, math.nan])
def test_a_quantile_runs_from_nought_to_one(q):
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        histogram.quantile({200: 1}, q)


@given(
    st.lists(durations, max_size=100),
    st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=5),
)
def test_several_quantiles_are_what_each_is_alone(values, asked):
    buckets = counted(values)
    alone = [histogram.quantile(buckets, q) for q in sorted(asked)]
    assert histogram.quantiles(buckets, sorted(asked)) == pytest.approx(alone, nan_ok=True, rel=0)


@pytest.mark.parametrize("asked", [(0.5, 0.2), (0.5, 1.1), (-0.1, 0.5)])
def test_several_quantiles_ascend_from_nought_to_one(asked):
    with pytest.raises(ValueError, match="must ascend from 0 to 1"):
        histogram.quantiles({200: 9, 300: 9}, asked)


@given(st.lists(durations, max_size=100))
def test_the_sum_is_within_the_bound_too(values):
    exact = sum(values) / 1e9
    assert histogram.seconds(counted(values)) == pytest.approx(exact, rel=ERROR)


@given(st.lists(durations, max_size=200))
def test_cumulative_counts_exactly_what_is_below_each_bound(values):
    expected = [sum(v < round(bound * 1e9) for v in values) for bound in histogram.BOUNDS]
    assert histogram.cumulative(counted(values)) == expected


def test_the_bounds_ascend_and_are_near_the_usual_ones():
    usual = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5]
    usual += [1, 2.5, 5, 10, 30, 60, 300]
    assert list(histogram.BOUNDS) == sorted(set(histogram.BOUNDS))
    assert pytest.approx(usual, rel=ERROR) == histogram.BOUNDS


def test_a_bound_that_is_no_edge_is_refused_and_the_nearest_named():
    with pytest.raises(ValueError, match=r"bound 0\.1 s: must be a bucket edge.*0\.100663296"):
        histogram.cumulative({}, (0.1,))
    with pytest.raises(ValueError, match="must ascend"):
        histogram.cumulative({}, histogram.BOUNDS[::-1])


@given(durations)
def test_the_edge_near_a_duration_is_the_nearest_one(nanoseconds):
    seconds = nanoseconds / 1e9
    at = histogram.bucket(nanoseconds)
    nearest = min(abs(histogram.lower(at) - seconds), abs(histogram.upper(at) - seconds))
    assert abs(histogram.edge_near(seconds) - seconds) == nearest
