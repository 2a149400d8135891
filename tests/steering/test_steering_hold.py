"""A hold: the share may not grow, until a person clears it."""

from __future__ import annotations

import random

import pytest
from desk_scene import Scene, report, split
from judge_scene import crowd, failing, judged, told

from proxy.errors import OperationRefused
from proxy.settings import Settings
from proxy.terms import Finding, Verdict

NOT_CRITICAL = "{rules: {errors: {event: error, critical: false}}}"
SIGNAL = Finding("signal", Verdict.FAIL, "the fraud desk reports: odd", {}, "hold")


def file(percent: float = 5, canary: str = "3") -> Settings:
    return judged(NOT_CRITICAL, m=split(canary=canary, percent=percent))


def hold(scene: Scene) -> None:
    scene.start(file())
    scene.desk.report(0, told(*failing(6)))
    scene.ticks()


async def test_a_finding_that_is_not_critical_holds(scene: Scene) -> None:
    hold(scene)
    assert scene.canary() == "3@5"
    (held,) = scene.desk.holds
    assert (held.model, held.version, held.percent, held.reason) == ("m", "3", 5.0, "errors")
    entry = (await scene.written())[-1]
    assert (entry.event, entry.version, entry.actor) == ("held", "3", "pointsman")
    assert entry.after == {"version": "3", "percent": 5.0}
    assert entry.numbers["canary_events"] == 6
    assert "6 of its customers failed" in entry.message


def test_customers_who_are_not_split_as_asked_hold(scene: Scene) -> None:
    scene.start(judged())
    made = report()
    made.newcomers.append(crowd(3000, 0.12, random.Random(2)))
    scene.desk.report(0, made)
    scene.ticks()
    assert [held.reason for held in scene.desk.holds] == ["sample_ratio"]
    assert scene.canary() == "3@5"


def test_customers_who_are_split_as_asked_hold_nothing(scene: Scene) -> None:
    scene.start(judged())
    made = report()
    made.newcomers.append(crowd(3000, 0.05, random.Random(2)))
    scene.desk.report(0, made)
    scene.ticks()
    assert scene.desk.holds == []


async def test_the_share_may_fall_but_not_grow(scene: Scene) -> None:
    hold(scene)
    with pytest.raises(OperationRefused, match=r"held at 5 % \(errors: .*clear-hold m"):
        await scene.desk.set_split("m", None, 5.01, "ada", "more")
    await scene.desk.set_split("m", None, 2, "ada", "less")
    assert scene.canary() == "3@2"
    await scene.desk.set_split("m", None, 5, "ada", "as it was")
    assert scene.canary() == "3@5"
    assert len(scene.desk.holds) == 1


async def test_the_files_edit_does_not_raise_it_either(scene: Scene) -> None:
    hold(scene)
    scene.desk.reload(file(percent=50))
    assert scene.canary() == "3@5"
    status = scene.desk.status().models["m"]
    assert status.canary is not None
    assert status.canary.percent_asked == 50
    assert status.hold is not None
    assert status.hold.percent == 5
    scene.desk.reload(file(percent=1))
    assert scene.canary() == "3@1"


async def test_it_outlives_the_desk(scene: Scene) -> None:
    hold(scene)
    await scene.restart(file(percent=50))
    assert scene.canary() == "3@5"
    assert [held.reason for held in scene.desk.holds] == ["errors"]
    with pytest.raises(OperationRefused, match="held at 5 %"):
        await scene.desk.set_split("m", None, 10, "ada", "")


async def test_a_person_clears_it(scene: Scene) -> None:
    hold(scene)
    scene.desk.reload(file(percent=50))
    await scene.desk.clear_hold("m", "ada", "two ids were our own tests")
    assert scene.canary() == "3@50"
    entry = (await scene.written())[-1]
    assert (entry.event, entry.actor, entry.reason) == (
        "hold_cleared",
        "ada",
        "two ids were our own tests",
    )
    assert entry.before == {"reasons": ["errors"], "percent": 5.0}
    await scene.restart(file(percent=50))
    assert scene.canary() == "3@50"


async def test_what_was_cleared_does_not_hold_this_trial_again(scene: Scene) -> None:
    scene.evidence = scene.path.parent / "evidence"
    hold(scene)
    await scene.desk.clear_hold("m", "ada", "")
    for _ in range(2):
        scene.desk.report(0, told(*failing(3, first=10)))
        scene.ticks()
        assert scene.desk.holds == []
        (finding, _) = scene.desk.status().models["m"].guardrails
        assert (finding.verdict, finding.effect, finding.passed) == ("fail", "hold", True)
        await scene.restart(file())
    await scene.desk.set_split("m", None, 20, "ada", "go on")
    assert scene.canary() == "3@20"
    await scene.desk.close()


async def test_another_trial_may_be_held_for_the_same(scene: Scene) -> None:
    hold(scene)
    await scene.desk.clear_hold("m", "ada", "")
    scene.desk.reload(file(canary="2"))
    scene.ticks()
    scene.desk.reload(file())
    scene.ticks()
    scene.desk.report(0, told(*failing(6, at=scene.now)))
    scene.ticks()
    assert [held.reason for held in scene.desk.holds] == ["errors"]


async def test_it_is_of_one_version(scene: Scene) -> None:
    hold(scene)
    await scene.desk.set_split("m", "2", 40, "ada", "another one")
    assert scene.canary() == "2@40"
    with pytest.raises(OperationRefused, match="held at 5 %"):
        await scene.desk.set_split("m", "3", 6, "ada", "back")
    await scene.desk.set_split("m", "3", 4, "ada", "back")
    assert scene.canary() == "3@4"


async def test_a_cleared_revert_is_not_held_by_what_was_before(scene: Scene) -> None:
    hold(scene)
    await scene.desk.revert("m", "ada", "enough")
    await scene.desk.clear_revert("m", "3", "ada", "fixed")
    assert scene.desk.holds == []
    await scene.restart(file(percent=50))
    assert scene.desk.holds == []
    assert scene.canary() == "3@50"


async def test_nothing_to_clear(scene: Scene) -> None:
    scene.start(file())
    with pytest.raises(OperationRefused, match="m is not held"):
        await scene.desk.clear_hold("m", "ada", "")


async def test_an_alarm_holds_and_takes_its_own_hold_back(scene: Scene) -> None:
    hold(scene)
    desk = scene.desk
    desk.hold_by("m", "3", SIGNAL)
    desk.hold_by("m", "3", SIGNAL)
    desk.hold_by("m", "2", SIGNAL)
    assert [held.reason for held in desk.holds] == ["errors", "signal"]
    desk.unhold_by("m", "3", "signal")
    desk.unhold_by("m", "3", "signal")
    assert [held.reason for held in desk.holds] == ["errors"]
    await scene.restart(file())
    assert [held.reason for held in scene.desk.holds] == ["errors"]


def test_an_alarm_reverts(scene: Scene) -> None:
    scene.start(file())
    scene.desk.revert_by("m", "2", SIGNAL)
    assert scene.canary() == "3@5"
    scene.desk.revert_by("m", "3", SIGNAL)
    assert scene.canary() is None
    assert scene.desk.latches[0].reason == "signal"
