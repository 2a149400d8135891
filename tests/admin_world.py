"""A real desk behind a real admin server on a loopback socket, and what a worker reports.

For the tests of the admin door and of the command line that calls it.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.admin import build, serve
from proxy.errors import ConfigError
from proxy.measure import EndpointState, ModelTally, PoolState, Report, Tally, histogram
from proxy.settings import Settings, load
from proxy.steering import ReleaseDesk
from proxy.steering.status import LedgerStatus
from proxy.store import History
from proxy.terms import Half, Incident, Outcome, Pair

CONFIG = """\
models:
  credit-risk:
    match: {path_prefix: /v2/models/credit-risk}
    customer: {header: X-Customer-Id}
    segments: {age: {header: X-Age, values: [young, old]}}
    versions:
      "1": {endpoints: [http://127.0.0.1:8001]}
      "2": {endpoints: [http://127.0.0.1:8002]}
      "3": {endpoints: [http://127.0.0.1:8003, "unix:/run/three.sock"]}
      "4": {endpoints: [http://127.0.0.1:8005]}
    split:
      stable: "1"
      canary: {version: "2", percent: 5}
      shadow: [{version: "3", percent: 100, headers: {add: {X-Token: "very secret"}}}]
    testers: {header: X-Tester, secret: {env: TESTERS_SECRET}}
    last_resort: "4"
    guardrails:
      rules:
        errors: {event: error, segments: [age=young]}
        slow: {event: slow, over: 1s, critical: false}
  other:
    match: {path_prefix: /other}
    versions: {"1": {endpoints: [http://127.0.0.1:8004]}}
    split: {stable: "1"}
"""
SECRET = "a-secret-of-testers-long-enough"


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """The running server, what stands behind it, and a plain way to ask it something."""

    def __init__(self, url: str, desk: ReleaseDesk, config: Path, clock: Clock) -> None:
        self.clock = clock
        self.url = url
        self.desk = desk
        self.config = config
        self.ledger = LedgerStatus("/state/ledger.sqlite3", "", 7, 0, 0)
        self.session = aiohttp.ClientSession()

    async def ask(
        self, method: str, path: str, **more: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, body (as JSON where it says so), and the answer's head."""
        async with self.session.request(method, self.url + path, **more) as answer:
            raw = await answer.read()
            is_json = answer.content_type in ("application/json", "application/problem+json")
            return answer.status, await answer.json(content_type=None) if is_json else raw, answer

    def load(self) -> Settings:
        return load(self.config)


def durations(*milliseconds: float) -> dict[int, int]:
    buckets: dict[int, int] = {}
    for it in milliseconds:
        bucket = histogram.bucket(round(it * 1e6))
        buckets[bucket] = buckets.get(bucket, 0) + 1
    return buckets


def half(version: str, status: int, seconds: float = 0.01) -> Half:
    return Half(version, Outcome.OK, status, seconds, b"{}", 2)


def report() -> Report:
    """A quarter of a second of one worker's life, with a bit of everything in it."""
    name = "credit-risk"
    stable = Tally(
        name, "1", "stable", "", {"ok": 9, "upstream_4xx": 1}, durations(*range(1, 11)),
        durations(*range(2, 12)), bytes_in=100, bytes_out=200,
    )  # fmt: skip
    canary = Tally(
        name, "2", "canary", "", {"ok": 1, "upstream_5xx": 1}, durations(5, 6), durations(6, 700),
        streak=1, longest_streak=1,
    )  # fmt: skip
    return Report(
        seconds=0.25,
        tallies=[stable, canary, Tally(name, "1", "stable", "age=young", {"ok": 4})],
        models=[
            ModelTally(
                name,
                customers={"stable": 9, "canary": 2},
                missing_keys=1,
                copies={"3": {"sent": 11, "dropped_queue": 2}},
                fallbacks={"status_500": 1},
                refused={"proxy_overload": 5},
            )
        ],
        refused={"two_lengths": 3},
        pairs=[
            Pair("r1", name, "c", (), 0.0, half("1", 200), half("3", 200, 0.02)),
            Pair("r2", name, "c", (), 0.0, half("1", 200), half("3", 500, 0.02)),
        ],
        endpoints=[
            EndpointState(name, "1", "127.0.0.1:8001", 1, ejected=False),
            EndpointState(name, "3", "unix:/run/three.sock", 0, ejected=True, reason="refused"),
        ],
        pools=[PoolState("127.0.0.1:8001", shadow=False, connections=2)],
        connections=7,
        in_flight=1,
    )


def failures(
    n: int, arm: str = "canary", seconds: float = 0.01, outcome: str = "upstream_5xx"
) -> Report:
    """So many customers of one arm fail, or wait."""
    made = Report(seconds=0.25)
    version = {"canary": "2", "stable": "1"}[arm]
    made.incidents += [
        Incident(f"r{k}", "credit-risk", version, arm, 0.05, f"{arm}{k}", ("age=young",),
                 1_790_000_001.0, outcome, seconds, False)
        for k in range(n)
    ]  # fmt: skip
    return made


def stable_is_down() -> Report:
    """A worker has taken stable's only endpoint out."""
    made = Report(seconds=0.25)
    made.endpoints.append(EndpointState("credit-risk", "1", "127.0.0.1:8001", 0, True, "refused"))
    return made


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    monkeypatch.setenv("TESTERS_SECRET", SECRET)
    config = tmp_path / "pointsman.yaml"
    config.write_text(CONFIG)
    history = History(tmp_path / ".pointsman" / "history.jsonl")
    clock = Clock()
    evidence = tmp_path / ".pointsman" / "evidence"
    desk = ReleaseDesk(load(config), history, lambda _plan: None, clock, evidence)
    desk.ledger = lambda: made.ledger
    sock = socket.create_server(("127.0.0.1", 0))
    made = Door(f"http://127.0.0.1:{sock.getsockname()[1]}", desk, config, clock)

    async def reload() -> None:
        try:
            desk.reload(made.load())
        except ConfigError as error:
            desk.reload_refused(error)
            raise

    runner = await serve(build(desk, host="127.0.0.1", reload=reload), sock)
    yield made
    await made.session.close()
    await runner.cleanup()
    await desk.close()
    history.close()
