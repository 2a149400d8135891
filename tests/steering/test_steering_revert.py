"""A threshold trips: published first, then written, then remembered for good."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from desk_scene import BrokenDisk, Scene, canary_of, report, settings, split, tally

from proxy.store import History, verify
from proxy.terms import Latch


async def test_a_tick_takes_a_failing_canary_out_of_the_published_plan(scene: Scene) -> None:
    scene.start()
    assert scene.canary() == "3@5"
    number = scene.desk.plan.number
    scene.fails()
    assert [canary_of(plan) for plan in scene.published] == [None]
    assert scene.desk.plan.number == number + 1
    (latch,) = scene.desk.plan.latches
    assert (latch.model, latch.version, latch.reason) == ("m", "3", "error_rate")
    assert latch.numbers["errors"] == 10


async def test_the_plan_is_published_before_anything_is_written(scene: Scene) -> None:
    history = History(scene.path)
    seen: list[list[str]] = []
    scene.start(history=history)
    scene.published = _Watched(lambda: seen.append([e.event for e in history.entries()]))
    scene.desk._carrying._publish = scene.published.append
    await scene.desk.close()
    scene.fails()
    assert "reverted" not in seen[0]
    assert "reverted" in await scene.events()


class _Watched(list):  # type: ignore[type-arg]
    def __init__(self, seen: object) -> None:
        self._seen = seen

    def append(self, plan: object) -> None:
        self._seen()  # type: ignore[operator]
        super().append(plan)


async def test_the_entry_says_who_what_why_and_with_which_numbers(scene: Scene) -> None:
    scene.start()
    scene.fails()
    entry = (await scene.written())[-1]
    assert entry.event == "reverted"
    assert (entry.actor, entry.model, entry.version) == ("pointsman", "m", "3")
    assert entry.before == {"version": "3", "percent": 5.0}
    assert entry.after == {"stable": "1"}
    assert entry.reason == "error_rate"
    assert "10 of 12" in entry.message
    assert entry.numbers["rate"] == pytest.approx(10 / 12)
    assert (entry.plan, entry.at) == (scene.desk.plan.number, scene.now)
    assert verify(scene.path).bad_line is None


async def test_one_clear_line_is_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.start()
    with caplog.at_level(logging.ERROR):
        scene.fails()
    (record,) = caplog.records
    said = record.getMessage()
    for part in ("version 3 of m", "stable", "error_rate", "10 of 12", "plan 2"):
        assert part in said


async def test_status_shows_what_is_asked_and_that_it_was_reverted(scene: Scene) -> None:
    scene.start()
    scene.fails()
    status = scene.desk.status()
    model = status.models["m"]
    assert model.canary is not None
    assert model.canary.reverted
    assert model.canary.percent_asked == 5
    assert [latch.version for latch in model.latches] == ["3"]
    assert model.verdict == "fail"
    assert [(it.version, it.percent, it.reason) for it in status.reverts] == [
        ("3", 5.0, "error_rate")
    ]
    assert scene.desk.totals.reverts == {("m", "error_rate"): 1}


async def test_consecutive_failures_of_one_worker_trip(scene: Scene) -> None:
    scene.start(settings(thresholds="{consecutive_failures: 5, error_rate: off}"))
    for worker in range(4):
        scene.desk.report(worker, report(tally(failed=4, streak=4)))
    scene.ticks()
    assert scene.canary() == "3@5"
    scene.desk.report(2, report(tally(failed=1, streak=5)))
    scene.ticks()
    assert scene.canary() is None
    assert scene.desk.plan.latches[0].reason == "consecutive_failures"


async def test_latency_trips(scene: Scene) -> None:
    scene.start()
    scene.desk.report(0, report(tally(ok=20, milliseconds=900)))
    scene.ticks()
    assert scene.desk.plan.latches[0].reason == "latency"


async def test_failures_of_stable_and_of_shadows_revert_nothing(scene: Scene) -> None:
    scene.start()
    scene.desk.report(
        0, report(tally("1", "stable", failed=50), tally("2", "shadow", failed=50, streak=50))
    )
    scene.ticks()
    assert scene.canary() == "3@5"


async def test_no_data_reverts_nothing(scene: Scene) -> None:
    scene.start()
    for _ in range(30):
        scene.ticks(10)
    assert scene.canary() == "3@5"
    assert scene.published == []
    assert scene.desk.status().models["m"].verdict == "not_yet"


async def test_thresholds_off_reverts_nothing_and_a_person_still_can(scene: Scene) -> None:
    scene.start(settings(thresholds="off"))
    scene.fails(failed=100)
    assert scene.canary() == "3@5"
    assert scene.desk.status().models["m"].verdict is None
    await scene.desk.revert("m", "ann", "looks odd")
    assert scene.canary() is None


async def test_models_are_judged_apart(scene: Scene) -> None:
    scene.start(settings(a=split(), b=split(), c=split()))
    for model in "ac":
        scene.desk.report(0, report(tally(model=model, failed=20)))
    scene.ticks()
    assert [scene.canary(model) for model in "abc"] == [None, "3@5", None]
    assert len(scene.published) == 1, "one plan takes both out"


async def test_a_restart_gives_nothing_back(scene: Scene) -> None:
    scene.start()
    scene.fails()
    number = scene.desk.plan.number
    await scene.restart()
    assert scene.canary() is None
    assert scene.desk.plan.number > number
    assert scene.desk.plan.latches[0].reason == "error_rate"
    assert scene.desk.status().reverts[0].percent == 5


@pytest.mark.parametrize("percent", [1, 50, 100])
async def test_editing_the_percentage_gives_nothing_back(scene: Scene, percent: float) -> None:
    scene.start()
    scene.fails()
    scene.desk.reload(settings(m=split(percent=percent)))
    assert scene.canary() is None
    await scene.restart(settings(m=split(percent=percent + 0.5 if percent < 99 else 99)))
    assert scene.canary() is None


async def test_naming_another_version_gives_that_one_traffic(scene: Scene) -> None:
    scene.start()
    scene.fails()
    scene.desk.reload(settings(m=split(canary="2", percent=7)))
    assert scene.canary() == "2@7"
    scene.desk.reload(settings(m=split(canary="3", percent=7)))
    assert scene.canary() is None, "the old one is still latched"


async def test_clearing_the_revert_gives_it_back_and_old_failures_do_not_trip_again(
    scene: Scene,
) -> None:
    scene.start()
    scene.desk.report(0, report(tally(failed=20, streak=20)))
    scene.ticks()
    assert scene.canary() is None
    await scene.desk.clear_revert("m", "3", "ann", "fixed")
    assert scene.canary() == "3@5"
    assert scene.desk.plan.latches == ()
    # The worker still counts its old run on: 20 carried over and 2 more.
    scene.desk.report(0, report(tally(ok=0, failed=2, streak=22)))
    scene.ticks()
    scene.ticks(2)
    assert scene.canary() == "3@5"
    scene.desk.report(0, report(tally(failed=3, streak=25)))
    scene.ticks()
    assert scene.canary() is None, "five new failures in a row"


async def test_a_canary_that_leaves_and_comes_back_begins_afresh(scene: Scene) -> None:
    scene.start()
    scene.desk.report(0, report(tally(ok=9)))
    scene.ticks()
    scene.desk.reload(settings(m=split(canary=None)))
    scene.desk.report(0, report(tally(failed=9)))  # what was still in flight
    scene.desk.reload(settings())
    scene.ticks()
    assert scene.canary() == "3@5"
    assert scene.desk.status().models["m"].arms["canary"].requests == 0


async def test_a_raised_share_does_not_forget_what_was_seen(scene: Scene) -> None:
    scene.start()
    scene.desk.report(0, report(tally(ok=4, failed=5)))
    scene.ticks()
    scene.desk.reload(settings(m=split(percent=10)))
    scene.desk.report(0, report(tally(failed=1)))
    scene.ticks()
    assert scene.canary() is None


async def test_a_full_disk_stops_no_revert_and_the_entry_is_kept(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = BrokenDisk(scene.path)
    scene.start(history=disk)
    scene.fails()
    assert scene.canary() is None
    await scene.desk._recorder.settle()
    scene.now += 60
    scene.desk.tick()
    await scene.desk._recorder.settle()
    status = scene.desk.status().history
    assert not status.ok
    assert status.pending >= 2
    assert status.failures >= 2
    assert "No space left" in (status.error or "")
    disk.full = False
    scene.now += 60
    scene.desk.tick()
    await scene.desk._recorder.settle()
    assert scene.desk.status().history.ok
    assert scene.desk.status().history.pending == 0
    assert [entry.seq for entry in disk.entries()] == list(range(1, len(disk.entries()) + 1))
    assert disk.entries()[-1].event == "reverted"
    told = [record for record in caplog.records if "kept and tried again" in record.getMessage()]
    assert len(told) == 1, "a full disk is told once, not on every attempt"


async def test_what_was_never_written_comes_back_from_a_worker(scene: Scene) -> None:
    disk = BrokenDisk(scene.path)
    scene.start(history=disk)
    scene.fails()
    known = scene.desk.plan
    scene.start()  # the old desk was killed: it did not close
    assert scene.canary() == "3@5", "nobody here knows of the revert yet"
    scene.desk.hello(0, known.number, known.latches, pid=42)
    assert scene.canary() is None
    assert scene.desk.plan.number > known.number
    assert canary_of(scene.published[-1]) is None
    entries = await scene.written()
    adopted = next(entry for entry in entries if entry.event == "latch_adopted")
    assert (adopted.reason, adopted.version) == ("error_rate", "3")
    await scene.restart()
    assert scene.canary() is None
    assert scene.desk.plan.latches == known.latches


async def test_a_worker_that_slept_through_the_clearing_does_not_bring_the_latch_back(
    scene: Scene,
) -> None:
    scene.start()
    scene.fails()
    old = scene.desk.plan
    await scene.desk.clear_revert("m", "3", "ann", "fixed")
    scene.desk.hello(1, old.number, old.latches)
    assert scene.canary() == "3@5"
    await scene.restart()
    scene.desk.hello(1, old.number, old.latches)
    assert scene.canary() == "3@5"
    newer = Latch("m", "3", "latency", "slow again", {}, scene.now, "pointsman")
    scene.desk.hello(2, scene.desk.plan.number + 1, (newer,))
    assert scene.canary() is None


@pytest.mark.parametrize("ahead", [-1, 0, 1, 40])
async def test_the_next_number_is_beyond_every_plan_that_a_worker_holds(
    scene: Scene, ahead: int
) -> None:
    scene.start()
    mine = scene.desk.plan.number
    scene.desk.hello(0, mine + ahead, ())
    assert scene.desk.plan.number == (mine if ahead < 0 else mine + ahead + 1)
    assert len(scene.published) == (0 if ahead < 0 else 1)
    number = scene.desk.plan.number
    await scene.restart()
    assert scene.desk.plan.number > number if ahead > 0 else True
