"""No revert onto a version that does not answer."""

from __future__ import annotations

import logging

import pytest
from desk_scene import Scene, canary_of, report, settings, tally
from judge_scene import dead, failing, judged, kpis, stable_fails, told

from proxy.errors import OperationRefused
from proxy.settings import Settings

RESORT = 'last_resort: "2"'
TRIAL = '{stable: "1", canary: {version: "3", percent: 5}}'


def file(more: str = "", guardrails: str = "{}") -> Settings:
    return judged(guardrails, more=more, m=TRIAL)


def harm(scene: Scene) -> None:
    """The canary fails half of its customers, and answers the others."""
    scene.desk.report(0, told(*failing(6), tallies=(tally(ok=12, failed=6),)))
    scene.ticks()


def stable_of(scene: Scene) -> str:
    return next(it.stable for it in scene.desk.plan.models if it.name == "m")


async def test_stable_that_answers_gets_everybody(scene: Scene) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, stable_fails(failed=3, ok=20))
    harm(scene)
    assert (scene.canary(), stable_of(scene)) == (None, "1")
    assert scene.desk.shifts == []


@pytest.mark.parametrize("down", [stable_fails(), dead("1")], ids=["it fails", "it is ejected"])
async def test_everybody_gets_the_last_resort(
    scene: Scene, down: object, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, down)  # type: ignore[arg-type]
    harm(scene)
    assert (scene.canary(), stable_of(scene)) == (None, "2")
    assert [latch.version for latch in scene.desk.latches] == ["3"]
    (shift,) = scene.desk.shifts
    assert (shift.version, shift.stable) == ("2", "1")
    assert "stable 1 does not answer" in shift.message
    assert any(it.levelno == logging.CRITICAL for it in caplog.records)
    model = scene.desk.status().models["m"]
    assert model.stable == "2"
    assert model.shift is not None
    assert (await scene.events())[-2:] == ["shifted", "reverted"]


async def test_the_shift_holds_until_a_person_clears_it(scene: Scene) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, dead("1"))
    harm(scene)
    await scene.restart(file(RESORT))
    assert stable_of(scene) == "2"
    scene.desk.reload(judged(more=RESORT, m='{stable: "1", canary: {version: "3", percent: 9}}'))
    assert stable_of(scene) == "2"
    await scene.desk.clear_revert("m", "3", "ada", "fixed")
    assert (scene.canary(), stable_of(scene)) == (None, "2")
    with pytest.raises(OperationRefused, match="clear-shift m"):
        await scene.desk.set_split("m", "3", 1, "ada", "")
    await scene.desk.clear_shift("m", "ada", "1 is up again")
    assert stable_of(scene) == "1"
    with pytest.raises(OperationRefused, match="not shifted"):
        await scene.desk.clear_shift("m", "ada", "")
    await scene.restart(file(RESORT))
    assert stable_of(scene) == "1"


def test_a_worker_that_can_reach_it_is_enough(scene: Scene) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, dead("1"))
    scene.desk.report(1, dead("1", ejected=False))
    harm(scene)
    assert stable_of(scene) == "1"


def test_answers_speak_louder_than_a_health_check(scene: Scene) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, dead("1"))
    scene.desk.report(0, report(tally("1", "stable", ok=50)))
    harm(scene)
    assert stable_of(scene) == "1"


def test_a_few_failures_say_nothing(scene: Scene) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, stable_fails(failed=9))
    harm(scene)
    assert stable_of(scene) == "1"


def test_what_it_did_earlier_says_nothing(scene: Scene) -> None:
    scene.start(file(RESORT))
    scene.desk.report(0, stable_fails(failed=500))
    scene.ticks(15.0)
    harm(scene)
    assert stable_of(scene) == "1"


def test_a_reverted_version_is_no_last_resort(scene: Scene) -> None:
    scene.start(judged(m='{stable: "1", canary: {version: "2", percent: 5}}'))
    scene.desk.report(0, told(*failing(6, version="2")))
    scene.ticks()
    assert [latch.version for latch in scene.desk.latches] == ["2"]
    scene.desk.reload(file(RESORT))
    scene.desk.report(0, dead("1"))
    scene.desk.report(0, told(*failing(6), tallies=(tally(failed=20),)))
    scene.ticks()
    assert (scene.canary(), stable_of(scene)) == (None, "1")


