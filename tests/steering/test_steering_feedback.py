"""Events to observations, and signals to what the operator wants of them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from feedback_world import KEY, NOW, Remembered, items, ledger, plan, prediction, until
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import StateError
from proxy.feedback import Forms, Label, LabelRule, Policy, hasher
from proxy.judge import Observation, Source
from proxy.routing import explain
from proxy.routing.plan import Plan
from proxy.steering import Feedback
from proxy.steering.feedback import AT_ONCE
from proxy.steering.shares import MOST_STEPS, Shares, Step
from proxy.steering.signals import MOST_CAUSES, REMEMBERED
from proxy.store.ledger import Joined
from proxy.terms import Arm

LATER = NOW + 1000.0
POLICIES = {
    "m": Policy(
        labels={"default": LabelRule()},
        signals={"fraud-desk": "revert", "finance": "hold", "other": "note"},
    )
}


class Place:
    """Feedback with a desk and a ledger that a test can look into; the canary came at NOW."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Remembered()
        self.ledger = ledger(folder, lambda joined, kpis: self.feedback.deliver(joined, kpis))
        self.feedback = Feedback(self.desk, self.ledger, KEY, POLICIES, plan(None), NOW - 500)
        self.feedback.follow(plan(50), NOW)

    async def confirmed(self) -> bool:
        """The ledger has nothing to deliver again."""

        async def quiet() -> bool:
            return not (await self.ledger.counts()).undelivered

        return await until(quiet)

    def forms(self, now: float = LATER, *kinds: str) -> Forms:
        signals = "signal" in kinds
        names = ("signal",) if signals else ("label", "kpi")
        return Forms(now, ["m", "n"], hasher(KEY), names, "signal" if signals else "")

    async def take(self, *said: dict[str, Any]) -> Any:
        return await self.feedback.take(items(self.forms(), *said))

    async def signal(self, now: float = LATER, **said: Any) -> dict[str, int]:
        signal = {"source": "fraud-desk", "summary": "chargebacks"} | said
        noted = await self.feedback.signals.take(items(self.forms(now, "signal"), signal))
        return noted.effects


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    made.ledger.start()
    yield made
    await made.ledger.close()


def kpi(customer: str = "4711", at: float = NOW + 10, **more: Any) -> dict[str, Any]:
    said = {
        "type": "kpi",
        "model": "m",
        "customer": customer,
        "name": "sales",
        "value": 2,
        "at": at,
    }
    return said | more


def label(request_id: str = "r1", value: Any = 1) -> dict[str, Any]:
    return {"type": "label", "request_id": request_id, "name": "default", "value": value}


@given(st.text(min_size=1, max_size=20), st.integers(1, 9_999))
def test_the_arm_is_that_of_the_split_itself(key: str, hundredths: int) -> None:
    found = plan(hundredths / 100)
    shares = Shares()
    shares.follow(found, NOW)
    running = shares.of("m")
    assert running is not None
    octets = key.encode("utf-8", "surrogatepass")
    said = explain(found.models[0], octets.decode("utf-8", "surrogateescape"))
    assert running.arm(octets, hundredths / 100) is said.arm


async def test_kpi_events_become_observations_by_the_split(place: Place) -> None:
    receipt = await place.take(*(kpi(str(it)) for it in range(40)))
    assert (receipt.accepted, receipt.duplicates, receipt.waiting) == (40, 0, 0)
    model = plan(50).models[0]
    for number, (name, seen) in enumerate(place.desk.observed):
        assert (name, seen.source, seen.share) == ("m", Source.KPI, 0.5)
        assert seen.arm is explain(model, str(number)).arm
        assert seen.customer == hasher(KEY)(str(number).encode())
        assert (seen.name, seen.value, seen.at) == ("sales", 2.0, NOW + 10)
    assert {seen.arm for _, seen in place.desk.observed} == {Arm.CANARY, Arm.STABLE}
    assert await place.confirmed()
    assert place.feedback.taken["kpi", "accepted"] == 40


async def test_the_share_is_that_of_the_events_own_time(place: Place) -> None:
    place.feedback.follow(plan(5, "3"), NOW)
    place.feedback.follow(plan(20, "3"), NOW + 100)
    place.feedback.follow(plan(20, "3"), NOW + 150)
    place.feedback.follow(plan(10, "3"), NOW + 200)
    times = (NOW, NOW + 99, NOW + 100, NOW + 199, NOW + 250)
    await place.take(*(kpi("4711", at) for at in reversed(times)))
    assert [it.share for _, it in reversed(place.desk.observed)] == [0.05, 0.05, 0.2, 0.2, 0.1]


