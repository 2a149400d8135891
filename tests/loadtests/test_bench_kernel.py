"""What is read from the kernel, and the sharing out of cores."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtests.bench import kernel
from loadtests.bench.processes import Cores, share_out

STATUS = "Name:\tproxy\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"


def test_memory_is_read_in_bytes() -> None:
    assert kernel.parse_memory(STATUS, "VmRSS") == 1024 * 1024
    assert kernel.parse_memory(STATUS, "VmHWM") == 2048 * 1024
    assert kernel.parse_memory("Name:\tkthreadd\n", "VmRSS") == 0


def test_a_name_may_hold_anything() -> None:
    assert kernel.parse_stat("17 (a) S 1 (b) R 4 17 17 0") == (17, 4)


def test_idle_time_is_not_busy_and_guests_are_not_counted_twice() -> None:
    stat = "cpu  100 20 30 9999 5555 4 6 40 77 88\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    assert kernel.parse_busy(stat, 100) == pytest.approx(2.0)


def test_a_family_is_found_down_to_grandchildren(tmp_path: Path) -> None:
    for pid, parent in ((1, 0), (10, 1), (11, 10), (12, 11), (13, 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (x) S {parent} 0 0")
    assert kernel.family(10, tmp_path) == [10, 11, 12]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux only")
def test_the_clock_of_another_process_runs_with_its_work() -> None:
    work = "import sys\nfor _ in range(3_000_000): pass\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        spent = kernel.cpu_ns([child.pid])
        assert kernel.family(os.getpid())[0] == os.getpid()
        assert child.pid in kernel.family(os.getpid())
        assert "range(3_000_000)" in kernel.words(child.pid)
        assert kernel.memory(child.pid) > 0
        child.communicate()
    assert spent > 1_000_000


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux only")
def test_our_own_clock_is_the_one_that_python_reads() -> None:
    before = time.process_time_ns()
    between = kernel.cpu_ns([os.getpid()])
    assert before <= between <= time.process_time_ns()


@pytest.mark.parametrize(
    ("cores", "shared"),
    [
        ([0, 1], Cores(frozenset({1}), frozenset({0}))),
        ([3, 1, 2], Cores(frozenset({3}), frozenset({1, 2}))),
        ([0], Cores(frozenset({0}), frozenset({0}))),
    ],
)
def test_the_last_core_is_the_proxys(cores: list[int], shared: Cores) -> None:
    assert share_out(cores) == shared
