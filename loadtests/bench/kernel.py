"""What the kernel knows of other processes: CPU time, memory, children.  Linux only.

CPU time is the kernel's clock of the whole process, user and system, in nanoseconds, with the
threads that have ended; ``/proc/<pid>/stat`` has the same in steps of 10 ms.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
#: CPUCLOCK_SCHED in the three low bits of a clock's number: user and system together.
_SCHED: Final = 2


def clock_of(pid: int) -> int:
    """The number of the CPU clock of a process: what clock_getcpuclockid(3) gives."""
    return (~pid << 3) | _SCHED


def cpu_ns(pids: Iterable[int]) -> int:
    """User and system nanoseconds of all of ``pids`` so far.  Raises OSError when one is gone."""
    return sum(time.clock_gettime_ns(clock_of(pid)) for pid in pids)


def family(pid: int, proc: Path = _PROC) -> list[int]:
    """``pid`` and all that descend from it, in that order."""
    children: dict[int, list[int]] = {}
    for stat in proc.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            child, parent = parse_stat(stat.read_text())
            children.setdefault(parent, []).append(child)
    found = [pid]
    for each in found:  # grows while it is walked
        found += children.get(each, [])
    return found


def parse_stat(text: str) -> tuple[int, int]:
    """The process and its parent; the name between may hold spaces and parentheses."""
    pid, _, rest = text.partition(" (")
    return int(pid), int(rest.rpartition(")")[2].split()[1])


def words(pid: int, proc: Path = _PROC) -> str:
    """The command line, with spaces between the words."""
    return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def memory(pid: int, field: str = "VmRSS", proc: Path = _PROC) -> int:
    """Bytes: ``VmRSS`` now, ``VmHWM`` the most there ever was."""
    return parse_memory((proc / str(pid) / "status").read_text(), field)


def parse_memory(status: str, field: str) -> int:
    """Bytes of a ``/proc/<pid>/status`` field; 0 when it is not there."""
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


class Others:
    """How much of the machine other programs took since it was made.

    ``cores``: of all CPU time that passed, what neither this process nor any of its own took,
    as a number of cores.  The machine counts in steps of 10 ms.
    """

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), busy(), _own()

    def cores(self) -> float:
        passed = time.monotonic() - self._began
        return max(0.0, (busy() - self._busy - _own() + self._own) / passed)


def busy(proc: Path = _PROC) -> float:
    """Seconds that all cores have been busy since the machine was started."""
    return parse_busy((proc / "stat").read_text(), os.sysconf("SC_CLK_TCK"))


def parse_busy(stat: str, ticks: int) -> float:
    """User, nice, system, interrupts and stolen time; not idle and not waiting for disks."""
    user, nice, system, _, _, irq, soft, steal = map(int, stat.splitlines()[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / ticks


def _own() -> float:
    """Seconds of this process and its own: those that have ended, and those that live."""
    seconds = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        seconds += used.ru_utime + used.ru_stime
    for pid in family(os.getpid())[1:]:
        with contextlib.suppress(OSError):  # it has just ended
            seconds += cpu_ns([pid]) / 1e9
    return seconds
