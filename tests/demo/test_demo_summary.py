"""The summary's arithmetic, and that each thing that may go wrong makes the story not happen."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from demo_world import START, TRIP, canary, exchange, finding, good_run, told
from hypothesis import given
from hypothesis import strategies as st

from demo import checks, report, summary
from demo.desk import Counted
from demo.summary import Seen
from demo.truth import Imported


def broken(seen: Seen) -> list[str]:
    found = summary.summarise(seen)
    failed = [check["name"] for check in found["checks"] if not check["held"]]
    assert found["happened"] == (not failed)
    return failed


def but(**given: Any) -> Seen:
    return dataclasses.replace(good_run(), **given)


def with_more(*exchanges: Any) -> Seen:
    """More requests, which pointsman counted as well."""
    run = good_run()
    assert run.told.counted is not None
    counts = {arm: dict(outcomes) for arm, outcomes in run.told.counted.requests.items()}
    for one in exchanges:
        series = counts[f"{one.decided} {one.decided_version}"]
        series["ok"] = series["ok"] + 1
    run.told.counted = Counted(counts, run.told.counted.copies)
    return dataclasses.replace(run, exchanges=[*run.exchanges, *exchanges])


def test_a_good_run_happened() -> None:
    assert broken(good_run()) == []


def test_the_summary_is_json_and_has_a_page() -> None:
    found = summary.summarise(good_run())
    again = json.loads(json.dumps(found, allow_nan=False))
    page = report.markdown(again)
    assert "It happened as told" in page
    assert all(table.title in page for table in report.tables(found))


def test_every_row_of_a_table_is_as_wide_as_its_head() -> None:
    for table in report.tables(summary.summarise(good_run())):
        assert {len(row) for row in table.rows} == {len(table.head)}, table.title


# ---- what may go wrong


def test_a_run_without_a_revert_did_not_happen() -> None:
    seen = but(told=told(latches={}, counted=good_run().told.counted))
    assert {
        "v3 was reverted",
        "v4 was reverted, and the judge knew for whom it failed",
        "v5 was reverted for its approvals, though it never failed",
    } <= set(broken(seen))


def test_a_person_who_reverts_is_not_pointsman() -> None:
    seen = good_run()
    seen.told.latches["3"]["actor"] = "alice"
    assert broken(seen) == ["v3 was reverted by pointsman itself"]


def test_a_revert_without_a_bad_answer_is_not_the_story() -> None:
    seen = but(witness=[{"at": TRIP - 1, "fate": "good"}])
    assert broken(seen) == ["v3 was reverted by pointsman itself"]


@pytest.mark.parametrize(("late", "names"), [(0.4, 0), (0.6, 1)])
def test_a_canary_request_long_after_the_trip_is_found(late: float, names: int) -> None:
    seen = but(witness=[*good_run().witness, {"at": TRIP + late, "fate": "error"}])
    assert len(broken(seen)) == names


def test_one_bad_answer_is_too_many() -> None:
    assert broken(with_more(exchange("1", 5, status=502))) == ["no customer got a bad answer"]
    assert broken(with_more(exchange("4", 5, status=0))) == ["no customer got a bad answer"]


def test_a_customer_of_both_arms_is_found() -> None:
    assert broken(with_more(canary("3a", 150))) == ["every customer kept its arm"]


def test_a_canary_customer_sent_back_is_found() -> None:
    assert broken(with_more(canary("3a", 500), exchange("3b", 500))) == [
        "every customer kept its arm"
    ]


def test_a_share_far_from_the_asked_one_is_found() -> None:
    many = [canary("3b", customer) for customer in range(1000, 1060)]
    assert broken(with_more(*many)) == ["v2 got its 10 %"]


def test_customers_given_back_by_an_edit_are_found() -> None:
    assert broken(with_more(canary("5", 700, "3"))) == ["editing the share gave nobody back to v3"]


def test_counts_that_differ_are_found_and_named() -> None:
    seen = but(exchanges=good_run().exchanges[1:])
    assert broken(seen) == ["pointsman counted what the callers counted"]
    check = summary.summarise(seen)["checks"][-1]
    assert check["found"] == "stable 1: callers 1,469, pointsman 1,470"


def test_a_shadow_that_drops_more_than_it_sends_is_found() -> None:
    seen = good_run()
    assert seen.told.counted is not None
    seen.told.counted = Counted(seen.told.counted.requests, {"2": {"sent": 1, "dropped_queue": 9}})
    assert broken(seen) == ["v2 was mirrored"]


# ---- arithmetic


@given(st.lists(st.floats(0, 100), min_size=1))
def test_quantiles_are_seen_values_in_order(values: list[float]) -> None:
    found = summary.quantiles(values)
    numbers = [found[name] or 0.0 for name in ("p50", "p95", "p99")]
    assert {float(number) for number in numbers} <= set(values)
    assert numbers == sorted(numbers)


def test_quantiles_by_nearest_rank() -> None:
    assert summary.quantiles(range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99}
    assert summary.quantiles([]) == {"p50": None, "p95": None, "p99": None}


def test_a_failed_canary_counts_for_the_canary_s_share() -> None:
    act = next(played.act for played in told().played if played.act.key == "4")
    found = summary.share(act, [exchange("4", 1, fallback="3; timeout"), exchange("4", 2)])
    assert found["by_customers"] == found["by_requests"] == 0.5


def test_the_share_of_the_failing_version_ends_with_the_trip() -> None:
    after = [exchange("4", customer, at=TRIP + 1) for customer in range(300, 400)]
    row = next(r for r in summary.summarise(with_more(*after))["shares"] if r["act"] == "4")
    assert (row["customers"], row["by_requests"]) == (200, 0.1)


def test_the_revert_s_times() -> None:
    latch = told().latches["3"]
    witness = [(START, "good"), (TRIP - 0.5, "slow"), (TRIP - 0.3, "good"), (TRIP + 0.02, "error")]
    found = summary.revert(latch, [{"at": at, "fate": fate} for at, fate in witness])
    assert found is not None
    assert found["first_bad_to_trip"] == pytest.approx(0.5)
    assert found["first_bad_to_last"] == pytest.approx(0.52)
    assert found["trip_to_last"] == pytest.approx(0.02)
    assert (found["canary_requests"], found["bad_requests"], found["after_the_trip"]) == (4, 2, 1)


def test_who_was_hurt_and_who_was_saved() -> None:
    found = summary.customers(
        [
            exchange("4", 1, fallback="3; status_500"),
            exchange("4", 1, fallback="3; timeout"),
            exchange("4", 2, fallback="3; timeout", status=503),
            exchange("4", 3),
        ]
    )
    assert (found["seen"], found["hurt"], found["saved"], found["saved_requests"]) == (3, 1, 1, 2)
    assert found["saved_by_reason"] == {"status_500": 1, "timeout": 1}
    assert found["hurt_by_status"] == {"503": 1}


def test_what_the_proxy_adds_is_the_difference_of_quantiles_and_the_median_difference() -> None:
    found = summary.added_latency([(1.0, 1.5), (2.0, 2.1), (9.0, 9.2)])
    assert found["added"]["p50"] == pytest.approx(0.1)
    assert found["added_in_the_middle"] == pytest.approx(0.2)
    assert summary.added_latency([])["added"] == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize(
    ("realised", "asked", "customers", "fair"),
    [
        (0.05, 0.05, 100, True),
        (0.07, 0.05, 1000, True),
        (0.09, 0.05, 1000, False),
        (0, 0.05, 0, False),
    ],
)
def test_what_a_fair_share_is(realised: float, asked: float, customers: int, fair: bool) -> None:
    assert checks.is_fair(realised, asked, customers) is fair


def test_a_revert_for_everybody_is_not_one_for_the_young() -> None:
    seen = good_run()
    seen.told.findings["4"].append(finding("errors[age_band=senior]", "fail"))
    assert broken(seen) == ["v4 was reverted, and the judge knew for whom it failed"]


def test_a_revert_by_failures_is_not_one_by_approvals() -> None:
    seen = good_run()
    seen.told.latches["5"]["reason"] = "errors"
    assert broken(seen) == ["v5 was reverted for its approvals, though it never failed"]


def test_a_label_without_its_prediction_is_found() -> None:
    seen = good_run()
    seen.told.labels = Imported(400, {"accepted": 400, "waiting": 1})
    assert broken(seen) == ["every late label found its prediction"]


def test_an_approval_that_was_lost_is_found() -> None:
    seen = good_run()
    seen.told.approvals = (900, 899)
    assert broken(seen) == ["pointsman took every approval that it was told of"]
