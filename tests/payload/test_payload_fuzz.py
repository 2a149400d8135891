"""Whatever comes: columns that agree with each other, or ``Unreadable`` with a known reason."""

from __future__ import annotations

import gzip
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from payload_bodies import binary, real

from proxy.payload import (
    PROTOCOLS,
    Pointers,
    PredictionOptions,
    Reading,
    Reason,
    Unreadable,
    prediction,
    read_answer,
    read_request,
)

REASONS = get_args(Reason)
WHERE = Pointers({"a": "/inputs/0/data", "b": "/predictions/0"})
READINGS = [
    Reading(it, names=names, request=WHERE, answer=WHERE)
    for it in PROTOCOLS
    for names in ((), ("a", "b"))
]
SEEDS = [
    real("mlserver-batch.request.json"),
    real("mlserver-pandas.request.json")[:600],
    real("mlserver-batch.answer.json"),
    gzip.compress(real("mlserver-proba.answer.json")),
    binary(("a", "FP32", [2], [1, 2]), ("b", "BYTES", [2], ["x", "yz"]))[0],
    b'{"instances":[{"a":1,"b":[1,2]},{"a":null,"c":{"b64":"x"}}]}',
    b'{"inputs":{"a":[[1],[2]],"b":[NaN,-Infinity]}}',
    b'{"dataframe_split":{"columns":["a","b"],"data":[[1,"x"],[2,null]]}}',
    b'{"predictions":[[0.1,0.9],[0.2,0.8]]}',
    b"a,b\n1,2\n3,x\n",
]
TYPES = ["", "application/json", "text/csv; header=present", "application/octet-stream", ";=;"]
PIECES = [b"[", b"]", b"{", b"}", b",", b":", b'"', b"0", b"-1", b"1e999", b"NaN", b"null",
          b"\xff", b"\0", b"9" * 5000, b'"shape":[1,0]', b'"b64"', b"\n", b"[" * 2000]  # fmt: skip
CHANGE = st.tuples(
    st.floats(0, 1), st.floats(0, 0.2), st.sampled_from(PIECES) | st.binary(max_size=3)
)


def changed(body: bytes, changes: list[tuple[float, float, bytes]]) -> bytes:
    for place, length, piece in changes:
        at = int(place * len(body))
        body = body[:at] + piece + body[at + int(length * len(body)) :]
    return body


@given(
    st.sampled_from(SEEDS) | st.binary(max_size=60),
    st.lists(CHANGE, max_size=4),
    st.sampled_from(TYPES),
    st.sampled_from(["", "gzip", "deflate", "br", ",,"]),
    st.none() | st.integers(-1, 400),
)
def test_nothing_but_unreadable(
    seed: bytes,
    changes: list[tuple[float, float, bytes]],
    content_type: str,
    encoding: str,
    header: int | None,
) -> None:
    body = changed(seed, changes)
    for reading in READINGS:
        for read in (read_request, read_answer):
            error: Unreadable | None = None
            try:
                found = read(reading, body, content_type, encoding, header=header)
                assert all(len(values) == found.rows for values in found.columns.values())
                prediction(PredictionOptions(index=0), found)
            except Unreadable as caught:
                error = caught
            assert error is None or error.reason in REASONS
            assert len(str(error)) < 300
            assert "could not be read (" not in str(error), "the last net caught it"
