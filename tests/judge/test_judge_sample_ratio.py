"""The sample-ratio test: published numbers, an exact expectation, and both kinds of error."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.judge.sample_ratio import log_e_of_split, log_e_value, log_marginal

#: ssrm's tests: data a, b, a, b, c under Dirichlet(1, 1, 1).
SSRM = [
    ((1, 0, 0), -1.0986123),
    ((1, 1, 0), -2.4849066),
    ((2, 1, 0), -3.4011974),
    ((2, 2, 0), -4.4998097),
    ((2, 2, 1), -6.4457198),
]
SHARES = st.floats(0.01, 0.99)


@pytest.mark.parametrize(("counts", "published"), SSRM)
def test_published_numbers(counts, published):
    assert log_marginal(counts, (1.0, 1.0, 1.0)) == pytest.approx(published, abs=1e-5)
    null = (0.4, 0.4, 0.2)
    likely = sum(n * math.log(share) for n, share in zip(counts, null, strict=True))
    # A Dirichlet(1, 1, 1) around equal shares is one of concentration 3.
    equal = log_e_value(counts, (1 / 3, 1 / 3, 1 / 3), (3.0,))
    assert equal == pytest.approx(published - sum(counts) * math.log(1 / 3), abs=1e-5)
    assert math.isfinite(log_e_value(counts, null) + likely)


@given(SHARES, st.integers(1, 8))
def test_its_mean_is_one_where_the_shares_are_right(share, n):
    mean = sum(
        math.prod(share if it else 1 - share for it in arms)
        * math.exp(log_e_value((sum(arms), n - sum(arms)), (share, 1 - share)))
        for arms in product((0, 1), repeat=n)
    )
    assert mean == pytest.approx(1.0)


def test_wrong_shares_are_found_and_right_ones_are_not():
    assert log_e_of_split({0.05: (500, 9500), 0.5: (1000, 1000)}) < 0
    assert log_e_of_split({0.05: (400, 9600)}) > math.log(1000)
    assert log_e_of_split({0.05: (500, 9500), 0.5: (1200, 1000)}) > math.log(100)


def test_the_shares_are_multiplied():
    one, other = {0.05: (12, 90)}, {0.5: (40, 70)}
    assert log_e_of_split(one | other) == pytest.approx(log_e_of_split(one) + log_e_of_split(other))


def test_where_all_or_none_are_the_canarys_nothing_is_tested():
    assert log_e_of_split({0.0: (5, 5), 1.0: (5, 5)}) == 0


@pytest.mark.parametrize("shares", [(0.0, 1.0), (0.5, 0.6), (-0.5, 1.5)])
def test_shares_that_are_none(shares):
    with pytest.raises(ValueError, match="must each be over 0"):
        log_e_value((1, 1), shares)
