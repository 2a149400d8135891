"""Mixture boundaries against the published numbers of confseq, and the gamma function's oracle."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammainc, hyp1f1, log_ndtr

from proxy.measure.gamma import log_lower
from proxy.measure.mixtures import GammaExponential, OneSidedNormal, TwoSidedNormal, best_rho

V, ALPHA = 100.0, 0.05
PUBLISHED = {
    "two-sided normal": (TwoSidedNormal(V, ALPHA), -0.6510052, 30.35209),
    "one-sided normal": (OneSidedNormal(V, ALPHA), -0.06502391, 27.66071),
    "gamma-exponential": (GammaExponential(V, ALPHA, 2.0), -0.2490165, 33.02017),
}
MIXTURES = [mixture for mixture, _, _ in PUBLISHED.values()]


@pytest.mark.parametrize(("mixture", "log_mixture", "bound"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_numbers(mixture, log_mixture, bound):
    assert mixture.log_mixture(10.0, V) == pytest.approx(log_mixture, abs=1e-5)
    assert mixture.bound(V, ALPHA) == pytest.approx(bound, abs=1e-5)


def test_published_precision():
    assert best_rho(V, ALPHA) == pytest.approx(12.60056, abs=1e-5)


@pytest.mark.parametrize("mixture", MIXTURES)
@given(v=st.floats(0.1, 1e4), alpha=st.floats(1e-4, 0.4))
def test_the_bound_is_where_the_mixture_reaches_one_over_alpha(mixture, v, alpha):
    bound = mixture.bound(v, alpha)
    assert mixture.log_mixture(bound, v) == pytest.approx(-math.log(alpha), abs=1e-6)


@pytest.mark.parametrize("mixture", MIXTURES)
@given(v=st.floats(0.1, 1e4))
def test_less_alpha_and_more_time_are_a_wider_bound(mixture, v):
    assert mixture.bound(v, 0.01) > mixture.bound(v, 0.05)
    assert mixture.bound(v * 2, 0.05) > mixture.bound(v, 0.05)


@pytest.mark.parametrize("z", [-5.0, -20.0, -29.0, -31.0, -50.0])
def test_far_below_nought_the_one_sided_mixture_keeps_its_digits(z):
    v = 100.0
    both = v + OneSidedNormal(V, ALPHA).rho
    expected = 0.5 * math.log(4 * (both - v) / both) + z * z / 2 + log_ndtr(z)
    found = OneSidedNormal(V, ALPHA).log_mixture(z * math.sqrt(both), v)
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_sum_lower_than_it_can_get():
    assert GammaExponential(V, ALPHA, 2.0).log_mixture(-1e6, V) == -math.inf


@given(st.floats(0.01, 1e5), st.floats(0.0, 5.0))
def test_the_incomplete_gamma_function_is_scipys(a, ratio):
    x = a * ratio
    found, oracle = log_lower(a, x), float(gammainc(a, x))
    if oracle > 1e-300:
        assert found == pytest.approx(math.log(oracle), rel=1e-9, abs=1e-9)
    else:
        assert found < -600


def test_it_keeps_its_digits_where_floats_end():
    a, x = 1000.0, 10.0  # DLMF 8.5.1, by Kummer's function
    expected = a * math.log(x) - x - math.lgamma(a + 1) + math.log(hyp1f1(1, a + 1, x))
    assert log_lower(a, x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("a", "x"), [(0.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_what_it_is_not_defined_for(a, x):
    with pytest.raises(ValueError, match="needs a > 0 and x >= 0"):
        log_lower(a, x)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_an_alpha_that_is_none(alpha):
    with pytest.raises(ValueError, match="alpha"):
        best_rho(V, alpha)
    with pytest.raises(ValueError, match="alpha"):
        GammaExponential(V, ALPHA, 1.0).bound(V, alpha)


def test_a_scale_that_is_none():
    with pytest.raises(ValueError, match="scale"):
        GammaExponential(V, ALPHA, 0.0)
