"""Evidence files: what is on the disk gives the judge's numbers again, whatever happened."""

from __future__ import annotations

import gzip
import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from proxy.errors import ReplayError
from proxy.judge import Evidence, Guardrails, Observation, Source
from proxy.store import EvidenceLimits, EvidenceWriter, Head, Recovered, read_evidence
from proxy.terms import Arm

QUICK = EvidenceLimits(linger=0.001, retry=0.0)


def evidence(number: int, version: str = "2", value: float = 1.0, model: str = "m") -> Evidence:
    seen = Observation(Source.KPI, Arm.CANARY, 0.05, f"kunde-ü{number}", float(number), value=value)
    return Evidence(float(number), model, version, "1", 0.05, observations=(seen,))


class Judge:
    """A state as a trial has one: it depends on every line, and on their order."""

    def __init__(self, state: int = 7) -> None:
        self.state = state

    def add(self, line: Evidence) -> None:
        self.state = (self.state * 31 + int(line.at)) % (2**61 - 1)

    def head(self, *_: str) -> Head:
        return Head(str(self.state).encode(), Guardrails(), began=1.0)


def again(found: Recovered | None) -> int:
    assert found is not None
    assert found.snapshot is not None
    judge = Judge(int(found.snapshot))
    for line in found.lines:
        judge.add(line)
    return judge.state


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.002)


def feed(writer: EvidenceWriter, judge: Judge, numbers: range, version: str = "2") -> None:
    for number in numbers:
        line = evidence(number, version)
        writer.add(line)
        judge.add(line)


def write(folder: Path, numbers: range, limits: EvidenceLimits = QUICK) -> Judge:
    judge = Judge()
    writer = EvidenceWriter(folder, judge.head, limits)
    feed(writer, judge, numbers)
    writer.close()
    assert writer.status() == type(writer.status())(len(numbers), 0, 0, "")
    return judge


def test_a_header_as_large_as_a_file_does_not_begin_one_with_every_line(tmp_path: Path) -> None:
    """Means over many customers make a snapshot of many MiB."""
    asked: list[str] = []

    def head(model: str, version: str) -> Head:
        asked.append(model)
        return Head(b"x" * 5000, Guardrails(), began=1.0)

    writer = EvidenceWriter(tmp_path, head, EvidenceLimits(file=4000, linger=0.0))
    for at in range(15):
        writer.add(evidence(at))
    writer.close()
    assert len(asked) == 1


@pytest.mark.parametrize("zipped", [True, False])
def test_rotated_files_give_the_same_state_and_all_lines(tmp_path: Path, zipped: bool) -> None:
    limits = EvidenceLimits(file=4000, linger=0.0, gzip=zipped)
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, limits)
    for start in range(0, 500, 20):
        feed(writer, judge, range(start, start + 20))
        until(lambda: writer.status().pending == 0)
    until(lambda: not zipped or len(list((tmp_path / "m").glob("*.jsonl"))) == 1)
    writer.close()
    endings = [path.suffix for path in sorted((tmp_path / "m").iterdir())]
    assert len(endings) > 10
    assert endings.count(".gz") == (len(endings) - 1 if zipped else 0)
    modes = {path.stat().st_mode & 0o007 for path in (tmp_path / "m").iterdir()}
    assert modes == {0}, "customers' hashes are not for everybody"
    assert again(EvidenceWriter(tmp_path, judge.head).recover("m", "2")) == judge.state

    reading = read_evidence(tmp_path / "m")
    seen = [0]
    lines = []
    for line in reading:
        seen.append(reading.done)
        lines.append(line)
    assert lines == [evidence(number) for number in range(500)]
    assert seen == sorted(seen)
    assert 0 < seen[1] < seen[-1] <= reading.total
    assert reading.done == reading.total
    assert reading.notes == []


def test_lines_are_there_while_the_file_is_still_written(tmp_path: Path) -> None:
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, QUICK)
    feed(writer, judge, range(3))
    until(lambda: writer.status().written == 3)
    assert len(list(read_evidence(tmp_path / "m" / "0000000001.jsonl"))) == 3
    writer.close()


def test_a_restarted_desk_goes_on_where_the_last_line_was(tmp_path: Path) -> None:
    judge = write(tmp_path, range(10))
    second = EvidenceWriter(tmp_path, judge.head, QUICK)
    judge.state = again(second.recover("m", "2"))
    feed(second, judge, range(10, 15))
    second.close()
    found = second.recover("m", "2")
    assert again(found) == judge.state
    assert found is not None
    assert (found.header.from_line, len(found.lines)) == (10, 5)
    assert [int(line.at) for line in read_evidence(tmp_path / "m")] == list(range(15))


