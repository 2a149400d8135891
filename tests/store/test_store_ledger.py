"""The ledger on both databases: what goes in comes out, joined, once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_ledger import QUICK, Desk, kpi, label, opened, pairs, prediction, until

from proxy.errors import OperationRefused, StateError
from proxy.feedback import Kpi, Label, Prediction
from proxy.store.ledger import Labelled, Ledger, LedgerLimits

YEAR = 365.25 * 86_400


async def read(ledger: Ledger, version: str | None = None, chunk: int = 2) -> list[Labelled]:
    found = [each async for each in ledger.predictions("m", version, -1e12, 1e12, chunk)]
    return [each for chunk in found for each in chunk]


async def test_a_label_finds_its_prediction(url: str) -> None:
    async with opened(url) as ledger:
        assert await ledger.log([prediction(1), prediction(2)]) == []
        taken = await ledger.take([label("a", "r1"), label("b", "r9"), kpi("k")])
        assert (taken.accepted, taken.duplicates, taken.waiting) == (3, 0, 1)
        assert taken.kpis == [kpi("k")]
        (met,) = taken.joined
        assert (met.label, met.prediction) == (label("a", "r1"), prediction(1))


async def test_a_prediction_finds_the_label_that_waits(url: str) -> None:
    desk = Desk()
    async with opened(url, desk) as ledger:
        assert (await ledger.take([label("a", "r1"), label("b", "r2")])).waiting == 2
        assert pairs(await ledger.log([prediction(1)])) == [("a", "r1")]
        ledger.offer([prediction(2)])
        await until(lambda: len(desk.joined) == 1)
        assert desk.pairs() == [("b", "r2")]
        assert ledger.status().joined == 2


async def test_a_label_by_customer_and_time(url: str) -> None:
    mine = [prediction(n, customer="c", at=float(n), version=str(n % 2)) for n in range(10)]
    others = [
        prediction(20, customer="d", at=5.0),
        prediction(21, customer="c", at=5.0, model="other"),
        prediction(22, customer="", at=5.0),
    ]
    by_time = label("a", model="m", customer="c", since=3.0, until=6.0)
    ended = label("b", model="m", customer="c", at=2.0)  # without a window: all before it was known
    nobody = label("n", model="m", customer="", since=0.0, until=10.0)
    expected = {("a", f"r{n}") for n in range(3, 7)} | {("b", f"r{n}") for n in range(3)}
    async with opened(url) as ledger:
        await ledger.log([*mine[:5], *others])
        first = pairs((await ledger.take([by_time, ended, nobody])).joined)
        second = pairs(await ledger.log(mine[5:]))
    assert set(first + second) == expected
    assert len(first + second) == len(expected)


async def test_a_label_may_name_the_model_of_a_shared_request_id(url: str) -> None:
    async with opened(url) as ledger:
        await ledger.log([prediction(1), prediction(1, model="n"), prediction(1, version="3")])
        taken = await ledger.take([label("a", "r1", model="n"), label("b", "r1")])
        found = sorted(
            (j.label.event_id, j.prediction.model, j.prediction.version) for j in taken.joined
        )
    assert found == [("a", "n", "2"), ("b", "m", "2"), ("b", "m", "3"), ("b", "n", "2")]


async def test_an_event_counts_once(url: str) -> None:
    async with opened(url) as ledger:
        await ledger.log([prediction(1)])
        events: list[Label | Kpi] = [label("a", "r1"), kpi("k")]
        first = await ledger.take([*events, *events])
        again = await ledger.take([*events, label("a", "r1", value=7.0), kpi("a")])
        counts = await ledger.counts()
    assert (first.accepted, first.duplicates, len(first.joined)) == (2, 2, 1)
    assert (again.accepted, again.duplicates, again.joined, again.kpis) == (0, 4, [], [])
    assert (counts.labels, counts.kpis, counts.labels_waiting) == (1, 1, 0)


async def test_a_prediction_is_logged_once(url: str) -> None:
    async with opened(url) as ledger:
        await ledger.log([prediction(1), prediction(1)])
        await ledger.log([prediction(1), prediction(1, at=1.5), prediction(1, version="3")])
        assert (await ledger.counts()).predictions == {"m": {"2": 2, "3": 1}}


VALUES = [
    1, 0.1 + 0.2, True, False, "gut", "nan", "", '{"f": "nan"}', math.nan, math.inf, -math.inf,
    [1.0, math.nan], ["a", 2.0], [], None, "Grüße 🚆 null", "a\nb", 1e308, 2**53 + 1,
]  # fmt: skip


async def test_values_come_back_as_they_were(url: str) -> None:
    async with opened(url) as ledger:
        logged = [prediction(n, value=value) for n, value in enumerate(VALUES)]
        await ledger.log(logged)
        found = [each.prediction.value for each in await read(ledger, chunk=100)]
        flags: list[float | str | bool] = [1.0, True, "ja ü", math.nan]
        taken = await ledger.take(
            [label(f"e{n}", f"r{n}", value=value) for n, value in enumerate(flags)]
        )
        back = [each.label.value for each in taken.joined]
    assert list(map(repr, found)) == list(map(repr, VALUES))
    assert list(map(repr, back)) == list(map(repr, flags))


async def test_text_that_no_database_has_a_character_for(url: str) -> None:
    odd = prediction(
        1, customer="kunde-ü\0", problem="\ud800", value="\udfff", segments=("a=\ud800",)
    )
    async with opened(url) as ledger:
        await ledger.log([odd])
        taken = await ledger.take([label("e\ud800", "r1"), kpi("k\0\ud800", name="名前")])
        assert (taken.accepted, len(taken.joined), len(taken.kpis)) == (2, 1, 1)
        (back,) = await read(ledger)
        assert back.prediction.customer.startswith("kunde-ü")
        assert back.prediction.problem == "?"


@pytest.mark.parametrize(
    "event",
    [
        label("x" * 513, "r1"),
        label("a", "r" * 513),
        kpi("a", at=math.nan),
        label("a", "r1", since=-math.inf),
    ],
)
async def test_what_cannot_be_kept_is_refused_whole(url: str, event: Label | Kpi) -> None:
    async with opened(url) as ledger:
        with pytest.raises(OperationRefused, match=r"event 1: .*; allowed are"):
            await ledger.take([label("good", "r1"), event])
        assert (await ledger.counts()).labels == 0


async def test_labels_that_meet_too_many_are_refused_whole(url: str) -> None:
    async with opened(url, limits=LedgerLimits(linger=0.0, joins=5)) as ledger:
        await ledger.log([prediction(n, customer="c") for n in range(6)])
        with pytest.raises(OperationRefused, match="meet 6 predictions; allowed are 5"):
            await ledger.take([label("a", model="m", customer="c", since=0.0)])
        assert (await ledger.counts()).labels == 0
        assert ledger.status().error == ""


PREDICTIONS = st.builds(
    lambda request, customer, model, at: prediction(
        0, request_id=f"r{request}", customer=f"c{customer}", model=model, at=float(at)
    ),
    st.integers(0, 4), st.integers(0, 2), st.sampled_from("mn"), st.integers(0, 9),
)  # fmt: skip
BY_REQUEST = st.builds(
    lambda event, request, model: label(f"q{event}-{request}{model}", f"r{request}", model=model),
    st.integers(0, 2), st.integers(0, 4), st.sampled_from(["", "m"]),
)  # fmt: skip
BY_CUSTOMER = st.builds(
    lambda event, customer, since, length: label(
        f"w{event}-{customer}-{since}-{length}", model="m", customer=f"c{customer}",
        since=float(since), until=float(since + length),
    ),
    st.integers(0, 2), st.integers(0, 2), st.integers(0, 9), st.integers(0, 4),
)  # fmt: skip
STEPS = st.lists(st.lists(PREDICTIONS | BY_REQUEST | BY_CUSTOMER, max_size=6), max_size=6)


def meet(one: Label, other: Prediction) -> bool:
    """The rule, written the slow way."""
    if one.request_id:
        return one.request_id == other.request_id and one.model in ("", other.model)
    assert one.since is not None
    assert one.until is not None
    mine = (one.customer, one.model) == (other.customer, other.model)
    return mine and one.since <= other.at <= one.until


def key(one: Label, other: Prediction) -> tuple[object, ...]:
    return one.event_id, other.request_id, other.model, other.at


@given(steps=STEPS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_gives_the_same_joins_each_once(
    url: str, steps: list[list[Prediction | Label]]
) -> None:
    """One database for all examples: each has names of its own."""
    found = []
    run = _fresh()
    steps = [[_renamed(each, run) for each in step] for step in steps]
    async with opened(url) as ledger:
        for step in steps:
            taken = await ledger.take([each for each in step if isinstance(each, Label)])
            late = await ledger.log([each for each in step if isinstance(each, Prediction)])
            found += [key(each.label, each.prediction) for each in [*taken.joined, *late]]
    every = [each for step in steps for each in step]
    labels = {each.event_id: each for each in every if isinstance(each, Label)}
    known = {(p.request_id, p.model, p.at): p for p in reversed(every) if isinstance(p, Prediction)}
    expected = {
        key(one, other) for one in labels.values() for other in known.values() if meet(one, other)
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


_RUNS = iter(range(1_000_000))


def _fresh() -> str:
    return f"{next(_RUNS)}-"


def _renamed(one: Prediction | Label, run: str) -> Prediction | Label:
    request = run + one.request_id if one.request_id else ""
    changes = {"request_id": request, "customer": run + one.customer if one.customer else ""}
    if isinstance(one, Label):
        changes["event_id"] = run + one.event_id
    return msgspec.structs.replace(one, **changes)


async def test_predictions_are_read_in_order_with_their_labels(url: str) -> None:
    logged = [prediction(n, at=float(n % 3), version=str(n % 2 + 1)) for n in range(9)]
    async with opened(url) as ledger:
        await ledger.log(logged)
        await ledger.take([label("a", "r4"), label("b", "r4"), label("c", "r1")])
        found = await read(ledger)
        second = await read(ledger, "2")
        part = [each async for each in ledger.predictions("m", None, 1.0, 2.0)]
        affected = [each async for each in ledger.affected("m", "2", 0.0, 3.0, chunk=2)]
    assert [each.prediction.at for each in found] == sorted(each.at for each in logged)
    assert len({each.prediction.request_id for each in found}) == 9
    labels = {each.prediction.request_id: [one.event_id for one in each.labels] for each in found}
    assert {key: value for key, value in labels.items() if value} == {"r4": ["a", "b"], "r1": ["c"]}
    assert {each.prediction.version for each in second} == {"2"}
    assert {each.prediction.at for each in part[0]} == {1.0}
    assert sorted(one for chunk in affected for one in chunk) == ["r1", "r3", "r5", "r7"]
    assert max(map(len, affected)) == 2


async def test_a_shadows_prediction_holds_the_live_one_and_affected_nobody(url: str) -> None:
    shadow = prediction(1, arm="shadow", value=0.75, live="1", live_value=0.5)
    odd = prediction(2, arm="shadow", value=None, live="1", live_value=["a", "b"])
    async with opened(url) as ledger:
        await ledger.log([shadow, odd, prediction(1, version="1", arm="stable")])
        taken = await ledger.take([label("a", "r1"), label("b", "r2")])
        affected = [it async for it in ledger.affected("m", "2", 0.0, 1e9)]
    met = {(it.prediction.request_id, it.prediction.arm): it.prediction for it in taken.joined}
    assert (met["r1", "shadow"], met["r2", "shadow"]) == (shadow, odd)
    assert (met["r1", "stable"].live, met["r1", "stable"].live_value) == ("", None)
    assert affected == []


async def test_ten_years_of_retention_end_to_the_second(url: str) -> None:
    now = 2_000_000_000.0
    ages = [
        0.0,
        29 * 86_400.0,
        30 * 86_400.0,
        30 * 86_400.0 + 0.001,
        YEAR,
        10 * YEAR,
        10 * YEAR + 1,
    ]
    async with opened(url, clock=now - 90 * 86_400.0) as ledger:
        await ledger.log([prediction(n, at=now - age) for n, age in enumerate(ages)])
        await ledger.log([prediction(n, at=now - age, model="long") for n, age in enumerate(ages)])
        await ledger.take([label(f"e{n}", f"r{n}", at=now) for n in range(len(ages))])
        keep = {"long": 10 * YEAR}
        removed = await ledger.sweep(now, keep, 30 * 86_400.0, 90 * 86_400.0)
        counts = await ledger.counts()
        left = [each.prediction.request_id for each in await read(ledger)]
    assert removed == 5
    assert counts.predictions == {"m": {"2": 3}, "long": {"2": 6}}
    assert sorted(left) == ["r0", "r1", "r2"]
    assert (counts.labels, counts.undelivered) == (7, 9)
    async with opened(url, clock=now) as ledger:
        await ledger.take([kpi("young")])
        assert await ledger.sweep(now + 1, keep, 30 * 86_400.0, 90 * 86_400.0) == 7 + 2
        counts = await ledger.counts()
    assert (counts.labels, counts.kpis) == (0, 1)


async def test_many_old_rows_go_in_small_steps(url: str) -> None:
    async with opened(url) as ledger:
        await ledger.log([prediction(n) for n in range(2500)])
        assert await ledger.sweep(1e9, {}, 1.0, 1e12) == 2500
        await ledger.log([prediction(n) for n in range(3)])  # numbers are not given again
        assert len((await ledger.take([label("a", "r1")])).joined) == 1


async def test_what_the_judge_did_not_confirm_is_delivered_again(url: str) -> None:
    async with opened(url) as ledger:
        await ledger.log([prediction(n) for n in range(4)])
        first = await ledger.take([label("a", "r1"), label("b", "r2"), kpi("k"), kpi("l")])
        ledger.delivered(first.joined[:1], first.kpis[:1])
    desk = Desk()
    async with opened(url, desk) as ledger:
        await until(lambda: bool(desk.joined and desk.kpis))
        assert (desk.pairs(), desk.kpis) == ([("b", "r2")], [kpi("l")])
        assert (await ledger.counts()).undelivered == 2
        ledger.delivered(desk.joined, desk.kpis)
    after = Desk()
    async with opened(url, after) as ledger:
        assert (await ledger.take([kpi("m")])).accepted == 1
        assert (await ledger.counts()).undelivered == 1
    assert (after.joined, after.kpis) == ([], [])


async def test_two_desks_see_each_others_rows(url: str) -> None:
    old, new = Desk(), Desk()
    async with opened(url, old) as first, opened(url, new) as second:
        await first.take([label("a", "r1")])
        assert pairs(await second.log([prediction(1)])) == [("a", "r1")]
        await second.log([prediction(2)])
        assert pairs((await first.take([label("b", "r2")])).joined) == [("b", "r2")]


async def test_a_hundred_thousand_events_in_one_call(url: str) -> None:
    async with opened(url) as ledger:
        await ledger.log([prediction(n) for n in range(1000)])
        events: Sequence[Label | Kpi] = [
            label(f"e{n}", f"r{n}") if n % 100 == 0 else kpi(f"e{n}") for n in range(100_000)
        ]
        taken = await ledger.take(events)
        again = await ledger.take(events)
    assert (taken.accepted, taken.duplicates, len(taken.joined), taken.waiting) == (
        100_000, 0, 10, 990,
    )  # fmt: skip
    assert (again.accepted, again.duplicates) == (0, 100_000)


async def test_offered_rows_over_the_bound_are_counted_as_lost(url: str) -> None:
    limits = LedgerLimits(waiting=10, linger=5.0)
    ledger = Ledger(url, Desk(), limits)
    ledger.offer([prediction(n) for n in range(25)])
    assert (ledger.status().pending, ledger.status().lost) == (10, 15)
    ledger.start()
    await ledger.close()
    assert (ledger.status().logged, ledger.status().lost, ledger.status().pending) == (10, 15, 0)


async def test_one_row_that_no_database_takes_is_lost_alone(url: str) -> None:
    async with opened(url) as ledger:
        ledger.offer([prediction(n, at=math.nan if n == 7 else 1.0 * n) for n in range(20)])
        await until(lambda: ledger.status().logged + ledger.status().lost == 20)
        assert (ledger.status().lost, ledger.status().error) == (1, "")
        assert (await ledger.counts()).predictions == {"m": {"2": 19}}


async def test_what_is_no_prediction_is_lost_alone(url: str) -> None:
    async with opened(url) as ledger:
        ledger.offer([prediction(1), prediction(2, value=object()), prediction(3)])
        await until(lambda: ledger.status().logged == 2)
        assert (ledger.status().lost, ledger.status().error) == (1, "")


async def test_a_closed_ledger_says_so(url: str) -> None:
    async with opened(url, limits=QUICK) as ledger:
        pass
    with pytest.raises(OperationRefused, match="is closing; try again later"):
        await ledger.take([kpi("a")])
    with pytest.raises((StateError, RuntimeError)):
        await ledger.counts()
