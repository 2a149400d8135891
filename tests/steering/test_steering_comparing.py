"""Pairs to comparisons: in slices, sampled fairly, kept over restarts, labelled once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest
from compare_scene import HOW, NOW, Scene, joined, pair, plan, report

from proxy.compare.kinds import Kind
from proxy.compare.options import Options
from proxy.compare.reading import ReadOptions
from proxy.steering import comparing
from proxy.steering.compared import View


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    await made.quiet()
    return made


async def view(scene: Scene, version: str = "2") -> View:
    """As of now, asked while the pump turns."""
    scene.now += comparing.FRESH
    asked = asyncio.ensure_future(scene.comparisons.look("m", version))
    await asyncio.sleep(0)
    await scene.comparisons.turn()
    found = await asked
    assert found is not None
    return found


async def test_pairs_become_a_summary_with_a_gate(scene: Scene) -> None:
    await scene.offer([pair(k) for k in range(50)])
    found = await view(scene)
    assert (found.summary.pairs, found.summary.agreement.rate) == (50, 1.0)
    assert found.summary.fidelity.realised == 1.0
    assert found.summary.fidelity.sent == 50
    assert found.gate.verdict == "inconclusive"  # the intervals of so few are wide
    assert found.status().gate == "inconclusive"


async def test_pairs_of_another_stable_or_shadow_are_for_nobody(scene: Scene) -> None:
    await scene.offer([pair(1, stable="0"), pair(2, version="9"), pair(3)])
    assert (await view(scene)).summary.pairs == 1


async def test_noise_is_for_every_shadow_and_is_no_pair(scene: Scene) -> None:
    scene.again(HOW, "2", "3")
    await scene.quiet()
    await scene.offer([pair(k, version="1", shadow=0.5) for k in range(120)])
    for version in "23":
        found = (await view(scene, version)).summary
        assert (found.pairs, found.noise.state, found.noise.agreement) == (0, "noisy", 0.0)


async def test_what_a_worker_or_the_desk_had_no_room_for_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_WAITING", 20)
    await scene.offer([pair(k) for k in range(30)], dropped=5)
    found = (await view(scene)).summary.fidelity
    assert (found.pairs, found.sent) == (20, 20)
    assert found.dropped == {"pair_dropped": 5, "pair_dropped_desk": 10}
    assert found.poor


async def test_under_a_sample_the_same_customers_are_passed_over_for_every_version(
    scene: Scene,
) -> None:
    scene.again(HOW, "2", "3")
    await scene.quiet()
    scene.comparisons.pacing.rate = 0.5
    for running in scene.comparisons.all():
        running.comparison.rate = 0.5
    both = [pair(k, version=version) for k in range(400) for version in "23"]
    await scene.offer(both)
    second, third = (await view(scene, "2")), (await view(scene, "3"))
    assert 150 < second.summary.pairs == third.summary.pairs < 250
    assert second.summary.pairs + second.summary.fidelity.passed_over == 400
    assert {it.customer for it in scene.logged if it.version == "2"} == {
        it.customer for it in scene.logged if it.version == "3"
    }


async def test_a_large_pair_is_read_in_a_thread_and_counts_the_same(scene: Scene) -> None:
    await scene.offer([pair(1, size=200_000), pair(2)])
    assert (await view(scene)).summary.pairs == 2
    assert len(scene.logged) == 2


async def test_a_fault_of_ours_ends_no_comparison(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (running,) = scene.comparisons.all()
    with monkeypatch.context() as patch:
        patch.setattr(running, "add", lambda _pair: 1 / 0)
        with caplog.at_level(logging.CRITICAL):
            await scene.offer([pair(1)])
    await scene.offer([pair(2)])
    found = (await view(scene)).summary.fidelity
    assert (found.pairs, found.dropped) == (1, {"pair_dropped_desk": 1})


# ---- kept


async def test_after_a_stop_it_goes_on_where_it_was(scene: Scene) -> None:
    await scene.offer([pair(k, shadow=0.5) for k in range(30)])
    before = await view(scene)
    await scene.stop()
    stopped = scene.now
    scene.now += 60
    scene.again()
    await scene.quiet()
    await scene.offer([pair(k) for k in range(30, 40)])
    after = await view(scene)
    assert after.began == before.began
    assert after.summary.pairs == 40
    assert [(it.since, it.until) for it in after.gaps] == [(stopped, stopped + 60)]


async def test_a_killed_desk_loses_what_came_since_the_last_save(scene: Scene) -> None:
    await scene.offer([pair(k) for k in range(10)])
    scene.now += comparing.SAVE_EVERY
    await scene.offer([pair(k) for k in range(10, 20)])
    await scene.comparisons.turn()
    saved = scene.now
    scene.now += 3
    await scene.offer([pair(k) for k in range(20, 30)])
    scene.again()  # nobody stopped the first
    await scene.quiet()
    found = await view(scene)
    assert found.summary.pairs == 20
    assert found.gaps[0].since == saved


@pytest.mark.parametrize("what", ["options", "broken"])
async def test_it_begins_afresh_when_it_would_not_be_the_same(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.offer([pair(k) for k in range(10)])
    await scene.stop()
    scene.now += 5
    how = HOW
    if what == "options":
        read = ReadOptions(Kind.NUMBER)
        how = msgspec.structs.replace(HOW, options=Options(read))
    else:
        (file,) = (scene.folder / "comparison" / "m").iterdir()
        file.write_bytes(file.read_bytes()[:-5])
    scene.again(how)
    await scene.quiet()
    (running,) = scene.comparisons.all()
    assert (running.began, running.gaps) == (scene.now, ())
    assert "begins afresh" in caplog.text


async def test_an_edit_of_the_gate_goes_on_and_another_stable_does_not(scene: Scene) -> None:
    await scene.offer([pair(k) for k in range(10)])
    stricter = msgspec.structs.replace(HOW.criteria, pairs=5_000)
    scene.comparisons.use({"m": msgspec.structs.replace(HOW, criteria=stricter)})
    await scene.quiet()
    found = await view(scene)
    assert found.summary.pairs == 10
    assert "needed are 5000" in found.gate.findings[1].message
    scene.comparisons.follow(plan("2", stable="3"))
    await scene.quiet()
    assert (await view(scene)).summary.pairs == 0
    scene.comparisons.follow(plan("2"))  # back: as with a last resort that is over
    await scene.quiet()
    assert (await view(scene)).summary.pairs == 10
    scene.comparisons.follow(plan())
    await scene.quiet()
    assert scene.comparisons.of("m") == {}
    assert await scene.comparisons.look("m", "2") is None


async def test_a_full_disk_is_said_and_tried_again(scene: Scene) -> None:
    folder = scene.folder / "comparison"
    folder.write_text("a file in the way")
    await scene.offer([pair(1)])
    assert "cannot be written" in (await view(scene)).error
    folder.unlink()
    scene.now += comparing.SAVE_EVERY
    await scene.quiet()
    scene.now += comparing.LOOK_EVERY
    await scene.offer([pair(2)])
    assert (await view(scene)).error == ""
    assert (folder / "m").is_dir()


# ---- labels


async def test_shadow_predictions_are_logged_with_the_live_one_beside_them(scene: Scene) -> None:
    await scene.offer([pair(1, 0.4, 0.45), pair(2, version="1")])
    (made,) = scene.logged
    assert (made.request_id, made.version, made.arm) == ("r1", "2", "shadow")
    assert (made.value, made.live, made.live_value) == (
        pytest.approx(0.45), "1", pytest.approx(0.4),
    )  # fmt: skip


async def test_a_label_counts_once_and_is_settled_when_it_is_in_a_file(scene: Scene) -> None:
    await scene.offer([pair(k, 0.4, 0.45) for k in range(20)])
    told = [joined(k, made, k % 2) for k, made in enumerate(scene.logged)]
    scene.now += 1
    scene.comparisons.label(told)
    scene.comparisons.label(told[:5])
    await scene.quiet()
    assert (await view(scene)).summary.labels == 20
    assert scene.settled == []
    scene.now += comparing.SAVE_EVERY
    await scene.quiet()
    assert {it.id for it in scene.settled} == set(range(20))
    scene.again()
    scene.comparisons.label(told)  # the ledger died before it knew
    await scene.quiet()
    assert (await view(scene)).summary.labels == 20


async def test_labels_that_were_not_saved_count_when_they_come_again(scene: Scene) -> None:
    await scene.offer([pair(k) for k in range(20)])
    scene.now += comparing.SAVE_EVERY
    await scene.quiet()
    told = [joined(k, made, k % 2) for k, made in enumerate(scene.logged)]
    scene.comparisons.label(told)
    await scene.quiet()
    scene.again()  # killed
    scene.comparisons.label(told)
    await scene.quiet()
    assert (await view(scene)).summary.labels == 20


async def test_labels_of_another_name_or_time_or_shadow_are_settled_uncounted(
    scene: Scene,
) -> None:
    await scene.offer([pair(1)])
    scene.comparisons.use({"m": msgspec.structs.replace(HOW, label="paid")})
    (made,) = scene.logged
    early = msgspec.structs.replace(made, at=NOW - 10)
    gone = msgspec.structs.replace(made, version="9")
    scene.comparisons.label([joined(1, made, 1), joined(2, early, 1), joined(3, gone, 1)])
    await scene.quiet()
    assert (await view(scene)).summary.labels == 0
    await scene.stop()
    assert {it.id for it in scene.settled} == {1, 2, 3}


async def test_those_who_bring_many_labels_wait(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_LABELS", 2)
    await scene.offer([pair(k) for k in range(5)])
    scene.comparisons.label([joined(k, made, 1) for k, made in enumerate(scene.logged)])
    waiting = asyncio.ensure_future(scene.comparisons.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await scene.quiet()
    await waiting


# ---- under load


async def test_more_than_there_is_time_for_is_sampled_down_and_said(scene: Scene) -> None:
    poor = msgspec.structs.replace(HOW, cpu=0.01)
    scene.again(poor)
    pump = asyncio.ensure_future(scene.comparisons.run())
    await asyncio.sleep(0.05)
    k = 0
    while scene.comparisons.pacing.rate == 1.0:
        scene.comparisons.offer(report([pair(k + n) for n in range(200)]))
        k += 200
        await asyncio.sleep(0.05)
        assert k < 100_000
    scene.comparisons.offer(report([pair(n) for n in range(k, k + 200)]))
    scene.comparisons.stop()
    await pump
    scene.again(poor)
    await scene.quiet()
    found = await view(scene)
    assert found.summary.fidelity.passed_over > 0
    assert "passed over, fairly by customer" in " ".join(found.summary.fidelity.notes)
