"""Numbers are said short, with their unit, and never two different ones alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.judge.wording import apart, duration, named, percent
from proxy.measure import Tally


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.00 ms"),
        (0.0041, "4.10 ms"),
        (0.048, "48.0 ms"),
        (0.48, "480 ms"),
        (2.5, "2.50 s"),
        (12.5, "12.5 s"),
        (300.0, "300 s"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_rates():
    assert percent(0.2) == "20.0 %"
    assert percent(0.0004, 2) == "0.04 %"


def test_who():
    assert named(Tally("m", "3", "canary")) == "canary 3"
    assert named(Tally("", "", "")) == "canary"


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_two_rates_that_differ_read_differently(a, b):
    said = apart(percent, a / 10_000, b / 10_000, 1)
    assert (said[0] == said[1]) == (a == b)
