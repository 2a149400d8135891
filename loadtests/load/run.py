"""One scenario from beginning to end: start, call, act, measure, judge, keep."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from demo.errors import tail
from demo.places import ROOT, told
from demo.processes import Child
from loadtests.load import acts, budget, house, job, measures, payloads, report, target
from loadtests.load.acts import Stage
from loadtests.load.budget import Row, Verdict
from loadtests.load.errors import LoadError
from loadtests.load.house import House
from loadtests.load.job import DIRECT, PROXIED, Job
from loadtests.load.measures import Figures
from loadtests.load.payloads import Payload
from loadtests.load.places import LOCUST, LOCUSTFILE
from loadtests.load.scenarios import WARM_UP, Act, Scenario
from loadtests.load.target import Target

_TO_START: Final = 30.0  # seconds for the callers' process
_TO_END: Final = 30.0  # and to end and write its report


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run, and how."""

    scenario: Scenario
    seconds: float
    users: int  # on each way
    rate: float  # requests a second on each way, with the usual number of callers
    rows: list[Row]
    out: Path
    crowd: list[Payload]
    kind: str = "stubs"  # of the model servers in our own house
    workers: int = 1
    patience: float = 10.0
    last_event: str = ""
    target: Target | None = None  # somebody's own; None is our own house


@dataclass(slots=True)
class Result:
    """What came of it."""

    order: Order
    whole: Figures = field(default_factory=dict)
    phases: dict[str, Figures] = field(default_factory=dict)
    direct_errors: Figures = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        return all(verdict.kept for verdict in self.verdicts)


async def run(order: Order, out: Console) -> Result:
    """Raises LoadError and DemoError when the scenario cannot be carried out."""
    name = order.scenario.name
    folder = order.out / "run" / name  # where the processes say what they say
    # Made afresh: a revert of the last run would hold in this one, as it should.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record = order.out / f"{name}.jsonl"
    record.unlink(missing_ok=True)
    async with _place(order, folder, out) as (place, own):
        callers = await _call(order, place, folder, record)
        try:
            began = await _began(callers, record)
            stage = Stage(order.scenario, began, order.seconds, callers, own, place.admin)
            await _play(stage, record, out)
            await _ended(callers)
        finally:
            await callers.stop(3.0)
    result = await asyncio.to_thread(weigh, order, stage, record)
    report.keep(result)
    return result


@asynccontextmanager
async def _place(
    order: Order, folder: Path, out: Console
) -> AsyncIterator[tuple[Target, House | None]]:
    """Where the calls go: what was given, or a house of our own for as long as the block."""
    if order.target is not None:
        await target.check(order.target, order.crowd[0])
        yield order.target, None
        return
    path = house.STREAM if order.scenario.stream else house.INFER
    async with house.running(order.scenario, order.kind, order.workers, folder, out) as own:
        here = Target(own.proxy, own.versions["1"], path, path, house.HEADER, {}, own.admin)
        await target.check(here, order.crowd[0])
        yield here, own


async def _call(order: Order, place: Target, folder: Path, record: Path) -> Child:
    """Start the callers in Locust's environment."""
    scenario = order.scenario
    payloads.write(order.crowd, folder / "payloads.jsonl")
    proxied, direct = place.urls
    told_to = Job(
        urls={PROXIED: proxied, DIRECT: direct},
        headers=place.sent,
        customer_header=place.customer_header,
        payloads=str(folder / "payloads.jsonl"),
        record=str(record),
        stages=scenario.stages(order.seconds, order.users),
        period=order.users / order.rate,
        patience=order.patience,
        stream=scenario.stream,
        last_event=order.last_event if order.target else "[DONE]",
    )
    job.save(told_to, folder / "job.json")
    command = [str(LOCUST.python), "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless"]
    command += ["--only-summary", "--exit-code-on-error", "0", "--stop-timeout", "5"]
    command += ["--html", str(order.out / f"{scenario.name}.html")]
    command += ["--csv", str(order.out / scenario.name)]
    env = {job.VARIABLE: str(folder / "job.json"), "PYTHONPATH": str(ROOT)}
    return await house.start("locust", command, folder, env)


async def _began(callers: Child, record: Path) -> float:
    """When the calling began, in seconds since the epoch."""
    until = time.monotonic() + _TO_START
    while time.monotonic() < until:
        callers.must_run()
        if (began := job.began(record)) is not None:
            return began
        await asyncio.sleep(0.02)
    raise LoadError(
        f"Locust did not begin within {_TO_START:.0f} s; {told(callers.log)} ends:\n"
        f"{tail(callers.log)}"
    )


async def _play(stage: Stage, record: Path, out: Console) -> None:
    """The act and the progress beside it, while the callers call."""
    beside = asyncio.create_task(report.progress(stage, record, out), name="progress")
    try:
        await acts.play(stage)
    finally:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)


async def _ended(callers: Child) -> None:
    try:
        code = await asyncio.wait_for(callers.process.wait(), _TO_END)
    except TimeoutError:
        raise LoadError(
            f"Locust did not end within {_TO_END:.0f} s of its time; {told(callers.log)} ends:\n"
            f"{tail(callers.log)}"
        ) from None
    if code:
        callers.must_run()


def weigh(order: Order, stage: Stage, record: Path) -> Result:
    """Measure what was recorded, and judge it by the budget."""
    with record.open() as lines:
        everything = list(job.exchanges(lines))
    by_phase = measures.split(everything, stage.marks)
    lasted = measures.seconds(stage.marks, stage.end)
    times = {load.phase: load.times for load in order.scenario.loads}
    due = {phase: order.rate * times.get(phase, 1.0) * lasted[phase] for phase in lasted if phase}
    phases = {phase: measures.general(by_phase.get(phase, []), due[phase]) for phase in due}
    judged = [one for phase, met in by_phase.items() if phase for one in met]
    proxied = [one for one in everything if one.way == PROXIED]
    direct = [one for one in everything if one.way == DIRECT]
    whole = measures.general(judged, sum(due.values()))
    # An error is one whenever it comes: in the warm-up and while a change is on its way as well.
    whole |= measures.errors(proxied) | stage.figures
    if order.scenario.stream:
        whole |= measures.of_streams(judged)
        whole["truncated_streams"] = float(sum(one.error == "truncated" for one in proxied))
    if order.scenario.act is Act.SHADOW:
        whole |= measures.of_shadow(phases)
    if order.scenario.act is Act.FAILING:
        whole |= measures.of_revert(everything)
    verdicts = budget.judge(order.rows, whole, phases)
    return Result(order, whole, phases, measures.errors(direct), verdicts)


def about(order: Order) -> float:
    """Seconds that a run takes, about: starting and ending included."""
    return order.seconds + WARM_UP + (20.0 if order.kind == "mlserver" else 5.0)
