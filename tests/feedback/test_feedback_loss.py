"""Label and prediction to a loss."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.feedback import LabelRule, Unfitting, loss

NAMES = ("zero_one", "brier", "log", "absolute", "squared")


@pytest.mark.parametrize(
    ("rule", "label", "predicted", "lost"),
    [
        (LabelRule(), 1, 0.7, 0.0),
        (LabelRule(), True, 0.5, 0.0),
        (LabelRule(), 0, 0.7, 1.0),
        (LabelRule(threshold=0.8), 0, 0.7, 0.0),
        (LabelRule(positive="bad"), "bad", 0.7, 0.0),
        (LabelRule(positive="bad"), "good", 0.7, 1.0),
        (LabelRule(), "cat", "cat", 0.0),
        (LabelRule(), "cat", "dog", 1.0),
        (LabelRule(), 1.0, "1", 0.0),
        (LabelRule(positive="bad"), "good", "fine", 0.0),
        (LabelRule(positive="bad"), "good", "bad", 1.0),
        (LabelRule(), 1, [0.7], 0.0),
        (LabelRule("brier"), 1, 0.7, pytest.approx(0.09)),
        (LabelRule("brier"), False, 0.7, pytest.approx(0.49)),
        (LabelRule("log"), 1, 0.5, pytest.approx(math.log(2))),
        (LabelRule("log"), 0, 1.0, pytest.approx(34.538776)),
        (LabelRule("log"), 1, 1.0, 0.0),
        (LabelRule("absolute"), 3.0, 1.0, 2.0),
        (LabelRule("squared"), 3.0, 1.0, 4.0),
    ],
)
def test_losses(rule: LabelRule, label: Any, predicted: Any, lost: float) -> None:
    assert loss(rule, label, predicted) == lost


@pytest.mark.parametrize(
    ("rule", "label", "predicted", "said"),
    [
        (LabelRule(), 1, None, "could not be read"),
        (LabelRule(), 1, [0.1, 0.2], "a batch of 2"),
        (LabelRule(), 1, [], "a batch of 0"),
        (LabelRule(), "cat", 0.7, "without `positive`"),
        (LabelRule(), 2, 0.7, "without `positive`"),
        (LabelRule("brier"), 1, 1.2, "no probability"),
        (LabelRule("log"), 1, "cat", "no number"),
        (LabelRule("absolute"), "cat", 1.0, "the label is 'cat'"),
        (LabelRule("squared"), 1e200, -1e200, "too far apart"),
        (LabelRule("absolute"), 1, math.nan, "no finite number"),
    ],
)
def test_what_cannot_be_held_against_each_other(
    rule: LabelRule, label: Any, predicted: Any, said: str
) -> None:
    with pytest.raises(Unfitting, match=said):
        loss(rule, label, predicted)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.sampled_from(NAMES),
    st.none() | st.booleans() | st.text(max_size=4) | st.floats(-5, 5),
    st.booleans() | st.text(max_size=4) | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | numbers | st.text(max_size=4) | st.lists(numbers | st.text(max_size=3), max_size=2),
)
def test_a_loss_is_finite_and_never_below_nought(
    name: Any, positive: Any, label: Any, predicted: Any
) -> None:
    with contextlib.suppress(Unfitting):
        lost = loss(LabelRule(name, positive), label, predicted)
        assert math.isfinite(lost)
        assert lost >= 0.0
