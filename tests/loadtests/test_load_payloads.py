"""Payload files: what is read, and what is said of a bad line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.load import payloads
from loadtests.load.errors import LoadError
from loadtests.load.payloads import Payload


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_json_lines_hold_a_customer_and_a_body(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "requests.jsonl",
        '{"customer": "a-1", "body": {"inputs": []}}\n\n{"customer": 7, "body": "as it is"}\n',
    )
    assert payloads.read(path) == [Payload("a-1", '{"inputs":[]}'), Payload("7", "as it is")]


def test_a_table_holds_bodies(tmp_path: Path) -> None:
    path = written(tmp_path, "requests.csv", 'customer,body\na,"{""x"": 1}"\n')
    assert payloads.read(path) == [Payload("a", '{"x": 1}')]


def test_a_table_of_features_becomes_inference_requests(tmp_path: Path) -> None:
    path = written(tmp_path, "requests.csv", "LIMIT_BAL,customer,AGE\n20000,a,24\n")
    (one,) = payloads.read(path)
    tensor = json.loads(one.body)["inputs"][0]
    assert (one.customer, tensor["shape"], tensor["data"]) == ("a", [1, 2], [20000.0, 24.0])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.jsonl", '{"customer": "a", "body": 1}\n{', r"line 2: found no JSON"),
        ("p.jsonl", '["a"]', r"line 1: found a JSON list; allowed: \{\"customer\""),
        ("p.jsonl", '{"id": "a", "body": 1}', r"line 1: found the fields id, body; allowed"),
        ("p.jsonl", '{"customer": "", "body": 1}', r"line 1: found the customer ''; allowed"),
        ("p.jsonl", '{"customer": true, "body": 1}', r"line 1: found the customer True"),
        ("p.jsonl", '{"customer": "a\\r\\nX: y", "body": 1}', r"found the customer .*printable"),
        ("p.jsonl", "\n\n", r"holds no request"),
        ("p.csv", "id,body\n", r"line 1: found the columns id, body; allowed: a column customer"),
        ("p.csv", "", r"line 1: found the columns \(none\)"),
        ("p.csv", "customer,a,b\nx,1\n", r"line 2: found 2 cells; allowed: 3"),
        ("p.csv", "customer,a\nx,1\ny,old\n", r"line 3: found 'old' in column a; .*a number"),
        ("p.txt", "x", r"found the ending '.txt'; allowed: .jsonl"),
    ],
)
def test_a_bad_file_says_which_line_what_and_what_is_allowed(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    with pytest.raises(LoadError, match=told) as refused:
        payloads.read(written(tmp_path, name, text))
    assert name in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="cannot be read"):
        payloads.read(tmp_path / "none.jsonl")


def test_made_up_customers_are_many_and_always_the_same() -> None:
    crowd = payloads.made_up(50)
    assert crowd == payloads.made_up(50)
    assert len({one.customer for one in crowd}) == 50
    assert json.loads(crowd[0].body)["inputs"][0]["datatype"] == "FP64"


def test_what_is_written_for_the_callers_can_be_read_again(tmp_path: Path) -> None:
    crowd = payloads.made_up(3)
    payloads.write(crowd, tmp_path / "crowd.jsonl")
    assert payloads.read(tmp_path / "crowd.jsonl") == crowd
