"""How cost grows with models, segments, workers and requests: unit costs, and what follows.

    python -m loadtests.scale [--models 1,10,100,1000] [--request-us 30]

Everything is measured with the real classes in one process, without a socket: a worker's Plane
that counts, reports and takes Plans, and a release desk that reads the reports, judges and
answers /metrics.  What the traffic does is made up: latencies of a log-normal shape, one canary
of 10 %, one shadow, one segment of three values.  Prints the tables that docs/scale.md quotes.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from loadtests.plane import SEGMENTS, SHADOWS, plan
from proxy.admin.series import exposition
from proxy.fleet import messages as m
from proxy.fleet.framing import HEAD, frame
from proxy.fleet.plans import DownDecoder
from proxy.measure import ModelTally, Report, Tally
from proxy.routing.plan import ModelPlan, Plan
from proxy.settings import parse
from proxy.steering import ReleaseDesk
from proxy.steering.observe import SHARE_SECONDS, Observed
from proxy.store import History
from proxy.traffic import Plane
from proxy.traffic.recording import record

ROUNDS: Final = 5
REPORTS_A_SECOND: Final = 4
TICKS_A_SECOND: Final = 10
#: Seconds of traffic that the desk has seen when it is measured.
SEEN: Final = 10
#: Seconds after which the windows of a model with default thresholds grow no more.
FULL: Final = round(SHARE_SECONDS[0]) + 5
#: Models whose windows are weighed: they are all alike.
MEASURED: Final = 10
#: Of a worker at its limit, between two reports: no model is busier than its share of these.
MOST: Final = 8_000
AGES: Final = ("young", "senior", "other")

_up: Final = msgspec.msgpack.Decoder(m.Up)


class Costs(NamedTuple):
    """Of one number of models, all of them busy.  Times are CPU microseconds."""

    models: int
    report_idle: float  # Plane.report when nothing was touched
    report: float
    report_bytes: int
    encode: float
    decode: float
    take: float  # ReleaseDesk.report
    tick: float
    metrics: float
    metrics_bytes: int
    status: float
    plan_bytes: int
    plan_encode: float
    plan_decode: float
    plan_again: float  # decoded again with one model changed
    apply: float
    apply_again: float  # applied again with one model changed
    worker_kib: float  # of memory, for each model
    window_kib: float  # of the desk's memory, for each model that is busy all the time


def least(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """The least CPU microseconds of ``work`` over the rounds: noise only ever adds."""
    best = float("inf")
    for _ in range(ROUNDS):
        before()
        start = time.process_time_ns()
        work()
        best = min(best, (time.process_time_ns() - start) / 1000)
    return best


def bytes_of(work: Callable[[], object]) -> int:
    """How many bytes of what ``work`` made are there afterwards."""
    gc.collect()
    tracemalloc.start()
    kept = work()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept is not None
    return grown


# ---- the worker


def serve(plane: Plane, requests: int, chance: random.Random) -> None:
    """Counts ``requests`` for every model, as exchanges that ended would."""
    assert plane.board is not None
    for route in plane.board.routes:
        canary, (mirror,) = route.canary, route.mirrors
        assert canary is not None
        tally = route.counts.tally or route.counts.running()
        for number in range(requests):
            arm = canary if number % 10 == 9 else route.stable
            tally.customers[arm.arm] = tally.customers.get(arm.arm, 0) + 1
            age = f"age_band={AGES[number % len(AGES)]}"
            for one in (arm, mirror.route):
                total = int(chance.lognormvariate(16.8, 0.5))  # 20 ms, give or take
                record(one.joint((age,)), "ok", total * 9 // 10, total, 500, 200)
            route.counts.count_copy("3", "sent")


def reverted(whole: Plan) -> Plan:
    """The next Plan: one model has lost its canary."""
    models = list(whole.models)
    middle = len(models) // 2
    models[middle] = replace(models[middle], canary=None)
    return replace(whole, number=whole.number + 1, models=tuple(models))


class WorkerCosts(NamedTuple):
    plane: Plane
    numbers: dict[str, float]


def worker(models: int) -> WorkerCosts:
    """What a worker pays."""
    whole = plan(SHADOWS, SEGMENTS, models)
    first, second = (frame(m.PlanMessage(each))[HEAD:] for each in (whole, reverted(whole)))
    decoder, plane = DownDecoder(), Plane(0)
    plane.apply(_plan(decoder, first))
    plane.desk_heard()
    again, applied = _replans(plane, decoder, (second, first))
    plane.report()
    return WorkerCosts(
        plane,
        {
            "plan_bytes": len(first),
            "plan_encode": least(lambda: frame(m.PlanMessage(whole))),
            "plan_decode": least(lambda: DownDecoder().decode(first)),
            "plan_again": again,
            "apply": least(lambda: Plane(0).apply(whole)),
            "apply_again": applied,
            "report_idle": least(plane.report),
            "worker_kib": bytes_of(lambda: _fresh(first)) / 1024 / models,
        },
    )


def _fresh(body: bytes) -> object:
    decoder, plane = DownDecoder(), Plane(0)
    plane.apply(_plan(decoder, body))
    return decoder, plane


def _plan(decoder: DownDecoder, body: bytes) -> Plan:
    message = decoder.decode(body)
    assert isinstance(message, m.PlanMessage)
    return message.plan


def _replans(plane: Plane, decoder: DownDecoder, bodies: tuple[bytes, bytes]) -> tuple[float, ...]:
    """Reading, and applying, a Plan that differs from the last one in one model."""
    read = applied = float("inf")
    for body in bodies * ROUNDS:
        held: list[Plan] = []
        start = time.process_time_ns()
        held.append(_plan(decoder, body))
        middle = time.process_time_ns()
        plane.apply(held[0])
        read = min(read, (middle - start) / 1000)
        applied = min(applied, (time.process_time_ns() - middle) / 1000)
    return read, applied


def busy_reports(plane: Plane, requests: int, numbers: dict[str, float]) -> Iterator[bytes]:
    """Reports of a worker whose every model is busy, as bytes, without end; the cost is noted."""
    chance = random.Random(7)
    numbers["report"] = numbers["encode"] = float("inf")
    while True:
        serve(plane, requests, chance)
        start = time.process_time_ns()
        report = plane.report()
        middle = time.process_time_ns()
        body = frame(m.ReportMessage(report))
        end = time.process_time_ns()
        numbers["report"] = min(numbers["report"], (middle - start) / 1000)
        numbers["encode"] = min(numbers["encode"], (end - middle) / 1000)
        numbers["report_bytes"] = len(body)
        yield body[HEAD:]


# ---- the desk


def config(models: tuple[ModelPlan, ...]) -> bytes:
    """The same models as a config file."""
    lines = ["models:"]
    for model in models:
        lines += [
            f"  {model.name}:",
            f"    match: {{path_prefix: {model.path_prefix}}}",
            "    customer: {header: X-Customer-Id}",
            "    segments: {age_band: {header: X-Age-Band, values: [young, senior]}}",
            "    versions:",
            *(
                f'      "{version.name}": {{endpoints: ["http://{version.endpoints[0]}"]}}'
                for version in model.versions
            ),
            '    split: {stable: "1", canary: {version: "2", percent: 10}, '
            'shadow: [{version: "3", percent: 100}]}',
        ]
    return "\n".join(lines).encode()


def desk(models: int, requests: int, of: WorkerCosts, folder: Path) -> None:
    """What the desk pays; goes into the worker's numbers."""
    numbers, now = of.numbers, [1_000_000.0]
    settings = parse(config(plan((), (), models).models), folder / "scale.yaml")
    made = ReleaseDesk(settings, History(folder / "h.jsonl"), lambda _: None, lambda: now[0])
    made.hello(0, 0)
    reports = busy_reports(of.plane, requests, numbers)
    seen = [next(reports) for _ in range(SEEN * REPORTS_A_SECOND)]
    for body in seen:
        now[0] += 1 / REPORTS_A_SECOND
        made.report(0, _report(body))
    numbers["window_kib"] = _windows([_report(body).tallies for body in seen]) / 1024
    body = next(reports)
    numbers["decode"] = least(lambda: _report(body))
    held = [_report(body) for _ in range(ROUNDS)]
    numbers["take"] = least(lambda: made.report(0, held.pop()))
    numbers["tick"] = least(made.tick, lambda: made.report(0, _report(body)))
    told: list[bytes] = []
    numbers["metrics"] = least(lambda: told.append(exposition(made)))
    numbers["metrics_bytes"] = len(told[-1])
    numbers["status"] = least(made.status)


