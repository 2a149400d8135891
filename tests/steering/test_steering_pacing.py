"""A budget of CPU, and the share of the customers that fits it."""

from __future__ import annotations

import pytest

from proxy.steering.pacing import FOR_PAIRS, LEAST, Pacing


def run(
    pacing: Pacing, seconds: int, a_second: int, cost: float, room: float = 1.0, at: int = 0
) -> None:
    """So many pairs come each second, and are compared as far as the rate takes them; the loop
    has ``room`` for that part of the budget."""
    for second in range(seconds):
        for _ in range(a_second):
            pacing.offered()
        wanted = int(a_second * pacing.rate)
        done = min(wanted, int(pacing.budget * room / cost))
        pacing.compared(done, done * cost)
        pacing.settle(float(at + second), crowded=done < wanted)


def test_everybody_is_taken_while_there_is_time() -> None:
    pacing = Pacing(0.3)
    run(pacing, 20, 1_000, 100e-6)
    assert pacing.rate == 1.0


def test_over_the_budget_the_rate_settles_where_it_fits() -> None:
    pacing = Pacing(0.3)
    run(pacing, 200, 10_000, 100e-6)
    assert pacing.rate == pytest.approx(FOR_PAIRS * 0.3 / 100e-6 / 10_000, rel=0.3)


def test_it_recovers_when_less_comes() -> None:
    pacing = Pacing(0.3)
    run(pacing, 100, 50_000, 100e-6)
    assert pacing.rate < 0.1
    run(pacing, 150, 500, 100e-6, at=100)
    assert pacing.rate == 1.0


def test_a_loop_that_has_others_to_serve_takes_fewer() -> None:
    pacing = Pacing(0.3)
    run(pacing, 60, 2_000, 100e-6, room=0.2)
    assert LEAST < pacing.rate < 0.5


def test_it_rests_as_long_as_the_budget_asks() -> None:
    pacing = Pacing(0.25)
    pacing.compared(10, 0.002)
    pacing.worked(0.001)
    assert pacing.pause() == pytest.approx(0.009)
    assert pacing.pause() == 0.0


def test_a_long_debt_is_rested_in_parts() -> None:
    pacing = Pacing(0.5)
    pacing.worked(1.2)
    assert [pacing.pause() for _ in range(3)] == pytest.approx([0.5, 0.5, 0.2])
