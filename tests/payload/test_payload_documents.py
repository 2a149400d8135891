"""KServe v1, TensorFlow Serving, MLflow, SageMaker, pointers; encodings; the predicted value."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payload_bodies import real

from proxy.payload import (
    OUR_LIMITS,
    Columns,
    Pointers,
    PredictionOptions,
    Reading,
    Unreadable,
    prediction,
    read_answer,
    read_request,
)

KSERVE = Reading("kserve-v1", names=("age", "amount"))
MLFLOW = Reading("mlflow")
SAGEMAKER = Reading("sagemaker", names=("age", "amount"))
PEOPLE = {"age": [31, 58], "amount": [120.5, None]}
ROWS = [[31, 120.5], [58, None]]
RECORDS = [{"age": 31, "amount": 120.5}, {"age": 58}]


def bytes_of(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("reading", "document"),
    [
        (KSERVE, {"instances": ROWS}),
        (KSERVE, {"instances": RECORDS, "signature_name": "predict"}),
        (KSERVE, {"inputs": {"age": [[31], [58]], "amount": [120.5, None]}}),
        (
            MLFLOW,
            {"dataframe_split": {"columns": ["age", "amount"], "index": [0, 1], "data": ROWS}},
        ),
        (MLFLOW, {"dataframe_records": RECORDS, "params": {"seed": 1}}),
        (MLFLOW, {"inputs": PEOPLE}),
        (MLFLOW, {"instances": RECORDS}),
        (SAGEMAKER, {"instances": ROWS}),
        (SAGEMAKER, ROWS),
        (SAGEMAKER, RECORDS),
    ],
)
def test_every_way_to_say_the_same_rows(reading: Reading, document: Any) -> None:
    found = read_request(reading, bytes_of(document))
    assert (found.rows, found.columns) == (2, PEOPLE)


@pytest.mark.parametrize(
    ("reading", "body", "content_type"),
    [
        (MLFLOW, "age,amount\n31,120.5\n58,\n", "text/csv"),
        (SAGEMAKER, "age,amount\r\n31,120.5\r\n58,\r\n", "text/csv; header=present"),
        (SAGEMAKER, "age,amount\n31,120.5\n58,", "text/csv"),
        (SAGEMAKER, "31,120.5\n58,", "text/csv; charset=utf-8"),
        (SAGEMAKER, "[31,120.5]\n[58,null]\n", "application/jsonlines"),
    ],
)
def test_csv_and_json_lines(reading: Reading, body: str, content_type: str) -> None:
    assert read_request(reading, body.encode(), content_type).columns == PEOPLE


def test_csv_without_names_counts_its_columns() -> None:
    found = read_answer(Reading("sagemaker"), b"0.25,yes\n1e3,no\n", "text/csv")
    assert found.columns == {"column 0": [0.25, 1000.0], "column 1": ["yes", "no"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("-0.5", -0.5), ("1_000", "1_000"), ("", None), ("9" * 30, float("9" * 30)),
     ("\u0661", "\u0661"), ("0x1", "0x1"), ("true", "true"), ("-inf", float("-inf"))],
)  # fmt: skip
def test_csv_cells(text: str, value: object) -> None:
    found = read_request(Reading("sagemaker", names=("a", "b")), f"{text},x".encode(), "text/csv")
    assert found.columns["a"] == [value]


@pytest.mark.parametrize(
    ("reading", "document", "values"),
    [
        (KSERVE, {"predictions": [0.25, 0.5]}, [0.25, 0.5]),
        (KSERVE, {"predictions": [[0.25], [0.5]]}, [0.25, 0.5]),
        (KSERVE, {"predictions": [{"score": 0.25}, {"score": 0.5}]}, [0.25, 0.5]),
        (KSERVE, {"outputs": {"dense": [[0.25], [0.5]]}}, [0.25, 0.5]),
        (KSERVE, {"outputs": 0.25}, [0.25]),
        (MLFLOW, {"predictions": ["yes", "no"]}, ["yes", "no"]),
        (MLFLOW, {"predictions": {"score": [1, 2]}}, [1, 2]),
        (SAGEMAKER, {"predictions": [{"predicted_label": 1, "score": 0.9}]}, [1]),
        (SAGEMAKER, {"score": 0.9}, [0.9]),
        (SAGEMAKER, [0.25, 0.5], [0.25, 0.5]),
    ],
)
def test_answers_and_their_first_output(reading: Reading, document: Any, values: list[Any]) -> None:
    found = read_answer(reading, bytes_of(document))
    assert prediction(PredictionOptions(), found) == values


def test_nested_records_are_columns_of_their_own_and_b64_is_a_text() -> None:
    document = {"instances": [{"who": {"age": 3, "image": {"b64": "aGk="}}, "tags": [1, 2]}]}
    found = read_request(KSERVE, bytes_of(document))
    assert found.columns == {"who.age": [3], "who.image": ["aGk="], "tags": [[1, 2]]}


@pytest.mark.parametrize(
    ("reading", "document", "reason"),
    [
        (KSERVE, {"error": "x"}, "schema"),
        (KSERVE, {"instances": [1], "inputs": [1]}, "schema"),
        (KSERVE, {"instances": 5}, "schema"),
        (KSERVE, {"instances": [[{"a": 1}]]}, "schema"),
        (KSERVE, {"inputs": {}}, "schema"),
        (KSERVE, {"instances": [{f"{at}": at} for at in range(1500)]}, "too_large"),
        (MLFLOW, {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "schema"),
        (MLFLOW, {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "schema"),
        (MLFLOW, {"dataframe_split": {"data": [[1, 2]]}}, "schema"),
        (MLFLOW, [1], "schema"),
        (SAGEMAKER, 3, "schema"),
    ],
)
def test_what_breaks_the_protocol(reading: Reading, document: Any, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_request(reading, bytes_of(document))
    assert caught.value.reason == reason


@pytest.mark.parametrize("body", [b"a,b\n1\n", b"\xff,1", b'"a', b""])
def test_broken_csv(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read_request(MLFLOW, body, "text/csv")
    assert caught.value.reason in ("schema", "syntax")


def test_pointers() -> None:
    where = Pointers({"age": "/person/age", "odd": "/a~1b/0", "none": "/x"})
    reading = Reading("custom", request=where, answer=Pointers({"score": "/s"}, rows="/items"))
    body = bytes_of({"person": {"age": 31}, "a/b": ["first"]})
    assert read_request(reading, body).columns == {"age": [31], "odd": ["first"], "none": [None]}
    answer = bytes_of({"items": [{"s": 0.5}, {"s": [1, 2]}, {}]})
    assert read_answer(reading, answer).columns == {"score": [0.5, [1, 2], None]}
    with pytest.raises(Unreadable) as caught:
        read_answer(reading, b"{}")
    assert caught.value.reason == "schema"
    with pytest.raises(Unreadable) as caught:
        read_answer(Reading("custom"), b"{}")
    assert caught.value.reason in OUR_LIMITS


ENCODED = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
    "deflate": zlib.compress,
    "Deflate ": lambda body: zlib.compress(body)[2:-4],
    "gzip, deflate": lambda body: zlib.compress(gzip.compress(body)),
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_encodings(encoding: str) -> None:
    body = ENCODED[encoding](bytes_of({"instances": RECORDS}))
    assert read_request(KSERVE, body, "application/json", encoding).columns == PEOPLE


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"{}", "gzip", "encoding"),
        (b"", "gzip", "encoding"),
        (gzip.compress(b"x" * 500, mtime=0)[:-9], "gzip", "encoding"),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip", "encoding"),
        (gzip.compress(b" " * 50_000_000, 1, mtime=0), "gzip", "too_large"),
        (zlib.compress(b" " * 5_000_000), "deflate", "too_large"),
        (b" " * 5_000_000, "", "too_large"),
        (b"{}", "br", "unsupported"),
        (b"{}", "gzip, gzip, gzip", "unsupported"),
    ],
)
def test_encodings_that_are_refused(body: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_request(KSERVE, body, "", encoding)
    assert caught.value.reason == reason


def test_a_few_bytes_do_not_become_many_values() -> None:
    zeros = b",".join([b"0"] * 200_000)
    tensor = b'{"inputs":[{"name":"x","datatype":"INT8","shape":[200000],"data":[%s]}]}' % zeros
    head = (
        b'{"inputs":[{"name":"x","datatype":"INT8","shape":[200000],'
        b'"parameters":{"binary_data_size":200000}}]}'
    )
    for reading, body, kind in (
        (Reading(), tensor, ""),
        (Reading(), head + b"\0" * 200_000, ""),
        (KSERVE, b'{"instances":[%s]}' % zeros, ""),
        (SAGEMAKER, b"0\n" * 200_000, "text/csv"),
    ):
        with pytest.raises(Unreadable, match="values; read are at most") as caught:
            read_request(reading, gzip.compress(body), kind, "gzip")
        assert caught.value.reason in OUR_LIMITS


def test_predict_proba_gives_its_last_column() -> None:
    found = read_answer(Reading(), real("mlserver-batch.answer.json"))
    assert prediction(PredictionOptions(), found) == pytest.approx([0.20755, 0.00083], abs=1e-5)
    assert prediction(PredictionOptions(output="predict"), found) == [0, 0]
    assert prediction(PredictionOptions(index=0), found) == pytest.approx(
        [0.79245, 0.99917], abs=1e-5
    )


@pytest.mark.parametrize(
    ("options", "columns", "words"),
    [
        (PredictionOptions(output="x"), {"y": [1.0]}, "no output 'x'; there are: y"),
        (PredictionOptions(), {"y": [[1.0, 2.0]]}, "2 values in a row"),
        (PredictionOptions(index=2), {"y": [[1.0, 2.0]]}, "index 2"),
        (PredictionOptions(index=0), {"y": [[[1.0], [2.0]]]}, "a table"),
        (PredictionOptions(), {}, "none"),
    ],
)
def test_no_prediction_is_said(options: PredictionOptions, columns: Any, words: str) -> None:
    with pytest.raises(Unreadable, match=words.replace("?", "")):
        prediction(options, Columns(1, columns))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=5))
def test_rows_read_back_in_every_form(rows: list[list[Any]]) -> None:
    expected = {"age": [row[0] for row in rows], "amount": [row[1] for row in rows]}
    records = [dict(zip(expected, row, strict=True)) for row in rows]
    forms = [
        (KSERVE, {"instances": rows}),
        (KSERVE, {"instances": records}),
        (KSERVE, {"inputs": expected}),
        (MLFLOW, {"dataframe_split": {"columns": list(expected), "data": rows}}),
        (MLFLOW, {"dataframe_records": records}),
    ]
    for reading, document in forms:
        assert read_request(reading, bytes_of(document)).columns == expected
