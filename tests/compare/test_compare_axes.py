"""Every number lies in its bin, and bins are as wide as they are said to be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.axes import (
    LEAST_BINS,
    number_edge,
    number_key,
    probability_edge,
    probability_key,
)

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
levels = st.integers(0, 16)
LAST = probability_key(1.0)


@given(probabilities, levels)
def test_a_probability_lies_in_its_bin(p, level):
    key = probability_key(p) >> level
    assert 0 <= key <= LAST >> level
    hair = 1e-12  # where the product of an edge may round either way
    assert probability_edge(key, level) - hair <= p
    assert p < probability_edge(key + 1, level) + hair or key == LAST >> level


@given(probabilities, probabilities)
def test_keys_have_the_order_of_their_probabilities(p, q):
    assert (probability_key(p) <= probability_key(q)) or p > q


@pytest.mark.parametrize("level", [6, 10, 16])
def test_edges_rise_and_are_never_wider_than_equal_bins(level):
    edges = [probability_edge(key, level) for key in range((LAST >> level) + 1)]
    widths = [high - low for low, high in pairwise(edges)]
    assert min(widths) > 0.0
    assert max(widths) <= 2**level / 1_310_720 + 1e-12
    assert (edges[0], edges[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("level", range(17))
def test_one_is_alone_and_twentieths_are_edges_at_every_level(level):
    assert probability_key(1.0 - 1e-15) >> level < LAST >> level
    for k in range(20):
        key = probability_key(k / 20) >> level
        assert probability_edge(key, level) == pytest.approx(k / 20, abs=1e-15)


def test_scores_of_rare_events_get_narrow_bins():
    key = probability_key(0.002) >> 10
    assert probability_edge(key + 1, 10) - probability_edge(key, 10) < 0.00003


@given(numbers, st.integers(0, 20))
def test_a_number_lies_in_its_bin_at_every_level(x, level):
    key = number_key(x) >> level
    assert number_edge(key, level) <= x < number_edge(key + 1, level)


@pytest.mark.parametrize(
    "x", [1.0 - 2**-53, -1.0 + 2**-53, 2.0**-40, -(2.0**-40), 1023.9999999999999]
)
def test_next_to_an_octaves_edge(x):
    assert number_edge(number_key(x), 0) <= x < number_edge(number_key(x) + 1, 0)


@given(st.floats(1e-11, 1e99), st.integers(0, 20))
def test_a_bin_is_as_wide_as_it_is_said_to_be(x, level):
    low, high = (number_edge((number_key(x) >> level) + more, level) for more in (0, 1))
    assert high - low <= low * 2.0**level / 2**20 * (1 + 1e-12)


def test_all_there_is_fits_into_the_least_bins():
    keys = number_key(1e100) >> 20, number_key(-1e100) >> 20
    assert keys[0] - keys[1] + 1 <= LEAST_BINS["number"]
    assert LEAST_BINS["probability"] >= (LAST >> 16) + 1
