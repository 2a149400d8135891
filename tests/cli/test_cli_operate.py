"""The operators' commands against a real desk behind a real admin address."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from admin_world import Door, failures, report, stable_is_down
from rich.console import Console
from typer.testing import Result

from proxy.cli import board
from proxy.cli.options import actor_or_user
from proxy.errors import ConfigError, Unreachable
from proxy.measure import Report
from proxy.steering.status import Status
from proxy.terms import Latch

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def at(door: Door, run: Run) -> Callable[..., Any]:
    """The command called at the door, beside the loop that serves it."""

    async def call(*words: str) -> Result:
        return await asyncio.to_thread(run, *words, "--admin", door.url)

    return call


def canary(door: Door) -> tuple[str, float] | None:
    model = door.desk.plan.models[0]
    return (model.canary.version, model.canary.percent) if model.canary else None


async def last(door: Door) -> tuple[str, str, str]:
    """The last entry of the history: what, by whom, why."""
    entry = (await door.desk.entries(1))[-1]
    return entry.event, entry.actor, entry.reason


async def test_a_split_is_set_and_cleared(door: Door, at: Callable[..., Any]) -> None:
    told = await at("split", "set", "credit-risk", "10", "--reason", "quiet", "--actor", "ada")
    assert told.exit_code == 0, told.output
    assert f"canary 2 at 10 % (plan {door.desk.plan.number})" in told.stdout
    assert canary(door) == ("2", 10.0)
    assert await last(door) == ("split_set", "ada", "quiet")
    told = await at("split", "set", "credit-risk", "0.01", "--version", "3")
    assert canary(door) == ("3", 0.01)
    told = await at("split", "clear", "credit-risk")
    assert told.exit_code == 0, told.output
    assert canary(door) == ("2", 5.0)


async def test_a_revert_and_its_clearing(door: Door, at: Callable[..., Any]) -> None:
    told = await at("revert", "credit-risk", "--reason", "complaints")
    assert told.exit_code == 0, told.output
    assert "no canary" in told.stdout
    assert canary(door) is None
    entry = (await door.desk.entries(1))[-1]
    assert (entry.actor, entry.message) == (actor_or_user(""), "complaints")
    told = await at("split", "clear-revert", "credit-risk", "2", "--reason", "fixed")
    assert told.exit_code == 0, told.output
    assert canary(door) == ("2", 5.0)


async def test_what_is_refused_is_1_in_the_desks_words(door: Door, at: Callable[..., Any]) -> None:
    for words, said in (
        (("split", "set", "credit-risk", "5", "--version", "9"), "no version '9'"),
        (("split", "set", "x", "5"), "there are: credit-risk, other"),
        (("split", "clear", "credit-risk"), "no override"),
        (("split", "clear-revert", "credit-risk", "3"), "not reverted"),
        (("revert", "other"), "no canary"),
        (("revert", "credit-risk", "--reason", "x" * 501), "reason:"),
    ):
        told = await at(*words)
        assert told.exit_code == 1, told.output
        assert said in told.stderr
        assert told.stdout == ""
    assert canary(door) == ("2", 5.0)


async def test_status_as_json_is_the_apis(door: Door, at: Callable[..., Any]) -> None:
    door.desk.hello(0, door.desk.plan.number, pid=4711)
    told = await at("status", "--json")
    assert told.exit_code == 0
    _, body, _ = await door.ask("GET", "/v1/status")
    said = json.loads(told.stdout)
    for one in (said, body):
        del one["history"]["pending"]  # written meanwhile, in a thread of its own
    assert said == body


async def test_status_for_people(door: Door, at: Callable[..., Any]) -> None:
    door.clock.now += 3600
    door.desk.hello(0, door.desk.plan.number, pid=4711)
    door.desk.report(0, report())
    door.desk.tick()
    told = await at("status")
    assert told.exit_code == 0, told.output
    words = " ".join(told.stdout.split())
    for part in (
        "credit-risk stable 1, canary 2 asked 5 %",
        "realised 18.18 % by customers and 16.67 % by requests",
        "canary 2 2 1 50%",
        "canary 2: upstream_5xx 1",
        "shadow 3 at 100 %: copies sent 11, dropped_queue 2",
        "pairs 2: status agrees 1, differs 1",
        "endpoint unix:/run/three.sock of 3 taken out by 1 worker: refused",
        "fallbacks to stable 1, without a key 1, refused 5 (proxy_overload 5)",
        "4711",
    ):
        assert part in words, told.stdout
    assert "\x1b" not in told.stdout


async def test_status_shows_what_a_person_should_act_on(door: Door, at: Callable[..., Any]) -> None:
    told = await at("status")
    assert "NO WORKER" in told.stdout
    door.desk.hello(0, door.desk.plan.number)
    door.desk.report(0, Report(0.25, desk_silent=True, draining=True))
    door.desk.reload_refused(ConfigError("p.yaml", ["p.yaml:3: found 500; allowed is 0 to 100"]))
    await door.desk.revert("credit-risk", "ada", "complaints [from] support")
    door.desk.tick()
    door.clock.now += 10
    told = await at("status")
    words = " ".join(told.stdout.split())
    for part in (
        "CONFIG REFUSED",
        "p.yaml:3: found 500; allowed is 0 to 100",
        "DESK NOT HEARD by worker 0",
        "DESK LATE",
        "REVERTED 2 at",
        "by ada: complaints [from] support",
        "draining, desk not heard",
    ):
        assert part in words, told.stdout


async def status_of(door: Door) -> Status:
    _, body, _ = await door.ask("GET", "/v1/status")
    return board.read(body)


def drawn(status: Status, width: int = 120) -> str:
    """What a colour terminal of that width would get."""
    console = Console(width=width, force_terminal=True, color_system="standard", highlight=False)
    with console.capture() as captured:
        console.print(board.frame(status))
    return captured.get()


async def test_a_latch_is_red_on_a_terminal(door: Door) -> None:
    await door.desk.revert("credit-risk", "ada", "complaints")
    text = drawn(await status_of(door))
    line = next(line for line in text.splitlines() if "REVERTED 2 at" in line)
    assert line.strip().startswith("\x1b[1;31m")


async def test_nothing_from_elsewhere_moves_the_cursor(door: Door) -> None:
    status = await status_of(door)
    evil = "\x1b[2J[bold]\x07"
    status.models["credit-risk"].latches = [
        Latch("credit-risk", "2", "manual", evil, {}, 0.0, evil)
    ]
    text = drawn(status)
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "[bold]" in text


async def test_a_status_of_another_program_is_not_drawn() -> None:
    with pytest.raises(Unreachable, match="no pointsman of this version"):
        board.read({"status": "ok"})


async def on_a_terminal(door: Door, *words: str, **environment: str) -> str:
    """What a process writes to a terminal of 80 columns; its lines end as written."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", *words, "--admin", door.url,
        cwd=ROOT, stdout=theirs, env=kept | {"TERM": "xterm-256color"} | environment,
    )  # fmt: skip
    os.close(theirs)
    written = await asyncio.to_thread(drain, ours)
    os.close(ours)
    assert await process.wait() == 0
    return written.decode().replace("\r\n", "\n")


