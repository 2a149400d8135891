"""A tiny encoder of bodies for the tests: what a client of each protocol would send."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BODIES = Path(__file__).with_name("bodies")
#: struct's letter of each datatype with one; written apart from the reader's on purpose.
LETTERS = {
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B",
    "UINT16": "H", "UINT32": "I", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip


def real(name: str) -> bytes:
    """A body as real programs wrote it: MLServer 1.7.1, tritonclient 2.73."""
    return (BODIES / name).read_bytes()


def tensor(
    name: str, datatype: str, shape: Sequence[int], data: object, **more: Any
) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data, **more}


def v2(*tensors: dict[str, Any], field: str = "inputs", **more: Any) -> bytes:
    return json.dumps({field: list(tensors), **more}).encode()


def raw(datatype: str, values: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(it)) + it for it in texts)
    if datatype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{LETTERS[datatype]}", *values)


def binary(
    *tensors: tuple[str, str, Sequence[int], Sequence[Any]], pad: int = 0
) -> tuple[bytes, int]:
    """A body of the binary extension, and its Inference-Header-Content-Length."""
    parts = [raw(datatype, values) for _, datatype, _, values in tensors]
    heads = [
        {
            "name": name,
            "datatype": datatype,
            "shape": list(shape),
            "parameters": {"binary_data_size": len(part)},
        }
        for (name, datatype, shape, _), part in zip(tensors, parts, strict=True)
    ]
    head = json.dumps({"inputs": heads}).encode() + b" " * pad
    return head + b"".join(parts), len(head)
