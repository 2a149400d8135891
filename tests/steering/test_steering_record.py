"""The one writer: in order, without waiting, patient with the disk and bounded in memory."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import pytest
from desk_scene import BrokenDisk

from proxy.errors import StateError
from proxy.steering import record
from proxy.steering.record import Recorder
from proxy.store import Entry, Event, History


def note(number: int, event: str = Event.CONFIG_CHANGED) -> Entry:
    return Entry(event, float(number), "file", message=str(number))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk(tmp_path: Path) -> BrokenDisk:
    return BrokenDisk(tmp_path / "history.jsonl")


def test_without_a_loop_entries_wait(disk: BrokenDisk, clock: Clock) -> None:
    disk.full = False
    recorder = Recorder(disk, clock)
    recorder.add(note(1))
    assert recorder.pending == 1
    assert disk.entries() == []


async def test_entries_are_written_in_order_and_many_at_once(
    disk: BrokenDisk, clock: Clock
) -> None:
    disk.full = False
    recorder = Recorder(disk, clock)
    for number in range(1200):
        recorder.add(note(number))
    await recorder.settle()
    assert [entry.message for entry in disk.entries()] == [str(n) for n in range(1200)]
    assert recorder.pending == 0


async def test_a_full_disk_is_tried_ever_more_seldom(disk: BrokenDisk, clock: Clock) -> None:
    recorder = Recorder(disk, clock)
    recorder.add(note(1))
    tried_at = []
    for _ in range(1500):
        before = recorder.failures
        recorder.retry(clock.now)
        await recorder.settle()
        if recorder.failures > before:
            tried_at.append(clock.now)
        clock.now += 0.1
    gaps = [round(later - sooner) for sooner, later in pairwise(tried_at)]
    assert gaps == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_clock_set_back_does_not_stop_the_trying(disk: BrokenDisk, clock: Clock) -> None:
    recorder = Recorder(disk, clock)
    recorder.add(note(1))
    await recorder.settle()
    clock.now -= 86_400
    disk.full = False
    recorder.retry(clock.now)
    await recorder.settle()
    assert recorder.pending == 0


async def test_a_write_that_fails_leaves_nothing_behind(disk: BrokenDisk, clock: Clock) -> None:
    recorder = Recorder(disk, clock)
    with pytest.raises(StateError, match="No space left"):
        await recorder.write(note(1))
    assert recorder.pending == 0
    disk.full = False
    recorder.add(note(2))
    await recorder.write(note(3))
    assert [entry.message for entry in disk.entries()] == ["2", "3"]


async def test_memory_is_bounded_and_latches_are_given_up_last(
    disk: BrokenDisk,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(record, "MOST_PENDING", 3)
    recorder = Recorder(disk, clock)
    recorder.add(note(0, Event.REVERTED))
    for number in range(1, 6):
        recorder.add(note(number))
    assert (recorder.pending, recorder.lost) == (3, 3)
    disk.full = False
    await recorder.close()
    assert [entry.message for entry in disk.entries()] == ["0", "4", "5"]
    assert "gave up the entry" in caplog.text


async def test_closing_says_what_was_never_written(
    disk: BrokenDisk, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(disk, clock)
    recorder.add(note(1))
    with caplog.at_level(logging.ERROR):
        await recorder.close()
    assert "never written" in caplog.text


async def test_a_real_history_that_was_moved_away_is_an_error_that_ends(
    tmp_path: Path, clock: Clock
) -> None:
    history = History(tmp_path / "history.jsonl")
    recorder = Recorder(history, clock)
    history.path.rename(tmp_path / "elsewhere")
    recorder.add(note(1))
    await recorder.settle()
    assert "is gone" in (recorder.error or "")
    (tmp_path / "elsewhere").rename(history.path)
    recorder.retry(clock.now + 5)
    await recorder.settle()
    assert (recorder.error, recorder.pending) == (None, 0)
    history.close()