def test_another_canary_and_new_guardrails_begin_a_file(tmp_path: Path) -> None:
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, QUICK)
    feed(writer, judge, range(3))
    writer.renew("m")
    feed(writer, judge, range(3, 5))
    feed(writer, judge, range(5, 6), version="3")
    writer.close()
    reading = read_evidence(tmp_path / "m")
    versions = [(reading.header.version, reading.header.from_line) for _ in reading]
    assert versions == [("2", 0), ("2", 0), ("2", 0), ("2", 3), ("2", 3), ("3", 0)]
    older, newer = writer.recover("m", "2"), writer.recover("m", "3")
    assert older is not None
    assert newer is not None
    assert (len(older.lines), len(newer.lines)) == (2, 1)


def test_a_trial_that_ended_is_not_taken_up_again(tmp_path: Path) -> None:
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, QUICK)
    feed(writer, judge, range(3))
    writer.end("m", 9.0)
    feed(writer, judge, range(3), version="3")
    writer.close()
    restarted = EvidenceWriter(tmp_path, judge.head, QUICK)
    assert restarted.recover("m", "2") is None
    assert restarted.recover("m", "3") is not None
    restarted.end("m", 10.0)  # before any line of its own
    restarted.close()
    assert restarted.recover("m", "3") is None
    assert len(list(read_evidence(tmp_path / "m"))) == 6


def test_numbers_that_json_has_not_come_back(tmp_path: Path) -> None:
    odd = [math.nan, math.inf, -math.inf]
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, QUICK)
    for number, value in enumerate(odd):
        writer.add(evidence(number, value=value))
    writer.close()
    back = [line.observations[0].value for line in read_evidence(tmp_path / "m")]
    assert [str(value) for value in back] == [str(value) for value in odd]


def test_the_oldest_files_go_but_never_the_newest(tmp_path: Path) -> None:
    limits = EvidenceLimits(file=2000, model=6000, linger=0.0, gzip=False)
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, limits)
    for start in range(0, 300, 10):
        feed(writer, judge, range(start, start + 10))
        until(lambda: writer.status().pending == 0)
    writer.close()
    sizes = [path.stat().st_size for path in (tmp_path / "m").iterdir()]
    assert sum(sizes) <= 6000 + 2 * max(sizes)
    assert again(writer.recover("m", "2")) == judge.state
    kept = [int(line.at) for line in read_evidence(tmp_path / "m")]
    assert kept == list(range(kept[0], 300))
    assert kept[0] > 0


def test_two_desks_on_one_folder_leave_each_others_files_alone(tmp_path: Path) -> None:
    # Room for the new desk's last file beside what the old one writes after it.
    limits = EvidenceLimits(file=1500, model=8000, linger=0.0, gzip=True)
    old, new = Judge(), Judge(11)
    first = EvidenceWriter(tmp_path, old.head, limits, clock=lambda: 1.0)
    second = EvidenceWriter(tmp_path, new.head, limits, clock=lambda: 2.0)
    for start in range(0, 200, 5):
        feed(first, old, range(start, start + 5))
        feed(second, new, range(1000 + start, 1005 + start))
        until(lambda: first.status().pending + second.status().pending == 0)
    second.close()
    feed(first, old, range(500, 520))  # the old desk writes the last file
    first.close()
    assert first.lost + second.lost == 0
    assert again(first.recover("m", "2")) == new.state


