"""Stable beside itself: worse, well again, or open."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.judge.recovery import (
    Figures,
    Measured,
    Validation,
    compare,
    measured,
    poisson,
    result,
    wilson,
)
from proxy.measure import Tally, histogram
from proxy.terms import Finding, Verdict

POLICY = Validation(min_requests=100)


def figures(errors: int, n: int, **kpis: int) -> Figures:
    return Figures(600.0, {"": Measured(n, errors)}, kpis)


def compared(before: Figures | None, now: Figures, **directions: str) -> dict[str, Finding]:
    return {it.check: it for it in compare(POLICY, before, now, directions)}


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [(0, Verdict.PASS), (10, Verdict.PASS), (20, Verdict.PASS), (30, Verdict.INCONCLUSIVE),
     (60, Verdict.FAIL), (1000, Verdict.FAIL)],
)  # fmt: skip
def test_errors_beside_one_percent(errors: int, verdict: Verdict) -> None:
    found = compared(figures(10, 1000), figures(errors, 1000))["error_rate"]
    assert found.verdict is verdict, found.message
    assert found.effect == "none"


def test_the_sentence_has_the_numbers() -> None:
    found = compared(figures(10, 1000), figures(60, 1000))["error_rate"]
    assert found.message.startswith(
        "stable failed 60 of 1000 requests since the revert (6.00 %), 10 of 1000 (1.00 %) before"
    )
    assert found.numbers["rate"] == 0.06


def test_too_few_in_either_time_say_nothing() -> None:
    for before, now in [(figures(0, 99), figures(0, 1000)), (figures(0, 1000), figures(99, 99))]:
        assert compared(before, now)["error_rate"].verdict is Verdict.NOT_YET
    assert compared(None, figures(9, 1000))["error_rate"].verdict is Verdict.NOT_YET


def test_kpis_in_either_direction() -> None:
    before = figures(0, 1000, complaint=20, approved=500)
    now = figures(0, 1000, complaint=90, approved=510)
    found = compared(before, now, complaint="increase", approved="decrease")
    assert found["kpi:complaint"].verdict is Verdict.FAIL
    assert found["kpi:approved"].verdict is Verdict.PASS
    fewer = compared(before, figures(0, 1000, approved=200), approved="decrease")
    assert fewer["kpi:approved"].verdict is Verdict.FAIL
    assert "or more" in fewer["kpi:approved"].message


def test_a_kpi_that_never_came_is_not_spoken_of() -> None:
    assert set(compared(figures(0, 1000), figures(0, 1000), sale="decrease")) == {"error_rate"}


def test_segments_by_themselves() -> None:
    before = Figures(600.0, {"": Measured(1000, 10), "age=old": Measured(200, 2)})
    now = Figures(600.0, {"": Measured(1000, 12), "age=old": Measured(200, 60),
                          "age=new": Measured(20, 20)})  # fmt: skip
    found = {it.check: it.verdict for it in compare(POLICY, before, now, {})}
    assert found == {
        "error_rate": Verdict.PASS,
        "error_rate[age=new]": Verdict.NOT_YET,
        "error_rate[age=old]": Verdict.FAIL,
    }


def answered(milliseconds: float, n: int) -> Tally:
    bucket = histogram.bucket(int(milliseconds * 1e6))
    return Tally("m", "1", "stable", outcomes={"ok": n}, total={bucket: n})


@pytest.mark.parametrize(("milliseconds", "verdict"), [(100, "PASS"), (140, "PASS"), (200, "FAIL")])
def test_latency(milliseconds: float, verdict: str) -> None:
    before = Figures(600.0, {"": measured(answered(100, 1000))})
    now = Figures(600.0, {"": measured(answered(milliseconds, 1000))})
    found = compared(before, now)
    assert {found["latency_p50"].verdict.name, found["latency_p95"].verdict.name} == {verdict}


def test_no_answers_have_no_quantiles() -> None:
    assert measured(Tally("m", "1", "stable", outcomes={"upstream_5xx": 5})) == Measured(5, 5)


def findings(**verdicts: Verdict) -> tuple[Finding, ...]:
    return tuple(Finding(check, verdict, "", {}, "none") for check, verdict in verdicts.items())


def test_what_the_findings_come_to() -> None:
    well, worse, few, unclear = Verdict.PASS, Verdict.FAIL, Verdict.NOT_YET, Verdict.INCONCLUSIVE
    assert result(()) == "inconclusive"
    assert result(findings(error_rate=well)) == "recovered"
    assert result(findings(error_rate=well, segment=few)) == "recovered"
    assert result(findings(error_rate=well, segment=unclear)) == "inconclusive"
    assert result(findings(error_rate=few, segment=well)) == "inconclusive"
    assert result(findings(error_rate=few, segment=worse)) == "not_recovered"


counts = st.integers(0, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([1.0, 2.0, 3.0]))
def test_intervals_hold_the_rate_between_nought_and_one(pair: tuple[int, int], z: float) -> None:
    events, n = pair
    low, high = wilson(events, n, z)
    assert 0.0 <= low <= high <= 1.0
    if n:
        assert low - 1e-12 <= events / n <= high + 1e-12


def test_intervals_beside_published_numbers() -> None:
    low, high = wilson(10, 100, 1.959964)  # Newcombe 1998, table I has such
    assert (low, high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    low, high = poisson(10, 1, 1.959964)
    assert (low, high) == (pytest.approx(5.43, abs=0.01), pytest.approx(18.41, abs=0.01))


@given(counts, counts)
def test_never_worse_than_itself_and_more_errors_are_never_better(
    before: tuple[int, int], now: tuple[int, int]
) -> None:
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    then = figures(*before)
    same = compared(then, then)["error_rate"]
    assert same.verdict in (Verdict.PASS, Verdict.NOT_YET)
    here = compared(then, figures(*now))["error_rate"]
    if here.verdict is Verdict.NOT_YET or now[0] == now[1]:
        return
    more = compared(then, figures(now[0] + 1, now[1]))["error_rate"]
    assert order.index(more.verdict) >= order.index(here.verdict)
    assert math.isfinite(more.numbers["bound"])
