"""wrk, where it is installed: closed-loop load from C, lighter than ours.

Its Lua script makes the same requests as ``requests`` does, and prints one line that is ours to
read; wrk's own text is for people.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.errors import BenchError
from loadtests.bench.requests import template
from loadtests.bench.works import BODY

_SCRIPT: Final = """\
local before, after = {{{before}}}, {after}
local number, customers, models = {first}, {customers}, {models}
function request()
    number = number + 1
    return before[number % models + 1] .. string.format("%d", number % customers) .. after
end
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("bench requests=%d microseconds=%d failed=%d\\n",
        summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
_LINE: Final = re.compile(r"^bench requests=(\d+) microseconds=(\d+) failed=(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counted:
    """What wrk says that it did."""

    requests: int
    seconds: float
    failed: int


def program() -> str | None:
    return shutil.which("wrk")


def script(models: int, first: int, customers: int) -> str:
    """The Lua script for these models and customers."""
    halves = [template(model, BODY) for model in range(models)]
    return _SCRIPT.format(
        before=", ".join(_quoted(before) for before, _ in halves),
        after=_quoted(halves[0][1]),
        first=first,
        customers=customers,
        models=models,
    )


def _quoted(data: bytes) -> str:
    return '"' + data.decode().replace("\r", "\\r").replace("\n", "\\n") + '"'


def command(wrk: str, port: int, seconds: int, connections: int, script: Path) -> list[str]:
    """One thread: the load has one core."""
    return [
        wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
        "-s", str(script), f"http://127.0.0.1:{port}/",
    ]  # fmt: skip


def parse(said: str) -> Counted:
    """Raises BenchError when wrk did not come to its end."""
    found = _LINE.search(said)
    if found is None:
        raise BenchError(f"wrk did not say what it did; it said:\n{said}")
    requests, microseconds, failed = map(int, found.groups())
    return Counted(requests, microseconds / 1e6, failed)
