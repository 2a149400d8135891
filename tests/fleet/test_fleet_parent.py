"""The parent over stand-ins, with real processes: start, replace, hand over, stop."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from fleet_running import Running, call, gone, running, until

STAND_IN = str(Path(__file__).with_name("fleet_stand_in.py"))

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def parent(**asked: Any) -> AbstractContextManager[Running]:
    asked = {"workers": 1, "drain": 3.0, **asked}
    return running([sys.executable, STAND_IN, "parent", json.dumps(asked)])


def canary_again(port: int) -> None:
    until(lambda: all(call(port)["arm"] == "canary" for _ in range(8)))


def test_a_silent_desk_is_killed_and_replaced() -> None:
    with parent(silence=1.0) as one:
        port, _ = one.ready()
        desk = one.child("desk")
        os.kill(desk, signal.SIGSTOP)
        one.await_words(rf"desk \(pid {desk}\) has been silent for 1\.\d s, allowed are 1\.0 s")
        one.child("desk", other_than=desk)
        canary_again(port)
        assert one.stop() == 0


def test_a_child_that_cannot_start_ends_it_all() -> None:
    with parent(desk="dead") as one:
        assert one.end() == 1
        assert "desk could not start (exit code 1): stopping" in one.said


def test_told_to_stop_while_it_starts_it_stops_in_order() -> None:
    with parent(workers=2) as one:
        until(lambda: len(one.children("")) == 3)
        assert one.stop() == 0
        assert "Traceback" not in one.said


def test_a_second_sigterm_cuts_at_once() -> None:
    with parent(drain=60.0) as one:
        port, _ = one.ready()
        worker = one.child("worker")
        os.kill(worker, signal.SIGSTOP)  # it will not drain
        one.process.send_signal(signal.SIGTERM)
        one.await_words("finishing what runs, for at most 60 s")
        assert one.stop() == 1
        assert gone(worker)
        assert "told to stop again: cutting what still runs" in one.said
        assert call_refused(port)


def call_refused(port: int) -> bool:
    with pytest.raises(ConnectionRefusedError):
        call(port)
    return True


def test_children_of_a_killed_parent_leave_by_themselves() -> None:
    with parent(workers=2) as one:
        port, _ = one.ready()
        pids = one.children("")
        one.stop(signal.SIGKILL)
        until(lambda: all(gone(pid) for pid in pids), 10)
        assert call_refused(port)
