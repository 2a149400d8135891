"""Whatever an answer is, its reading is rows of the kind, or one of the known problems."""

from __future__ import annotations

import gzip
import json
import math
import struct
import sys
from pathlib import Path
from typing import get_args

import pytest
from compare_answers import half, v2
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.kinds import Kind
from proxy.compare.reading import Problem, ReadOptions, read
from proxy.payload import PROTOCOLS, Pointers
from proxy.payload import Reading as Bodies
from proxy.terms import Outcome

REAL = Path(__file__).parents[1] / "payload" / "bodies"
DEFAULT = ReadOptions()


def rows(answer, kind=Kind.PROBABILITY, protocol="open-inference-v2", **options):
    given_half = answer if hasattr(answer, "outcome") else half("1", answer)
    found = read(given_half, ReadOptions(kind, Bodies(protocol), **options))
    assert not found.problem, found.text
    return found.rows


def problem(answer, kind=Kind.PROBABILITY, protocol="open-inference-v2", **options):
    given_half = answer if hasattr(answer, "outcome") else half("1", answer)
    found = read(given_half, ReadOptions(kind, Bodies(protocol), **options))
    assert found.rows == ()
    assert found.text
    return found.problem


def test_real_answers_of_mlserver():
    body = (REAL / "mlserver-proba.answer.json").read_bytes()
    assert rows(half("1", body)) == pytest.approx((0.20754737347195865,))
    assert len(rows(half("1", (REAL / "mlserver-batch.answer.json").read_bytes()))) > 1
    packed = (REAL / "mlserver-gzip.answer.json.gz").read_bytes()
    assert rows(half("1", packed, encoding="gzip"))


def test_binary_tensors_of_triton():
    raw = struct.pack("<4f", 0.75, 0.25, 0.5, 0.5)
    tensor = {"name": "predict_proba", "datatype": "FP32", "shape": [2, 2]}
    head = {"outputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}]}
    body = json.dumps(head).encode() + raw
    assert rows(half("1", body, kind="application/octet-stream")) == (0.25, 0.5)


def test_each_kind_has_rows_of_its_own():
    labels = {"predictions": ["good", "bad"]}
    assert rows(labels, Kind.CLASS, "kserve-v1") == ("good", "bad")
    assert rows({"predictions": [1.0, True]}, Kind.CLASS, "kserve-v1") == (1, 1)
    assert rows({"predictions": [[0.1, 0.9]]}, Kind.CLASS, "kserve-v1") == ([0.1, 0.9],)
    assert rows({"predictions": [[3, 1, 3]]}, Kind.RANKING, "kserve-v1") == ([3, 1],)
    scored = {"predictions": [[0.1, 0.9, None]]}
    assert rows(scored, Kind.RANKING, "kserve-v1", scored=True) == ([1, 0, 2],)
    assert rows({"predictions": [[1, None]]}, Kind.VECTOR, "kserve-v1")[0][0] == 1.0
    assert rows({"predictions": [[[1], [2]]]}, Kind.TENSOR, "kserve-v1") == ([[1], [2]],)
    chat = {"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}
    assert rows(chat, Kind.TEXT, "openai") == ("hello",)
    vectors = {"data": [{"embedding": [1, 2]}]}
    assert rows(vectors, Kind.VECTOR, "openai") == ([1.0, 2.0],)
    assert rows({"anything": [1]}, Kind.DOCUMENT) == ({"anything": [1]},)


def test_what_is_no_number_is_nan_and_rounding_is_put_up_with():
    found = rows({"predictions": [None, float("nan"), 1.0000001]}, protocol="kserve-v1")
    assert math.isnan(found[0])
    assert math.isnan(found[1])
    assert found[2] == 1.0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (half("1", b"", 0, outcome=Outcome.UPSTREAM_TIMEOUT), "missing"),
        (half("1", {"error": "shape"}, 422), "status"),
        (half("1", v2(0.5), size=10_000), "cut"),
        (half("1", b"{", 200), "syntax"),
        (half("1", gzip.compress(b"{}")[:-4], encoding="gzip"), "encoding"),
        (half("1", b"{}", encoding="br"), "unsupported"),
        (half("1", gzip.compress(b" " * 2_000_000), encoding="gzip"), "too_large"),
        ({"error": "no"}, "schema"),
        (v2(shape=[0, 2]), "empty"),
        (v2(0.5, shape=[1, 1, 2]), "schema"),
        (v2(3.0), "range"),
        (v2(0.5, shape=[3, 2]), "schema"),
    ],
)
def test_what_is_wrong_with_an_answer(answer, expected):
    assert problem(answer) == expected


def test_more_kinds_of_wrong():
    cut = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    assert problem(half("1", cut, kind="text/event-stream"), Kind.TEXT, "openai") == "truncated"
    many = {"predictions": [0.5] * 50}
    assert problem(many, protocol="kserve-v1", most_rows=10) == "too_large"
    assert problem({"predictions": ["x"]}, protocol="kserve-v1") == "shape"
    assert problem({"predictions": [1]}, Kind.TEXT, "kserve-v1") == "shape"
    assert problem({"predictions": [["a"]]}, Kind.VECTOR, "kserve-v1") == "shape"
    assert problem({"predictions": [[[1]]]}, Kind.RANKING, "kserve-v1") == "shape"
    assert problem({"predictions": [0.5]}, protocol="kserve-v1", output="other") == "schema"
    deep = json.loads("[" * 60 + "]" * 60)
    assert problem({"predictions": [deep]}, Kind.TENSOR, "kserve-v1") in ("schema", "shape")


def test_no_value_is_told():
    secret = "4711-secret"
    for kind in Kind:
        answer = half("1", {"predictions": {"a": secret}, "error": secret})
        found = read(answer, ReadOptions(kind, Bodies("kserve-v1")))
        assert secret not in found.text


@given(
    st.sampled_from(list(Kind)),
    st.sampled_from(PROTOCOLS),
    st.binary(max_size=80)
    | st.sampled_from([json.dumps(v2(0.5)).encode(), b'{"predictions":[[1,"a",null]]}']),
    st.sampled_from(["", "gzip", "deflate, gzip", "br"]),
    st.sampled_from(["", "text/csv", "text/event-stream", "application/json; x"]),
)
def test_reading_never_raises(kind, protocol, body, encoding, content_type):
    where = Pointers({"a": "/predictions/0"})
    options = ReadOptions(kind, Bodies(protocol, answer=where))
    found = read(half("1", body, kind=content_type, encoding=encoding), options)
    assert found.problem in get_args(Problem)
    assert found.problem != "fault"
    assert bool(found.rows) != bool(found.problem)


def test_a_deep_document_ends_nothing():
    depth = sys.getrecursionlimit() * 3
    found = read(half("1", b"[" * depth + b"]" * depth), ReadOptions(Kind.DOCUMENT))
    assert found.problem in ("", "syntax")  # how deep is too deep is Python's own to say
