"""Deadlines: who is due is told once, whatever the others do meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from proxy.net import NEVER, Deadlines


class Thing:
    def __init__(self, deadline: int, then: Callable[[], None] = lambda: None) -> None:
        self.deadline = deadline
        self.told: list[int] = []
        self._then = then

    def expire(self, now: int) -> None:
        self.told.append(now)
        self.deadline = NEVER
        self._then()


def test_who_is_due_is_told_once() -> None:
    ours = Deadlines()
    early, late, never = Thing(10), Thing(20), Thing(NEVER)
    for thing in (early, late, never):
        ours.add(thing)
    assert [ours.sweep(now) for now in (9, 10, 15, 20, 21)] == [0, 1, 0, 1, 0]
    assert (early.told, late.told, never.told) == ([10], [20], [])


def test_one_may_take_away_or_renew_another() -> None:
    ours = Deadlines()
    gone, renewed = Thing(10), Thing(10)

    def then() -> None:
        for other in (first, second):
            other.deadline = NEVER
        ours.discard(gone)
        renewed.deadline = 30
        ours.add(Thing(5))

    first, second = Thing(10, then), Thing(10, then)
    for thing in (first, second):
        ours.add(thing)
    ours.sweep(10)
    assert len(first.told) + len(second.told) == 1
    ours.add(gone)
    ours.add(renewed)
    first.deadline = 10
    ours.sweep(10)
    assert len(gone.told) + len(ours) >= 4
    assert set(ours) >= {first, second, renewed}


def test_walking_it_bears_changes() -> None:
    ours = Deadlines()
    things = [Thing(1) for _ in range(5)]
    for thing in things:
        ours.add(thing)
    for one in ours:
        ours.discard(one)
    assert len(ours) == 0