def drain(terminal: int) -> bytes:
    """All that comes until the other side has closed (which a terminal reports as EIO)."""
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:
        pass
    return b"".join(pieces)


async def test_a_terminal_gets_colour_unless_it_says_no(door: Door) -> None:
    await door.desk.revert("credit-risk", "ada", "complaints")
    coloured = await on_a_terminal(door, "status")
    assert "\x1b[1;31m" in coloured
    uncoloured = await on_a_terminal(door, "status", NO_COLOR="1")
    assert "REVERTED 2" in uncoloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", uncoloured)


async def test_eighty_columns_are_enough(door: Door) -> None:
    for _ in range(4):
        door.desk.report(0, report())
    text = re.sub(r"\x1b\[[0-9;]*m", "", await on_a_terminal(door, "status"))
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in ("version", "requests", "errors", "50%", "10.9ms"):
        assert part in text


async def test_watch_ends_cleanly_on_ctrl_c(door: Door) -> None:
    """In a process of its own, as a person would: frames come, Ctrl-C, exit code 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "status", "--watch", "--admin", door.url,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"pointsman" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_hold_and_its_clearing(door: Door, at: Callable[..., Any]) -> None:
    door.desk.report(0, failures(6, seconds=2.0, outcome="ok"))
    door.clock.now += 0.1
    door.desk.tick()
    told = await at("status")
    assert "HELD 2 at 5 % since" in told.stdout
    assert "trial of 2 beside 1 since" in told.stdout
    rows = [line.split() for line in told.stdout.splitlines()]
    assert ["slow", "fail", "holds", "6", "0", "0", "4.83e+04", "60"] in [
        [*row[:6], "4.83e+04", *row[7:]] for row in rows if row[:1] == ["slow"]
    ]
    assert "not yet, for nothing was seen: errors (and 1 segment), sample_ratio" in told.stdout
    assert "slow: canary 2: 6 of its customers waited over 1.00 s" in told.stdout
    told = await at("split", "set", "credit-risk", "6")
    assert told.exit_code == 1
    assert "pointsman split clear-hold credit-risk" in told.stderr
    told = await at("split", "clear-hold", "credit-risk", "--reason", "known", "--actor", "ada")
    assert told.exit_code == 0, told.output
    assert await last(door) == ("hold_cleared", "ada", "known")
    told = await at("status")
    assert "HELD" not in told.stdout
    assert "cleared by a person" in told.stdout
    told = await at("split", "clear-hold", "credit-risk")
    assert (told.exit_code, "not held" in told.stderr) == (1, True)


async def test_a_shift_and_its_clearing(door: Door, at: Callable[..., Any]) -> None:
    door.desk.report(0, stable_is_down())
    door.desk.report(0, failures(6))
    door.clock.now += 0.1
    door.desk.tick()
    told = await at("status")
    assert "SHIFTED to 4, the last resort" in told.stdout
    assert "stable is watched until" in told.stdout
    told = await at("split", "clear-shift", "credit-risk", "--reason", "up again")
    assert told.exit_code == 0, told.output
    assert "stable 1, no canary" in told.stdout
    door.clock.now += 700
    door.desk.tick()
    told = await at("status")
    assert "INCONCLUSIVE: another version is stable now" in told.stdout


async def test_a_ledger_that_takes_nothing_is_shown_on_top(
    door: Door, at: Callable[..., Any]
) -> None:
    assert "LEDGER" not in (await at("status")).stdout
    door.ledger.error, door.ledger.pending = "no room", 1200
    told = await at("status")
    assert "LEDGER CANNOT BE WRITTEN, no feedback is taken, 1,200 predictions wait" in told.stdout
    assert "no room" in told.stdout
    _, text, _ = await door.ask("GET", "/metrics")
    assert "pointsman_ledger_ok 0" in str(text)
