"""Segments: the broken one is found before a label, small ones stand together, no false alarms."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare import (
    GroupOptions,
    SegmentOptions,
    SegmentReport,
    SegmentSnapshot,
    SegmentTable,
)
from proxy.compare.segments import cells_of

AGES, LEVELS = ("young", "middle", "senior"), ("school", "university")


def world(n, seed, broken=(), labels=False):
    """A shadow that scores ``broken`` segments a fifth too high, and else differs by noise."""
    chance, table = random.Random(seed), SegmentTable()
    for _ in range(n):
        segments = f"age={chance.choice(AGES)}", f"education={chance.choice(LEVELS)}"
        stable = chance.random() ** 2 * 0.7
        wrong = 0.2 if set(broken) and set(broken) <= set(segments) else 0.0
        shadow = min(1.0, max(0.0, stable + wrong + chance.gauss(0, 0.02)))
        table.add_pair(segments, stable, shadow, abs(stable - shadow) < 0.05)
        if labels:
            table.add_label(segments, stable, shadow, chance.random() < stable)
    return table


def test_the_broken_segment_is_found_before_a_label():
    report = world(3_000, 1, ("age=young",)).report()
    named = {row.name for row in report.rows if row.shift_stands_out}
    assert "age=young" in named
    assert "age=senior" not in named
    worst = report.rows[report.worst_shift[0]]
    assert "age=young" in worst.segments
    assert worst.figures.shift.low > 0.1
    assert worst.figures.agreement.high < 0.3
    assert report.worst_regret == ()


def test_where_two_segments_meet_only_there():
    report = world(6_000, 2, ("age=young", "education=school")).report()
    assert report.rows[report.worst_shift[0]].segments == ("age=young", "education=school")
    assert [row.name for row in report.rows if row.shift_stands_out] == [
        "age=young", "education=school", "age=young and education=school"]  # fmt: skip


def test_with_labels_its_regret_stands_out():
    report = world(4_000, 3, ("age=young",), labels=True).report()
    worst = report.rows[report.worst_regret[0]]
    assert "age=young" in worst.segments
    assert worst.figures.regret.low > 0.0
    young = next(row for row in report.rows if row.name == "age=young").figures
    assert young.shadow.ece.value > 0.15 > young.stable.ece.value
    healthy = [row for row in report.rows if {"age=middle", "age=senior"} & set(row.segments)]
    assert not any(row.figures.regret.low > 0.0 or row.regret_stands_out for row in healthy)


def test_healthy_versions_have_no_segment_that_stands_out():
    named = 0
    for seed in range(30):
        report = world(500, seed).report()
        named += any(row.shift_stands_out for row in report.rows)
    assert named <= 3


def test_small_segments_stand_together():
    table = SegmentTable(SegmentOptions(least=50))
    for k in range(200):
        rare = f"country=c{k % 20}" if k < 100 else "country=de"
        table.add_pair((rare, "age=young"), 0.5, 0.6)
    report = table.report()
    rows = {row.segments: row for row in report.rows}
    assert set(rows) == {
        ("age=young",),
        ("country=de",),
        ("age=young", "country=de"),
        ("country=small ones",),
        ("age=small ones", "country=small ones"),
    }
    small = rows[("country=small ones",)]
    assert (small.merged, small.figures.pairs) == (20, 100)
    assert report.note == "40 segments were under 50 pairs and stand together as small ones."


def test_segments_are_bounded_and_what_is_untold_is_said():
    table = SegmentTable(SegmentOptions(most=10, pairs=False))
    for k in range(1_000):
        table.add_pair((f"id={k}",), 0.5, 0.5)
    assert table.untold == 990
    assert "990 times there was no room" in table.report().note
    assert len(table.snapshot().groups) == 10


segments = st.lists(st.sampled_from(["a=1", "a=2", "b=1", "b=2", "c=1"]), max_size=3, unique=True)


@given(
    st.lists(st.tuples(segments, st.floats(0, 1), st.floats(0, 1), st.booleans()), max_size=40),
    st.integers(0, 40),
)
def test_merging_and_keeping(rows, cut):
    def fed(some):
        table = SegmentTable()
        for where, stable, shadow, truth in some:
            table.add_pair(where, stable, shadow)
            table.add_label(where, stable, shadow, truth)
        return table

    whole, merged = fed(rows), fed(rows[:cut])
    merged.merge(fed(rows[cut:]))
    one, two = whole.report(), merged.report()
    assert [row.segments for row in one.rows] == [row.segments for row in two.rows]
    for mine, theirs in zip(one.rows, two.rows, strict=True):
        assert mine.figures.drift == theirs.figures.drift
        assert mine.figures.shadow == theirs.figures.shadow
        assert mine.figures.shift.mean == theirs.figures.shift.mean
    kept = msgspec.msgpack.encode(merged.snapshot())
    again = SegmentTable.restore(msgspec.msgpack.decode(kept, type=SegmentSnapshot))
    assert msgspec.msgpack.encode(again.snapshot()) == kept
    assert again.report() == two
    assert msgspec.json.decode(msgspec.json.encode(two), type=SegmentReport) == two


def test_a_brief_report_has_what_is_paired():
    table = world(1_000, 1, ("age=young",), labels=True)
    brief, whole = table.report(brief=True), table.report()
    assert brief.worst_shift == whole.worst_shift
    assert brief.worst_regret == whole.worst_regret
    for short, full in zip(brief.rows, whole.rows, strict=True):
        assert short.figures.shift == full.figures.shift
        assert short.figures.regret == full.figures.regret
        assert short.figures.shadow_mean == full.figures.shadow_mean
        assert short.figures.stable is short.figures.drift is None


def test_cells():
    assert cells_of(["b=1", "a=1", "a=1", ""]) == (("a=1",), ("b=1",), ("a=1", "b=1"))
    assert cells_of(["b=1", "a=1"], pairs=False) == (("a=1",), ("b=1",))
    assert len(cells_of([f"d{k}=1" for k in range(8)])) == 8 + 10
    assert cells_of([]) == ()


def test_one_group_can_be_asked_for():
    table = SegmentTable()
    table.add_pair(["b=1", "a=1"], 0.5, 0.6)
    assert table.group("b=1", "a=1").pairs == 1
    assert table.group("c=1") is None


def test_numbers_and_classes_have_segments_too():
    numbers = SegmentTable(SegmentOptions(GroupOptions("number"), least=1))
    classes = SegmentTable(SegmentOptions(GroupOptions("class"), least=1))
    for k in range(300):
        numbers.add_pair(["a=1"], float(k), k + 5.0 + k % 3)
        classes.add_pair(["a=1"], "x", "y" if k % 2 else "x", bool(k % 2))
    row = numbers.report().rows[0]
    assert row.shift_stands_out
    assert row.figures.shift.method == "asymptotic"
    assert classes.report().rows[0].figures.agreement.value == 0.5
    assert classes.report().worst_shift == ()


def test_tables_of_other_options_are_not_merged():
    with pytest.raises(ValueError, match="different options"):
        SegmentTable().merge(SegmentTable(SegmentOptions(most=3)))