def test_a_place_that_takes_nothing_loses_lines_and_heals(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.write_text("in the way")
    judge = Judge()
    writer = EvidenceWriter(folder, judge.head, EvidenceLimits(linger=0.0, retry=0.0))
    feed(writer, judge, range(1))
    until(lambda: writer.lost == 1)
    assert "cannot be written" in writer.status().error
    folder.unlink()
    for number in range(1, 1000):
        feed(writer, judge, range(number, number + 1))
        if writer.status().written:
            break
        time.sleep(0.005)
    writer.close()
    assert writer.status().error == ""
    assert again(writer.recover("m", "2")) == judge.state


def test_a_removed_file_is_noticed_and_begun_anew(tmp_path: Path) -> None:
    judge = Judge()
    writer = EvidenceWriter(tmp_path, judge.head, EvidenceLimits(linger=0.0, retry=0.0, sync=0.01))
    feed(writer, judge, range(2))
    until(lambda: writer.status().written == 2)
    (tmp_path / "m" / "0000000001.jsonl").unlink()
    number = 2
    while not list((tmp_path / "m").iterdir()):
        feed(writer, judge, range(number, number + 1))
        number += 1
        time.sleep(0.005)
    writer.close()
    assert again(writer.recover("m", "2")) == judge.state


def test_more_than_may_wait_is_lost_and_the_next_file_is_exact(tmp_path: Path) -> None:
    judge = Judge()
    limits = EvidenceLimits(waiting=3000, linger=0.02, retry=0.0)
    writer = EvidenceWriter(tmp_path, judge.head, limits)
    feed(writer, judge, range(500))
    assert writer.lost > 0
    until(lambda: writer.status().pending == 0)
    feed(writer, judge, range(500, 502))
    writer.close()
    assert again(writer.recover("m", "2")) == judge.state
    assert writer.lost + writer.status().written == 502
    reading = read_evidence(tmp_path / "m")
    assert len(list(reading)) == writer.status().written
    assert any("were lost" in note for note in reading.notes)


@pytest.mark.parametrize("tail", [b'{"at":3.0,"mod', b"\0\0\0\0\n", b'{"at":3.0\0\0\0\0\n'])
def test_a_torn_last_line_is_said_and_skipped(tmp_path: Path, tail: bytes) -> None:
    write(tmp_path, range(3))
    with (tmp_path / "m" / "0000000001.jsonl").open("ab") as file:
        file.write(tail)
    reading = read_evidence(tmp_path / "m")
    assert len(list(reading)) == 3
    assert "line 5 is torn" in reading.notes[0]
    found = EvidenceWriter(tmp_path, Judge().head).recover("m", "2")
    assert found is not None
    assert "line 5 is torn" in found.notes[0]


@pytest.mark.parametrize("start", [b"", b'{"for', b'{"format":"pointsman evidence 1","mo', b"\0\0"])
def test_a_header_that_was_never_finished_leaves_the_file_before(
    tmp_path: Path, start: bytes
) -> None:
    judge = write(tmp_path, range(3))
    (tmp_path / "m" / "0000000002.jsonl").write_bytes(start)
    assert again(EvidenceWriter(tmp_path, judge.head).recover("m", "2")) == judge.state
    assert len(list(read_evidence(tmp_path / "m"))) == 3


@pytest.mark.parametrize("damage", [b'"shore":', b'"sh\xffre":', b'"share":' + b"[" * 100_000])
def test_damage_in_the_middle_is_named_with_file_and_line(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, range(5))
    path = tmp_path / "m" / "0000000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"share":', damage)
    path.write_bytes(b"".join(lines))
    with pytest.raises(ReplayError, match=r"0000000001\.jsonl: line 4 is no evidence"):
        list(read_evidence(path))
    found = EvidenceWriter(tmp_path, Judge().head).recover("m", "2")
    assert found is not None
    assert len(found.lines) == 2
    assert "line 4" in found.notes[0]


def test_what_is_no_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "note.txt").write_text("hello\n")
    (tmp_path / "empty.jsonl").touch()
    whole = gzip.compress(b"x" * 10_000)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:20])
    (tmp_path / "bad.jsonl.gz").write_bytes(whole[:12] + b"zzzz" + whole[16:])
    for name, why in {
        "missing": "found nothing there",
        "note.txt": "line 1 is no header",
        "empty.jsonl": "holds no whole line",
        "cut.jsonl.gz": "cut off",
        "bad.jsonl.gz": "damaged gzip",
        ".": "it has the folders m; allowed is",
        "m": "a folder without evidence",
    }.items():
        with pytest.raises(ReplayError, match=why):
            read_evidence(tmp_path / name)


def test_a_header_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    path = tmp_path / "m" / "0000000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"version":"2"', b'"version":"\xc7"', 1))
    with pytest.raises(ReplayError, match="line 1 is no header"):
        list(read_evidence(path))
    assert EvidenceWriter(tmp_path, Judge().head).recover("m", "2") is None


def test_nothing_there_is_nothing_recovered(tmp_path: Path) -> None:
    writer = EvidenceWriter(tmp_path / "none", Judge().head)
    assert writer.recover("m", "2") is None
    writer.end("m", 1.0)
    writer.close()
    assert not (tmp_path / "none").exists()


def test_a_header_says_all_that_a_trial_needs(tmp_path: Path) -> None:
    write(tmp_path, range(1))
    header = read_evidence(tmp_path / "m").header
    assert (header.model, header.version, header.stable, header.began) == ("m", "2", "1", 1.0)
    assert header.guardrails == Guardrails()
    assert header.snapshot == b"7"
    first = (tmp_path / "m" / "0000000001.jsonl").read_bytes().splitlines()[0]
    assert msgspec.json.decode(first)["snapshot"] == "Nw=="
