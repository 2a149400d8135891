"""What is done to the proxy and its upstreams while the callers call, and when.

A ``Stage`` notes each phase as it begins.  While a change is on its way to the workers there is
no phase: such requests must not fail either, but no latency is taken from them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from demo import desk
from demo.desk import Desk, Status
from demo.processes import Child
from loadtests.load.errors import LoadError
from loadtests.load.house import CANARY, MODEL, TRIAL, Config, House, with_shadow, with_split
from loadtests.load.measures import Figures, Mark
from loadtests.load.scenarios import WARM_UP, Act, Scenario

_WITHIN: Final = 10.0  # seconds for a change to reach every worker
#: The status says which plan a worker was given; it needs a moment to read it.
_SETTLED: Final = 0.1
_RELOAD_EVERY: Final = 0.5
_NONSENSE_EVERY: Final = 5  # edits


@dataclass
class Stage:
    """One run under way: its clock, its marks and what the acts found out."""

    scenario: Scenario
    began: float  # seconds since the epoch
    seconds: float  # without the warm-up
    callers: Child
    house: House | None
    admin: str
    marks: list[Mark] = field(default_factory=list)
    figures: Figures = field(default_factory=dict)

    @property
    def end(self) -> float:
        return self.began + WARM_UP + self.seconds

    def mark(self, phase: str) -> None:
        self.marks.append(Mark(time.time(), phase))

    def must_run(self) -> None:
        """Raises DemoError when any child has ended before its time."""
        if self.callers.process.returncode or time.time() < self.end:
            self.callers.must_run()
        if self.house is not None:
            self.house.must_run()

    async def at(self, share: float) -> None:
        """Wait until so much of the run is over; raises DemoError when a child ends."""
        due = self.began + WARM_UP + share * self.seconds
        while (left := due - time.time()) > 0:
            await asyncio.sleep(min(left, 0.25))
            self.must_run()


async def play(stage: Stage) -> None:
    """The scenario's act, until the end of its load.  Raises LoadError when it cannot be done."""
    await _ACTS[stage.scenario.act](stage)
    await stage.at(1.0)
    stage.marks.append(Mark(stage.end, ""))


async def _only_load(stage: Stage) -> None:
    """The phases are those of the load itself."""
    share = 0.0
    for load in stage.scenario.loads:
        await stage.at(share)
        stage.mark(load.phase)
        share += load.share


async def _shadow(stage: Stage) -> None:
    """Twice without and with the shadow: whatever drifts, drifts for both."""
    house = _house(stage)
    alone = house.config["models"][MODEL]["split"]
    await stage.at(0.0)
    async with Desk(house.admin) as admin:
        for share, phase in ((0.25, "alone"), (0.5, "shadowed"), (0.75, "alone"), (1, "shadowed")):
            shadowed = phase == "shadowed"
            if stage.marks:
                stage.mark("")
                new = with_shadow(alone) if shadowed else alone
                await _change(house, admin, with_split(house.config, new))
            stage.mark(phase)
            await stage.at(share)
        stage.mark("")
        await asyncio.sleep(2 * _RELOAD_EVERY)  # the workers' last counts
        copies = desk.counted(await admin.metrics(), MODEL).copies.get(TRIAL, {})
    stage.figures["copies"] = float(sum(copies.values()))


async def _failing(stage: Stage) -> None:
    """The canary is good for a third of the run, and then fails every second request."""
    house = _house(stage)
    await stage.at(0.0)
    stage.mark("good")
    await stage.at(0.33)
    await house.tell_trial({"error_share": 0.5})
    stage.mark("failing")
    async with Desk(house.admin) as admin:
        left = stage.end - time.time()
        status = await admin.until(lambda now: desk.latch(now, MODEL, TRIAL) is not None, left)
    stage.figures["reverts"] = float(status is not None)


async def _reloads(stage: Stage) -> None:
    """Edit after edit; our own house's file, or whatever the given proxy reads again."""
    await stage.at(0.0)
    stage.mark("storm")
    if stage.house is None:
        await _ask_for_reloads(stage)
    else:
        await _edit(stage, stage.house)


async def _edit(stage: Stage, house: House) -> None:
    """Other shares and shadows; now and then nonsense, which must be refused."""
    good, edits = house.config, 0
    async with Desk(house.admin) as admin:
        while time.time() < stage.end - _RELOAD_EVERY:
            edits += 1
            due = time.time() + _RELOAD_EVERY
            if edits % _NONSENSE_EVERY == 0:
                await _refused(house, admin, with_split(good, {"stable": "none of these"}))
            else:
                await _change(house, admin, with_split(good, _another(edits)))
                stage.figures["reloads"] = stage.figures.get("reloads", 0.0) + 1
            await asyncio.sleep(max(0.0, due - time.time()))
            stage.must_run()


def _another(number: int) -> Config:
    """A split that differs from the one before it."""
    split = {"stable": "1", "canary": {"version": CANARY, "percent": 5 + number % 7}}
    return with_shadow(split) if number % 2 else split


async def _ask_for_reloads(stage: Stage) -> None:
    async with aiohttp.ClientSession(stage.admin) as session:
        while time.time() < stage.end - _RELOAD_EVERY:
            due = time.time() + _RELOAD_EVERY
            async with session.post("/v1/reload", json={}) as answer:
                if answer.status != 200:
                    found = f"{answer.status}: {(await answer.text())[:500]}"
                    raise LoadError(
                        f"{stage.admin}/v1/reload answered {found}\nallowed is 200; the config "
                        "that the proxy reads must be a good one"
                    )
            stage.figures["reloads"] = stage.figures.get("reloads", 0.0) + 1
            await asyncio.sleep(max(0.0, due - time.time()))
            stage.must_run()


async def _change(house: House, admin: Desk, config: Config) -> None:
    """Save a config and wait until every worker has its plan."""
    before = (await admin.status())["plan_number"]
    house.save(config)

    def in_force(now: Status) -> bool:
        plans = [worker["plan_number"] for worker in now["workers"]]
        number = now["plan_number"]
        return number > before and bool(plans) and all(plan >= number for plan in plans)

    await _until(house, admin, in_force, "an edit is not in force")
    await asyncio.sleep(_SETTLED)


async def _refused(house: House, admin: Desk, config: Config) -> None:
    house.save(config)
    await _until(house, admin, lambda now: bool(desk.last_error(now)), "nonsense was not refused")


async def _until(
    house: House, admin: Desk, holds: Callable[[Status], bool], otherwise: str
) -> None:
    if await admin.until(holds, _WITHIN) is not None:
        return
    house.must_run()
    status: dict[str, Any] = await admin.status()
    told = json.dumps({"plan": status["plan_number"], "workers": status["workers"]})
    raise LoadError(
        f"{otherwise} after {_WITHIN:.0f} s; the config is {house.file}, its last error: "
        f"{desk.last_error(status) or 'none'}; {told}"
    )


def _house(stage: Stage) -> House:
    assert stage.house is not None, "the command line refuses this scenario without one"
    return stage.house


_ACTS: Final[dict[Act, Callable[[Stage], Awaitable[None]]]] = {
    Act.NOTHING: _only_load,
    Act.SHADOW: _shadow,
    Act.FAILING: _failing,
    Act.RELOADS: _reloads,
}
