"""What people may order: overrides, clearing, reverts by hand; audited, and refused clearly."""

from __future__ import annotations

import asyncio

import pytest
from desk_scene import BrokenDisk, Scene, settings, split

from proxy.errors import OperationRefused
from proxy.store import History


async def test_an_override_is_published_audited_and_survives_a_restart(scene: Scene) -> None:
    scene.start()
    await scene.desk.set_split("m", "2", 12.5, "ann", "trying two")
    assert scene.canary() == "2@12.5"
    entry = (await scene.written())[-1]
    assert (entry.event, entry.actor, entry.reason) == ("split_set", "ann", "trying two")
    assert entry.before == {"version": "3", "percent": 5.0}
    assert entry.after is not None
    assert entry.after["percent"] == 12.5
    assert entry.plan == scene.desk.plan.number
    await scene.restart()
    assert scene.canary() == "2@12.5"
    canary = scene.desk.status().models["m"].canary
    assert canary is not None
    assert (canary.source, canary.set_by, canary.reason) == ("override", "ann", "trying two")
    assert canary.percent_file is None, "the file names another version"


async def test_without_a_version_the_present_canary_gets_the_share(scene: Scene) -> None:
    scene.start()
    await scene.desk.set_split("m", None, 20, "ann", "")
    assert scene.canary() == "3@20"
    await scene.desk.set_split("m", None, 0, "ann", "pause")
    assert scene.canary() == "3@0"
    canary = scene.desk.status().models["m"].canary
    assert canary is not None
    assert (canary.percent_asked, canary.percent_file) == (0, 5)


async def test_another_version_draws_other_customers(scene: Scene) -> None:
    scene.start()
    assert scene.desk.plan.models[0].salt == "m/split/3"
    await scene.desk.set_split("m", "2", 5, "ann", "")
    assert scene.desk.plan.models[0].salt == "m/split/2"
    scene.desk.reload(settings(m=split(canary=None)))
    assert scene.canary() is None, "the edit ended the override"
    await scene.desk.set_split("m", "3", 5, "ann", "")
    assert scene.desk.plan.models[0].salt == "m/split/3"


async def test_clearing_gives_the_files_split_back(scene: Scene) -> None:
    scene.start()
    await scene.desk.set_split("m", "2", 50, "ann", "")
    await scene.desk.clear_split("m", "bob", "enough")
    assert scene.canary() == "3@5"
    entry = (await scene.written())[-1]
    assert (entry.event, entry.actor, entry.after) == (
        "split_cleared",
        "bob",
        {"version": "3", "percent": 5.0},
    )
    await scene.restart()
    assert scene.canary() == "3@5"


async def test_a_revert_by_hand_latches_with_the_persons_words(scene: Scene) -> None:
    scene.start()
    await scene.desk.revert("m", "ann", "support has complaints")
    assert scene.canary() is None
    (latch,) = scene.desk.plan.latches
    assert (latch.reason, latch.message, latch.actor) == (
        "manual",
        "support has complaints",
        "ann",
    )
    assert (await scene.events())[-1] == "reverted"
    await scene.restart()
    assert scene.canary() is None


async def test_clearing_a_revert_is_audited_and_survives_a_restart(scene: Scene) -> None:
    scene.start()
    scene.fails()
    await scene.desk.clear_revert("m", "3", "ann", "it was the network")
    entry = (await scene.written())[-1]
    assert (entry.event, entry.actor, entry.reason) == (
        "revert_cleared",
        "ann",
        "it was the network",
    )
    assert entry.before is not None
    assert entry.before["reason"] == "error_rate"
    await scene.restart()
    assert scene.canary() == "3@5"


async def test_an_override_of_a_version_that_is_reverted_later_stays_out(scene: Scene) -> None:
    scene.start()
    await scene.desk.set_split("m", "2", 30, "ann", "")
    scene.fails("2")
    assert scene.canary() is None
    await scene.restart()
    assert scene.canary() is None
    await scene.desk.clear_split("m", "ann", "")
    assert scene.canary() == "3@5", "the file's version was never reverted"


@pytest.mark.parametrize(
    ("version", "percent", "says"),
    [
        ("9", 5, "there is no version '9' of m; allowed are 2, 3"),
        ("1", 5, "stable one already"),
        ("2", 101, "0 to 100 in steps of 0.01"),
        ("2", -1, "0 to 100"),
        ("2", 0.005, "steps of 0.01"),
        ("2", float("nan"), "0 to 100"),
    ],
)
async def test_what_cannot_be_a_canary_is_refused(
    scene: Scene, version: str, percent: float, says: str
) -> None:
    scene.start()
    with pytest.raises(OperationRefused, match=says):
        await scene.desk.set_split("m", version, percent, "ann", "")
    assert scene.canary() == "3@5"
    assert scene.published == []
    assert "split_set" not in await scene.events()


