"""pointsman profile: what it reads, what it writes, and what it says of a broken file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from proxy.cli.root import app
from proxy.quality import Profile, profile
from proxy.settings import examinations, load

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
AGES = [20 + (at * 7) % 50 for at in range(200)]
JOBS = [["clerk", "nurse", "smith"][at % 3] for at in range(200)]
PAY = [None if at % 10 == 0 else at * 1.5 for at in range(200)]


def csv_text() -> str:
    rows = [
        f"{at},{age},{job},{'' if pay is None else pay},{at % 2}"
        for at, (age, job, pay) in enumerate(zip(AGES, JOBS, PAY, strict=True))
    ]
    return "\n".join(["id,age,job,pay,default", *rows]) + "\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(csv_text())
    return path


def read(path: Path) -> Profile:
    return profile.decode(path.read_bytes())


def made(run: Run, tmp_path: Path, *words: object) -> Profile:
    out = tmp_path / "out.json"
    result = run("profile", *words, "--out", out, "--label", "default", "--without", "id")
    assert result.exit_code == 0, result.output
    return read(out)


def test_a_csv_file_and_its_table(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.json"
    result = run("profile", data, "--out", out, "--label", "default", "--without", "id")
    assert result.exit_code == 0
    for words in (
        "200 rows, 4 columns",
        "clerk, nurse, smith",
        "10.0%",
        "label",
        f"written to {out}",
    ):
        assert words in result.stdout
    age, job, pay, default = read(out).columns
    assert (age.name, age.type, age.least, age.most) == ("age", "integer", min(AGES), max(AGES))
    assert age.quantiles["0.25"] == np.quantile(AGES, 0.25)
    assert job.categories == [("clerk", 67), ("nurse", 67), ("smith", 66)]
    assert (pay.type, pay.missing, default.role) == ("number", 20, "label")


def test_every_format_gives_the_same_profile(run: Run, data: Path, tmp_path: Path) -> None:
    table = {"id": list(range(200)), "age": AGES, "job": JOBS, "pay": PAY,
             "default": [at % 2 for at in range(200)]}  # fmt: skip
    parquet.write_table(pa.table(table), tmp_path / "train.parquet", row_group_size=64)
    lines = [json.dumps({name: it[at] for name, it in table.items()}) for at in range(200)]
    (tmp_path / "train.jsonl").write_text("\n\n".join(lines))
    (tmp_path / "train.tsv").write_text(csv_text().replace(",", "\t"))
    (tmp_path / "marked.txt").write_text("\ufeff" + csv_text().replace(",", ";"), "utf-8")
    expected = made(run, tmp_path, data)
    for name in ("train.parquet", "train.jsonl", "train.tsv"):
        assert made(run, tmp_path, tmp_path / name) == expected, name
    marked = made(run, tmp_path, tmp_path / "marked.txt", "--format", "csv", "--separator", ";")
    assert marked == expected


def test_standard_input_and_json() -> None:
    result = CliRunner().invoke(
        app, ["profile", "-", "--format", "csv", "--json"], input=csv_text()
    )
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["profile"], document["rows"]) == (1, 200)
    assert [it["name"] for it in document["columns"]] == ["id", "age", "job", "pay", "default"]


def test_the_profile_serves_a_config(run: Run, data: Path, config: Path) -> None:
    made(run, config.parent, data)
    text = config.read_text().replace("    split:", "    quality: {profile: out.json}\n    split:")
    config.write_text(text)
    rules = examinations(load(config))["credit-risk"].rules
    assert rules is not None
    assert list(rules.inputs.columns) == ["age", "job", "pay"]
    assert rules.inputs.columns["job"].among == ("clerk", "nurse", "smith")


def test_texts_that_stand_for_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,?\nNA,2\nnan,3\n")
    result = run("profile", path, "--json", "--missing", "?")
    x, y = json.loads(result.stdout)["columns"]
    assert (x["missing"], x["not_finite"], y["missing"], y["type"]) == (1, 1, 1, "integer")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"x,y\n1,2\n1,2,3\n", "a.csv:3: found 3 cells; allowed are 2"),
        ("a.csv", b"x,x\n", "a.csv:1: found the column name 'x' a second time"),
        ("a.csv", b"x,\n", "a.csv:1: found an empty column name"),
        ("a.csv", b"x;y\n1;2\n", "--separator ';'"),
        ("a.csv", b"x,y\n1,\xff\n", "a.csv:2: found the byte 0xff; allowed is UTF-8"),
        ("a.csv", b'x,y\n1,"2\n', "found no CSV"),
        ("a.csv", b"", "found nothing"),
        ("a.csv", b"x,y\n", "found no rows"),
        ("a.jsonl", b'{"x":1}\n\n{"x":\n', "a.jsonl:3: found no JSON"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1: found list; allowed is an object"),
        ("a.jsonl", b'{"x":[{"y":1}]}\n', "found a mapping in the place of a value"),
        ("a.parquet", b"PAR1", "found no Parquet"),
        ("a.dat", b"x\n1\n", "found the name a.dat; allowed are .csv"),
    ],
)
def test_a_broken_file_is_said_with_its_place(
    run: Run, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = run("profile", tmp_path / name, "--json")
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.startswith(str(tmp_path / name))


def test_what_cannot_be_done(run: Run, data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    for words, code, said in (
        ((data,), 2, "give --out FILE"),
        ((data, "--json", "--format", "xls"), 2, "none of csv, jsonl, parquet"),
        ((data, "--json", "--separator", "ab"), 2, "not one sign"),
        ((data, "--json", "--label", "defalt"), 1, "no such column; did you mean default?"),
        ((data, "--out", tmp_path / "no" / "p.json"), 1, "cannot be written: allowed is a file"),
        ((data, "--json", "--without", "zzz"), 1, "there are: id, age"),
        ((data, "--out", tmp_path), 1, "cannot be written: allowed is a file"),
        ((tmp_path / "no.csv", "--json"), 1, "cannot be read: No such file"),
        (("-", "--json"), 1, "standard input: found no name"),
        (("-", "--json", "--format", "parquet"), 1, "read from its end"),
    ):  # fmt: skip
        result = run("profile", *words)
        assert result.exit_code == code, result.output
        assert said in " ".join(result.stderr.replace("│", " ").split())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    result = run("profile", tmp_path / "a.parquet", "--json")
    assert (result.exit_code, "pip install 'pointsman[parquet]'" in result.stderr) == (1, True)


def test_wide_rows_come_in_smaller_pieces(run: Run, tmp_path: Path) -> None:
    row = dict.fromkeys((f"c{at}" for at in range(1_200)), 1)
    (tmp_path / "wide.jsonl").write_text(f"{json.dumps(row)}\n" * 900)
    out = tmp_path / "p.json"
    assert run("profile", tmp_path / "wide.jsonl", "--out", out).exit_code == 0
    assert (read(out).rows, len(read(out).columns)) == (900, 1_200)


def test_a_table_larger_than_a_piece_keeps_its_memory(tmp_path: Path) -> None:
    """Twenty times the rows in the same room: the process is not larger by what it read."""
    path = tmp_path / "long.csv"
    with path.open("w") as out:
        out.write("a,b\n")
        out.writelines(f"{at},{at % 7}\n" for at in range(250_000))
    code = (
        "import resource, sys; from proxy.cli.datafile import DataFile\n"
        "from proxy.quality import Gatherer\n"
        "made, first = Gatherer(most_sampled=5000), 0\n"
        "for piece in DataFile(sys.argv[1]).pieces():\n"
        "    made.add(piece.rows, piece.columns)\n"
        "    first = first or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first\n"
        "print(made.rows, grown // (1024 * 1024 if sys.platform == 'darwin' else 1024))\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    rows, grown_mib = map(int, printed.stdout.split())
    assert rows == 250_000
    assert grown_mib < 8
