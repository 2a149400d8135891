"""Real callers, real processes: a run within its budget, and runs that must not be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo import processes
from demo.places import ROOT
from loadtests.load import house

pytestmark = [pytest.mark.registry, pytest.mark.timeout(180)]
LIGHT = ("--seconds", "3", "--users", "6", "--rate", "30")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests.load", "run", *words, "--out", str(folder / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def budget(folder: Path, text: str) -> list[str]:
    path = folder / "budget.yaml"
    path.write_text(text)
    return ["--budget", str(path)]


@contextmanager
def stub(**behaviour: Any) -> Iterator[str]:
    """A stub in a process of its own: its address."""
    (port,) = processes.free_ports([0])
    command = [sys.executable, "-m", "loadtests.load.stub", "--port", str(port), "--version", "1"]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*command, "--behave", json.dumps(behaviour)], cwd=ROOT)
    try:
        for _ in range(400):
            try:
                urllib.request.urlopen(address, timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield address
    finally:
        process.kill()
        process.wait()


def theirs(folder: Path, proxy: str, direct: str, path: str) -> list[str]:
    requests = folder / "requests.jsonl"
    requests.write_text('{"customer": "4711", "body": {"inputs": []}}\n')
    words = ["--proxy", proxy, "--direct", direct, "--path", path]
    return [*words, "--payloads", str(requests)]


def tell(address: str, **behaviour: Any) -> dict[str, Any]:
    """Change how a stub behaves; returns its state."""
    asked = urllib.request.Request(f"{address}/_stub", data=json.dumps(behaviour).encode())
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def over(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The names of the rows that broke."""
    lines = [line for line in result.stdout.splitlines() if line.startswith("over budget: ")]
    return [line.split(": ")[2].split(" measured")[0] for line in lines]


def test_a_run_on_our_own_house_keeps_a_wide_budget_and_its_records(tmp_path: Path) -> None:
    rows = "scenario: steady\nrows: {errors_percent: 0, added_p50_ms: 5000, switched_customers: 0}"
    result = run(tmp_path, "steady", *LIGHT, *budget(tmp_path, rows))
    assert result.returncode == 0, result.stdout + result.stderr
    kept = json.loads((tmp_path / "out" / "steady.json").read_text())
    assert kept["kept"]
    assert kept["whole"]["direct_errors_percent"] == 0
    assert "<html" in (tmp_path / "out" / "steady.html").read_text()[:2000].lower()
    assert (tmp_path / "out" / "steady_stats.csv").exists()


def test_a_slow_proxy_breaks_its_row_and_no_other(tmp_path: Path) -> None:
    rows = "scenario: steady\nrows: {errors_percent: 0, added_p50_ms: 100}"
    with stub(delay=0.3) as slow, stub() as fast:
        words = theirs(tmp_path, slow, fast, house.INFER)
        result = run(tmp_path, "steady", *LIGHT, *words, *budget(tmp_path, rows))
    assert result.returncode == 1, result.stdout + result.stderr
    assert over(result) == ["added_p50_ms"]
    assert "allowed at most 100" in result.stdout


def test_a_proxy_that_cuts_streams_is_caught(tmp_path: Path) -> None:
    rows = "scenario: long-streams\nrows: {truncated_streams: 0, direct_errors_percent: 0}"
    with stub(event_every=0.002) as proxy, stub(event_every=0.002) as whole:
        words = theirs(tmp_path, proxy, whole, house.STREAM)
        words += ["--last-event", "[DONE]", *budget(tmp_path, rows)]
        with ThreadPoolExecutor() as beside:
            running = beside.submit(run, tmp_path, "long-streams", *LIGHT, *words)
            # The first one is tried before any load, and that must be a good one.
            while not running.done() and tell(proxy)["requests"] < 10:
                time.sleep(0.05)
            tell(proxy, cut_after=20)
            result = running.result()
    assert result.returncode == 1, result.stdout + result.stderr
    assert over(result) == ["truncated_streams"]


def test_an_address_where_nobody_is_ends_it_before_any_load(tmp_path: Path) -> None:
    (closed,) = processes.free_ports([0])
    with stub() as fast:
        words = theirs(tmp_path, f"http://127.0.0.1:{closed}", fast, house.INFER)
        result = run(tmp_path, "steady", *LIGHT, *words)
    assert result.returncode == 3, result.stdout + result.stderr
    assert f"--proxy: http://127.0.0.1:{closed}{house.INFER} does not answer" in result.stdout
