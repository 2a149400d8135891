"""Feedback and signals to a pointsman of real processes, by its own commands."""

from __future__ import annotations

import csv
import os
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
from fleet_upstream import Version

from proxy.routing import point, threshold

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")

COMMAND = [sys.executable, "-m", "proxy"]


class House:
    """A pointsman with two models, and its commands."""

    def __init__(self, folder: Path, one: Running) -> None:
        self.folder = folder
        self.running = one
        self.admin = one.ready()[1]

    def told(self, *words: str) -> subprocess.CompletedProcess[str]:
        where = ["--admin", f"127.0.0.1:{self.admin}"]
        return subprocess.run(
            [*COMMAND, *words, *where], capture_output=True, text=True, timeout=60, check=False
        )

    def model(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = call(self.admin, "/v1/status")["models"][name]
        return found


def config(stable: int, canary: int) -> dict[str, Any]:
    def model(name: str, **more: Any) -> dict[str, Any]:
        return {
            "match": {"path_prefix": f"/{name}"},
            "customer": {"header": "X-Customer-Id"},
            "versions": {
                "1": {"endpoints": [f"http://127.0.0.1:{stable}"]},
                "2": {"endpoints": [f"http://127.0.0.1:{canary}"]},
            },
            "split": {"stable": "1", "canary": {"version": "2", "percent": 50}},
            **more,
        }

    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            ports.append(sock.getsockname()[1])
    complaints = {"rules": {"complaints": {"event": "kpi", "of": "complaint"}}}
    return {
        "listen": f"127.0.0.1:{ports[0]}",
        "admin": f"127.0.0.1:{ports[1]}",
        "models": {
            "credit-risk": model("credit-risk", guardrails=complaints),
            "churn": model("churn", signals={"fraud-desk": "revert", "finance": "hold"}),
        },
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    path = folder / "pointsman.yaml"
    with ExitStack() as stack:
        stable, canary = stack.enter_context(Version("1")), stack.enter_context(Version("2"))
        path.write_text(yaml.safe_dump(config(stable.port, canary.port)))
        one = stack.enter_context(running([*COMMAND, "serve", "--config", str(path)]))
        yield House(folder, one)


def complaints(house: House) -> Path:
    """A complaint each of 200 customers, all of them the canary's."""
    limit, salt = threshold(50), b"credit-risk/split/2"
    names = (str(number) for number in range(10_000))
    customers = [name for name in names if point(salt, name.encode()) < limit][:200]
    file = house.folder / "complaints.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["who", "when"])
        rows.writerows([name, f"{time.time():.3f}"] for name in customers)
    return file


IMPORT = ("--type", "kpi", "--model", "credit-risk", "--name", "complaint")
COLUMNS = ("--column", "customer=who", "--column", "at=when", "--column", "value=one")


def test_complaints_revert_the_canary_and_outlive_the_desk(house: House) -> None:
    file = complaints(house)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0] + ",one", *(line + ",1" for line in lines[1:])]) + "\n")
    told = house.told("feedback", "import", str(file), *IMPORT, *COLUMNS)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "200 rows: 200 taken, 0 known already, 0 refused\n"
    latches = until(lambda: house.model("credit-risk")["latches"])
    assert (latches[0]["version"], latches[0]["reason"]) == ("2", "complaints")
    victim = house.running.child("proxy.app")
    os.kill(victim, signal.SIGKILL)
    house.running.child("proxy.app", other_than=victim)
    until(lambda: house.told("status", "--json").returncode == 0)
    ledger = call(house.admin, "/v1/status")["ledger"]
    assert ledger["database"].endswith("ledger.sqlite3")
    assert (ledger["error"], ledger["lost"]) == ("", 0)
    told = house.told("feedback", "import", str(file), *IMPORT, *COLUMNS)
    assert told.stdout == "200 rows: 0 taken, 200 known already, 0 refused\n"
    assert house.model("credit-risk")["latches"]


def test_a_signal_holds_then_lets_go_then_another_reverts(house: House) -> None:
    finance = ("--source", "finance", "--model", "churn")
    told = house.told("signal", "send", "margin down", *finance)
    assert (told.returncode, told.stdout) == (0, "signal of finance: hold\n")
    refused = house.told("split", "set", "churn", "60")
    assert refused.returncode == 1
    assert "finance reports: margin down" in refused.stderr
    told = house.told("signal", "send", "it is over", *finance, "--resolved")
    assert told.stdout == "signal of finance: resolved\n"
    assert house.told("split", "set", "churn", "60").returncode == 0
    words = ("--source", "fraud-desk", "--model", "churn", "--severity", "page")
    told = house.told("signal", "send", "chargebacks doubled", *words)
    assert told.stdout == "signal of fraud-desk: revert\n"
    (latch,) = house.model("churn")["latches"]
    assert (latch["reason"], latch["actor"]) == ("signal", "pointsman")
    assert latch["message"] == "fraud-desk reports: chargebacks doubled (page)"