def test_nothing_answers_and_there_is_no_last_resort(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start(file())
    scene.desk.report(0, dead("1"))
    scene.desk.report(0, told(*failing(6), tallies=(tally(failed=20),)))
    scene.ticks()
    assert scene.canary() is None
    assert scene.desk.stable_down == ["m"]
    assert any(it.levelno == logging.CRITICAL for it in caplog.records)
    (warning,) = scene.desk.status().models["m"].warnings
    assert "stable 1 does not answer" in warning
    scene.desk.report(0, report(tally("1", "stable", ok=30)))
    scene.ticks()
    assert scene.desk.stable_down == []
    assert scene.desk.status().models["m"].warnings == []


# ---- the canary is the only one that answers


def only_the_canary(scene: Scene, **more: str) -> None:
    scene.start(file(**more))
    scene.desk.report(0, dead("1"))
    harm(scene)


def test_its_customers_stay_where_they_are_served(scene: Scene) -> None:
    only_the_canary(scene)
    assert scene.canary() == "3@5"
    assert scene.desk.latches == []
    assert [(it.reason, it.percent) for it in scene.desk.holds] == [("stable_down", 5.0)]
    (warning,) = scene.desk.status().models["m"].warnings
    assert warning.startswith("the revert of 3 (errors) waits")
    scene.ticks()
    assert scene.canary() == "3@5"


def test_the_revert_is_carried_out_once_stable_answers(scene: Scene) -> None:
    only_the_canary(scene)
    scene.desk.report(0, dead("1", ejected=False))
    scene.ticks()
    assert scene.canary() == "3@5", "nobody knows yet whether it answers"
    scene.desk.report(0, report(tally("1", "stable", ok=5)))
    scene.ticks()
    assert scene.canary() is None
    assert [latch.reason for latch in scene.desk.latches] == ["errors"]
    assert scene.desk.stable_down == []


def test_and_when_the_canary_does_not_answer_either(scene: Scene) -> None:
    only_the_canary(scene)
    scene.desk.report(0, report(tally(failed=300)))
    scene.ticks()
    assert scene.canary() is None
    assert scene.desk.stable_down == ["m"]


def test_and_when_a_last_resort_is_written_into_the_file(scene: Scene) -> None:
    only_the_canary(scene)
    scene.desk.reload(file(RESORT))
    scene.ticks()
    assert (scene.canary(), stable_of(scene)) == (None, "2")


def test_breakers_wait_as_well(scene: Scene) -> None:
    thresholds = "{error_rate: {absolute: 0.2, min_requests: 10}, consecutive_failures: off}"
    scene.start(settings(thresholds, m=TRIAL))
    scene.desk.report(0, dead("1"))
    scene.desk.report(0, report(tally(ok=12, failed=6)))
    scene.ticks()
    assert scene.canary() == "3@5"
    scene.desk.report(0, report(tally("1", "stable", ok=5)))
    scene.ticks()
    assert [latch.reason for latch in scene.desk.latches] == ["error_rate"]


def test_wrong_answers_are_no_better_than_none(scene: Scene) -> None:
    only_the_canary(scene, guardrails="{rules: {complaints: {event: kpi, of: complaint}}}")
    assert scene.canary() == "3@5", "it was not asked about failures"
    scene.desk.observe("m", kpis(6, "complaint", scene.now))
    scene.ticks()
    assert [latch.reason for latch in scene.desk.latches] == ["complaints"]
    assert scene.desk.stable_down == ["m"]


async def test_a_person_is_not_kept_waiting(scene: Scene) -> None:
    only_the_canary(scene)
    await scene.desk.revert("m", "ada", "away with it")
    assert scene.canary() is None
    assert scene.desk.latches[0].actor == "ada"
    assert scene.desk.stable_down == ["m"]


async def test_another_canary_ends_the_waiting(scene: Scene) -> None:
    only_the_canary(scene)
    await scene.desk.set_split("m", "2", 5, "ada", "")
    scene.ticks()
    assert scene.desk.stable_down == []
    scene.desk.report(0, report(tally("1", "stable", ok=5)))
    scene.ticks()
    assert scene.canary() == "2@5"


async def test_after_a_restart_it_waits_again(scene: Scene) -> None:
    scene.evidence = scene.path.parent / "evidence"
    only_the_canary(scene)
    await scene.restart(file())
    scene.ticks(1.0)
    assert canary_of(scene.desk.plan) == "3@5", "nobody has reported yet"
    scene.desk.report(0, dead("1"))
    scene.desk.report(0, report(tally(ok=20)))
    scene.ticks()
    assert scene.desk.stable_down == ["m"]
    assert [it.reason for it in scene.desk.holds] == ["stable_down"]
    scene.desk.report(0, report(tally("1", "stable", ok=20)))
    scene.ticks()
    assert canary_of(scene.desk.plan) is None
    await scene.desk.close()
