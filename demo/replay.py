"""The callers: real customers' rows, sent as they come and not as fast as they are answered.

Open loop: the moment of each request is drawn beforehand (Poisson), and its latency counts
from that moment, so that a slow answer cannot hide the waiting of those behind it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from demo.data import Customer

#: Seconds after which a caller gives up.  An answer later than this is none.
PATIENCE: Final = 5.0
_CONNECTIONS: Final = 200
_BETWEEN: Final = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as its caller saw it."""

    at: float  # seconds since the epoch, when it was due
    act: str  # "" while the config was being changed
    customer: str
    status: int  # 0 when no whole answer came
    arm: str
    version: str
    fallback: str  # "VERSION; REASON" when stable answered for a canary that failed, else ""
    seconds: float  # from when it was due to the last byte
    request_id: str = ""
    score: float | None = None  # the probability of default that was answered

    @property
    def good(self) -> bool:
        return self.status == 200

    @property
    def decided(self) -> str:
        """The arm that the proxy chose for the customer, whoever answered in the end."""
        return "canary" if self.fallback else self.arm

    @property
    def decided_version(self) -> str:
        return self.fallback.partition(";")[0] if self.fallback else self.version

    @property
    def failure(self) -> str:
        """Why the canary's answer was not used; "" when it was, or there was none."""
        return self.fallback.partition(";")[2].strip()


def client() -> aiohttp.ClientSession:
    """A session as a service would hold: kept-alive connections, and limited patience."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=PATIENCE),
    )


def headers(customer: Customer) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Customer-Id": customer.id,
        "X-Age-Band": customer.age_band,
        "X-Education": customer.education,
    }


class Replay:
    """Sends requests until it is stopped; whoever holds it says which act is being played."""

    def __init__(self, url: str, customers: Sequence[Customer], rate: float, seed: int) -> None:
        self.exchanges: list[Exchange] = []
        self.act = _BETWEEN
        self._url = url
        self._customers = customers
        self._rate = rate
        # Chance decides who comes and when; the seed makes every run the same crowd.
        self._chance = random.Random(seed)
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until cancelled; then wait for the answers that are still under way."""
        async with client() as session:
            try:
                await self._send_all(session)
            finally:
                await asyncio.gather(*self._open)

    def between_acts(self) -> None:
        """Requests from now on belong to no act: the split is about to change."""
        self.act = _BETWEEN

    async def _send_all(self, session: aiohttp.ClientSession) -> None:
        due = time.time()
        while True:
            due += self._chance.expovariate(self._rate)
            await asyncio.sleep(max(0.0, due - time.time()))
            task = asyncio.create_task(self._send(session, due))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _send(self, session: aiohttp.ClientSession, due: float) -> None:
        customer = self._chance.choice(self._customers)
        act = self.act
        status, arm, version, fallback, request_id, body = 0, "", "", "", "", b""
        try:
            async with session.post(
                self._url, data=customer.body, headers=headers(customer)
            ) as answer:
                arm = answer.headers.get("x-model-arm", "")
                version = answer.headers.get("x-model-version", "")
                fallback = answer.headers.get("x-fallback", "")
                request_id = answer.headers.get("x-request-id", "")
                body = await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        seconds = time.time() - due
        score = answered_score(body) if status == 200 else None
        self.exchanges.append(
            Exchange(
                due, act, customer.id, status, arm, version, fallback, seconds, request_id, score
            )
        )


def answered_score(body: bytes) -> float | None:
    """The probability of default in an answer; None when it has none."""
    try:
        return float(json.loads(body)["outputs"][0]["data"][-1])
    except (ValueError, LookupError, TypeError):
        return None


async def interleaved(
    direct: str, through: str, customers: Sequence[Customer], pairs: int, seed: int
) -> list[tuple[float, float]]:
    """Seconds of the same request sent straight to a server and through the proxy, in turn.

    One at a time, and the order within a pair is drawn: whatever else the machine does hits
    both alike, so the difference is the proxy's own.
    """
    chance = random.Random(seed)
    measured = []
    async with client() as session:
        for _ in range(20):  # opens both connections and warms the model
            await timed(session, direct, customers[0])
            await timed(session, through, customers[0])
        for _ in range(pairs):
            customer = chance.choice(customers)
            if chance.random() < 0.5:
                straight = await timed(session, direct, customer)
                proxied = await timed(session, through, customer)
            else:
                proxied = await timed(session, through, customer)
                straight = await timed(session, direct, customer)
            measured.append((straight, proxied))
    return measured


async def timed(session: aiohttp.ClientSession, url: str, customer: Customer) -> float:
    """Seconds that one request took.  Raises aiohttp.ClientError for anything but a 2xx."""
    began = time.perf_counter()
    async with session.post(url, data=customer.body, headers=headers(customer)) as answer:
        await answer.read()
        answer.raise_for_status()
    return time.perf_counter() - began
