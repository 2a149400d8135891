"""What pointsman says of itself: its admin API and its metrics, read as an operator's tool would.

``Desk`` does the asking; the functions read the answers and are pure.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from demo.errors import DemoError

Status = dict[str, Any]
Counts = dict[str, dict[str, int]]


class Desk:
    """A client of the admin address; use it as an async context manager."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._address, timeout=aiohttp.ClientTimeout(total=5), raise_for_status=True
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def status(self) -> Status:
        async with self._session.get("/v1/status") as answer:
            content = await answer.json()
            assert isinstance(content, dict)
            return content

    async def metrics(self) -> str:
        async with self._session.get("/metrics") as answer:
            return await answer.text()

    async def until(self, holds: Callable[[Status], bool], patience: float) -> Status | None:
        """Poll the status until ``holds`` or ``patience`` seconds are over (None)."""
        began = time.monotonic()
        while time.monotonic() - began < patience:
            status = await self.status()
            if holds(status):
                return status
            await asyncio.sleep(0.05)
        return None


def last_error(status: Status) -> str:
    """Why the last edit of the config was refused; "" when it was not."""
    return str(status["config"].get("last_error") or "")


def in_force(
    status: Status, model: str, canary: tuple[str, float] | None, shadow: str | None
) -> bool:
    """True when the split is this one and every worker holds the plan with it."""
    told = status["models"][model]
    number = status["plan_number"]
    workers = status["workers"]
    everywhere = bool(workers) and all(one["plan_number"] >= number for one in workers)
    return everywhere and asked(told) == canary and set(told["shadows"]) >= _one(shadow)


def _one(name: str | None) -> set[str]:
    return set() if name is None else {name}


def asked(told: dict[str, Any]) -> tuple[str, float] | None:
    """The canary that gets traffic now, and its percentage; None when there is none."""
    canary = told["canary"]
    if canary is None or canary["reverted"] or not canary["percent_asked"]:
        return None
    return canary["version"], canary["percent_asked"]


def latch(status: Status, model: str, version: str) -> dict[str, Any] | None:
    """The revert that holds this version off traffic, or None."""
    for one in status["models"][model]["latches"]:
        if one["version"] == version:
            return dict(one)
    return None


def findings(status: Status, model: str) -> list[dict[str, Any]]:
    """What the judge last found about the canary: check, verdict, message and numbers of each."""
    told = status["models"][model]
    return [dict(one) for one in (*told["guardrails"], *told["findings"])]


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters of pointsman's metrics for one model, since its start."""

    requests: Counts  # "stable 1" -> outcome -> n
    copies: Counts  # shadow version -> result -> n

    def since(self, before: Counted) -> Counted:
        """What was counted after ``before``."""
        return Counted(
            _less(self.requests, before.requests),
            _less(self.copies, before.copies),
        )


def _less(now: Counts, before: Counts) -> Counts:
    return {
        name: {kind: n - before.get(name, {}).get(kind, 0) for kind, n in kinds.items()}
        for name, kinds in now.items()
    }


def counted(exposition: str, model: str) -> Counted:
    """Read the counters that the summary shows.  Raises DemoError when they are not there."""
    requests: Counts = defaultdict(lambda: defaultdict(int))
    copies: Counts = defaultdict(lambda: defaultdict(int))
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            label = sample.labels
            if label.get("model") != model:
                continue
            if sample.name == "pointsman_requests_total" and not label.get("segment"):
                arm = f"{label['arm']} {label['version']}"
                requests[arm][label["outcome"]] += int(sample.value)
            if sample.name == "pointsman_shadow_copies_total":
                copies[label["version"]][label["result"]] += int(sample.value)
    if not requests:
        raise DemoError("pointsman's /metrics has no pointsman_requests_total of this model")
    return Counted(
        {arm: dict(outcomes) for arm, outcomes in requests.items()},
        {version: dict(results) for version, results in copies.items()},
    )
