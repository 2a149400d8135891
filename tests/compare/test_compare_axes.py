"""Every number lies in its bin, and bins are as wide as they are said to be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.axes import LEAST_BINS, ProbabilityAxis, number_edge, number_key

AXES = [ProbabilityAxis(bins) for bins in (20, 200, 1_000, 20_000)]
probabilities = st.one_of(
    st.floats(0.0, 1.0),
    st.floats(0.0, 0.06),
    st.floats(0.94, 1.0),
    st.integers(0, 1000).map(lambda k: k / 1000),
    st.floats(0.0, 1e-9),
    st.floats(0.0, 1e-9).map(lambda p: 1.0 - p),
)
numbers = st.one_of(
    st.floats(-1e99, 1e99), st.floats(-1.0, 1.0), st.integers(-(10**6), 10**6).map(float)
)


@pytest.mark.parametrize("axis", AXES)
@given(probabilities)
def test_a_probability_lies_in_its_bin(axis, p):
    key = axis.key(p)
    assert 0 <= key <= axis.last
    hair = 1e-12  # of k/bins, where a product may round either way
    assert axis.edge(key) - hair <= p
    assert p < axis.edge(key + 1) + hair or key == axis.last


@pytest.mark.parametrize("axis", AXES)
@given(probabilities, probabilities)
def test_keys_have_the_order_of_their_probabilities(axis, p, q):
    assert (axis.key(p) <= axis.key(q)) or p > q


@pytest.mark.parametrize("axis", AXES)
def test_edges_rise_and_are_never_wider_than_equal_bins(axis):
    edges = [axis.edge(key) for key in range(axis.last + 1)]
    widths = [high - low for low, high in pairwise(edges)]
    assert min(widths) > 0.0
    assert max(widths) <= 1.0 / axis.bins + 1e-12
    assert (edges[0], edges[-1]) == (0.0, 1.0)


def test_scores_of_rare_events_get_narrow_bins():
    axis = ProbabilityAxis(1_000)
    key = axis.key(0.002)
    assert axis.edge(key + 1) - axis.edge(key) < 0.00003
    assert axis.key(1.0) == axis.last != axis.key(1.0 - 1e-9)


@given(numbers, st.integers(0, 20))
def test_a_number_lies_in_its_bin_at_every_level(x, level):
    key = number_key(x) >> level
    assert number_edge(key, level) <= x < number_edge(key + 1, level)


@given(st.floats(1e-11, 1e99), st.integers(0, 20))
def test_a_bin_is_as_wide_as_it_is_said_to_be(x, level):
    low, high = (number_edge((number_key(x) >> level) + more, level) for more in (0, 1))
    assert high - low <= low * 2.0**level / 2**20 * (1 + 1e-12)


def test_all_numbers_fit_into_the_least_bins():
    keys = number_key(1e100) >> 20, number_key(-1e100) >> 20
    assert keys[0] - keys[1] < LEAST_BINS
