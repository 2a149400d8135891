"""``feedback import``, ``feedback send`` and ``signal send`` against a real desk's door."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import datetime
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from feedback_door import World, feedback_door  # noqa: F401  # a fixture
from pyarrow import parquet
from typer.testing import Result

from proxy.cli.client import AdminClient
from proxy.cli.importing import TRIES, Import
from proxy.cli.rows import Table, Wanted
from proxy.errors import OperationRefused, Unreachable

Run = Callable[..., Result]
At = Callable[..., Any]


def lately() -> datetime.datetime:
    """Half a minute ago: the canary was there, whenever this runs."""
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=30)


@pytest.fixture
def door(feedback_door: World) -> World:  # noqa: F811
    return feedback_door


@pytest.fixture
def at(door: World, run: Run) -> At:
    """The command called at the door, beside the loop that serves it."""

    async def call(*words: object) -> Result:
        return await asyncio.to_thread(run, *words, "--admin", door.url)

    return call


def written(path: Path, *rows: list[object]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def rejected(path: str) -> list[dict[str, Any]]:
    return [json.loads(it) for it in Path(path).read_text().splitlines()]


async def summary(at: At, *words: object) -> tuple[int, dict[str, Any]]:
    told = await at("feedback", "import", *words, "--json")
    assert told.stdout, told.output
    return told.exit_code, json.loads(told.stdout)


async def test_labels_from_a_csv(door: World, at: At, tmp_path: Path) -> None:
    file = written(
        tmp_path / "labels.csv",
        ["id", "paid", "note"],
        ["r1", "0", "late, very"],
        ["r2", "1", ""],
        ["", "1", "nobody"],
        ["r3", "", "no value"],
        ["r4", "1"],
    )
    words = (file, "--name", "default", "--column", "request_id=id", "--column", "value=paid")
    told = await at("feedback", "import", *words)
    assert told.exit_code == 1
    assert "5 rows: 2 taken, 0 known already, 3 refused; 1 wait for their" in told.stdout
    rejects = read(tmp_path / "labels.csv.rejects.csv")
    assert rejects[0] == ["row", "problem", "id", "paid", "note"]
    # What the file itself shows comes before what the desk says.
    assert sorted(row[0] for row in rejects[1:]) == ["3", "4", "5"]
    why = {row[0]: row[1] for row in rejects[1:]}
    assert why["3"].startswith("request_id: found neither it nor customer")
    assert why["4"].startswith("value: found none")
    assert why["5"] == "found 2 fields; allowed are 3, as in the header"
    assert next(row for row in rejects if row[0] == "4")[2:] == ["r3", "", "no value"]
    ((_, seen),) = door.remembered.observed
    assert (seen.name, seen.value) == ("default", 1.0)


async def test_an_import_that_is_run_again_takes_nothing_twice(
    door: World, at: At, tmp_path: Path
) -> None:
    rows = [[f"r{it}", it % 2] for it in range(4_500)]
    file = written(tmp_path / "labels.csv", ["request_id", "value"], *rows)
    first = await summary(at, file, "--name", "default")
    assert first[0] == 0
    assert (first[1]["accepted"], first[1]["duplicates"], first[1]["rejects"]) == (4_500, 0, None)
    again = await summary(at, file, "--name", "default")
    assert again[0] == 0
    assert (again[1]["accepted"], again[1]["duplicates"]) == (0, 4_500)


async def test_kpi_events_from_json_lines(door: World, at: At, tmp_path: Path) -> None:
    file = tmp_path / "sales.jsonl"
    event = {"who": "4711", "value": 2.5, "at": lately().isoformat()}
    lines = [json.dumps(event), "", "{broken", json.dumps(event | {"value": float("nan")})]
    lines += [json.dumps(event | {"who": 12}), "[1]", json.dumps(event | {"more": 1}), "\x00"]
    file.write_bytes("\n".join(lines).encode() + b'\n{"x": "' + b"y" * 2_000_000 + b'"}\n')
    words = ("--type", "kpi", "--model", "credit-risk", "--name", "sales")
    code, said = await summary(at, file, *words, "--column", "customer=who")
    assert code == 1
    assert (said["rows"], said["accepted"], said["rejected"]) == (8, 2, 6)
    rejects = rejected(said["rejects"])
    why = {it["row"]: it["problem"] for it in rejects}
    assert "found no JSON" in why[3]
    assert "NaN is no number" in why[4]
    assert why[7].startswith("more: found an unknown field")
    assert "over 1048576 bytes" in why[9]
    assert next(it for it in rejects if it["row"] == 3)["event"] == "{broken"
    assert {seen.name for _, seen in door.remembered.observed} == {"sales"}


async def test_kpi_events_from_parquet(door: World, at: At, tmp_path: Path) -> None:
    file, when = tmp_path / "sales.parquet", lately()
    table = {
        "customer": ["1", "2", "3", "4", "5"],
        "value": [1.0, None, float("nan"), float("inf"), 2.0],
        "at": [when.replace(tzinfo=None)] * 5,
        "other": [b"x"] * 5,
    }
    parquet.write_table(pyarrow.table(table), file)
    words = ("--type", "kpi", "--model", "credit-risk", "--name", "sales")
    code, said = await summary(at, file, *words)
    assert (code, said["accepted"], said["rejected"]) == (1, 2, 3)
    rejects = read(Path(said["rejects"]))
    assert rejects[0][:2] == ["row", "problem"]
    why = {row[0]: row[1] for row in rejects[1:]}
    assert why["2"].startswith("value: found none")
    assert why["4"] == "found an infinite number; allowed is a finite one"
    assert door.remembered.observed[0][1].at == pytest.approx(when.timestamp(), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"", "has no column of an event"),
        ("x.csv", b"a,b\n1,2\n", "has no column of an event; it has a, b"),
        ("x.parquet", b"hello", "found no Parquet"),
    ],
)
async def test_files_that_cannot_be_read(
    door: World, at: At, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    told = await at("feedback", "import", file)
    assert told.exit_code == 1
    assert said in told.stderr


async def test_a_column_that_is_not_there(door: World, at: At, tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", ["value"], [1])
    told = await at("feedback", "import", file, "--column", "request_id=id")
    assert (told.exit_code, "has no column 'id'; it has value" in told.stderr) == (1, True)


def test_wrong_usage(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "x.txt", ["value"])
    assert run("feedback", "import", tmp_path / "none.csv").exit_code == 2
    assert run("feedback", "import", file).exit_code == 2
    assert run("feedback", "import", file, "--format", "xml").exit_code == 2
    assert run("feedback", "import", file, "--format", "csv", "--column", "x=y").exit_code == 2
    assert run("feedback", "import", file, "--format", "csv", "--type", "signal").exit_code == 2


def test_bytes_that_are_no_utf8_cost_their_row(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"\xef\xbb\xbfrequest_id,value\nr\xff1,1\nr2,007\n" + b'"r3,1\n')
    rows = list(Table(file, "csv", Wanted({}, {"type": "label"})).rows())
    assert [row.problem for row in rows][:2] == ["found bytes that are no UTF-8", ""]
    assert json.loads(rows[1].line) == {"type": "label", "request_id": "r2", "value": "007"}
    assert rows[2].problem.startswith("found no CSV in line")
    assert rows[1].read <= file.stat().st_size


async def test_a_desk_that_cannot_keep_it_now_is_asked_again(door: World, tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", ["request_id", "value"], ["r1", 1], ["r2", 1])
    table = Table(file, "csv", Wanted({}, {"type": "label", "name": "default"}))
    waited: list[float] = []
    place = door.folder / "ledger.sqlite3"
    with contextlib.closing(
        sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("begin exclusive")
        importing = Import(AdminClient(door.url), table, waited.append)
        with pytest.raises(OperationRefused, match="Nothing was taken"):
            await asyncio.to_thread(importing.run)
        assert waited == [5.0] * (TRIES - 1)

        def sleep(_seconds: float) -> None:
            other.execute("rollback")

        done = await asyncio.to_thread(Import(AdminClient(door.url), table, sleep).run)
    assert (done.accepted, done.rejected) == (2, 0)


async def test_an_import_that_was_cut_says_how_far_it_came(door: World, tmp_path: Path) -> None:
    rows = [[f"r{it}", 1] for it in range(2_500)]
    file = written(tmp_path / "x.csv", ["request_id", "value"], *rows)
    table = Table(file, "csv", Wanted({}, {"type": "label", "name": "default"}))

    class Cut(AdminClient):
        calls = 0

        def submit(self, path: str, body: bytes, content_type: str = "") -> Any:
            Cut.calls += 1
            if Cut.calls > 1:
                raise Unreachable("no pointsman answers")
            return super().submit(path, body, content_type)

    with pytest.raises(Unreachable, match=r"done up to row 2,000; run it again"):
        await asyncio.to_thread(Import(Cut(door.url), table).run)


async def test_one_event_is_sent(door: World, at: At) -> None:
    told = await at("feedback", "send", "default", "0", "--request-id", "r1")
    assert (told.exit_code, told.stdout) == (0, "label default: taken\n")
    told = await at("feedback", "send", "default", "0", "--request-id", "r1")
    assert told.stdout == "label default: had it already\n"
    told = await at("feedback", "send", "default", "true", "--request-id", "later")
    assert told.stdout == "label default: taken, waits for its prediction\n"
    words = ("--kpi", "--model", "credit-risk", "--customer", "4711")
    told = await at("feedback", "send", "sales", "2.5", *words)
    assert (told.exit_code, told.stdout) == (0, "kpi sales: taken\n")
    assert [seen.name for _, seen in door.remembered.observed] == ["default", "sales"]
    told = await at("feedback", "send", "sales", "much", *words, "--at", str(time.time()))
    assert told.exit_code == 1
    assert 'value: found "much"; allowed is a finite number' in told.stderr


async def test_one_signal_is_sent(door: World, at: At) -> None:
    words = ("--source", "finance", "--model", "credit-risk", "--severity", "page")
    told = await at("signal", "send", "margin down", *words)
    assert (told.exit_code, told.stdout) == (0, "signal of finance: hold\n")
    told = await at("signal", "send", "margin is normal", *words, "--resolved")
    assert told.stdout == "signal of finance: resolved\n"
    assert [it[0] for it in door.remembered.done] == ["hold", "unhold"]
    told = await at("signal", "send", "x", "--model", "none-such")
    assert told.exit_code == 1
    assert "allowed is a model of the config: credit-risk, other" in told.stderr


def test_nobody_answers(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", ["request_id", "value"], ["r1", 1])
    for words in (("feedback", "import", file), ("signal", "send", "x")):
        assert run(*words, "--admin", "127.0.0.1:1").exit_code == 3
