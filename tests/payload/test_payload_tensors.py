"""Open inference protocol v2: JSON and binary tensors, real bodies and made ones."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payload_bodies import binary, real, tensor, v2

from proxy.payload import Columns, Reading, Unreadable, read_answer, read_request

V2 = Reading()
BINARY = "application/octet-stream"


def refused(body: bytes, content_type: str = "", **more: Any) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_request(V2, body, content_type, **more)
    return caught.value


def test_a_real_matrix_is_a_vector_in_each_row() -> None:
    found = read_request(V2, real("mlserver-batch.request.json"))
    assert (found.rows, list(found.columns)) == (2, ["customer"])
    assert [len(row) for row in found.columns["customer"] if isinstance(row, list)] == [32, 32]
    assert found.types == {"customer": "FP64"}


@pytest.mark.parametrize("body", ["batch", "nested"])
def test_a_real_matrix_gets_the_names_that_fit(body: str) -> None:
    names = tuple(f"feature {at}" for at in range(32))
    found = read_request(Reading(names=names), real(f"mlserver-{body}.request.json"))
    assert tuple(found.columns) == names
    assert found.columns["feature 2"] == [35.0, 24.0]
    assert set(found.types.values()) == {"FP64"}


def test_real_pandas_columns_are_single_values() -> None:
    found = read_request(V2, real("mlserver-pandas.request.json"))
    assert found.rows == 2
    assert len(found.columns) == 32
    assert found.columns["f2"] == [35.0, 24.0]


def test_real_answers() -> None:
    found = read_answer(V2, real("mlserver-batch.answer.json"))
    assert found.columns["predict"] == [0, 0]
    assert found.columns["predict_proba"][0] == pytest.approx([0.79245, 0.20755], abs=1e-5)
    zipped = real("mlserver-gzip.answer.json.gz")
    assert read_answer(V2, zipped, "application/json", "gzip").rows == 40


@pytest.mark.parametrize("header", [340, None])
def test_a_real_binary_body_of_tritons_client(header: int | None) -> None:
    found = read_request(V2, real("triton-client.request.bin"), header=header)
    assert found.columns == {
        "customer": [[1.5, -2.0, 3.0], [4.0, 5.0, 6.0]],
        "half": [0.5, math.inf],
        "text": ["grün", "x"],
    }


def test_names_of_another_width_change_nothing() -> None:
    found = read_request(Reading(names=("a", "b")), v2(tensor("x", "FP32", [1, 3], [1, 2, 3])))
    assert found.columns == {"x": [[1, 2, 3]]}


def test_tensors_that_do_not_agree_on_rows_are_one_row() -> None:
    body = v2(tensor("text", "BYTES", [1], ["hi"]), tensor("stop", "INT32", [3], [1, 2, 3]))
    found = read_request(V2, body)
    assert found == Columns(
        1, {"text": [["hi"]], "stop": [[1, 2, 3]]}, {"text": "BYTES", "stop": "INT32"}
    )


@pytest.mark.parametrize(
    ("shape", "rows", "values"),
    [
        ([], 1, [7]),
        ([1], 1, [7]),
        ([1, 1, 1], 1, [7]),
        ([2, 2], 2, [[7, 8], [9, 0]]),
        ([2, 2, 1], 2, [[7, 8], [9, 0]]),
        ([1, 2, 2], 1, [[[7, 8], [9, 0]]]),
        ([0], 0, []),
        ([0, 5], 0, []),
    ],
)
def test_shapes(shape: list[int], rows: int, values: list[object]) -> None:
    data = [7, 8, 9, 0][: math.prod(shape)]
    found = read_request(V2, v2(tensor("x", "INT64", shape, data)))
    assert (found.rows, found.columns["x"]) == (rows, values)


def test_nan_as_python_and_tensorflow_write_it() -> None:
    body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[NaN,-Infinity,null]}]}'
    first, second, third = read_request(V2, body).columns["x"]
    assert isinstance(first, float)
    assert math.isnan(first)
    assert second == -math.inf
    assert third is None


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        (b"", "syntax", "no JSON"),
        (b"Internal Server Error", "syntax", "no JSON"),
        (b"[1]", "schema", "a list of 1"),
        (b'{"error": "no such model: secret"}', "schema", "an error"),
        (b'{"inputs": []}', "schema", "no tensors"),
        (b'{"inputs": [3]}', "schema", "a number as a tensor"),
        (v2(tensor("", "FP32", [1], [1])), "schema", "without a name"),
        (v2(tensor("x", "FP32", [2], [1])), "schema", "1 elements; the shape says 2"),
        (v2(tensor("x", "FP32", [-1], [1])), "schema", "no size"),
        (v2(tensor("x", "FP32", [True], [1])), "schema", "no size"),
        (v2(tensor("x", "FP32", [10**15, 0], [])), "schema", "a dimension of 0"),
        (v2(tensor("x", "FP32", [2, 2], [[1, 2], 3])), "schema", "unevenly"),
        (v2(tensor("x", "FP32", [1], [{"a": 1}])), "schema", "a mapping"),
        (v2(tensor("x", "FP128", [1], [1])), "unsupported", "FP128"),
        (v2(tensor("x", "FP32", [1], [1]), tensor("x", "FP32", [1], [1])), "schema", "one name"),
        (v2({"name": "x", "datatype": "FP32", "shape": [1]}), "schema", "null as data"),
        (b"[" * 60_000, "syntax", "nested too deep"),
    ],
)
def test_what_is_refused_and_why(body: bytes, reason: str, words: str) -> None:
    error = refused(body)
    assert (error.reason, words in str(error)) == (reason, True), error
    assert "secret" not in str(error)


DATATYPES = {
    "BOOL": st.booleans(),
    "INT8": st.integers(-128, 127),
    "INT16": st.integers(-(2**15), 2**15 - 1),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "UINT8": st.integers(0, 255),
    "UINT16": st.integers(0, 2**16 - 1),
    "UINT32": st.integers(0, 2**32 - 1),
    "UINT64": st.integers(0, 2**64 - 1),
    "FP16": st.floats(width=16, allow_nan=False),
    "FP32": st.floats(width=32, allow_nan=False),
    "FP64": st.floats(allow_nan=False),
    # The values whose lower half is nought: those that BF16 can hold.
    "BF16": st.integers(0, 0x7F00).map(lambda it: struct.pack("<I", it << 16)).map(
        lambda it: struct.unpack("<f", it)[0]
    ),
    "BYTES": st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
}  # fmt: skip


@st.composite
def columns(draw: st.DrawFn) -> list[tuple[str, str, list[int], list[Any]]]:
    rows = draw(st.integers(0, 4))
    tensors = []
    for at in range(draw(st.integers(1, 4))):
        datatype = draw(st.sampled_from(sorted(DATATYPES)))
        values = draw(st.lists(DATATYPES[datatype], min_size=rows, max_size=rows))
        tensors.append((f"c{at}", datatype, [rows, 1], values))
    return tensors


@given(columns(), st.integers(0, 9), st.booleans())
def test_binary_tensors_read_back(
    tensors: list[tuple[str, str, list[int], list[Any]]], pad: int, told: bool
) -> None:
    body, header = binary(*tensors, pad=pad)
    found = read_request(V2, body, BINARY, header=header if told else None)
    assert found.columns == {name: values for name, _, _, values in tensors}
    assert found.types == {name: datatype for name, datatype, _, _ in tensors}


@given(columns())
def test_json_tensors_read_back(tensors: list[tuple[str, str, list[int], list[Any]]]) -> None:
    finite = [
        (n, d, s, [0 if v in (math.inf, -math.inf) else v for v in it]) for n, d, s, it in tensors
    ]
    found = read_request(V2, v2(*(tensor(*it) for it in finite)))
    assert found.columns == {name: values for name, _, _, values in finite}


def test_binary_and_json_tensors_stand_side_by_side() -> None:
    first = {"name": "a", "datatype": "INT16", "shape": [2], "parameters": {"binary_data_size": 4}}
    body = v2(first, tensor("b", "BYTES", [2], ["x", "y"])) + b"\x01\x00\xff\xff"
    assert read_request(V2, body, BINARY).columns == {"a": [1, -1], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("size", "tail", "reason"),
    [(8, b"1234", "syntax"), (4, b"12345678", "schema"), (2, b"12", "schema"), (-4, b"", "syntax")],
)
def test_torn_binary_data_is_refused(size: int, tail: bytes, reason: str) -> None:
    head = json.dumps(
        {"inputs": [{"name": "a", "datatype": "FP32", "shape": [1],
                     "parameters": {"binary_data_size": size}}]}
    ).encode()  # fmt: skip
    assert refused(head + tail, BINARY, header=len(head)).reason == reason


@pytest.mark.parametrize("header", [0, -1, 10**9])
def test_a_header_length_that_cannot_be_is_refused(header: int) -> None:
    assert refused(b'{"inputs":[]}', BINARY, header=header).reason == "schema"


def test_bytes_elements_that_are_torn_or_too_few() -> None:
    def body(raw: bytes) -> tuple[bytes, int]:
        head = json.dumps(
            {"inputs": [{"name": "a", "datatype": "BYTES", "shape": [2],
                         "parameters": {"binary_data_size": len(raw)}}]}
        ).encode()  # fmt: skip
        return head + raw, len(head)

    for raw, reason in (
        (b"\x09\0\0\0abc", "syntax"),
        (b"\x01\0", "syntax"),
        (b"\0\0\0\0", "schema"),
    ):
        whole, header = body(raw)
        assert refused(whole, BINARY, header=header).reason == reason
    whole, header = body(b"\x01\0\0\0\xff\x01\0\0\0\xfe")
    assert read_request(V2, whole, BINARY, header=header).columns["a"] == ["\\xff", "\\xfe"]
