"""What the demo tells pointsman later: approvals and labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from demo_world import exchange

from demo import truth
from demo.data import Customer
from demo.replay import answered_score


def test_the_probability_is_read_from_a_real_answer() -> None:
    answer = {"outputs": [{"name": "predict_proba", "shape": [1, 2], "data": [0.8, 0.2]}]}
    assert answered_score(json.dumps(answer).encode()) == 0.2
    assert answered_score(b"Internal Server Error") is None
    assert answered_score(b"{}") is None


def test_who_is_likely_to_pay_is_approved() -> None:
    assert truth.approved(exchange("1", 1, score=0.29))
    assert not truth.approved(exchange("1", 1, score=0.31))
    assert not truth.approved(exchange("1", 1)), "no answer, no credit"


def test_an_approval_names_its_customer_and_counts_once() -> None:
    told = truth.event(exchange("1", 7, score=0.1, request_id="r-7"))
    assert (told["event_id"], told["customer"], told["type"]) == ("r-7", "uci-00007", "kpi")


def test_labels_are_written_for_good_answers_alone(tmp_path: Path) -> None:
    customers = [
        Customer(f"uci-{n:05d}", "young", "other", defaulted=n == 2, body=b"") for n in (1, 2)
    ]
    answers = [
        exchange("3a", 1, request_id="a"),
        exchange("3a", 2, request_id="b"),
        exchange("3a", 2, request_id="c", status=502),
    ]
    path = tmp_path / "labels.csv"
    assert truth.write_labels(path, answers, customers) == 2
    with path.open(newline="") as rows:
        assert list(csv.reader(rows)) == [["request_id", "default"], ["a", "0"], ["b", "1"]]