async def test_what_is_no_evidence_is_kept_and_counted(place: Place) -> None:
    await place.take(kpi("1", NOW - 1), kpi("2"))
    assert [it.at for _, it in place.desk.observed] == [NOW + 10]
    assert place.feedback.evidence == {"early": 1, "observed": 1}
    place.feedback.follow(plan(100), NOW + 20)
    await place.take(kpi("3", NOW + 21))
    assert place.feedback.evidence["undrawn"] == 1
    assert (await place.ledger.counts()).kpis == 3


async def test_without_a_canary_everybody_has_stable(place: Place) -> None:
    """A revert is validated by what stable's customers do afterwards."""
    place.feedback.follow(plan(None), NOW + 50)
    await place.take(kpi("1", NOW + 40), kpi("2", NOW + 60))
    (found,) = place.desk.observed
    assert (found[1].arm, found[1].share, found[1].at) == (Arm.STABLE, 0.0, NOW + 60)
    assert place.feedback.evidence == {"no_canary": 1, "observed": 1}


async def test_another_canary_is_another_trial(place: Place) -> None:
    place.feedback.follow(plan(50, "3"), NOW + 100)
    await place.take(kpi("1", NOW + 50), kpi("1", NOW + 150))
    assert [it.at for _, it in place.desk.observed] == [NOW + 150]


async def test_a_duplicate_is_no_evidence(place: Place) -> None:
    await place.take(kpi(), kpi())
    receipt = await place.take(*[kpi()] * 500)
    assert (receipt.accepted, receipt.duplicates) == (0, 500)
    assert len(place.desk.observed) == 1
    assert place.feedback.taken == {("kpi", "accepted"): 1, ("kpi", "duplicate"): 501}


async def test_a_ledger_that_cannot_commit_takes_nothing(place: Place) -> None:
    await place.take(kpi("1"))
    with contextlib.closing(sqlite3.connect(place.folder / "ledger.sqlite3")) as other:
        other.execute("begin exclusive")
        with pytest.raises(StateError, match="locked"):
            await place.take(kpi("2"))
    assert len(place.desk.observed) == 1
    receipt = await place.take(kpi("2"))
    assert receipt.accepted == 1
    assert place.feedback.taken == {("kpi", "accepted"): 2}


async def test_a_label_meets_its_prediction(place: Place) -> None:
    await place.ledger.log([prediction()])
    receipt = await place.take(label(value=0), label("r2"))
    assert (receipt.accepted, receipt.waiting) == (2, 1)
    ((model, seen),) = place.desk.observed
    assert model == "m"
    assert seen == Observation(
        Source.LABEL, Arm.CANARY, 0.05, "c", LATER, "default", 1.0, ("age=young",)
    )
    assert (place.feedback.joins, place.feedback.waited) == (1, 1)


def met(name: str = "default", value: Any = 0, **more: Any) -> Joined:
    return Joined(0, Label("e", name, value, LATER, "r1"), prediction(**more))


async def test_a_label_that_came_first_meets_its_prediction_later(place: Place) -> None:
    receipt = await place.take(label("late", 0), label("later", 1))
    assert (receipt.accepted, receipt.waiting) == (2, 2)
    place.ledger.offer([prediction("later"), prediction("late", customer="d")])

    async def seen() -> bool:
        return len(place.desk.observed) == 2

    assert await until(seen)
    assert {(it.customer, it.value) for _, it in place.desk.observed} == {("c", 0.0), ("d", 1.0)}
    assert place.feedback.joins == 2
    assert await place.confirmed()


async def test_joins_become_observations_whoever_hands_them_over(place: Place) -> None:
    right = Joined(0, met().label, prediction("r2", arm="stable", version="1", value=0.2))
    place.feedback.deliver([met(), right], [])
    assert [(it.arm, it.value) for _, it in place.desk.observed] == [
        (Arm.CANARY, 1.0),
        (Arm.STABLE, 0.0),
    ]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (met(drawn=False), "undrawn"),
        (met(share=0.0), "undrawn"),
        (met(share=1.0), "undrawn"),
        (met(arm="shadow"), "undrawn"),
        (met(version="3"), "early"),
        (met(at=NOW - 1), "early"),
        (met("churn"), "no_rule"),
        (met(model="n"), "no_canary"),
        (Joined(0, Label("e", "default", "cat", LATER, "r1"), prediction()), "unfit"),
    ],
)
async def test_a_label_that_is_no_evidence_says_why(place: Place, found: Joined, why: str) -> None:
    place.feedback.deliver([found], [])
    assert place.feedback.evidence == {why: 1}
    assert not place.desk.observed


