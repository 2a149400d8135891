"""What the world says later: approvals as they happen, and the truth about defaults in a file.

Both reach pointsman as a company's own systems would bring them: by its API and its command.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from demo import places
from demo.data import Customer
from demo.errors import DemoError
from demo.replay import Exchange

MODEL: Final = "credit-risk"
#: Who is less likely to default gets the credit.
APPROVED_UNDER: Final = 0.3
_EVERY: Final = 0.3  # seconds between two batches of events


@dataclass(frozen=True, slots=True)
class Imported:
    """What ``pointsman feedback import`` said of the file with the labels."""

    sent: int
    said: dict[str, Any]


class Approvals:
    """Tells pointsman of each customer whom an answer got a credit."""

    def __init__(self, admin: str, exchanges: Sequence[Exchange]) -> None:
        self.sent = self.accepted = 0
        self._admin = admin
        self._exchanges = exchanges
        self._told = 0

    @contextlib.asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """While the block runs; what is left is told at its end."""
        async with aiohttp.ClientSession(self._admin) as session:
            task = asyncio.create_task(self._for_ever(session), name="approvals")
            try:
                yield
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await self._tell(session)

    async def _for_ever(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self._tell(session)

    async def _tell(self, session: aiohttp.ClientSession) -> None:
        fresh, self._told = self._exchanges[self._told :], len(self._exchanges)
        events = [event(one) for one in fresh if approved(one)]
        if not events:
            return
        self.sent += len(events)
        async with session.post("/v1/feedback", json={"events": events}) as answer:
            if answer.status != 200:
                raise DemoError(f"pointsman took no approvals: {await answer.text()}")
            self.accepted += (await answer.json())["accepted"]


def approved(exchange: Exchange) -> bool:
    return exchange.score is not None and exchange.score < APPROVED_UNDER


def event(exchange: Exchange) -> dict[str, Any]:
    return {
        "type": "kpi",
        "event_id": exchange.request_id,
        "name": "approved",
        "model": MODEL,
        "customer": exchange.customer,
        "value": 1.0,
        "at": exchange.at,
    }


async def bring(
    admin: str, exchanges: Iterable[Exchange], customers: Sequence[Customer]
) -> Imported:
    """Write the labels of these exchanges to a file and import it with pointsman's command."""
    path = places.RUN / "labels.csv"
    sent = await asyncio.to_thread(write_labels, path, exchanges, customers)
    command = Path(sys.executable).parent / "pointsman"
    process = await asyncio.create_subprocess_exec(
        str(command), "feedback", "import", str(path), "--type", "label", "--name", "default",
        "--column", "value=default", "--admin", admin.removeprefix("http://"), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, problems = await process.communicate()
    if process.returncode:
        raise DemoError(f"the labels could not be imported:\n{problems.decode()}")
    return Imported(sent, json.loads(out))


def write_labels(path: Path, exchanges: Iterable[Exchange], customers: Sequence[Customer]) -> int:
    """One row for each good answer; returns how many."""
    truth = {customer.id: customer.defaulted for customer in customers}
    rows = [(one.request_id, int(truth[one.customer])) for one in exchanges if one.good]
    with path.open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["request_id", "default"])
        lines.writerows(rows)
    return len(rows)
