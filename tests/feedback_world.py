"""What stands around feedback in tests: a desk that only remembers, and a real ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from proxy.feedback import Forms, Item, Prediction
from proxy.judge import Observation
from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.store.ledger import Ledger, LedgerLimits
from proxy.store.ledger.nouns import Deliver
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


def ledger(folder: Path, deliver: Deliver | None = None) -> Ledger:
    """A real one that does not linger."""
    limits = LedgerLimits(linger=0.0, settle=0.0, retry=0.05, lock=0.05)
    return Ledger(f"sqlite:///{folder / 'ledger.sqlite3'}", deliver, limits)


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


async def until(what: Callable[[], Awaitable[bool]]) -> bool:
    """Ask again until it is so, for ten seconds at most."""
    for _ in range(2_000):
        if await what():
            return True
        await asyncio.sleep(0.005)
    return False
