"""The whole benchmark, short: the real proxy, our own load and our own stubs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_it_measures_ours_and_a_plain_proxy(tmp_path: Path) -> None:
    """That the work is really done (the split, the copies, the bodies) is looked at as well."""
    words = "--rows split mirror bodies --peers pointsman aiohttp --rounds 1 --seconds 0.2"
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.bench", *words.split(),
         "--own-load", "--no-plane", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What to reach" in done.stdout
    (kept,) = (tmp_path / "out").glob("*.json")
    assert kept.with_suffix(".svg").exists()
    found = {
        (row["row"], row["contender"]): row["figures"]
        for row in json.loads(kept.read_text())["results"]
    }
    for row in ("split", "mirror", "steady", "upload", "answer", "events"):
        for contender in ("pointsman", "aiohttp"):
            figures = found[row, contender]
            assert figures["failed"] == {"0": 0}, (row, contender)
            assert figures["count"]["0"] > 0
            assert figures["cpu_us"]["0"] > 0
    assert found["mirror", "pointsman"]["copies_percent"]["0"] > 0
    assert found["steady", "direct"]["p50_us"]["0"] > 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_results_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.bench", "--rows", "split", "--peers", "pointsman",
         "--own-load", "--no-plane", "--out", str(tmp_path / "file" / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--out: found" in done.stdout
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "run").is_dir()
