"""The profile's numbers are numpy's, its memory is bounded, its rules are those documented."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.quality import BadProfile, ColumnProfile, ColumnRule, Gatherer, derive, profile
from proxy.quality.gathering import MOST_CATEGORIES, MOST_COLUMNS, TooManyColumns


def of(values: list[Any], piece: int = 1000, **options: Any) -> ColumnProfile:
    gatherer = Gatherer(**options)
    for at in range(0, len(values), piece):
        part = values[at : at + piece]
        gatherer.add(len(part), {"x": part})
    return gatherer.profile().columns[0]


@given(
    st.lists(st.floats(-1e9, 1e9) | st.integers(-1000, 1000), min_size=1, max_size=200),
    st.integers(1, 50),
)
def test_numbers_are_those_of_numpy(values: list[float], piece: int) -> None:
    found = of(values, piece)
    data = np.array(values, dtype=float)
    assert (found.count, found.least, found.most) == (len(values), data.min(), data.max())
    close = {"rel": 1e-9, "abs": 1e-6}
    assert found.mean == pytest.approx(data.mean(), **close)
    assert found.deviation == pytest.approx(data.std(), **close)
    for q, value in found.quantiles.items():
        assert value == pytest.approx(np.quantile(data, float(q)), **close)
    if len(set(values)) > 1:
        counts, _ = np.histogram(data, bins=found.edges)
        assert found.bins == counts.tolist()
    assert sum(found.bins) == found.sampled == len(values)


def test_what_is_missing_and_what_is_not_finite_is_counted_apart() -> None:
    found = of([1.5, None, math.nan, math.inf, None, 2.5, 1e300, 10**400])
    assert (found.count, found.missing, found.not_finite) == (6, 2, 4)
    assert (found.least, found.most, found.mean) == (1.5, 2.5, 2.0)
    assert found.missing_share == 0.25


def test_a_sorted_table_larger_than_the_sample_keeps_its_quantiles() -> None:
    rows, room = 60_000, 2_000
    found = of([float(it) for it in range(rows)], 4_000, most_sampled=room)
    assert room / 2 - 200 < found.sampled <= room
    assert (found.count, found.least, found.most) == (rows, 0.0, rows - 1.0)
    assert found.mean == pytest.approx((rows - 1) / 2)
    # Four times the deviation of a sample's rank.
    for q, value in found.quantiles.items():
        assert abs(value / rows - float(q)) < 4 * math.sqrt(0.25 / found.sampled)
    assert of([float(it) for it in range(rows)], 7_777, most_sampled=room) == found


@pytest.mark.parametrize(
    ("values", "kind", "categories"),
    [
        ([1, 2] * 20, "integer", [(1, 20), (2, 20)]),
        ([0.5] * 20, "number", [(0.5, 20)]),
        (["a"] * 30 + ["b"] * 10, "text", [("a", 30), ("b", 10)]),
        ([True, False] * 10, "boolean", [(False, 10), (True, 10)]),
        ([f"name {at}" for at in range(50)], "text", None),
        (["a", 1] * 20, "mixed", [(1, 20), ("a", 20)]),
        ([[1, 2]] * 20, "vector", None),
        ([None] * 20, "empty", None),
        (list(range(MOST_CATEGORIES + 1)) * 20, "integer", None),
        (["x" * 200] * 20, "text", None),
    ],
)
def test_types_and_categories(values: list[Any], kind: str, categories: Any) -> None:
    found = of(values)
    assert (found.type, found.categories) == (kind, categories)


def test_columns_come_late_and_go_early() -> None:
    gatherer = Gatherer(labels=["late"])
    gatherer.add(2, {"early": [1, 2]})
    gatherer.add(3, {"late": [1, None, 3]})
    early, late = gatherer.profile().columns
    assert (early.count, early.missing, early.role) == (2, 3, "input")
    assert (late.count, late.missing, late.role) == (2, 3, "label")
    assert gatherer.profile().rows == 5


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(TooManyColumns, match=str(MOST_COLUMNS)):
        Gatherer().add(1, {str(at): [1] for at in range(MOST_COLUMNS + 1)})


def table() -> profile.Profile:
    gatherer = Gatherer(labels=["default"])
    gatherer.add(
        40,
        {
            "age": list(range(20, 60)),
            "sex": [1, 2] * 20,
            "change": [-1.0, None, 3.0, 1.0] * 10,
            "school": ["high", "none"] * 20,
            "score": [math.nan, 0.5] * 20,
            "nothing": [None] * 40,
            "default": [0, 1] * 20,
        },
    )
    return gatherer.profile()


def test_the_rules_of_a_profile() -> None:
    assert derive(table(), slack=0.1) == {
        "age": ColumnRule("number", low=20 - 3.9, high=59 + 3.9),
        "sex": ColumnRule("integer", low=0.9, high=2.1),
        "change": ColumnRule("number", missing=True, missing_share=0.25, low=-1.4, high=3.4),
        "school": ColumnRule("text", among=("high", "none")),
        "score": ColumnRule("number", finite=False, low=0.5, high=0.5),
        "nothing": ColumnRule(missing=True, missing_share=1.0),
    }
    assert derive(table(), slack=9.0)["age"].low == 0.0, "not widened below nought"


def test_a_profile_reads_back_and_a_changed_one_does_not() -> None:
    made = table()
    written = profile.encode(made)
    assert profile.decode(written) == made
    assert made.hash.startswith("sha256:")
    assert table().hash == made.hash
    changed = json.loads(written)
    changed["columns"][0]["most"] = 99
    for content, words in (
        (json.dumps(changed).encode(), "its hash differs"),
        (json.dumps(changed | {"profile": 2}).encode(), "version 2; allowed is version 1"),
        (json.dumps({"profile": 1}).encode(), "a broken profile"),
        (b"\xff", "no profile"),
        (b"[" * 9999, "no profile"),
    ):
        with pytest.raises(BadProfile, match=words):
            profile.decode(content)


def test_the_profile_of_real_customers_when_they_are_there() -> None:
    """UCI's credit card clients, where the demo has fetched them; a made table stands for them."""
    data = Path(__file__).parents[2] / ".demo" / "data" / "UCI_Credit_Card.csv"
    if data.exists():
        amounts = [float(line.split(",")[1]) for line in data.read_text().splitlines()[1:]]
    else:
        amounts = [float(it) for it in np.random.default_rng(7).lognormal(11, 1, 30_000)]
    found = of(amounts)
    assert found.quantiles["0.5"] == np.quantile(amounts, 0.5)
    assert found.bins == np.histogram(amounts, bins=found.edges)[0].tolist()
