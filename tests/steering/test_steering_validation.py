"""After a revert: whether stable is well again, said once, with the numbers."""

from __future__ import annotations

import logging

import pytest
from desk_scene import Scene, report, split, tally
from judge_scene import failing, judged, kpis, told

from proxy.settings import Settings
from proxy.steering.status import ValidationStatus
from proxy.store import Entry
from proxy.terms import Arm

WATCHED = "{after: 10m, baseline: 10m, min_requests: 100, tolerance: 0.2, latency_tolerance: 0.5}"
COMPLAINTS = "{rules: {errors: {event: error}, complaints: {event: kpi, of: complaint}}}"


def file(canary: str | None = "3", validation: str = WATCHED, percent: float = 5) -> Settings:
    return judged(COMPLAINTS, validation, m=split(canary=canary, percent=percent))


def serves(
    scene: Scene,
    minutes: int,
    errors: int = 0,
    milliseconds: float = 10,
    young: int = 0,
    complaints: int = 0,
) -> None:
    """Stable serves 100 requests a minute; so many of them fail, ``young`` those of the young."""
    for _ in range(minutes):
        of = {"version": "1", "arm": "stable", "milliseconds": milliseconds}
        scene.desk.report(
            0,
            report(
                tally(ok=100 - errors - young, failed=errors + young, **of),  # type: ignore[arg-type]
                tally(ok=50 - errors, failed=errors, segment="age=old", **of),  # type: ignore[arg-type]
                tally(ok=50 - young, failed=young, segment="age=young", **of),  # type: ignore[arg-type]
            ),
        )
        seen = kpis(complaints, "complaint", scene.now, Arm.STABLE, 0.0)
        scene.desk.observe("m", seen)
        scene.ticks(60.0)


def reverts(scene: Scene) -> None:
    """A quarter of an hour of stable alone, then a canary that fails."""
    scene.start(file(None))
    serves(scene, 15, errors=1, complaints=2)
    scene.desk.reload(file())
    scene.ticks()
    scene.desk.report(0, told(*failing(6, at=scene.now)))
    scene.ticks()
    assert scene.canary() is None


def validation(scene: Scene) -> ValidationStatus:
    found = scene.desk.status().models["m"].validation
    assert found is not None
    return found


async def closed(scene: Scene) -> Entry:
    return [it for it in await scene.written() if it.event == "validated"][-1]


async def test_the_baseline_stands_in_the_history(scene: Scene) -> None:
    reverts(scene)
    (entry,) = [it for it in await scene.written() if it.event == "baseline"]
    assert (entry.model, entry.version) == ("m", "3")
    assert entry.after is not None
    assert 600 <= entry.after["seconds"] <= 750
    everyone = entry.after["segments"][""]
    assert 1000 <= everyone["requests"] <= 1250
    assert everyone["errors"] == everyone["requests"] // 100
    assert set(entry.after["segments"]) == {"", "age=old", "age=young"}
    assert 20 <= entry.after["kpis"]["complaint"] <= 26
    assert "of 1" in entry.message


async def test_recovered(scene: Scene) -> None:
    reverts(scene)
    assert validation(scene).result is None
    serves(scene, 9, errors=1, complaints=2)
    assert validation(scene).result is None
    serves(scene, 2, errors=1, complaints=2)
    entry = await closed(scene)
    assert (entry.reason, entry.actor, entry.version) == ("recovered", "pointsman", "3")
    assert entry.numbers["requests"] == 1000
    assert entry.numbers["errors"] == 10
    found = validation(scene)
    assert found.result == "recovered"
    checks = {it.check: it.verdict for it in found.findings}
    assert checks["kpi:complaint"] == "pass"
    assert checks["latency_p95"] == "pass"
    assert checks["error_rate[age=young]"] == "pass"
    assert scene.desk.status().models["m"].validation == found


@pytest.mark.parametrize(
    ("after", "check"),
    [
        ({"errors": 10}, "error_rate"),
        ({"errors": 1, "milliseconds": 100}, "latency_p50"),
        ({"young": 8}, "error_rate[age=young]"),
        ({"errors": 1, "complaints": 30}, "kpi:complaint"),
    ],
)
async def test_not_recovered(
    scene: Scene, after: dict[str, int], check: str, caplog: pytest.LogCaptureFixture
) -> None:
    reverts(scene)
    caplog.clear()
    serves(scene, 11, **after)
    entry = await closed(scene)
    assert entry.reason == "not_recovered"
    worst = [it.check for it in validation(scene).findings if it.verdict == "fail"]
    assert check in worst
    (said,) = [it for it in caplog.records if "validation of the revert" in it.message]
    assert said.levelno == logging.ERROR


