"""Numbers and classes with their truth: scikit-learn's figures, any partition, what is refused."""

import json
import math
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from compare_scores import numbers
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.labelled_classes import (
    MOST_CLASSES,
    OTHER,
    ClassesSnapshot,
    ClassFigures,
    LabelledClasses,
)
from proxy.compare.labelled_numbers import LabelledNumbers, NumberFigures, NumbersSnapshot

ORACLE = json.loads((Path(__file__).parent / "scikit_learn.json").read_text())["numbers"]
some = st.lists(st.tuples(st.floats(-1e60, 1e60), st.floats(-1e60, 1e60)), max_size=200)
named = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=200)


def of_numbers(pairs):
    labelled = LabelledNumbers()
    for predicted, true in pairs:
        labelled.add(predicted, true)
    return labelled


def of_classes(pairs):
    labelled = LabelledClasses()
    for predicted, true in pairs:
        labelled.add(predicted, true)
    return labelled


def packed(labelled):
    return msgspec.msgpack.encode(labelled.snapshot())


def test_errors_are_scikit_learns():
    found = of_numbers(numbers()).figures()
    assert found.mae.value == pytest.approx(ORACLE["mae"], rel=1e-12)
    assert found.rmse.value == pytest.approx(ORACLE["rmse"], rel=1e-12)
    assert found.r2 == pytest.approx(ORACLE["r2"], rel=1e-12)
    pairs = numbers()
    bias = math.fsum(predicted - true for predicted, true in pairs) / len(pairs)
    assert found.bias.value == pytest.approx(bias, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "kept"), [(of_numbers, NumbersSnapshot), (of_classes, ClassesSnapshot)]
)
@given(st.data())
def test_any_order_and_any_partition_is_the_same_bytes(make, kept, data):
    pairs = data.draw(some if make is of_numbers else named)
    shuffled = data.draw(st.permutations(pairs))
    cut = data.draw(st.integers(0, len(pairs)))
    merged, other = make(shuffled[:cut]), make(shuffled[cut:])
    before = packed(other)
    merged.merge(other)
    assert packed(merged) == packed(make(pairs))
    assert packed(other) == before
    again = type(merged).restore(msgspec.msgpack.decode(packed(merged), type=kept))
    assert packed(again) == packed(merged)
    assert again.figures() == merged.figures()


def test_intervals_of_errors_cover():
    truth = of_numbers(numbers(100_000, 99)).figures()
    missed = Counter()
    for seed in range(150):
        found = of_numbers(numbers(200, seed)).figures()
        for name in ("mae", "rmse", "bias"):
            figure, true = getattr(found, name), getattr(truth, name).value
            missed[name] += not figure.low <= true <= figure.high
    assert all(n <= 18 for n in missed.values()), missed


def test_numbers_that_are_none():
    found = of_numbers([(1.0, 2.0), (math.nan, 1.0), (1.0, math.inf), (1e80, 0.0)]).figures()
    assert (found.n, found.refused, found.mae, found.r2) == (1, 3, None, None)
    assert of_numbers([]).figures() == NumberFigures(0)
    assert of_numbers([(0.3, 0.1)] * 5).figures().r2 is None
    exact = of_numbers([(1.0, 1.0), (2.0, 2.0)]).figures()
    assert (exact.rmse.value, exact.rmse.high, exact.r2) == (0.0, 0.0, 1.0)


@given(named)
def test_counts_by_class_are_the_confusions_margins(pairs):
    found = of_classes(pairs).figures()
    assert found.n == len(pairs)
    for row in found.classes:
        assert row.hits == sum(p == t == row.name for p, t in pairs)
        assert row.predicted == sum(p == row.name for p, _ in pairs)
        assert row.true == sum(t == row.name for _, t in pairs)
        if row.recall:
            assert row.recall.value == row.hits / row.true
    if pairs:
        assert found.accuracy.value == sum(p == t for p, t in pairs) / len(pairs)


def test_ranked_classes_and_their_probabilities():
    labelled = LabelledClasses()
    labelled.add("a", "b", ["a", "b", "c"], 0.3)
    labelled.add("a", "a", ["a", "b", "c", "d"], 0.7)
    labelled.add("a", "d", ["a", "b", "c", "d"], math.nan)
    labelled.add("a", "a")
    found = labelled.figures()
    assert {k: rate.value for k, rate in found.top.items()} == pytest.approx(
        {1: 1 / 3, 3: 2 / 3, 5: 1.0}
    )
    assert found.log_loss.value == pytest.approx(-(math.log(0.3) + math.log(0.7)) / 2)
    assert LabelledClasses().figures() == ClassFigures(0)


def test_thousands_of_classes_are_bounded():
    chance = random.Random(1)
    labelled = of_classes((str(chance.randrange(2_000)), "7") for _ in range(3_000))
    found = labelled.figures()
    assert len(found.classes) <= MOST_CLASSES + 1
    assert OTHER in {row.name for row in found.classes}
    assert sum(row.predicted for row in found.classes) == 3_000
    assert found.classes[0].name == "7"
