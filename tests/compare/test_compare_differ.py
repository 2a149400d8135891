"""Comparators: symmetric, nothing between a prediction and itself, the published distances."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare import texts
from proxy.compare.differ import Tolerances, compare_rows, kendall
from proxy.compare.kinds import Kind

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
CHANCES = st.floats(0, 1)
VECTORS = st.lists(st.floats(-1e200, 1e200) | st.just(math.nan), min_size=0, max_size=5)
ITEMS = st.lists(st.integers(0, 9) | st.sampled_from("abc"), max_size=8, unique=True)
TEXTS = st.text("abcd \u00e9", max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text("xy~/", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab~/*", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
TENSORS = st.recursive(NUMBERS | TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
ROWS = {
    Kind.PROBABILITY: CHANCES | st.just(math.nan),
    Kind.NUMBER: NUMBERS,
    Kind.CLASS: st.integers(0, 3) | TEXTS | VECTORS | st.none(),
    Kind.VECTOR: VECTORS,
    Kind.RANKING: ITEMS,
    Kind.TEXT: TEXTS,
    Kind.TENSOR: TENSORS,
    Kind.DOCUMENT: JSON,
}
CASES = st.sampled_from(list(Kind)).flatmap(
    lambda kind: st.tuples(st.just(kind), ROWS[kind], ROWS[kind])
)
TOLERANCES = st.builds(
    Tolerances,
    absolute=st.none() | st.floats(0, 0.5),
    relative=st.sampled_from([0.0, 0.1]),
    top=st.integers(1, 3),
    depth=st.integers(1, 10),
    unordered=st.booleans(),
    ignore=st.sampled_from([(), ("/a",), ("/*/b", "/0")]),
    threshold=st.none() | st.just(0.5),
)


@given(CASES, TOLERANCES)
def test_a_comparison_is_symmetric_and_never_negative(case, tolerances):
    kind, a, b = case
    there, back = compare_rows(kind, a, b, tolerances), compare_rows(kind, b, a, tolerances)
    assert there.agree == back.agree
    assert there.flip == back.flip
    assert there.distance == pytest.approx(back.distance, rel=1e-9, abs=1e-12)
    assert there.distance >= 0


@given(CASES, TOLERANCES)
def test_nothing_lies_between_a_prediction_and_itself(case, tolerances):
    kind, a, _ = case
    found = compare_rows(kind, a, a, tolerances)
    assert found.agree
    assert not found.flip
    assert found.distance == 0


@given(CASES)
def test_a_wider_tolerance_never_disagrees_more(case):
    kind, a, b = case
    if compare_rows(kind, a, b, Tolerances(absolute=0.01)).agree:
        assert compare_rows(kind, a, b, Tolerances(absolute=0.3)).agree or kind is Kind.CLASS


def differ(kind, a, b, **options):
    return compare_rows(kind, a, b, Tolerances(**options))


def test_numbers_agree_within_the_absolute_and_the_relative_tolerance():
    assert differ(Kind.PROBABILITY, 0.30, 0.31).agree
    assert not differ(Kind.PROBABILITY, 0.30, 0.3101).agree
    assert differ(Kind.NUMBER, 1000.0, 1009.0, relative=0.01).agree
    assert differ(Kind.PROBABILITY, 0.49, 0.51, threshold=0.5).flip


def test_nan_is_near_to_nothing_but_itself():
    assert differ(Kind.NUMBER, math.nan, math.nan).agree
    assert differ(Kind.NUMBER, math.nan, 1.0).distance == math.inf
    assert not differ(Kind.NUMBER, math.inf, 1.0).agree


def test_classes_by_score_agree_when_the_same_ones_come_first():
    a, b = [0.1, 0.5, 0.4], [0.1, 0.4, 0.5]
    assert differ(Kind.CLASS, a, b).flip
    found = differ(Kind.CLASS, a, b, top=2)
    assert found.agree
    assert found.flip
    assert differ(Kind.CLASS, "good", "bad").distance == 1
    assert not differ(Kind.CLASS, a, [0.5, 0.5]).agree


def test_vectors_are_as_far_as_their_angle():
    assert differ(Kind.VECTOR, [1.0, 0.0], [0.0, 2.0]).distance == pytest.approx(1)
    assert differ(Kind.VECTOR, [1e-200, 0.0], [1e200, 0.0]).agree
    assert differ(Kind.VECTOR, [1.0], [1.0, 0.0]).distance == math.inf
    assert differ(Kind.VECTOR, [0.0], [1.0]).distance == 1


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2], [2, 1], 1 / 5),  # one pair of the five that disjoint lists would have
        ([1, 2], [3, 4], 1),
        ([], [1], 1),
        ([1, 2, 3], [1, 2, 4], 1 / 12),
    ],
)
def test_rankings_by_kendall(a, b, distance):
    assert kendall(a, b) == pytest.approx(distance)


def test_sets_know_no_order():
    assert differ(Kind.RANKING, [1, 2], [2, 1], unordered=True).agree
    assert differ(Kind.RANKING, [1, 2], [2, 3], unordered=True).distance == pytest.approx(2 / 3)


def slow(a, b):
    """The textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


@given(st.text("abc", max_size=20), st.text("abc", max_size=20))
def test_edits_are_those_of_the_table(a, b):
    assert texts.edits(a, b) == slow(a, b)


def test_long_texts_are_compared_in_bounded_time_and_never_called_the_same():
    long = "x" * 1_000_000
    assert 0 < texts.distance(long, long[:-1] + "y") < 0.001
    assert texts.distance(long, "y" * 1_000_000) <= 1
    assert texts.distance("kitten", "sitting") == pytest.approx(3 / 7)


def test_a_document_says_which_values_differ():
    a = {"id": 1, "out": [{"x": 1.0, "y": "a"}, {"x": 2.0, "y": "b"}]}
    b = {"id": 2, "out": [{"x": 1, "y": "c"}, {"x": 2.5, "y": "b"}]}
    found = differ(Kind.DOCUMENT, a, b)
    assert found.paths == {"/id": 1, "/out/*/y": 1, "/out/*/x": 1}
    assert found.distance == pytest.approx(3 / 5)
    assert differ(Kind.DOCUMENT, a, b, ignore=("/id", "/out/*/x", "/out/0/y")).agree
    assert differ(Kind.DOCUMENT, a, {**a, "new": 1}, ignore=("/new",)).agree
    assert not differ(Kind.DOCUMENT, {"a": True}, {"a": 1}).agree


def test_lists_of_a_document_may_be_sets():
    a, b = {"tags": ["x", {"k": 1, "l": 2}]}, {"tags": [{"l": 2.0, "k": 1}, "x"]}
    assert not differ(Kind.DOCUMENT, a, b).agree
    assert differ(Kind.DOCUMENT, a, b, unordered=True).agree


def test_numbers_larger_than_any_float_are_far_and_break_nothing():
    huge = 10**400
    for kind in (Kind.DOCUMENT, Kind.TENSOR):
        assert not differ(kind, [huge], [1], relative=0.1).agree
        assert not differ(kind, [huge], [1.5], relative=0.1).agree
        assert differ(kind, [huge], [huge]).agree


def test_tensors_are_as_far_as_their_farthest_element():
    assert differ(Kind.TENSOR, [[1.0, 2.0]], [[1.0, 2.5]]).distance == 0.5
    assert not differ(Kind.TENSOR, [[1.0]], [1.0]).agree
    assert differ(Kind.TENSOR, [["a"]], [["b"]]).distance == math.inf
