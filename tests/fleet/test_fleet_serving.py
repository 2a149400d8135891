"""``pointsman serve`` as it is, with real processes and sockets: deaths, silence, latches."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet_running import Callers, Running, call, gone, running, until
from fleet_upstream import Version

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")

SERVE = [sys.executable, "-m", "proxy", "serve", "--config"]
PATH = "/v2/models/credit-risk/infer"


@dataclass
class House:
    """A config file, the versions it names, and the pointsman that serves it."""

    path: Path
    config: dict[str, Any]
    stable: Version
    canary: Version
    running: Running

    @property
    def port(self) -> int:
        return self.running.ready()[0]

    def status(self) -> dict[str, Any]:
        return call(self.running.ready()[1], "/v1/status")

    def write(self) -> None:
        self.path.write_text(yaml.safe_dump(self.config))

    def arms(self, customers: int = 20) -> set[str]:
        """The arms that answer so many customers; with 100 % and an ear at the desk: canary."""
        answers = [
            call(self.port, PATH, {"X-Customer-Id": f"c{number}"}) for number in range(customers)
        ]
        assert {answer["status"] for answer in answers} == {200}
        return {answer["headers"]["x-model-arm"] for answer in answers}

    def all_on(self, arm: str) -> None:
        until(lambda: self.arms() == {arm})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def config_of(folder: Path, stable: Version, canary: Version, **more: Any) -> dict[str, Any]:
    return {
        "listen": f"127.0.0.1:{free_port()}",
        "admin": f"127.0.0.1:{free_port()}",
        "workers": 2,
        "desk_silence": "1s",
        "drain": "5s",
        "models": {
            "credit-risk": {
                "match": {"path_prefix": "/v2/models/credit-risk"},
                "customer": {"header": "X-Customer-Id"},
                "versions": {
                    "1": {"endpoints": [f"http://127.0.0.1:{stable.port}"]},
                    "2": {"endpoints": [f"http://127.0.0.1:{canary.port}"]},
                },
                "split": {"stable": "1", "canary": {"version": "2", "percent": 100}},
            }
        },
        **more,
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    path = folder / "pointsman.yaml"
    with ExitStack() as stack:
        stable, canary = stack.enter_context(Version("1")), stack.enter_context(Version("2"))
        config = config_of(folder, stable, canary, access_log={"path": "access.log"})
        path.write_text(yaml.safe_dump(config))
        one = stack.enter_context(running([*SERVE, str(path)]))
        made = House(path, config, stable, canary, one)
        made.all_on("canary")
        yield made


def test_it_is_ready_and_says_where(house: House) -> None:
    admin = house.running.ready()[1]
    assert until(lambda: call(admin, "/readyz")["status"] == 200)
    assert "serving 1 model on" in house.running.said


def test_every_worker_dies_once_and_only_requests_in_flight_are_lost(house: House) -> None:
    before = house.running.children("proxy.fleet.worker")
    assert len(before) == 2
    with Callers(house.port, path=PATH) as callers:
        for victim in before:
            os.kill(victim, signal.SIGKILL)
            until(lambda v=victim: v not in house.running.children("proxy.fleet.worker"))
            until(lambda: len(house.running.children("proxy.fleet.worker")) == 2)
            callers.more(20)
    errors = callers.outcomes.total() - callers.outcomes["200"]
    assert errors <= 4, callers.outcomes  # two callers, each at most one in flight per death
    house.all_on("canary")


def test_the_desks_death_costs_no_request(house: House) -> None:
    victim = house.running.child("proxy.app")
    number = house.status()["plan_number"]
    with Callers(house.port, path=PATH) as callers:
        os.kill(victim, signal.SIGKILL)
        house.running.child("proxy.app", other_than=victim)
        until(lambda: plan_number(house) > number)
        callers.more(20)
    assert set(callers.outcomes) == {"200"}
    house.all_on("canary")


def plan_number(house: House) -> int:
    try:
        return int(house.status().get("plan_number", 0))
    except OSError:
        return 0


def test_a_silent_desk_means_no_canary(house: House) -> None:
    desk = house.running.child("proxy.app")
    os.kill(desk, signal.SIGSTOP)
    try:
        house.all_on("stable")
    finally:
        os.kill(desk, signal.SIGCONT)
    house.all_on("canary")


def test_a_broken_edit_is_refused_and_survives_the_desk(house: House) -> None:
    good = house.path.read_text()
    house.path.write_text(good.replace("stable: '1'", "stable: '9'"))
    house.running.process.send_signal(signal.SIGHUP)
    error = until(lambda: house.status()["config"]["last_error"])
    assert "split.stable" in error
    desk = house.running.child("proxy.app")
    os.kill(desk, signal.SIGKILL)
    house.running.child("proxy.app", other_than=desk)
    until(lambda: plan_number(house))
    assert "split.stable" in house.status()["config"]["last_error"]
    house.all_on("canary")
    house.path.write_text(good)
    house.running.process.send_signal(signal.SIGHUP)
    until(lambda: house.status()["config"]["last_error"] is None)


def test_a_burst_of_reloads_is_one_and_the_last_edit_holds(house: House) -> None:
    good = house.path.read_text()
    before = house.running.said.count("read again")
    for percent in range(1, 41):
        house.path.write_text(good.replace("percent: 100", f"percent: {percent}"))
        house.running.process.send_signal(signal.SIGHUP)
    until(lambda: asked(house) == 40)
    house.path.write_text(good)
    house.running.process.send_signal(signal.SIGHUP)
    until(lambda: asked(house) == 100)
    assert 1 <= until(lambda: house.running.said.count("read again") - before) < 20
    house.all_on("canary")


def asked(house: House) -> float:
    canary = house.status()["models"]["credit-risk"]["canary"]
    return float(canary["percent_asked"])


def test_the_access_log_names_no_customer(house: House) -> None:
    log = house.path.with_name("access.log")
    rows = until(lambda: log.exists() and log.read_text().splitlines())
    assert "detected" not in house.running.said  # nor does the watch tell of every line in it
    row = json.loads(rows[0])
    assert row["model"] == "credit-risk"
    assert re.fullmatch("[0-9a-f]{16}", row["customer"]), "a keyed hash, and no key"
    log.rename(log.with_name("access.log.1"))
    house.running.process.send_signal(signal.SIGHUP)
    house.arms(2)
    until(lambda: (house.arms(1), log.exists())[1])


def test_a_revert_outlives_desk_workers_and_everything(house: House) -> None:
    house.all_on("canary")
    house.canary.failing = True
    for number in range(60):
        call(house.port, PATH, {"X-Customer-Id": f"c{number}"})
    until(lambda: house.status()["reverts"])
    house.canary.failing = False
    house.all_on("stable")
    for role in ("proxy.app", "proxy.fleet.worker"):
        for victim in house.running.children(role):
            os.kill(victim, signal.SIGKILL)
            until(lambda v=victim: gone(v))
    until(lambda: len(house.running.children("")) == 3)
    until(lambda: plan_number(house) and len(house.status()["workers"]) == 2)
    until(lambda: not any(worker["desk_silent"] for worker in house.status()["workers"]))
    assert house.arms() == {"stable"}
    pids = house.running.children("")
    assert house.running.stop() == 0
    assert all(gone(pid) for pid in pids)
    with running([*SERVE, str(house.path)]) as again:
        house.running = again
        until(lambda: len(house.status()["workers"]) == 2)
        until(lambda: not any(worker["desk_silent"] for worker in house.status()["workers"]))
        assert house.arms() == {"stable"}
        assert house.status()["models"]["credit-risk"]["latches"][0]["version"] == "2"
        assert again.stop() == 0


def test_a_second_instance_takes_over_without_a_lost_request(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stable, canary = stack.enter_context(Version("1")), stack.enter_context(Version("2"))
        path = tmp_path / "pointsman.yaml"
        path.write_text(yaml.safe_dump(config_of(tmp_path, stable, canary)))
        elder = stack.enter_context(running([*SERVE, str(path)]))
        port, _ = elder.ready()
        pids = elder.children("")
        callers = stack.enter_context(Callers(port, threads=3, path=PATH))
        younger = stack.enter_context(running([*SERVE, str(path)]))
        younger.await_words("another instance serves on .*: sharing it until that one")
        younger.ready()
        answers: list[dict[str, Any]] = []
        slow = threading.Thread(target=lambda: answers.append(call(port, f"{PATH}/hold")))
        slow.start()
        callers.more(20)
        assert elder.stop() == 0
        assert "another instance takes over" in elder.said
        assert all(gone(pid) for pid in pids)
        callers.more(50)
        slow.join()
        assert answers[0]["status"] == 200
        callers.end()
        assert set(callers.outcomes) == {"200"}
        assert younger.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            call(port, PATH)


def test_a_taken_port_or_a_broken_config_is_refused_with_exit_code_1(tmp_path: Path) -> None:
    with (
        Version("1") as stable,
        Version("2") as canary,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        config = config_of(tmp_path, stable, canary)
        config["listen"] = f"127.0.0.1:{other.getsockname()[1]}"
        path = tmp_path / "pointsman.yaml"
        path.write_text(yaml.safe_dump(config))
        with running([*SERVE, str(path)]) as one:
            assert one.end() == 1
            assert "another program has it and does not share it" in one.said
        config["workers"] = 0
        path.write_text(yaml.safe_dump(config))
        with running([*SERVE, str(path)]) as one:
            assert one.end() == 1
            assert "workers" in one.said
