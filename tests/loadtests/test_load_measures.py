"""The arithmetic: quantiles, shares, phases, and what each scenario finds out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_world import START, direct, failed, proxied

from loadtests.load import job, measures
from loadtests.load.measures import Mark


def test_a_quantile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [measures.quantile(values, q) for q in (0.5, 0.95, 0.99)] == [50.0, 95.0, 99.0]
    assert measures.quantile([3.0, 1.0], 0.5) == 1.0


def test_too_few_values_have_no_quantile() -> None:
    assert measures.quantile([1.0] * 99, 0.99) is None
    assert measures.quantile([1.0] * 100, 0.99) == 1.0
    assert measures.quantile([1.0] * 19, 0.95) is None
    assert measures.quantile([], 0.5) is None


@given(st.lists(st.floats(0, 1e6), min_size=100, max_size=400), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_met_and_exceeded_by_the_rest_only(values: list[float], q: float) -> None:
    found = measures.quantile(values, q)
    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) - 1e-6
    assert sum(value < found for value in values) < q * len(values) + 1e-6


def test_the_proxy_adds_what_differs_between_the_ways() -> None:
    met = [proxied(ms=2.5)] * 10 + [direct(ms=1.0)] * 10
    figures = measures.general(met, due=20)
    assert figures["added_p50_ms"] == pytest.approx(1.5)
    assert figures["load_percent"] == 50.0
    assert "added_p99_ms" not in figures, "ten answers have no p99"


def test_only_good_answers_of_stable_are_compared() -> None:
    others = [
        proxied(ms=900, arm="canary"),
        proxied(ms=900, fallback=True),
        failed(ms=900),
    ] * 10
    figures = measures.general(others + [proxied(ms=2)] * 10 + [direct(ms=1)] * 10, due=40)
    assert figures["proxied_p50_ms"] == 2


def test_a_proxy_that_names_no_arm_is_compared_whole() -> None:
    figures = measures.general([proxied(ms=2, arm="")] * 4 + [direct()] * 4, due=4)
    assert figures["added_p50_ms"] == 1.0


def test_errors_are_shares_of_their_way_and_kind() -> None:
    met = [proxied()] * 6 + [failed(), failed(), failed(error="timeout"), failed(error="timeout")]
    figures = measures.general([*met, direct(error="timeout"), *[direct()] * 3], due=10)
    assert figures["errors_percent"] == 40
    assert figures["errors_percent.status_500"] == 20
    assert figures["errors_percent.timeout"] == 20
    assert figures["direct_errors_percent"] == 25


def test_nothing_sent_has_no_share_of_errors() -> None:
    assert "errors_percent" not in measures.general([], due=10)


def test_a_request_belongs_to_the_phase_in_which_it_was_sent() -> None:
    marks = [Mark(START + 2, "a"), Mark(START + 4, ""), Mark(START + 5, "b")]
    met = [proxied(at) for at in (0, 2, 3.9, 4.5, 5, 9)]
    found = measures.split(met, marks)
    assert {phase: [one.at - START for one in ones] for phase, ones in found.items()} == {
        "": [0, 4.5],
        "a": [2, pytest.approx(3.9)],
        "b": [5, 9],
    }
    assert measures.seconds(marks, START + 10) == {"a": 2, "": 1, "b": 5}


def test_a_phase_that_comes_twice_is_one() -> None:
    marks = [Mark(0, "alone"), Mark(3, "shadowed"), Mark(5, "alone")]
    assert measures.seconds(marks, 6) == {"alone": 4, "shadowed": 2}


def test_a_customer_who_meets_two_arms_has_switched() -> None:
    met = [proxied(customer="a"), proxied(customer="b"), proxied(customer="b", arm="canary")]
    fallback = proxied(customer="a", arm="canary", fallback=True)
    assert measures.switched([*met, fallback]) == 1


def test_streams_are_compared_by_first_event_and_gap() -> None:
    gap = (50.0,) * 20
    ours = [proxied(first_ms=3, gaps=(51.0,) * 20)] * 3
    figures = measures.of_streams(ours + [direct(first_ms=1, gaps=gap)] * 3)
    assert figures["added_first_event_p50_ms"] == 2
    assert figures["added_gap_p95_ms"] == 1
    assert figures["truncated_streams"] == 0


def test_a_stream_that_was_cut_off_is_counted_and_not_compared() -> None:
    cut = proxied(error="truncated", gaps=(900.0,) * 20)
    figures = measures.of_streams([cut, *[proxied(gaps=(50.0,) * 20)] * 2, *[direct()] * 2])
    assert figures["truncated_streams"] == 1
    assert figures["proxied_gap_p95_ms"] == 50


def test_a_shadow_adds_what_differs_between_the_phases() -> None:
    phases = {"alone": {"proxied_p99_ms": 4.0}, "shadowed": {"proxied_p99_ms": 9.0}}
    assert measures.of_shadow(phases) == {"shadow_adds_p99_ms": 5.0}
    assert measures.of_shadow({"alone": {"proxied_p99_ms": 4.0}}) == {}


def test_a_revert_is_timed_from_the_first_bad_answer_to_the_last_of_the_canary() -> None:
    met = [proxied(n / 10, arm="canary", ms=0) for n in range(10)]
    met += [failed(1, arm="canary", ms=0), proxied(1.5, arm="canary", ms=0)]
    met += [failed(2, arm="canary", ms=500)]
    met += [proxied(3 + n / 10) for n in range(5)] + [direct(4)]
    figures = measures.of_revert(met)
    assert figures["revert_seconds"] == pytest.approx(1.5)
    assert figures["canary_answers"] == 13
    assert figures["answers_after_revert"] == 5
    assert figures["errors_after_revert"] == 0
    assert figures["errors_elsewhere"] == 0


def test_errors_of_others_and_after_the_revert_are_seen() -> None:
    met = [failed(1, arm="canary", ms=0), failed(0.5, arm="stable"), failed(2, arm="stable")]
    figures = measures.of_revert(met)
    assert figures["errors_elsewhere"] == 2
    assert figures["errors_after_revert"] == 1


def test_a_canary_that_never_failed_was_never_reverted() -> None:
    assert "revert_seconds" not in measures.of_revert([proxied(arm="canary")])


def test_a_record_is_read_as_it_was_written() -> None:
    met = [proxied(gaps=(1.0, 2.0)), failed(arm="canary"), direct(fallback=True)]
    lines = [job.began_line(START), *map(job.line, met)]
    assert list(job.exchanges(lines)) == met
