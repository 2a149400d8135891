"""The history: durable, chained, folded; and what it does when the disk or a person gets at it."""

from __future__ import annotations

import hashlib
import logging
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import StateError
from proxy.store import Entry, Event, History, verify
from proxy.store.entries import GENESIS, encode

MOUNT = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs"]


def reverted(version: str = "3", plan: int = 2, at: float = 10.0) -> Entry:
    return Entry(
        event=Event.REVERTED,
        at=at,
        actor="pointsman",
        model="m",
        version=version,
        before={"version": version, "percent": 5.0},
        reason="error_rate",
        message="12 of 50 failed",
        numbers={"rate": 0.24, "ratio": float("inf")},
        plan=plan,
    )


def split_set(version: str = "2", percent: float = 10.0, plan: int = 3) -> Entry:
    return Entry(
        event=Event.SPLIT_SET,
        at=11.0,
        actor="ann",
        model="m",
        version=version,
        after={"version": version, "percent": percent, "fingerprint": "f1"},
        reason="step two",
        plan=plan,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.jsonl"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    opened = History(path)
    yield opened
    opened.close()


def reopened(path: Path) -> History:
    history = History(path)
    history.close()
    return history


def test_entries_are_numbered_and_chained_over_the_stored_bytes(
    history: History, path: Path
) -> None:
    first, second = history.append(reverted()), history.append(split_set())
    lines = path.read_bytes().splitlines(keepends=True)
    assert (first.seq, second.seq) == (1, 2)
    assert first.prev == GENESIS
    assert second.prev == hashlib.sha256(lines[0]).hexdigest()
    assert history.entries() == [first, second]
    assert history.entries(limit=1) == [second]


def test_what_was_folded_while_writing_is_what_a_restart_reads(
    history: History, path: Path
) -> None:
    for entry in (reverted(), split_set(), reverted("4", plan=7)):
        history.append(entry)
    again = reopened(path)
    assert again.state() == history.state()
    assert set(again.state().latches) == {("m", "3"), ("m", "4")}
    assert again.state().overrides["m"].percent == 10.0
    assert again.state().plan_number == 7


def test_a_cleared_revert_is_gone_and_the_plan_number_of_clearing_is_kept(
    history: History,
) -> None:
    history.append(reverted())
    history.append(
        Entry(Event.REVERT_CLEARED, 12.0, "ann", model="m", version="3", reason="fixed", plan=5)
    )
    assert history.state().latches == {}
    assert history.state().cleared == {("m", "3"): 5}
    history.append(reverted(plan=6))
    assert history.state().cleared == {}


def test_an_adopted_latch_keeps_its_own_time_and_actor(history: History) -> None:
    history.append(
        Entry(
            Event.LATCH_ADOPTED,
            50.0,
            "pointsman",
            model="m",
            version="3",
            after={"at": 10.0, "actor": "bob"},
        )
    )
    latch = history.state().latches["m", "3"]
    assert (latch.at, latch.actor) == (10.0, "bob")


def test_an_event_of_a_later_version_is_kept_and_passed_over(history: History) -> None:
    history.append(Entry("promoted_by_moonlight", 1.0, "ann", plan=9))
    assert history.state().plan_number == 9
    assert history.entries()[0].event == "promoted_by_moonlight"


def test_numbers_that_json_has_no_word_for_are_left_out(history: History) -> None:
    assert history.append(reverted()).numbers == {"rate": 0.24}


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_torn_last_line_is_set_aside_and_the_rest_stands(
    path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    first = History(path)
    first.append(reverted())
    whole = path.read_bytes()
    line = encode(split_set(), 2, "x")
    path.write_bytes(whole + line[:cut])
    first.close()
    with caplog.at_level(logging.WARNING):
        again = History(path)
    assert path.read_bytes() == whole
    aside = list(path.parent.glob("*.torn-at-*"))
    assert [file.read_bytes() for file in aside] == [line[:cut]]
    assert str(cut) in again.repaired
    assert aside[0].name in caplog.text
    again.append(split_set())
    again.close()
    assert verify(path).bad_line is None
    assert reopened(path).repaired == ""


def test_a_last_line_with_a_hole_in_it_is_torn_although_it_ends(path: Path) -> None:
    History(path).close()
    line = encode(reverted(), 1, GENESIS)
    path.write_bytes(line[:10] + b"\0" * 20 + line[30:])
    again = reopened(path)
    assert again.repaired
    assert path.read_bytes() == b""


def test_every_cut_of_a_history_opens_and_keeps_all_whole_lines(tmp_path: Path) -> None:
    whole_path = tmp_path / "whole.jsonl"
    whole = History(whole_path)
    for entry in (reverted(), split_set()):
        whole.append(entry)
    whole.close()
    data = whole_path.read_bytes()
    for cut in range(len(data) + 1):
        path = tmp_path / f"cut-{cut}.jsonl"
        path.write_bytes(data[:cut])
        whole_lines = data[:cut].count(b"\n") + (data[cut : cut + 1] == b"\n")
        assert reopened(path).entries() == whole.entries()[:whole_lines]


def test_a_line_that_lacks_only_its_newline_counts(path: Path) -> None:
    first = History(path)
    first.append(reverted())
    first.close()
    path.write_bytes(path.read_bytes()[:-1])
    again = reopened(path)
    assert ("m", "3") in again.state().latches
    assert "newline" in again.repaired
    assert verify(path).entries == 1


@given(st.data())
def test_any_changed_byte_before_the_last_line_shows(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tampered") / "history.jsonl"
    history = History(path)
    for number in range(3):
        history.append(reverted(str(number)))
    history.close()
    stored = path.read_bytes()
    last = stored[:-1].rindex(b"\n") + 1
    place = data.draw(st.integers(0, last - 1))
    byte = data.draw(st.integers(1, 255).filter(lambda value: value != stored[place]))
    path.write_bytes(stored[:place] + bytes([byte]) + stored[place + 1 :])
    line = stored[:place].count(b"\n") + 1
    assert verify(path).bad_line in (line, line + 1)
    with pytest.raises(StateError, match=r"line \d+"):
        History(path)


@pytest.mark.parametrize("what", ["removed", "swapped", "doubled"])
def test_moved_lines_show(history: History, path: Path, what: str) -> None:
    for number in range(4):
        history.append(reverted(str(number)))
    a, b, c, d = path.read_bytes().splitlines(keepends=True)
    lines = {"removed": [a, c, d], "swapped": [a, c, b, d], "doubled": [a, b, b, c, d]}[what]
    path.write_bytes(b"".join(lines))
    found = verify(path)
    assert found.bad_line == {"removed": 2, "swapped": 2, "doubled": 3}[what]
    assert found.entries == found.bad_line - 1
    assert "line before" in found.problem


def test_verify_names_the_head_so_that_a_cut_can_be_found(history: History, path: Path) -> None:
    history.append(reverted())
    head = verify(path).head
    history.append(split_set())
    assert verify(path).head != head
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    assert verify(path).head == head


def test_verify_says_that_the_writing_was_interrupted(history: History, path: Path) -> None:
    history.append(reverted())
    path.write_bytes(path.read_bytes()[:-1])
    assert verify(path).bad_line == 1
    assert "interrupted" in verify(path).problem


def test_verify_of_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        verify(tmp_path / "none")


def test_two_desks_on_one_history_keep_one_chain(history: History, path: Path) -> None:
    other = History(path)
    history.append(reverted("3"))
    other.append(reverted("4"))
    history.append(split_set())
    other.close()
    assert verify(path).entries == 3
    assert set(history.state().latches) == {("m", "3"), ("m", "4")}


def test_a_history_that_was_moved_away_is_not_written_to(history: History, path: Path) -> None:
    history.append(reverted())
    path.rename(path.with_name("old"))
    with pytest.raises(StateError, match="is gone while in use"):
        history.append(split_set())
    path.write_bytes(b"")
    with pytest.raises(StateError, match="replaced by another file"):
        history.append(split_set())


def test_a_history_that_was_cut_while_in_use_is_not_written_to(
    history: History, path: Path
) -> None:
    history.append(reverted())
    path.write_bytes(b"")
    with pytest.raises(StateError, match="was cut from"):
        history.append(split_set())


def test_a_folder_that_cannot_be_made_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be opened"):
        History(tmp_path / "file" / "history.jsonl")


def test_a_closed_history_says_so(history: History) -> None:
    history.close()
    with pytest.raises(StateError):
        history.append(reverted())


@contextmanager
def file_sizes_up_to(size: int) -> Iterator[None]:
    """Files of this process may not grow over ``size`` bytes.

    Only while a test's own lines run: a report that pytest writes to a file is bound as well.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_append_that_finds_no_space_leaves_the_file_as_it_was(
    history: History, path: Path
) -> None:
    history.append(reverted())
    stored, state = path.read_bytes(), history.state().plan_number
    assert len(stored) < 700
    long = Entry("note", 1.0, "ann", message="x" * 700, plan=99)
    with file_sizes_up_to(700), pytest.raises(StateError, match="cannot be written"):
        history.append(long)
    assert path.read_bytes() == stored
    assert history.state().plan_number == state
    assert history.append(long).seq == 2
    assert verify(path).entries == 2


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """``folder`` runs full after some entries; what is yielded makes room in it again.

    A real disk where a tmpfs can be mounted; elsewhere a bound on the size of files.
    """
    folder.mkdir()
    if shutil.which("mount") and _works(*MOUNT, str(folder)):
        try:
            (folder / "ballast").write_bytes(b"x" * 8192)
            yield (folder / "ballast").unlink
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    with ExitStack() as bound:
        bound.enter_context(file_sizes_up_to(8192))
        yield bound.close


def test_on_a_full_disk_nothing_is_lost_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk) as make_room:
        history = History(disk / "history.jsonl")
        appended, error = 0, None
        while error is None and appended < 100:
            try:
                history.append(reverted(str(appended)))
                appended += 1
            except StateError as found:
                error = found
        assert "No space left" in str(error) or "too large" in str(error)
        assert verify(history.path).entries == appended > 0
        make_room()
        assert history.append(split_set()).seq == appended + 1
        history.close()
        assert verify(history.path).bad_line is None


def test_several_entries_are_added_whole_or_not_at_all(history: History, path: Path) -> None:
    with file_sizes_up_to(700), pytest.raises(StateError):
        history.append_all([reverted(str(number)) for number in range(5)])
    assert path.read_bytes() == b""
    assert [entry.seq for entry in history.append_all([reverted("1")])] == [1]


def test_the_last_hundred_reverts_are_known_after_a_restart(history: History, path: Path) -> None:
    history.append_all([reverted(str(number)) for number in range(130)])
    again = reopened(path).state()
    assert [entry.version for entry in again.reverts] == [str(n) for n in range(30, 130)]


def test_a_state_that_was_handed_out_does_not_change(history: History) -> None:
    before = history.state()
    history.append(reverted())
    assert before.latches == {}
    assert before.reverts == []
