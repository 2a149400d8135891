"""Pairs a second that a desk compares, and how long its loop is held by it.

    python -m loadtests.pairs [--rate 6000] [--cpu 30] [--seconds 10]

Offers pairs of a probability in MLServer's JSON, with three dimensions of segments, as reports of
a worker, to the comparisons of a desk that has nothing else to do.  ``late`` is by how much a
sleep of 1 ms on the same loop is too long.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Final

from proxy.compare.options import Options
from proxy.judge.gate import Criteria
from proxy.measure import Report
from proxy.measure.tally import ModelTally
from proxy.net import Tasks
from proxy.routing.plan import ModelPlan, Plan, ShadowPlan, VersionPlan
from proxy.settings import Comparing
from proxy.steering.comparing import Comparisons
from proxy.store.comparisons import ComparisonFiles
from proxy.terms import Half, Outcome, Pair

PAIRS: Final = 20_000
EVERY: Final = 0.25


def half(version: str, score: float) -> Half:
    outputs = [
        {"name": "predict_proba", "shape": [1, 2], "datatype": "FP64", "data": [1 - score, score]}
    ]
    answer = {"model_name": "credit-risk", "model_version": version, "id": "0", "outputs": outputs}
    body = json.dumps(answer).encode()
    return Half(version, Outcome.OK, 200, 0.01, body, len(body), "application/json")


def made() -> list[Pair]:
    chance = random.Random(1)
    found = []
    for k in range(PAIRS):
        score, segments = chance.random(), (f"age={k % 4}", f"sex={k % 2}", f"region={k % 6}")
        other = min(1.0, score + 0.03 * (k % 4 == 0))
        found.append(
            Pair(f"r{k}", "m", f"c{k % 5000}", segments, 1.7e9 + k, half("1", score),
                 half("2", other))
        )  # fmt: skip
    return found


async def measure(rate: int, cpu: float, seconds: float, folder: Path) -> str:
    versions = tuple(VersionPlan(name, ()) for name in "12")
    model = ModelPlan("m", "/m", "1", versions, shadows=(ShadowPlan("2", 100.0, ""),))
    how = Comparing(Options(), Criteria(), logged=100.0, cpu=cpu / 100)
    comparisons = Comparisons(
        {"m": how}, Plan(1, (model,)), ComparisonFiles(folder), lambda _: None, lambda _: None
    )
    tasks, late, pairs = Tasks(), list[float](), made()
    gc.collect()
    gc.freeze()  # as a desk does
    pump = tasks.start(comparisons.run(), "comparisons")
    ticking = tasks.start(_tick(late), "ticks")
    await asyncio.sleep(EVERY)
    late.clear()
    began, spent, sent = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        n = round(rate * EVERY)
        batch = [pairs[(sent + k) % PAIRS] for k in range(n)]
        counts = ModelTally("m", copies={"2": {"sent": n}})
        comparisons.offer(Report(EVERY, pairs=batch, models=[counts]))
        sent += n
        await asyncio.sleep(max(0.0, began + sent / rate - time.perf_counter()))
    took, spent = time.perf_counter() - began, time.process_time() - spent
    done = comparisons.compared
    ticking.cancel()
    comparisons.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(pump, ticking)
    late.sort()
    return (
        f"offered {sent / took:,.0f} a second, compared {done / took:,.0f}; {spent / took:.0%} of "
        f"a core, clock and offering included; sample {comparisons.pacing.rate:.0%}; loop late "
        f"p50 {late[len(late) // 2] * 1e3:.2f}, p99 {late[len(late) * 99 // 100] * 1e3:.2f}, "
        f"most {late[-1] * 1e3:.1f} ms"
    )


async def _tick(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - began - 0.001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=6_000, help="pairs offered a second")
    parser.add_argument("--cpu", type=float, default=30.0, help="percent of a core (compare.cpu)")
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(measure(asked.rate, asked.cpu, asked.seconds, Path(folder))))


if __name__ == "__main__":
    main()
