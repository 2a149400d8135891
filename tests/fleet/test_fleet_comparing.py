"""Shadows compared with stable by a pointsman of real processes."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet_running import Running, call, running, until
from fleet_scorers import Scorer, body

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")

COMMAND = [sys.executable, "-m", "proxy"]
REQUESTS = 600
_chance = random.Random(5)


def jitter() -> float:
    """Of a model that draws: every fifth answer is off by more than the tolerance."""
    return 0.03 * (_chance.random() < 1 / 5)


#: Shadow -> its answer.  Stable is one that draws, too.
SCORES = {
    "same": lambda x, _age: body(x + jitter()),
    "shifted": lambda x, age: body(x + jitter() + 0.3 * (age == "young")),
    "broken": lambda x, _age: body(x) if x < 0.5 else b'{"outputs": []}',
}


class House:
    """A pointsman, its upstreams, and someone who asks."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.path = folder / "pointsman.yaml"
        self.path.write_text(yaml.safe_dump(config(ports)))
        self.asked: list[tuple[str, float]] = []  # request id, input

    def start(self) -> Running:
        return Running([*COMMAND, "serve", "--config", str(self.path)])

    def ask(self, port: int, n: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for k in range(n):
            x = 0.05 + 0.6 * _chance.random()
            tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [x]}
            headers = {
                "X-Customer-Id": f"c{len(self.asked)}",
                "X-Age": "young" if k % 2 else "senior",
                "Content-Type": "application/json",
            }
            connection.request("POST", "/m/infer", json.dumps({"inputs": [tensor]}), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            self.asked.append((answer.headers["X-Request-Id"], x))
            time.sleep(0.002)  # four pairs each: no report may have to drop any
        connection.close()


def config(ports: dict[str, int]) -> dict[str, Any]:
    free = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            free.append(sock.getsockname()[1])
    return {
        "listen": f"127.0.0.1:{free[0]}",
        "admin": f"127.0.0.1:{free[1]}",
        "models": {
            "m": {
                "match": {"path_prefix": "/m"},
                "customer": {"header": "X-Customer-Id"},
                "segments": {"age": {"header": "X-Age", "values": ["young", "senior"]}},
                "versions": {
                    name: {"endpoints": [f"http://127.0.0.1:{port}"]}
                    for name, port in ports.items()
                },
                "split": {"stable": "stable", "shadow": [{"version": it} for it in SCORES]},
                "labels": {"default": {}},
                "predictions": {"index": -1, "threshold": 0.5},
                "compare": {
                    "noise": 100,
                    "gate": {"pairs": 300, "agreement": 0.8, "shift": 0.1, "protected": ["age"]},
                },
            }
        },
    }


@pytest.fixture(scope="module")
def scorers() -> Iterator[dict[str, Scorer]]:
    with ExitStack() as stack:
        scores = {"stable": SCORES["same"], **SCORES}
        yield {name: stack.enter_context(Scorer(score)) for name, score in scores.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, scorers: dict[str, Scorer]) -> House:
    ports = {name: it.port for name, it in scorers.items()}
    return House(tmp_path_factory.mktemp("house"), ports)


@pytest.fixture(scope="module")
def one(house: House) -> Iterator[Running]:
    with running([*COMMAND, "serve", "--config", str(house.path)]) as made:
        yield made


def compared(admin: int, version: str) -> dict[str, Any]:
    found = call(admin, f"/v1/models/m/compare?shadow={version}")
    several = found.get("comparisons") or [{"summary": {"pairs": 0, "labels": 0}}]
    made: dict[str, Any] = several[0]
    return made


def metric(admin: int, start: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return float(next(line for line in text.splitlines() if line.startswith(start)).split()[-1])


def test_each_shadow_gets_the_verdict_it_deserves(
    house: House, one: Running, scorers: dict[str, Scorer]
) -> None:
    port, admin = one.ready()
    until(lambda: call(admin, "/v1/models/m/compare")["comparisons"])
    house.ask(port, REQUESTS)
    for version in SCORES:
        until(lambda: seen(admin, version) >= REQUESTS)  # noqa: B023
    same = compared(admin, "same")
    assert same["gate"]["verdict"] == "pass", same["gate"]["sentence"]
    assert same["summary"]["noise"]["state"] == "noisy"
    assert same["summary"]["agreement"]["rate"] < 0.8
    shifted = compared(admin, "shifted")["gate"]
    assert shifted["verdict"] == "fail"
    failed = [it["check"] for it in shifted["findings"] if it["verdict"] == "fail"]
    assert "shift[age=young]" in failed
    assert "shift[age=senior]" not in failed
    broken = compared(admin, "broken")
    assert broken["gate"]["verdict"] == "fail"
    assert "broken" in [it["check"] for it in broken["gate"]["findings"] if it["verdict"] == "fail"]
    copies = same["summary"]["fidelity"]
    assert (copies["realised"], copies["sent"], copies["dropped"]) == (1.0, REQUESTS, {})
    assert scorers["stable"].asked == 2 * REQUESTS
    assert scorers["stable"].marked == REQUESTS


def seen(admin: int, version: str) -> int:
    found = compared(admin, version)["summary"]
    fidelity: dict[str, int] = found.get("fidelity", {})
    return fidelity.get("pairs", 0) if found.get("noise", {}).get("pairs") == REQUESTS else 0


def test_noise_is_no_shadow_and_says_what_it_is(house: House, one: Running) -> None:
    admin = one.ready()[1]
    status = call(admin, "/v1/status")["models"]["m"]
    assert set(status["shadows"]) == set(SCORES)
    assert set(status["arms"]) == {"stable", *(f"shadow:{it}" for it in SCORES)}
    assert status["arms"]["stable"]["requests"] <= REQUESTS
    until(lambda: status_of(admin, "same"))
    labels = 'model="m",version="stable",arm="noise"'
    name = f'pointsman_shadow_copies_total{{{labels},result="sent"}}'
    assert metric(admin, name) == REQUESTS
    assert 0.3 < metric(admin, f"pointsman_compare_agreement_ratio{{{labels}}}") < 0.8
    gate = 'pointsman_compare_gate{model="m",version="shifted",arm="shadow",verdict="fail"}'
    assert until(lambda: metric(admin, gate)) == 1
    told = subprocess.run(
        [*COMMAND, "status", "--admin", f"127.0.0.1:{admin}"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert "compared same since" in told
    assert "gate FAIL: m shifted fails" in told


def status_of(admin: int, version: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = call(admin, "/v1/status")["models"]["m"]["shadows"][version][
        "comparison"
    ]
    return found


def told(admin: int, *words: str) -> subprocess.CompletedProcess[str]:
    where = ["--admin", f"127.0.0.1:{admin}"]
    return subprocess.run(
        [*COMMAND, "compare", *words, *where], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_the_command_tells_the_same(house: House, one: Running) -> None:
    admin = one.ready()[1]
    report = house.path.parent / "same.html"
    same = told(admin, "m", "--shadow", "same", "--html", str(report))
    assert (same.returncode, same.stderr) == (0, "")
    assert "m same beside stable since" in same.stdout
    assert "PASS: m same passes all" in same.stdout
    assert "m same passes all" in report.read_text()
    every = told(admin, "m")
    assert every.returncode == 1
    assert "FAIL: m shifted fails" in every.stdout
    shifted = told(admin, "m", "--shadow", "shifted", "--json")
    assert json.loads(shifted.stdout)["gate"]["verdict"] == "fail"
    assert "choose one of broken, same, shifted" in told(admin, "m", "--json").stderr
    assert "There is no comparison" in told(admin, "m", "--shadow", "9").stderr
    assert "is for --offline" in told(admin, "m", "--index", "0").stderr


def tell(admin: int, events: list[dict[str, Any]]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=20)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/feedback", json.dumps({"events": events}), headers)
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def test_labels_count_once_for_each_version_over_kill_and_restart(
    house: House, one: Running
) -> None:
    admin = one.ready()[1]
    events = [
        {
            "type": "label", "event_id": f"l{k}", "name": "default", "request_id": name,
            "value": int(_chance.random() < x),
        }
        for k, (name, x) in enumerate(house.asked)
    ]  # fmt: skip
    first, later = events[:400], events[400:]
    assert tell(admin, first)["accepted"] == 400, tell(admin, first)
    until(lambda: compared(admin, "same")["summary"]["labels"] == 400)
    until(lambda: compared(admin, "shifted")["summary"]["labels"] == 400)
    tell(admin, first)  # again: they are known
    figures = compared(admin, "same")["summary"]["everyone"]["shadow"]
    assert figures["of"] == "probability"
    assert 0.5 < figures["auc"]["value"] < 1

    desk = one.child("proxy.app")
    os.kill(desk, signal.SIGKILL)
    one.child("proxy.app", other_than=desk)
    until(lambda: answers(admin))
    # What was counted and not yet in the file is handed out again: each label once, all the same.
    until(lambda: compared(admin, "same")["summary"]["labels"] == 400)
    assert compared(admin, "same")["gaps"]

    tell(admin, later)
    wanted = len(events)
    until(lambda: compared(admin, "same")["summary"]["labels"] == wanted)
    before = compared(admin, "same")["summary"]
    assert one.stop() == 0
    with running([*COMMAND, "serve", "--config", str(house.path)]) as again:
        admin = again.ready()[1]
        until(lambda: compared(admin, "same")["summary"]["labels"])
        after = compared(admin, "same")["summary"]
        assert after["labels"] == before["labels"] == wanted
        assert after["pairs"] == before["pairs"]
        assert after["everyone"]["shadow"]["auc"] == before["everyone"]["shadow"]["auc"]


def answers(admin: int) -> bool:
    try:
        return bool(call(admin, "/v1/models/m/compare").get("comparisons"))
    except OSError:
        return False