async def test_a_reverted_version_is_refused_with_the_way_out(scene: Scene) -> None:
    scene.start()
    scene.fails()
    with pytest.raises(OperationRefused, match="split clear-revert m 3"):
        await scene.desk.set_split("m", None, 50, "ann", "")
    with pytest.raises(OperationRefused, match="reverted already"):
        await scene.desk.revert("m", "ann", "")


async def test_orders_about_nothing_are_refused(scene: Scene) -> None:
    scene.start(settings(m=split(canary=None)))
    desk = scene.desk
    with pytest.raises(OperationRefused, match="no model 'x'; there are: m"):
        await desk.set_split("x", "2", 5, "ann", "")
    with pytest.raises(OperationRefused, match="name the version"):
        await desk.set_split("m", None, 5, "ann", "")
    with pytest.raises(OperationRefused, match="no override"):
        await desk.clear_split("m", "ann", "")
    with pytest.raises(OperationRefused, match=r"reverted versions of it: \(none\)"):
        await desk.clear_revert("m", "3", "ann", "")
    with pytest.raises(OperationRefused, match="no canary"):
        await desk.revert("m", "ann", "")


async def test_what_gives_customers_is_refused_when_it_cannot_be_written(scene: Scene) -> None:
    disk = BrokenDisk(scene.path)
    disk.full = False
    scene.start(history=disk)
    await scene.desk._recorder.settle()
    disk.full = True
    for version, percent in ((None, 6), ("2", 1)):
        with pytest.raises(OperationRefused, match="No space left"):
            await scene.desk.set_split("m", version, percent, "ann", "")
    assert scene.canary() == "3@5"
    disk.full = False
    assert "split_set" not in await scene.events(), "nor is it written later"


async def test_what_takes_customers_away_waits_for_no_disk(scene: Scene) -> None:
    disk = BrokenDisk(scene.path)
    scene.start(history=disk)
    await scene.desk.set_split("m", None, 1, "ann", "careful")
    assert scene.canary() == "3@1"
    await scene.desk.revert("m", "ann", "stop")
    assert scene.canary() is None
    with pytest.raises(OperationRefused, match="cannot be written"):
        await scene.desk.clear_revert("m", "3", "ann", "again")
    disk.full = False
    events = await scene.events()
    assert events[-2:] == ["split_set", "reverted"]


class SlowDisk(History):
    """Waits in every append until it is told to go on."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.path)
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.slow = False
        self._loop = asyncio.get_running_loop()

    def append_all(self, entries):  # type: ignore[no-untyped-def]
        if self.slow:
            self._loop.call_soon_threadsafe(self.reached.set)
            asyncio.run_coroutine_threadsafe(self.go_on.wait(), self._loop).result(30)
        return super().append_all(entries)


async def test_a_hanging_disk_holds_up_no_revert(scene: Scene) -> None:
    disk = SlowDisk(scene)
    scene.start(history=disk)
    await scene.desk._recorder.settle()
    disk.slow = True
    order = asyncio.create_task(scene.desk.set_split("m", None, 50, "ann", ""))
    await disk.reached.wait()
    assert scene.canary() == "3@5", "what is not written is not given"
    scene.fails()
    assert scene.canary() is None
    disk.go_on.set()
    await order
    assert scene.canary() is None, "the order came too late"
    assert (await scene.events())[-2:] == ["split_set", "reverted"]


async def test_an_edit_of_the_file_beats_an_order_that_is_still_being_written(
    scene: Scene,
) -> None:
    disk = SlowDisk(scene)
    scene.start(history=disk)
    await scene.desk._recorder.settle()
    disk.slow = True
    order = asyncio.create_task(scene.desk.set_split("m", None, 50, "ann", ""))
    await disk.reached.wait()
    scene.desk.reload(settings(m=split(percent=7)))
    disk.go_on.set()
    with pytest.raises(OperationRefused, match="edited at the same moment"):
        await order
    assert scene.canary() == "3@7"
    disk.slow = False
    await scene.restart(settings(m=split(percent=7)))
    assert scene.canary() == "3@7"


async def test_an_order_is_finished_although_its_caller_left(scene: Scene) -> None:
    disk = SlowDisk(scene)
    scene.start(history=disk)
    await scene.desk._recorder.settle()
    disk.slow = True
    order = asyncio.create_task(scene.desk.set_split("m", None, 50, "ann", ""))
    await disk.reached.wait()
    order.cancel()
    with pytest.raises(asyncio.CancelledError):
        await order
    disk.go_on.set()
    await scene.desk.close()
    assert scene.canary() == "3@50"
    await scene.restart()
    assert scene.canary() == "3@50"


async def test_orders_are_carried_out_in_turn(scene: Scene) -> None:
    scene.start()
    await asyncio.gather(
        *(scene.desk.set_split("m", None, percent, "ann", "") for percent in (10, 20, 30))
    )
    assert scene.canary() == "3@30"
    sets = [entry for entry in await scene.written() if entry.event == "split_set"]
    assert [(e.before or {})["percent"] for e in sets] == [5, 10, 20]
