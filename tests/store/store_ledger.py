"""What the ledger's tests share: rows of little interest, and a ledger that is closed again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from proxy.feedback import Kpi, Label, Prediction
from proxy.store.ledger import Joined, Ledger, LedgerLimits

QUICK = LedgerLimits(linger=0.0, retry=0.02, settle=0.0, lock=0.1)


def prediction(number: int, **changes: Any) -> Prediction:
    fields: dict[str, Any] = {
        "request_id": f"r{number}",
        "model": "m",
        "version": "2",
        "arm": "canary",
        "share": 0.05,
        "drawn": True,
        "customer": f"c{number}",
        "segments": ("age_band=young",),
        "at": 1000.0 + number,
        "value": [0.25, 0.75],
    }
    return Prediction(**fields | changes)


def label(event: str, request: str = "", **changes: Any) -> Label:
    return Label(
        **{"event_id": event, "name": "default", "value": 1.0, "at": 5000.0}
        | changes
        | {"request_id": request}
    )


def kpi(event: str, **changes: Any) -> Kpi:
    fields: dict[str, Any] = {"event_id": event, "name": "sale", "value": 2.5, "model": "m"}
    return Kpi(**fields | {"customer": "c1", "at": 1500.0} | changes)


class Desk:
    """Takes what is delivered, as the desk does."""

    def __init__(self) -> None:
        self.joined: list[Joined] = []
        self.kpis: list[Kpi] = []

    def __call__(self, joined: Sequence[Joined], kpis: Sequence[Kpi]) -> None:
        self.joined += joined
        self.kpis += kpis

    def pairs(self) -> list[tuple[str, str]]:
        return pairs(self.joined)


def pairs(joined: Sequence[Joined]) -> list[tuple[str, str]]:
    return [(each.label.event_id, each.prediction.request_id) for each in joined]


@asynccontextmanager
async def opened(
    url: str, desk: Desk | None = None, limits: LedgerLimits = QUICK, clock: float = 9000.0
) -> AsyncIterator[Ledger]:
    ledger = Ledger(url, desk or Desk(), limits, lambda: clock)
    ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        await asyncio.sleep(0.005)