def _windows(told: list[list[Tally]]) -> float:
    """Bytes of the desk's windows for each model, once they are full of traffic like this."""
    names = sorted({tally.model for tallies in told for tally in tallies})[:MEASURED]
    reports = [[it for it in tallies if it.model in names] for tallies in told]
    counts = [ModelTally(name, customers={"stable": 45, "canary": 5}) for name in names]

    def fill() -> Observed:
        made = Observed()
        for at in range(FULL * REPORTS_A_SECOND):
            made.add(0, reports[at % len(reports)], counts, at / REPORTS_A_SECOND)
        return made

    return bytes_of(fill) / len(names)


def _report(body: bytes) -> Report:
    message = _up.decode(body)
    assert isinstance(message, m.ReportMessage)
    return message.report


def costs(models: int, requests: int) -> Costs:
    """Everything at this number of models, each with ``requests`` in every report."""
    of = worker(models)
    with TemporaryDirectory() as folder:
        desk(models, requests, of, Path(folder))
    return Costs(models=models, **of.numbers)  # type: ignore[arg-type]


# ---- what is printed


def table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def us(value: float) -> str:
    return f"{value / 1000:,.1f} ms" if value >= 1000 else f"{value:,.0f} us"


def size(count: float) -> str:
    return f"{count / 1024:,.1f} KiB" if count < 1 << 20 else f"{count / 1048576:,.1f} MiB"


