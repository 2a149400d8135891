"""docs/numbers.md says what the code does: outcomes, defaults, verdicts, buckets."""

import re
from math import comb
from pathlib import Path

import pytest

from proxy.judge import DEFAULT, Latency
from proxy.measure import SPAN, histogram
from proxy.measure.tally import FAILURES, JUDGED
from proxy.terms import OWNER, Outcome, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "numbers.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_stands_in_the_table_with_its_owner(outcome):
    (row,) = (r for r in ROWS if f"`{outcome.value}`" in r[0].split(", ") and len(r) == 4)
    assert row[1].split(":")[0] == OWNER[outcome].value
    assert (row[2].strip("*") == "yes") == (outcome in FAILURES)
    assert (row[3] == "yes") == (outcome in JUDGED)


def test_the_defaults_are_the_code_s():
    table = {row[0].strip("`"): row[2].strip("`") for row in ROWS if len(row) == 3}
    rate = DEFAULT.error_rate
    assert table["error_rate.absolute"] == f"{rate.absolute:.2f}"
    assert table["consecutive_failures"] == str(DEFAULT.consecutive_failures)
    assert table["error_rate.relative"] == "off"
    assert rate.relative is None
    assert table["latency.absolute"] == table["latency.relative"] == "off"
    assert not DEFAULT.latency
    assert f"`window` is `{rate.window:g}s` and `min_requests` is `{rate.min_requests}`" in PAGE
    assert f"`quantile` is `{Latency(absolute=1.0).quantile}`" in PAGE


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_explained(verdict):
    name = verdict.name.lower().replace("_", " ")
    assert [row for row in ROWS if row[0] == name and len(row) == 2]


def test_the_buckets_are_as_described():
    assert histogram.lower(histogram.FIRST) == 512e-9
    assert f"{histogram.upper(histogram.LAST) / 3600:.1f} h" == "4.9 h"
    assert "from 512 ns to 4.9 h" in PAGE
    assert f"`{histogram.edge_near(0.1)}`" in PAGE
    assert f"at most {SPAN / 60:g} minutes" in PAGE


def test_the_example_of_a_bound_is_true():
    (said,) = re.findall(r"500 ms trips from (\d+) ms on", PAGE)
    assert round(histogram.edge_near(0.5) * 1000) == int(said)
    edge = round(histogram.edge_near(0.5) * 1e9)
    assert histogram.middle(histogram.bucket(edge)) > 0.5
    assert histogram.middle(histogram.bucket(edge - 1)) <= 0.5


def test_the_example_of_bad_luck_is_true():
    over = 1 - sum(comb(50, k) * 0.05**k * 0.95 ** (50 - k) for k in range(6))
    assert f"over the bound of 10 % in {over * 100:.0f} of 100 cases" in PAGE
