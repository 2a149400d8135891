"""What stands around feedback in tests: a desk that only remembers, and the real ledger's shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from proxy.errors import StateError
from proxy.feedback import Forms, Item, Kpi, Label, Prediction
from proxy.judge import Observation
from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.terms import Finding

NOW = 1_790_000_000.0
KEY = "ab" * 32


def plan(percent: float | None = 5, version: str = "2", salt: str = "", name: str = "m") -> Plan:
    """A model with stable 1 and a canary of that share, or none."""
    canary = None if percent is None else CanaryPlan(version, percent)
    return Plan(1, (ModelPlan(name, f"/{name}", "1", (), canary=canary, salt=salt),))


def items(forms: Forms, *said: dict[str, Any]) -> list[Item]:
    """Events as they come in; each must be one."""
    read = [forms.read(index, json.dumps(each).encode()) for index, each in enumerate(said)]
    assert all(isinstance(it, Item) for it in read), read
    return [it for it in read if isinstance(it, Item)]


def prediction(request_id: str = "r1", **more: Any) -> Prediction:
    made = {
        "request_id": request_id, "model": "m", "version": "2", "arm": "canary", "share": 0.05,
        "drawn": True, "customer": "c", "segments": ("age=young",), "at": NOW, "value": 0.7,
    }  # fmt: skip
    return Prediction(**(made | more))


class Met(NamedTuple):
    label: Label
    prediction: Prediction


class Took(NamedTuple):
    accepted: int
    duplicates: int
    joined: list[Met]
    kpis: list[Kpi]
    waiting: int


class Shelf:
    """A ledger by request id alone, in memory: for tests of what stands around it."""

    def __init__(self) -> None:
        self.predictions: dict[str, Prediction] = {}
        self.known: dict[str, Label | Kpi] = {}
        self.broken = False
        self.confirmed = 0

    async def take(self, events: Sequence[Label | Kpi]) -> Took:
        if self.broken:
            raise StateError("ledger.sqlite3: the disk is full")
        fresh = {it.event_id: it for it in events if it.event_id not in self.known}
        self.known |= fresh
        labels = [it for it in fresh.values() if isinstance(it, Label)]
        met = [
            Met(it, self.predictions[it.request_id])
            for it in labels
            if it.request_id in self.predictions
        ]
        kpis = [it for it in fresh.values() if isinstance(it, Kpi)]
        return Took(len(fresh), len(events) - len(fresh), met, kpis, len(labels) - len(met))

    def delivered(self, joined: Sequence[Any], kpis: Sequence[Kpi]) -> None:
        self.confirmed += len(joined) + len(kpis)


class Remembered:
    """A desk that does nothing but remember what it was told."""

    def __init__(self) -> None:
        self.observed: list[tuple[str, Observation]] = []
        self.done: list[tuple[str, str, str, str]] = []

    def observe(self, model: str, seen: Sequence[Observation]) -> None:
        self.observed += [(model, it) for it in seen]

    def revert_by(self, model: str, version: str, finding: Finding) -> None:
        self.done.append(("revert", model, version, finding.message))

    def hold_by(self, model: str, version: str, finding: Finding) -> None:
        self.done.append(("hold", model, version, finding.message))

    def unhold_by(self, model: str, version: str, check: str) -> None:
        self.done.append(("unhold", model, version, check))