async def test_what_another_stable_version_said_is_no_evidence(place: Place) -> None:
    (model,) = plan(50).models
    place.feedback.follow(Plan(2, (msgspec.structs.replace(model, stable="3"),)), NOW + 100)
    place.feedback.deliver([met(arm="stable", version="1", at=NOW + 50)], [])
    place.feedback.deliver([met(arm="stable", version="3", at=NOW + 150)], [])
    assert place.feedback.evidence == {"early": 1, "observed": 1}


async def test_a_kpi_event_whose_key_is_gone_is_no_evidence(place: Place) -> None:
    (item,) = items(place.forms(), kpi())
    place.feedback.deliver([], [item.event])  # type: ignore[list-item]
    assert place.feedback.evidence == {"keyless": 1}


async def test_a_desk_that_comes_back_knows_the_shares_from_the_evidence(place: Place) -> None:
    desk = Remembered()
    feedback = Feedback(desk, place.ledger, KEY, POLICIES, plan(20), NOW + 500)
    seen = ((NOW + 100, 20), (NOW, 5), (NOW + 50, 5), (NOW + 600, 20))
    lines = [Step(at, percent) for at, percent in seen]
    forms = Forms(LATER, ["m"], hasher(KEY))
    await feedback.take(items(forms, kpi("1", NOW + 60)))
    assert feedback.evidence == {"early": 1}
    feedback.restore("m", "9", NOW, lines)
    feedback.restore("m", "2", NOW, lines)
    await feedback.take(items(forms, kpi("2", NOW + 60), kpi("3", NOW + 100), kpi("4", NOW + 501)))
    assert [it.share for _, it in desk.observed] == [0.05, 0.2, 0.2]


def test_shares_are_bounded() -> None:
    shares = Shares()
    for step in range(MOST_STEPS + 50):
        shares.follow(plan(1 + step % 2), NOW + step)
    running = shares.of("m")
    assert running is not None
    assert len(running.steps) == MOST_STEPS
    assert running.at(NOW) is None


# ---- signals


async def test_a_signal_reverts_holds_or_is_noted(place: Place) -> None:
    assert await place.signal(severity="page", link="http://x") == {"revert": 1}
    assert await place.signal(source="finance") == {"hold": 1}
    assert await place.signal(source="somebody") == {"note": 1}
    assert place.desk.done == [
        ("revert", "m", "2", "fraud-desk reports: chargebacks (page, http://x)"),
        ("hold", "m", "2", "finance reports: chargebacks"),
    ]
    assert place.feedback.signals.counts == {
        ("fraud-desk", "revert"): 1,
        ("finance", "hold"): 1,
        ("other", "note"): 1,
    }
    assert [it.effects for it in place.feedback.signals.recent] == [["revert"], ["hold"], ["note"]]


async def test_a_signal_is_about_the_model_and_version_that_it_names(place: Place) -> None:
    assert await place.signal(model="n") == {"elsewhere": 1}
    assert await place.signal(model="m", version="1") == {"elsewhere": 1}
    assert not place.desk.done
    assert await place.signal(model="m", version="2") == {"revert": 1}


async def test_a_signal_from_before_the_canary_does_nothing_to_it(place: Place) -> None:
    assert await place.signal(at=NOW - 1) == {"early": 1}
    assert not place.desk.done


async def test_a_desk_that_has_just_begun_acts_on_what_goes_on(place: Place) -> None:
    """It cannot know that the canary came after the alarm: better one revert too many."""
    desk = Remembered()
    feedback = Feedback(desk, place.ledger, KEY, POLICIES, plan(50), NOW)
    forms = Forms(LATER, ["m"], hasher(KEY), ("signal",), "signal")
    said = {"source": "fraud-desk", "summary": "x", "at": NOW - 100}
    assert (await feedback.signals.take(items(forms, said))).effects == {"revert": 1}
    feedback.restore("m", "2", NOW - 50, [])
    again = said | {"at": NOW - 99}
    assert (await feedback.signals.take(items(forms, again))).effects == {"early": 1}


