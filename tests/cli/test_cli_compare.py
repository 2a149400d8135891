"""``pointsman compare --offline``: recorded answers to a verdict, a report and an exit code."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import random

import pytest
from typer.testing import CliRunner

from proxy.cli.recordings import Recording, join
from proxy.cli.root import app
from proxy.errors import OperationRefused


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["compare", *map(str, words)])


def write(path, lines):
    path.write_text("".join(f"{it if isinstance(it, str) else json.dumps(it)}\n" for it in lines))
    return path


def predictions(n=400, seed=1, shift=0.0):
    chance = random.Random(seed)
    for k in range(n):
        p, age = chance.random() * 0.9, ("young", "senior")[k % 2]
        q = p + (shift if age == "young" else 0.0)
        yield {
            "request_id": f"r{k}", "prediction": q, "segments": {"age_band": age},
            "at": 1_700_000_000 + 60 * k, "seconds": 0.02, "customer": "4711-secret",
        }  # fmt: skip


@pytest.fixture
def files(tmp_path):
    lines = list(predictions(1500))
    a = write(tmp_path / "a.jsonl", lines)
    other = list(predictions(1500, shift=0.1))
    random.Random(2).shuffle(other)
    return a, write(tmp_path / "b.jsonl", other)


def test_the_same_answers_pass(run, files):
    found = run("--offline", files[0], files[0])
    assert found.exit_code == 0, found.output
    assert found.output.startswith("PASS: model a passes all 5 criteria")


def test_a_version_that_differs_fails_and_says_where(run, files, tmp_path):
    labels = tmp_path / "l.csv"
    with labels.open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["request_id", "label"])
        rows.writerows([f"r{k}", ("true", "0")[k % 2]] for k in range(1500))
    html, text = tmp_path / "out.html", tmp_path / "out.md"
    found = run("credit-risk", "--offline", *files, "--shadow", "9", "--labels", labels,
                "--threshold", 0.5, "--html", html, "--markdown", text, "--json")  # fmt: skip
    assert found.exit_code == 1, found.output
    document = json.loads(found.stdout)
    assert document["gate"]["verdict"] == "fail"
    summary = document["summary"]
    assert (summary["pairs"], summary["labels"], summary["labels_unfit"]) == (1500, 1500, 0)
    worst = summary["segments"]["rows"][summary["segments"]["worst_shift"][0]]
    assert worst["segments"] == ["age_band=young"]
    page = html.read_text()
    assert "age_band=young" in page
    assert "<script" not in page
    assert "credit-risk 9 fails" in text.read_text()
    assert "4711-secret" not in page + text.read_text() + found.stdout


def test_a_noisy_stable_is_learned_from_a_second_run(run, tmp_path):
    chance = random.Random(5)

    def noisy(name):
        lines = [{**it, "prediction": it["prediction"] + chance.random() * 0.1}
                 for it in predictions(1200)]  # fmt: skip
        return write(tmp_path / name, lines)

    a, b, again = noisy("a.jsonl"), noisy("b.jsonl"), noisy("n.jsonl")
    rules = write(tmp_path / "gate.yaml", ["pairs: 100", "agreement: 0.8", "shift: 0.05"])
    assert run("--offline", a, b, "--gate", rules).exit_code == 1
    found = run("--offline", a, b, "--gate", rules, "--noise", again)
    assert found.exit_code == 0, found.output


def v2(p):
    data = {"name": "predict_proba", "datatype": "FP64", "shape": [1, 2], "data": [1 - p, p]}
    return {"outputs": [data]}


def test_bodies_in_every_way_and_every_trouble_is_counted(run, tmp_path):
    good = [{"request_id": k, "answer": v2(0.5)} for k in range(200)]
    packed = base64.b64encode(gzip.compress(json.dumps(v2(0.5)).encode())).decode()
    trouble = [
        {"request_id": 0, "body": json.dumps(v2(0.5))},
        {"request_id": 1, "body_base64": packed, "content_encoding": "gzip"},
        {"request_id": 2, "body": "{"},
        {"request_id": 3, "answer": {"error": "x"}, "status": 422},
        {"request_id": 4, "error": "upstream_timeout"},
        {"request_id": 900, "answer": v2(0.5)},
        *good[6:],
    ]
    a, b = write(tmp_path / "a.jsonl", good), write(tmp_path / "b.jsonl", trouble)
    found = run("--offline", a, b, "--json")
    fidelity = json.loads(found.stdout)["summary"]["fidelity"]
    assert fidelity["compared"] == 196
    assert fidelity["problems"] == {
        "shadow:missing": 2, "shadow:status": 1, "shadow:syntax": 1, "stable:missing": 1,
    }  # fmt: skip


def test_texts_and_documents(run, tmp_path):
    chat = [{"request_id": k, "answer": {"choices": [{"text": f"x{k}"}]}} for k in range(150)]
    a = write(tmp_path / "a.jsonl", chat)
    assert run("--offline", a, a, "--kind", "text", "--protocol", "openai").exit_code == 0
    new = [{**it, "answer": {**it["answer"], "id": it["request_id"]}} for it in chat]
    b = write(tmp_path / "b.jsonl", new)
    assert run("--offline", a, b, "--kind", "document").exit_code == 1
    assert run("--offline", a, b, "--kind", "document", "--ignore", "/id").exit_code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nothing", "found no JSON"),
        ("[]", "allowed is an object"),
        ('{"prediction": 1}', "found no request_id"),
        ('{"request_id": "r", "prediction": 1, "answer": 2}', "found prediction and answer"),
        ('{"request_id": "r"}', "found none of them"),
        ('{"request_id": "r", "prediction": 1, "status": 7}', "status that is none"),
        ('{"request_id": "r", "prediction": 1, "at": "soon"}', "time that is none"),
        ('{"request_id": "r", "prediction": 1, "segments": "x"}', "segments that are none"),
        ('{"request_id": "r", "body_base64": "%"}', "body_base64 that is none"),
        ('{"request_id": "q", "prediction": 1}\n{"request_id": "q", "prediction": 1}', "second"),
    ],
)
def test_a_broken_line_is_refused_with_its_place(run, tmp_path, line, said):
    good = '{"request_id": "r", "prediction": 0.5}'
    a, b = write(tmp_path / "a.jsonl", [good]), write(tmp_path / "b.jsonl", [line])
    found = run("--offline", a, b)
    assert found.exit_code == 1
    assert f"{b}:" in found.stderr
    assert said in found.stderr


def test_wrong_usage_and_files_that_are_not_there(run, files, tmp_path):
    assert run().exit_code == 2
    assert run("--offline", files[0]).exit_code == 2
    assert run("--offline", *files, "--kind", "odd").exit_code == 2
    assert run("--offline", *files, "--protocol", "odd").exit_code == 2
    assert run("--offline", *files, "--ignore", "id").exit_code == 2
    assert run("--offline", files[0], tmp_path / "none").exit_code == 1
    assert run("--offline", *files, "--html", tmp_path / "no" / "x.html").exit_code == 1
    found = run("--offline", *files, "--protocol", "mlflow")
    assert "read without --protocol" in found.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [("pears: 3", "pears: unknown"), ("- 1", "allowed is a mapping"), ("pairs: many", "pairs")],
)
def test_a_broken_gate_is_refused(run, files, tmp_path, text, said):
    rules = write(tmp_path / "gate.yaml", [text])
    found = run("--offline", *files, "--gate", rules)
    assert (found.exit_code, said in found.stderr) == (1, True), found.stderr


def test_joining_holds_only_places_and_finds_every_request(tmp_path):
    order = list(range(300))
    random.Random(1).shuffle(order)
    a = write(tmp_path / "a", [{"request_id": k, "prediction": k} for k in range(280)])
    b = write(tmp_path / "b", [{"request_id": k, "prediction": k} for k in order if k > 10])
    one, two = Recording(a, "1"), Recording(b, "2")
    found = list(join(one, two))
    one.close()
    two.close()
    assert sum(it.first is not None and it.second is not None for it in found) == 269
    assert sum(it.second is None for it in found) == 11
    assert sum(it.first is None for it in found) == 20
    assert all(it.first.half.body == it.second.half.body for it in found if it.first and it.second)


def test_a_recording_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OperationRefused, match="cannot be read"):
        Recording(tmp_path / "none", "1")
