"""The access log's file: lines, rotation, a disk that refuses, a reader that is slow."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.fleet import accesslog
from proxy.fleet.accesslog import AccessLog
from proxy.terms import Logged, Outcome


def line(request: str = "r1") -> Logged:
    return Logged(
        1.5, request, "credit-risk", "2", "canary", Outcome.OK, 200, "POST", "/v2", "9f3a",
        0.01, 0.02, 500, 200,
    )  # fmt: skip


def test_lines_are_json_with_the_time_first(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "access.log"))
    log.offer([line("r1"), line("r2")])
    log.offer([])
    log.close()
    rows = (tmp_path / "access.log").read_text().splitlines()
    assert rows[0].startswith('{"time":"1970-01-01T00:00:01.500Z","request_id":"r1"')
    assert [json.loads(row)["request_id"] for row in rows] == ["r1", "r2"]
    assert json.loads(rows[0])["customer"] == "9f3a"
    assert (log.written, log.dropped, log.failed) == (2, 0, 0)


def test_a_rotated_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(str(path))
    log.offer([line("before")])
    log.flush()
    path.rename(tmp_path / "access.log.1")
    log.reopen()
    log.offer([line("after")])
    log.close()
    assert "before" in (tmp_path / "access.log.1").read_text()
    assert "after" in path.read_text()
    assert "before" not in path.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_costs_lines_that_are_counted_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = AccessLog("/dev/full")
    for _ in range(3):
        log.offer([line()])
    log.close()
    assert (log.written, log.failed) == (0, 3)
    assert len(caplog.records) == 1
    assert "No space left on device; lines are lost" in caplog.text


def test_a_reader_that_does_not_read_costs_lines_and_never_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accesslog, "WAITING", 4)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    log = AccessLog(str(fifo))  # its thread waits for a reader
    for _ in range(20):
        log.offer([line()])
    assert log.dropped >= 20 - 4 - 1
    reader = os.open(fifo, os.O_RDONLY)
    log.close()
    assert log.written == 20 - log.dropped
    os.close(reader)