def print_costs(rows: list[Costs]) -> None:
    table(
        "A worker, on the traffic's loop",
        ("models", "report, nothing touched", "report, all busy", "encode", "bytes",
         "Plan, bytes", "read, first", "read, one changed", "apply, first", "apply, one changed",
         "memory for a model"),
        [
            (f"{c.models:,}", us(c.report_idle), us(c.report), us(c.encode), size(c.report_bytes),
             size(c.plan_bytes), us(c.plan_decode), us(c.plan_again), us(c.apply),
             us(c.apply_again), f"{c.worker_kib:.0f} KiB")
            for c in rows
        ],
    )  # fmt: skip
    table(
        "The desk, all models busy",
        ("models", "read a report", "take it", "a tick", "/v1/status", "/metrics", "its bytes",
         "write a Plan", "windows of a model"),
        [
            (f"{c.models:,}", us(c.decode), us(c.take), us(c.tick), us(c.status), us(c.metrics),
             size(c.metrics_bytes), us(c.plan_encode), size(c.window_kib * 1024))
            for c in rows
        ],
    )  # fmt: skip


def print_predictions(rows: list[Costs], request_us: float) -> None:
    """What follows for one worker, and for one desk."""
    out = []
    for c in rows:
        spent = (c.report + c.encode) * REPORTS_A_SECOND / 1e6
        word = (c.decode + c.take) * REPORTS_A_SECOND / 1e6
        base = c.tick * TICKS_A_SECOND / 1e6
        scrape = c.metrics / 15 / 1e6
        left = max(0.0, 0.5 - base - scrape)
        out.append(
            (f"{c.models:,}", f"{(1 - spent) * 1e6 / request_us:,.0f}", f"{spent:.2%}",
             f"{base:.1%}", f"{word:.2%}", f"{scrape:.2%}", f"{left / word:,.0f}",
             size(c.window_kib * 1024 * c.models))
        )  # fmt: skip
    table(
        f"What follows ({request_us:g} us for a request; reports {REPORTS_A_SECOND} and ticks "
        f"{TICKS_A_SECOND} times a second; /metrics every 15 s)",
        (
            "models, all busy",
            "requests/s of a worker's core",
            "of it for reports",
            "desk: ticks",
            "desk: for each worker",
            "desk: /metrics",
            "workers at half a core",
            "desk: windows",
        ),
        out,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="1,10,100,1000", help="numbers of models")
    parser.add_argument("--requests", type=int, default=50, help="of a model in one report")
    parser.add_argument("--request-us", type=float, default=30.0, help="CPU of one request")
    asked = parser.parse_args()
    rows = [
        costs(models, max(1, min(asked.requests, MOST // models)))
        for models in map(int, asked.models.split(","))
    ]
    print_costs(rows)
    print_predictions(rows, asked.request_us)


if __name__ == "__main__":
    main()
