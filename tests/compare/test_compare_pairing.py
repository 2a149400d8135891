"""Pairs are counted by shadow version: statuses, missing halves, signed latency differences."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare import PairCounts, PairSummary
from proxy.terms import Half, Outcome, Pair


def outcome_of(status):
    if status == 0:
        return Outcome.UPSTREAM_TIMEOUT
    if status >= 500:
        return Outcome.UPSTREAM_5XX
    return Outcome.UPSTREAM_4XX if status >= 400 else Outcome.OK


def half(version, status=200, seconds=0.010, outcome=None):
    return Half(version, outcome or outcome_of(status), status, seconds, b"{}", 2)


def pair(live, shadow, model="m"):
    return Pair("id", model, "hash", (), 0.0, live, shadow)


def counted(*pairs):
    counts = PairCounts()
    for each in pairs:
        counts.add(each)
    return counts.snapshot().of("m", "3")


def test_the_same_status_agrees():
    summary = counted(pair(half("1"), half("3")))
    assert (summary.pairs, summary.agree, summary.differ, summary.missing) == (1, 1, 0, 0)
    assert summary.statuses == {"2xx": {"2xx": 1}}


def test_another_status_differs_even_in_the_same_class():
    summary = counted(
        pair(half("1", 400), half("3", 422)),
        pair(half("1", 200), half("3", 500)),
        pair(half("1", 200), half("3", 500)),
    )
    assert (summary.agree, summary.differ) == (0, 3)
    assert summary.statuses == {"4xx": {"4xx": 1}, "2xx": {"5xx": 2}}


def test_a_missing_half_is_counted_by_why():
    summary = counted(
        pair(half("1"), half("3", 0)),
        pair(half("1", 0, outcome=Outcome.UPSTREAM_CONNECT), half("3")),
        pair(half("1", 0), half("3", 0, outcome=Outcome.UPSTREAM_CONNECT)),
    )
    assert (summary.pairs, summary.missing, summary.agree) == (3, 3, 0)
    assert summary.missing_shadow == {"upstream_timeout": 1, "upstream_connect": 1}
    assert summary.missing_live == {"upstream_connect": 1, "upstream_timeout": 1}
    assert summary.statuses == {}
    assert summary.difference_p50 is None


@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_RESET, Outcome.CALLER_LEFT])
def test_an_answer_that_broke_off_is_no_half(outcome):
    summary = counted(pair(half("1", 200, outcome=outcome), half("3")))
    assert summary.missing_live == {outcome.value: 1}
    assert summary.agree == 0


def test_differences_are_signed():
    slow, fast, same = half("3", seconds=0.030), half("3", seconds=0.002), half("3")
    summary = counted(*(pair(half("1"), shadow) for shadow in (slow, fast, same)))
    assert (summary.slower, summary.faster) == (1, 1)
    assert summary.difference_p05 == pytest.approx(-0.008, rel=1 / 64)
    assert summary.difference_p50 == 0.0
    assert summary.difference_p95 == pytest.approx(0.020, rel=1 / 64)


def test_versions_and_models_are_kept_apart():
    counts = PairCounts()
    counts.add(pair(half("1"), half("3")))
    counts.add(pair(half("1"), half("4", 500)))
    counts.add(pair(half("1"), half("3"), model="other"))
    snapshot = counts.snapshot()
    assert snapshot.of("m", "3").agree == 1
    assert snapshot.of("m", "4").differ == 1
    assert snapshot.of("other", "3").pairs == 1
    assert snapshot.of("m", "9") == PairSummary("m", "9")
    counts.forget("m", "4")
    counts.forget("m", "never")
    assert counts.snapshot().of("m", "4").pairs == 0


def test_a_snapshot_stands_still():
    counts = PairCounts()
    counts.add(pair(half("1"), half("3")))
    before = counts.snapshot()
    counts.add(pair(half("1"), half("3")))
    counts.add(pair(half("1"), half("3", 0)))
    assert before.of("m", "3").pairs == 1
    assert before.of("m", "3").statuses == {"2xx": {"2xx": 1}}


def test_a_snapshot_goes_through_json():
    counts = PairCounts()
    counts.add(pair(half("1"), half("3", seconds=0.001)))
    snapshot = counts.snapshot()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=type(snapshot)) == snapshot


statuses = st.sampled_from([0, 200, 204, 302, 400, 404, 500, 503])
times = st.floats(min_value=0, max_value=1000)


@given(st.lists(st.tuples(statuses, statuses, times, times), max_size=60))
def test_the_counts_add_up(halves):
    summary = counted(
        *(pair(half("1", a, s), half("3", b, t)) for a, b, s, t in halves),
    )
    whole = [(a, b, t - s) for a, b, s, t in halves if a and b]
    assert summary.pairs == len(halves) == summary.agree + summary.differ + summary.missing
    assert summary.agree == sum(a == b for a, b, _ in whole)
    assert sum(n for row in summary.statuses.values() for n in row.values()) == len(whole)
    assert sum(summary.differences.values()) == len(whole)
    assert sum(summary.missing_shadow.values()) == sum(b == 0 for _, b, _, _ in halves)
    assert len(summary.differences) <= 2 * 1120 + 1
    if whole:
        exact = sorted(d for _, _, d in whole)[-(-len(whole) // 2) - 1]
        assert summary.difference_p50 == pytest.approx(exact, rel=1 / 63, abs=1e-6)


def test_one_version_can_be_asked_for_alone():
    counts = PairCounts()
    counts.add(pair(half("1"), half("3")))
    counts.add(pair(half("1"), half("3", 500)))
    counts.add(pair(half("1"), half("4", 0)))
    assert counts.versions() == [("m", "3"), ("m", "4")]
    for version in "3", "4", "5":
        assert counts.of("m", version) == counts.snapshot().of("m", version)
    assert counts.kinds("m", "3") == {"agree": 1, "differ": 1, "missing": 0}
    assert counts.kinds("m", "5") == {}
