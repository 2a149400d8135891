"""Evidence of real processes: killed while writing, and with no room for a while."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from proxy.judge import Guardrails
from proxy.store import EvidenceWriter, Head

COMMON = """
import resource, sys, time
from pathlib import Path
from proxy.judge import Evidence, Guardrails
from proxy.store import EvidenceLimits, EvidenceWriter, Head
total = 0
def head(model, version):
    return Head(str(total).encode(), Guardrails(), 1.0)
limits = EvidenceLimits(file=20_000, linger=0.01, retry=0.01)
writer = EvidenceWriter(Path(sys.argv[1]), head, limits)
def add(number):
    global total
    writer.add(Evidence(float(number), "m", "2", "1", 0.05))
    total += number
"""
KILLED = """
number = 0
while True:
    for _ in range(20):
        number += 1
        add(number)
    print(number, flush=True)
    time.sleep(0.001)
"""
NO_ROOM = """
for number in range(100): add(number)
while writer.status().pending: time.sleep(0.01)
size = (Path(sys.argv[1]) / "m" / "0000000001.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, resource.RLIM_INFINITY))
for number in range(100, 110): add(number)
while writer.status().pending: time.sleep(0.01)
assert writer.lost == 10, writer.status()
assert "File too large" in writer.status().error, writer.status()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
while writer.status().error:
    number += 1
    add(number)
    time.sleep(0.02)
writer.close()
print(total)
"""


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMON + script, str(folder)], stdout=subprocess.PIPE, text=True
    )


def recovered(folder: Path) -> tuple[int, int]:
    """The total, and the last number in it."""
    writer = EvidenceWriter(folder, lambda *_: Head(None, Guardrails(), 1.0))
    found = writer.recover("m", "2")
    writer.close()
    assert found is not None
    assert found.snapshot is not None
    numbers = [int(line.at) for line in found.lines]
    return int(found.snapshot) + sum(numbers), found.header.from_line + len(numbers)


def test_after_a_kill_the_state_is_that_of_some_moment_before(tmp_path: Path) -> None:
    with start(KILLED, tmp_path) as process:
        assert process.stdout is not None
        for _ in range(150):
            process.stdout.readline()
        process.kill()
    total, last = recovered(tmp_path)
    assert last > 0
    assert total == last * (last + 1) // 2


def test_without_room_lines_are_lost_and_then_the_disk_is_exact_again(tmp_path: Path) -> None:
    with start(NO_ROOM, tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert recovered(tmp_path)[0] == int(said)
