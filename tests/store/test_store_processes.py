"""Real processes on one history: killed in the middle of writing, and writing at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from proxy.store import History, verify

WRITER = """
import sys
from pathlib import Path
from proxy.store import Entry, History
history = History(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    history.append(Entry("note", 1.0, sys.argv[3], message="x" * (number % 300), plan=number))
    print(number, flush=True)
"""


def writer(path: Path, entries: int, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(entries), name],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with writer(path, 1_000_000, "a") as process:
        assert process.stdout is not None
        for _ in range(50):
            process.stdout.readline()
        process.kill()
        acknowledged = 50 + len(process.stdout.read().splitlines())
    history = History(path)
    assert len(history.entries()) >= acknowledged
    assert verify(path).bad_line is None
    history.close()


def test_processes_that_write_at_once_keep_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    processes = [writer(path, 40, name) for name in "abc"]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    found = verify(path)
    assert (found.entries, found.bad_line) == (120, None)
    history = History(path)
    actors = [entry.actor for entry in history.entries()]
    assert {name: actors.count(name) for name in "abc"} == {"a": 40, "b": 40, "c": 40}
    history.close()
