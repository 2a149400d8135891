"""Rules and columns in, broken rules out."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.payload import Columns, Value
from proxy.quality import ColumnRule, SideRules, check, rule_names

AGE = ColumnRule(type="integer", low=18, high=100)


def broken(rule: ColumnRule, *values: Any, show: bool = False) -> list[tuple[str, int, str]]:
    found = check(SideRules({"x": rule}), Columns(len(values), {"x": list(values)}), show=show)
    return [(it.rule.removeprefix("x."), it.row, it.found) for it in found]


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        (AGE, 17, ("range", 0, "below the range")),
        (AGE, 101.0, ("range", 0, "above the range")),
        (AGE, 30.5, ("type", 0, "a number")),
        (AGE, "30", ("type", 0, "a text")),
        (AGE, True, ("type", 0, "true or false")),
        (AGE, None, ("missing", 0, "null")),
        (AGE, math.nan, ("finite", 0, "NaN")),
        (AGE, -math.inf, ("finite", 0, "infinity")),
        (AGE, [18, [5]], ("range", 0, "below the range")),
        (ColumnRule(type="boolean"), 2, ("type", 0, "a number")),
        (ColumnRule(type="text"), 2, ("type", 0, "a number")),
        (ColumnRule(among=("a", "b")), "c", ("set", 0, "a text that is not in the set")),
        (ColumnRule(among=(1, 2)), 3, ("set", 0, "a number that is not in the set")),
        (ColumnRule(shape=(2,)), [1], ("shape", 0, "a list of 1")),
        (ColumnRule(shape=(2,)), 1, ("shape", 0, "a number")),
        (ColumnRule(shape=(2,)), None, ("missing", 0, "null")),
        (ColumnRule(shape=()), [1], ("shape", 0, "a list of 1")),
        (ColumnRule(shape=(None, 2)), [[1, 2], [3]], ("shape", 0, "a list of 2")),
    ],
)
def test_what_breaks(rule: ColumnRule, value: Any, words: tuple[str, int, str]) -> None:
    assert broken(rule, value) == [words]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (AGE, 18), (AGE, 100.0), (AGE, [18, [99]]),
        (ColumnRule(missing=True), None),
        (ColumnRule(finite=False), math.nan),
        (ColumnRule(type="number", finite=False), math.inf),
        (ColumnRule(type="integer", low=0, finite=False), math.nan),
        (ColumnRule(type="boolean"), False), (ColumnRule(type="boolean"), 1),
        (ColumnRule(among=(1, "a")), 1.0),
        (ColumnRule(shape=(None, 2)), [[1, 2], [3, 4]]),
        (ColumnRule(shape=()), 10**400),
    ],
)  # fmt: skip
def test_what_does_not(rule: ColumnRule, value: Any) -> None:
    assert broken(rule, value) == []


def test_each_word_is_told_once_and_where_first() -> None:
    found = broken(AGE, 20, 17, 16, None, None)
    assert found == [("range", 1, "below the range"), ("missing", 3, "null")]


def test_values_are_shown_only_when_asked_for() -> None:
    secret = "Ada Lovelace, 12 St James's Square, London, SW1"
    rule = ColumnRule(among=("a",))
    assert broken(rule, secret)[0][2] == "a text that is not in the set"
    shown = broken(rule, secret + "\x1b[2J", show=True)[0][2]
    assert shown == secret[:37] + "..."
    assert broken(AGE, 120, show=True)[0][2] == "120"
    assert broken(ColumnRule(shape=()), [1, 2], show=True)[0][2] == "a list of 2"


def test_absent_columns_unknown_columns_and_another_schema() -> None:
    rules = SideRules({"a": ColumnRule(), "b": ColumnRule(missing=True)}, unknown=False)
    found = check(rules, Columns(1, {"b": [1], "c": [2], "d": [3]}))
    assert [(it.rule, it.column) for it in found] == [("a.missing", "a"), ("unknown", "c")]
    other = check(rules, Columns(1, {"x": [[1, 2]]}))
    assert [it.rule for it in other] == ["schema", "unknown"]
    assert "none of the 2 columns: found x" in other[0].found


def test_columns_without_a_rule_must_be_finite_unless_told_otherwise() -> None:
    columns = Columns(2, {"a": [1, None], "b": [[0.5], [math.nan]], "c": [math.inf, 1]})
    assert [(it.rule, it.column, it.row) for it in check(SideRules(), columns)] == [
        ("finite", "b", 1)
    ]
    assert check(SideRules(finite=False), columns) == []


SINGLE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(SINGLE, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
RULES = st.builds(
    ColumnRule,
    type=st.sampled_from([None, "number", "integer", "text", "boolean"]),
    missing=st.booleans(),
    finite=st.booleans(),
    low=st.none() | st.floats(-5, 5),
    high=st.none() | st.floats(-5, 5),
    among=st.none() | st.lists(st.integers() | st.text(max_size=2), max_size=3).map(tuple),
    shape=st.none() | st.lists(st.none() | st.integers(0, 3), max_size=2).map(tuple),
)


@given(st.dictionaries(st.sampled_from("abc"), RULES), st.lists(VALUES, max_size=4), st.booleans())
def test_whatever_comes_is_told_by_names_that_the_rules_give(
    rules: dict[str, ColumnRule], values: list[Value], unknown: bool
) -> None:
    side = SideRules(rules, unknown=unknown)
    found = check(side, Columns(len(values), {"a": values, "z" * 99: values}))
    names = [it.rule for it in found]
    assert set(names) <= set(rule_names(side))
    assert len(names) == len(set(names)), "each rule once"
    assert all(len(it.found) < 200 and it.found.isprintable() for it in found)
    assert all(0 <= it.row < max(1, len(values)) for it in found)
