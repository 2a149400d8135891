"""The sequential judge in a real house: its memory outlives every process, and last resorts."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet_running import Running, call, gone, running, until
from fleet_upstream import Version

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")

POINTSMAN = [sys.executable, "-m", "proxy"]
PATH = "/v2/models/m/infer"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class House:
    """Three versions, and the pointsman in front of them: half of the customers get the canary."""

    def __init__(self, folder: Path, guardrails: dict[str, Any], **more: Any) -> None:
        self.stack = ExitStack()
        self.versions = {name: self.stack.enter_context(Version(name)) for name in "123"}
        self.path = folder / "pointsman.yaml"
        endpoints = {
            name: {"endpoints": [f"http://127.0.0.1:{it.port}"]}
            for name, it in self.versions.items()
        }
        model = {
            "match": {"path_prefix": "/v2/models/m"},
            "customer": {"header": "X-Customer-Id"},
            "versions": endpoints,
            "split": {"stable": "1", "canary": {"version": "2", "percent": 50}},
            "thresholds": "off",
            "guardrails": guardrails,
            **more,
        }
        self.config = {
            "listen": f"127.0.0.1:{free_port()}",
            "admin": f"127.0.0.1:{free_port()}",
            "workers": 2,
            "models": {"m": model},
        }
        self.path.write_text(yaml.safe_dump(self.config))
        self.start()

    def start(self) -> None:
        self.running: Running = self.stack.enter_context(
            running([*POINTSMAN, "serve", "--config", str(self.path)])
        )
        self.port, self.admin = self.running.ready()
        until(lambda: {it["headers"].get("x-model-arm") for it in self.ask(range(8))} > {"stable"})

    def ask(self, customers: range) -> list[dict[str, Any]]:
        return [call(self.port, PATH, {"X-Customer-Id": f"c{n}"}) for n in customers]

    def post(self, customer: str, body: dict[str, Any]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"X-Customer-Id": customer, "Content-Type": "application/json"}
        try:
            connection.request("POST", PATH, json.dumps(body), headers)
            assert connection.getresponse().status == 200
        finally:
            connection.close()

    def get(self, what: str) -> dict[str, Any]:
        return call(self.admin, f"/v1/{what}")

    def model(self) -> dict[str, Any]:
        return self.get("status")["models"]["m"]  # type: ignore[no-any-return]

    def numbers(self, check: str = "errors") -> dict[str, float]:
        found = {it["check"]: it for it in self.get("models/m/evidence")["findings"]}
        return found[check]["numbers"] if check in found else {}

    def judged(self, customers: int) -> dict[str, float]:
        """The judge's numbers once it has counted so many customers who failed."""

        def seen() -> dict[str, float]:
            found = self.numbers()
            names = ("canary_events", "stable_events", "e_value", "needed", "p")
            return {name: found[name] for name in names if name in found}

        until(
            lambda: sum(seen().get(f"{arm}_events", 0) for arm in ("canary", "stable")) >= customers
        )
        return seen()

    def run(self, *arguments: str) -> str:
        command = [*POINTSMAN, *arguments, "--config", str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout


def tensor(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def build(guardrails: dict[str, Any], **more: Any) -> House:
            house = House(tmp_path, guardrails, **more)
            stack.callback(house.stack.close)
            return house

        yield build


def test_kill_nine_and_come_back_to_the_same_numbers(houses: Any) -> None:
    house = houses({"rules": {"errors": {"event": "error", "dry_run": True}}})
    for version in house.versions.values():
        version.failing = True
    house.ask(range(40))
    before = house.judged(40)
    time.sleep(0.5)  # evidence is on the disk 0.2 s later at most

    desk = house.running.child("proxy.app")
    os.kill(desk, signal.SIGKILL)
    house.running.child("proxy.app", other_than=desk)
    until(lambda: gone(desk) and house.get("models/m/evidence").get("trial"))
    assert house.get("models/m/evidence")["trial"]["recovered"]
    assert house.judged(40) == before

    everything = [house.running.process.pid, *house.running.children("")]
    for pid in everything:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in everything))
    house.start()
    assert house.judged(40) == before
    house.ask(range(60))
    now = house.judged(60)
    assert now["canary_events"] + now["stable_events"] == 60, "twenty of them were new"


def test_the_judge_reverts_and_the_revert_is_watched(houses: Any) -> None:
    house = houses({"rules": {"errors": {"event": "error"}}}, validation={"after": "10s"})
    house.versions["2"].failing = True
    house.ask(range(60))
    until(lambda: house.model()["latches"])
    model = house.model()
    assert [it["reason"] for it in model["latches"]] == ["errors"]
    numbers = model["latches"][0]["numbers"]
    assert numbers["e_value"] >= numbers["needed"]
    assert model["validation"]["result"] is None
    until(lambda: {it["status"] for it in house.ask(range(20))} == {200})
    assert "stable is watched until" in house.run("status")


def test_bad_answers_revert_and_predictions_are_logged(houses: Any) -> None:
    house = houses(
        {"rules": {"answers": {"event": "bad_output", "of": "score.range"}}},
        predictions={"percent": 100, "output": "score"},
        quality={"percent": 100, "outputs": {"score": {"range": [0, 1]}}},
    )
    for version, score in (("1", 0.5), ("2", 7.0)):
        house.versions[version].outputs = [tensor("score", score)]
    for n in range(40):
        house.post(f"c{n}", {"inputs": [tensor("age", 30.0)]})
    until(lambda: house.model()["latches"])
    assert [it["reason"] for it in house.model()["latches"]] == ["answers"]
    versions = {it["version"]: it for it in house.get("models/m/quality")["versions"]}
    assert versions["2"]["bad_output"] > 0
    assert versions["1"]["bad_output"] == 0

    def logged() -> set[tuple[str, str]]:
        path = house.path.parent / ".pointsman" / "ledger.sqlite3"
        with closing(sqlite3.connect(path)) as database:
            return set(database.execute("SELECT DISTINCT version, arm FROM predictions"))

    until(lambda: logged() == {("1", "stable"), ("2", "canary")})


def test_a_dead_stable_is_not_gone_back_to(houses: Any) -> None:
    house = houses({"rules": {"errors": {"event": "error"}}}, last_resort="3")
    house.versions["1"].failing = house.versions["2"].failing = True
    house.ask(range(40))
    house.versions["1"].stop()
    house.versions["2"].failing = False
    until(lambda: _one_arm_fails(house))
    house.run("revert", "m", "--reason", "both are bad")
    until(lambda: {it.get("version") for it in house.ask(range(20))} == {"3"})
    model = house.model()
    assert model["shift"]["version"] == "3"
    assert "SHIFTED to 3" in house.run("status")
    assert 'pointsman_shifted{model="m",version="3",arm="stable"} 1' in _metrics(house)
    house.run("split", "clear-shift", "m", "--reason", "a test")
    assert house.model()["shift"] is None
    until(lambda: {it["status"] for it in house.ask(range(5))} == {502})


def _one_arm_fails(house: House) -> bool:
    """Stable's only endpoint is taken out by every worker that has tried it."""
    house.ask(range(20))
    ends = [it for it in house.model()["endpoints"] if it["version"] == "1"]
    return bool(ends) and house.model()["arms"]["stable"]["errors"] >= 20


def _metrics(house: House) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", house.admin, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
