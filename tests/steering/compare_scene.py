"""Comparisons with a plan, files and somebody who offers pairs; time is moved by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from proxy.compare.options import Options
from proxy.feedback import Label, Prediction
from proxy.judge.gate import Criteria
from proxy.measure import Report
from proxy.measure.tally import ModelTally, Tally
from proxy.routing.plan import ModelPlan, Plan, ShadowPlan, VersionPlan
from proxy.settings import Comparing
from proxy.steering.comparing import Comparisons
from proxy.store.comparisons import ComparisonFiles
from proxy.store.ledger import Joined
from proxy.terms import Half, Outcome, Pair

NOW = 1_790_000_000.0
HOW = Comparing(Options(), Criteria(pairs=10), logged=100.0, cpu=1.0)


def half(version: str, score: float, size: int = 0) -> Half:
    outputs = [{"name": "predict_proba", "shape": [1, 2], "datatype": "FP64",
                "data": [1 - score, score]}]  # fmt: skip
    body = json.dumps({"id": "x" * size, "outputs": outputs}).encode()
    return Half(version, Outcome.OK, 200, 0.01, body, len(body), "application/json")


def pair(
    k: int, live: float = 0.4, shadow: float = 0.4, *, version: str = "2", stable: str = "1",
    size: int = 0,
) -> Pair:  # fmt: skip
    return Pair(
        f"r{k}", "m", f"c{k}", (f"age={'young' if k % 2 else 'old'}",), NOW + k / 100,
        half(stable, live, size), half(version, shadow, size),
    )  # fmt: skip


def report(pairs: Sequence[Pair], dropped: int = 0) -> Report:
    """Every pair came of a copy, and stable answered as many requests."""
    copies: dict[str, dict[str, int]] = {}
    for it in pairs:
        found = copies.setdefault(it.shadow.version, {"sent": 0})
        found["sent"] += 1
    lost = {"2": dropped} if dropped else {}
    if dropped:
        copies.setdefault("2", {"sent": 0})["sent"] += dropped
    return Report(
        0.25,
        pairs=list(pairs),
        models=[ModelTally("m", copies=copies, pairs_dropped=lost)],
        tallies=[Tally("m", "1", "stable", "", {"ok": len(pairs)})],
    )


def plan(*shadows: str, stable: str = "1") -> Plan:
    versions = tuple(VersionPlan(name, ()) for name in ("1", "2", "3"))
    copied = tuple(ShadowPlan(name, 100.0, "") for name in shadows)
    return Plan(1, (ModelPlan("m", "/m", stable, versions, shadows=copied),))


class Scene:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.logged: list[Prediction] = []
        self.settled: list[Joined] = []
        self.comparisons = self.again()

    def again(self, how: Comparing = HOW, *shadows: str, stable: str = "1") -> Comparisons:
        """A new desk on the same files."""
        self.comparisons = Comparisons(
            {"m": how},
            plan(*(shadows or ("2",)), stable=stable),
            ComparisonFiles(self.folder / "comparison"),
            self.logged.extend,
            self.settled.extend,
            lambda: self.now,
        )
        return self.comparisons

    async def offer(self, pairs: Sequence[Pair], dropped: int = 0) -> None:
        """They come, and are compared."""
        self.comparisons.offer(report(pairs, dropped))
        await self.quiet()

    async def quiet(self) -> None:
        """Until nothing waits."""
        await self.comparisons.turn()
        while self.comparisons.waiting:
            await self.comparisons.turn()

    async def stop(self) -> None:
        """In order: what was counted is kept."""
        self.comparisons.stop()
        await self.comparisons.run()


def joined(number: int, made: Prediction, value: float | str) -> Joined:
    label = Label(f"e{number}", "default", value, NOW + 1000, made.request_id)
    return Joined(number, label, made)
