"""What is to be reached: the table, as data, and what a run says about each row.

A bound is either a ratio to somebody else in the same run (``against``), or a value of its own.
For times at a fixed rate the whole time through the proxy is compared: both have the same time
without a proxy in them, so "adds at most as much" and "takes at most as long" are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loadtests.bench import alone
from loadtests.bench.rounds import Results
from loadtests.bench.spread import Spread, Verdict, at_most, no_worse, ratios, spread
from loadtests.bench.works import OURS


@dataclass(frozen=True, slots=True)
class Aim:
    """One bound.  ``same``: a ratio that should be 1, within noise."""

    text: str
    row: str
    figure: str
    against: str = ""
    reach: float | None = None
    stretch: float | None = None
    ours: str = OURS
    same: bool = False
    other_row: str = ""  # of ``against``, when it is not ``row``

    def told(self, bound: float | None) -> str:
        """The bound as people say it."""
        if self.same:
            return f"as {self.against}"
        if bound is None:
            return ""
        return f"{bound:.2f} x {self.against}" if self.against else f"{bound:.0f} MB"


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of an aim; a verdict is None where there is no such bound."""

    aim: Aim
    found: Spread | None
    reach: Verdict | None
    stretch: Verdict | None


_SPLIT: Final = "CPU per request, split"
_MIRROR: Final = "CPU per request, split and mirror, pairs kept"
_MODEL: Final = f"{OURS}, one model"

AIMS: Final = (
    Aim(_SPLIT, "split", "cpu_us", "envoy", 0.60, 0.50),
    Aim(_SPLIT, "split", "cpu_us", "nginx", 1.50, 1.20),
    Aim(_SPLIT, "split", "cpu_us", "aiohttp", 0.15),
    Aim(_MIRROR, "mirror", "cpu_us", "nginx", 0.50, 0.40),
    Aim(_MIRROR, "mirror", "cpu_us", "envoy", 0.50, 0.35),
    Aim(_MIRROR, "mirror", "cpu_us", "aiohttp", 0.14),
    Aim("p50 at 3,000 requests/s", "steady", "p50_us", "envoy", 1.0),
    Aim("p50 at 3,000 requests/s", "steady", "p50_us", "nginx", None, 1.0),
    Aim("p99 at 3,000 requests/s", "steady", "p99_us", "envoy", 1.0),
    Aim("p99 at 3,000 requests/s", "steady", "p99_us", "nginx", None, 1.0),
    Aim("CPU per 1 MiB upload", "upload", "cpu_us", "envoy", 1.0),
    Aim("CPU per 4 MiB answer", "answer", "cpu_us", "envoy", 1.0),
    Aim("event stream: time to first byte", "events", "first_byte_us", "envoy", 1.0),
    Aim("event stream: time to first byte", "events", "first_byte_us", "nginx", None, 1.0),
    Aim("event stream: CPU per event", "events", "cpu_us", "envoy", 1.0),
    Aim("event stream: CPU per event", "events", "cpu_us", "nginx", None, 1.0),
    Aim("worker memory, idle", alone.MEMORY_ROW, "idle_mb", reach=45),
    Aim("worker memory, under load, 1 GiB passing", alone.MEMORY_ROW, "large_mb", reach=80),
    Aim("CPU per request, two workers", "workers", "cpu_us", f"{OURS}, one worker", 1.10,
        ours=f"{OURS}, two workers"),
    Aim("CPU per request, 1,000 models", "models", "cpu_us", _MODEL, 1.05),
    Aim("the same, all 1,000 asked", "models-all", "cpu_us", _MODEL, 1.05, other_row="models"),
    Aim("CPU per request, new customers", alone.CUSTOMERS_ROW, "cpu_us", alone.FEW_LABEL, 1.05,
        ours=alone.MANY_LABEL),
    Aim("caller's p99, shadow hangs", "shadows", "p99_us", f"{OURS}, hung stub alone", 1.0,
        ours=f"{OURS}, hung shadow", same=True),
    Aim("caller's p99, shadow at a tenth", "shadows", "p99_us", f"{OURS}, slow stub alone", 1.0,
        ours=f"{OURS}, slow shadow", same=True),
)  # fmt: skip

ELSEWHERE: Final = (
    "From trip to the last canary request: `make demo` measures it, by the canary's own account."
)


def judge(aim: Aim, results: Results) -> Judged:
    """What the rounds say about an aim."""
    ours = results.values(aim.row, aim.ours, aim.figure)
    if aim.against:
        theirs = results.values(aim.other_row or aim.row, aim.against, aim.figure)
        found = ratios(ours, theirs)
    else:
        found = spread(ours.values())
    if aim.same:
        return Judged(aim, found, no_worse(found), None)
    return Judged(
        aim,
        found,
        None if aim.reach is None else at_most(found, aim.reach),
        None if aim.stretch is None else at_most(found, aim.stretch),
    )


def judge_all(results: Results) -> list[Judged]:
    """Every aim of which anything was measured."""
    judged = [judge(aim, results) for aim in AIMS]
    return [each for each in judged if each.found is not None]
