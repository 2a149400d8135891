"""Budgets: what is read, what is refused, and the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.load import budget, places
from loadtests.load.budget import Row, Verdict
from loadtests.load.errors import LoadError
from loadtests.load.scenarios import SCENARIOS

SPIKE = SCENARIOS["spike"]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "budget.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_comes_with_a_budget_for_latency_and_errors(name: str) -> None:
    rows = {row.name for row in budget.read(places.BUDGETS / f"{name}.yaml", SCENARIOS[name])}
    assert any(row.startswith("added_") and row.endswith("p99_ms") for row in rows)
    assert any("errors" in row and not row.startswith("direct") for row in rows)
    assert "load_percent" in rows


def test_a_number_is_the_most_and_both_sides_may_be_named(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "scenario: spike\n"
        "rows: {added_p50_ms: 3, load_percent: {at_least: 90, at_most: 110}}\n"
        "phases: {after: {errors_percent.timeout: 0.5}}\n",
    )
    assert budget.read(path, SPIKE) == [
        Row("added_p50_ms", at_most=3.0),
        Row("load_percent", at_most=110.0, at_least=90.0),
        Row("errors_percent.timeout", "after", at_most=0.5),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scenario: steady\nrows: {added_p50_ms: 3}", r"scenario: found 'steady'; allowed: spike"),
        ("scenario: spike\nrows: {added_p90_ms: 3}", r"rows: found 'added_p90_ms'; .*added_p95_ms"),
        ("scenario: spike\nrows: {added_p50_ms: fast}", r"rows.added_p50_ms: found 'fast'; .*numb"),
        ("scenario: spike\nrows: {added_p50_ms: true}", r"found True; allowed: a number"),
        ("scenario: spike\nrows: {added_p50_ms: .nan}", r"found nan; allowed: a number"),
        ("scenario: spike\nrows: {added_p50_ms: {}}", r"allowed: at_most, at_least or both"),
        ("scenario: spike\nrows: {added_p50_ms: {most: 3}}", r"found 'most'; allowed: at_most"),
        ("scenario: spike\nrows: {reloads: 3}", r"rows: found 'reloads'"),
        ("scenario: spike\nphases: {peak: {}}", r"phases: found 'peak'; .*before, spike, after"),
        ("scenario: spike\nphases: {spike: 3}", r"phases.spike: found 3; allowed: a mapping"),
        ("scenario: spike\nlimits: {}", r"the file: found 'limits'; allowed: scenario, rows"),
        ("scenario: spike", r"holds no row"),
        ("- spike", r"the file: found \['spike'\]; allowed: a mapping"),
        ("scenario: [", r"cannot be read as a budget"),
    ],
)
def test_a_bad_budget_says_where_what_and_what_is_allowed(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(LoadError, match=told) as refused:
        budget.read(written(tmp_path, text), SPIKE)
    assert "budget.yaml" in str(refused.value)


def test_a_budget_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"none\.yaml: cannot be read"):
        budget.read(tmp_path / "none.yaml", SPIKE)


@pytest.mark.parametrize(
    ("row", "measured", "kept"),
    [
        (Row("added_p50_ms", at_most=3.0), 3.0, True),
        (Row("added_p50_ms", at_most=3.0), 3.01, False),
        (Row("added_p50_ms", at_most=3.0), -0.2, True),
        (Row("load_percent", at_least=90.0), 90.0, True),
        (Row("load_percent", at_least=90.0), 89.9, False),
        (Row("load_percent", at_least=90.0, at_most=110.0), 111.0, False),
        (Row("added_p50_ms", at_most=3.0), None, False),
    ],
)
def test_a_row_is_kept_up_to_its_limit_and_only_when_measured(
    row: Row, measured: float | None, kept: bool
) -> None:
    assert Verdict(row, measured).kept is kept


def test_rows_are_judged_by_their_phase_and_in_order() -> None:
    rows = [
        Row("added_p50_ms", at_most=1.0),
        Row("added_p50_ms", "spike", at_most=1.0),
        Row("added_p50_ms", "after", at_most=1.0),
    ]
    found = budget.judge(rows, {"added_p50_ms": 0.5}, {"spike": {"added_p50_ms": 2.0}})
    assert [(str(one.row), one.told, one.kept) for one in found] == [
        ("added_p50_ms", "0.50", True),
        ("spike.added_p50_ms", "2.00", False),
        ("after.added_p50_ms", "nothing", False),
    ]


def test_a_kind_of_error_that_was_never_met_is_none_of_it() -> None:
    row = Row("errors_percent.timeout", at_most=0.0)
    assert budget.judge([row], {"errors_percent": 2.0}, {})[0].kept
    assert not budget.judge([row], {}, {})[0].kept, "nothing was sent at all"


def test_what_is_allowed_is_told_in_words() -> None:
    assert Row("load_percent", at_least=90.0, at_most=110.0).allowed == "at least 90, at most 110"