async def test_a_quiet_stable_is_inconclusive(scene: Scene) -> None:
    reverts(scene)
    scene.ticks(601.0)
    assert (await closed(scene)).reason == "inconclusive"
    assert "0 requests since the revert" in validation(scene).message


async def test_without_a_baseline_it_is_inconclusive(scene: Scene) -> None:
    scene.start(file())
    scene.desk.report(0, told(*failing(6)))
    scene.ticks()
    serves(scene, 11, errors=1)
    assert (await closed(scene)).reason == "inconclusive"


async def test_a_restart_in_the_middle_keeps_deadline_and_baseline(scene: Scene) -> None:
    reverts(scene)
    serves(scene, 5, errors=1)
    until = validation(scene).until
    await scene.restart(file())
    assert validation(scene).until == until
    serves(scene, 6, errors=1)
    entry = await closed(scene)
    assert entry.reason == "recovered"
    assert until <= entry.at <= until + 60
    assert "since a restart" in entry.message
    await scene.restart(file())
    assert validation(scene).result == "recovered"


async def test_a_deadline_that_passed_meanwhile(scene: Scene) -> None:
    reverts(scene)
    await scene.desk.close()
    scene.now += 3600
    scene.start(file())
    scene.ticks()
    assert (await closed(scene)).reason == "inconclusive"


async def test_the_canary_runs_on_through_a_restart(scene: Scene) -> None:
    scene.start(file(None))
    serves(scene, 15, errors=1, complaints=2)
    scene.desk.reload(file())
    scene.ticks()
    await scene.restart(file())
    scene.desk.report(0, told(*failing(6, at=scene.now)))
    scene.ticks()
    serves(scene, 11, errors=1, complaints=2)
    assert (await closed(scene)).reason == "recovered"


async def test_a_version_that_comes_back_closes_it(scene: Scene) -> None:
    reverts(scene)
    await scene.desk.clear_revert("m", "3", "ada", "fixed")
    assert (await closed(scene)).reason == "inconclusive"
    assert "let back" in validation(scene).message


async def test_another_revert_in_the_meantime_closes_it(scene: Scene) -> None:
    reverts(scene)
    serves(scene, 2, errors=1)
    scene.desk.reload(judged(COMPLAINTS, WATCHED, m=split(canary="2")))
    scene.ticks()
    scene.desk.report(0, told(*failing(6, version="2", at=scene.now)))
    scene.ticks()
    assert scene.canary() is None
    assert validation(scene).version == "2"
    serves(scene, 11, errors=1)
    first, second = [it for it in await scene.written() if it.event == "validated"]
    assert (first.version, first.reason) == ("3", "inconclusive")
    assert "version 2 was reverted" in first.message
    assert second.version == "2"
    await scene.restart(file(None))
    assert validation(scene).version == "2"


async def test_off_watches_nothing(scene: Scene) -> None:
    scene.start(file(validation="off"))
    scene.desk.report(0, told(*failing(6)))
    scene.ticks()
    scene.ticks(4000.0)
    assert scene.desk.status().models["m"].validation is None
    assert "validated" not in await scene.events()


async def test_another_stable_is_no_answer(scene: Scene) -> None:
    reverts(scene)
    serves(scene, 2, errors=1)
    scene.desk.reload(judged(COMPLAINTS, WATCHED, m='{stable: "2"}'))
    scene.ticks(600.0)
    entry = await closed(scene)
    assert (entry.reason, entry.message) == ("inconclusive", "another version is stable now")


async def test_an_old_baseline_is_not_taken_for_a_new_canarys(scene: Scene) -> None:
    reverts(scene)
    await scene.restart(file(None))
    scene.desk.reload(file())
    await scene.desk.clear_revert("m", "3", "ada", "fixed")
    scene.ticks()
    scene.desk.report(0, told(*failing(6, at=scene.now)))
    scene.ticks()
    serves(scene, 11, errors=1)
    assert (await closed(scene)).reason == "inconclusive"