async def test_a_repeat_does_nothing(place: Place) -> None:
    for _ in range(3):
        await place.signal(at=NOW + 5)
    assert len(place.desk.done) == 1
    assert place.feedback.signals.counts["fraud-desk", "duplicate"] == 2


async def test_a_hold_is_taken_back_when_its_last_alarm_is_over(place: Place) -> None:
    for alarm in ("a", "b"):
        await place.signal(source="finance", alarm=alarm)
    assert await place.signal(source="finance", alarm="a", resolved=True) == {"resolved": 1}
    assert await place.signal(source="somebody", alarm="b", resolved=True) == {"resolved": 1}
    assert [it[0] for it in place.desk.done] == ["hold", "hold"]
    await place.signal(source="finance", alarm="b", resolved=True)
    assert place.desk.done[-1] == ("unhold", "m", "2", "signal")
    await place.signal(now=LATER + 1, source="finance", alarm="b", resolved=True)
    assert len(place.desk.done) == 3


async def test_a_resolution_never_clears_a_revert(place: Place) -> None:
    await place.signal()
    await place.signal(resolved=True)
    assert [it[0] for it in place.desk.done] == ["revert"]


async def test_with_too_many_alarms_only_a_person_says_that_all_are_over(place: Place) -> None:
    for number in range(MOST_CAUSES + 1):
        await place.signal(source="finance", alarm=str(number))
    for number in range(MOST_CAUSES + 1):
        await place.signal(source="finance", alarm=str(number), resolved=True)
    assert {it[0] for it in place.desk.done} == {"hold"}


async def test_what_is_remembered_of_signals_is_bounded(place: Place) -> None:
    forms = place.forms(LATER, "signal")
    said = [{"source": "s", "summary": "x", "event_id": str(it)} for it in range(REMEMBERED + 9)]
    await place.feedback.signals.take(items(forms, *said))
    noted = await place.feedback.signals.take(items(forms, said[0], said[-1]))
    assert (noted.accepted, noted.duplicates) == (1, 1)


async def test_a_signal_about_a_customer_is_evidence(place: Place) -> None:
    assert await place.signal(source="somebody", customer="4711") == {"note": 1}
    ((model, seen),) = place.desk.observed
    assert (model, seen.source, seen.name) == ("m", Source.SIGNAL, "somebody")
    assert seen.arm is explain(plan(50).models[0], "4711").arm


async def test_a_signal_without_a_model_is_about_every_canary(place: Place) -> None:
    desk = Remembered()
    both = Plan(1, plan(50).models + plan(50, name="n").models + plan(None, name="o").models)
    policies = {"m": POLICIES["m"], "n": Policy(signals={"other": "hold"}), "o": POLICIES["m"]}
    feedback = Feedback(desk, place.ledger, KEY, policies, both, NOW)
    forms = Forms(LATER, ["m", "n", "o"], hasher(KEY), ("signal",), "signal")
    noted = await feedback.signals.take(items(forms, {"source": "fraud-desk", "summary": "x"}))
    assert noted.effects == {"revert": 1, "hold": 1}
    assert [it[:2] for it in desk.done] == [("revert", "m"), ("hold", "n")]


def test_the_end_of_a_canary_is_remembered() -> None:
    shares = Shares()
    shares.follow(plan(5), NOW)
    assert shares.ended("m") == -math.inf
    shares.follow(plan(None), NOW + 1)
    assert shares.ended("m") == NOW + 1
    shares.follow(Plan(2, ()), NOW + 2)
    assert shares.ended("m") == -math.inf


async def test_what_was_seen_in_one_trial_is_never_shown_to_the_next(place: Place) -> None:
    """Many events are shown bit by bit; meanwhile another canary may have come."""
    many = [kpi(str(it)) for it in range(AT_ONCE * 3)]
    taking = asyncio.ensure_future(place.take(*many))

    async def begun() -> bool:
        return bool(place.desk.observed)

    assert await until(begun)
    place.feedback.follow(plan(50, "3"), NOW + 20)
    assert (await taking).accepted == len(many)
    assert len(place.desk.observed) < len(many)
    assert await place.confirmed()
