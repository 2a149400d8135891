"""The count of bytecodes is the interpreter's: the same each time, and nothing is missing."""

from __future__ import annotations

import sys

from loadtests import where
from loadtests.plane import SEGMENTS, SHADOWS, plan


def test_every_module_on_the_way_belongs_to_a_part() -> None:
    counts = where.count(plan(SHADOWS, SEGMENTS, 1))
    named = {module for _, modules in where.PARTS for module in modules}
    own = {"plane", "where", "scripted"}
    assert set(counts.bytecodes) <= named | own
    assert all(bytecodes > 0 for _, bytecodes, _ in where.rows(counts))


def test_it_counts_the_same_each_time() -> None:
    one, two = (where.count(plan((), SEGMENTS, 1)) for _ in range(2))
    one_in_all, two_in_all = one.bytecodes.total(), two.bytecodes.total()
    assert abs(one_in_all - two_in_all) < one_in_all / 100  # a rare branch hangs on the clock
    assert one.calls["exchange"] >= where.COUNTED
    assert sys.gettrace() is None
