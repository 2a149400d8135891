"""The open inference protocol, version 2: named tensors in JSON, in binary, or in both.

A tensor's first dimension is its rows.  Trailing dimensions of one are left out, so that a column
of shape [n, 1] (MLServer's ``pd``) holds single values; what is left is a vector in each row.
Tensors that do not agree on their rows are one row together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from proxy.payload import binary
from proxy.payload.columns import Columns, Unreadable, Value, kind
from proxy.payload.decoding import json_of, leading_json, must_be_few

_MOST_DIMENSIONS: Final = 16
_JSON_SPACE: Final = b" \t\r\n"
_SIZE: Final = b"binary_data_size"


class _Tensor:
    """One tensor as it came: its elements in row-major order, and its shape."""

    __slots__ = ("datatype", "flat", "name", "shape")

    def __init__(self, name: str, datatype: str, shape: list[int], flat: list[Value]) -> None:
        self.name, self.datatype, self.shape, self.flat = name, datatype, shape, flat


def read(
    body: bytes,
    field: Literal["inputs", "outputs"],
    names: Sequence[str] = (),
    *,
    header: int | None = None,
) -> Columns:
    """The tensors in ``field``; a single matrix as wide as ``names`` becomes those columns.

    ``header`` is the value of Inference-Header-Content-Length.  Without it, a body that announces
    binary data is taken apart where its JSON ends, whatever its content type: Triton's own client
    sends none.
    """
    document, tail = _parts(body, header)
    if not isinstance(document, dict):
        raise Unreadable("schema", f"found {kind(document)}; allowed is a mapping with {field}")
    given = document.get(field)
    if not isinstance(given, list):
        said = "an error" if "error" in document else f"{kind(given)} as {field}"
        raise Unreadable("schema", f"found {said}; allowed is a list of tensors")
    tensors, left, values = [], tail, 0
    for item in given:
        tensor, left = _tensor(item, left)
        tensors.append(tensor)
        values += len(tensor.flat)
        must_be_few(values)
    if left:
        raise Unreadable("schema", f"found {len(left)} bytes after the last tensor")
    return _columns(tensors, names)


def _parts(body: bytes, header: int | None) -> tuple[Any, bytes]:
    """The JSON, and the binary data after it."""
    if header is not None:
        if not 0 < header <= len(body):
            raise Unreadable("schema", f"found a header of {header} bytes in {len(body)}")
        return json_of(body[:header]), body[header:]
    if _SIZE not in body:
        return json_of(body), b""
    end = leading_json(body)
    document = json_of(body[:end])
    # A client may fill its header up with spaces; the tensors' sizes say how many.
    spare = len(body) - end - _announced(document)
    if spare > 0 and not body[end : end + spare].strip(_JSON_SPACE):
        end += spare
    return document, body[end:]


def _announced(document: Any) -> int:
    """Bytes of binary data that the tensors announce; what is malformed is found later."""
    total = 0
    for field in ("inputs", "outputs"):
        given = document.get(field) if isinstance(document, dict) else None
        for tensor in given if isinstance(given, list) else ():
            if isinstance(tensor, dict) and isinstance(tensor.get("parameters"), dict):
                size = tensor["parameters"].get("binary_data_size")
                total += size if isinstance(size, int) and size > 0 else 0
    return total


def _tensor(item: object, tail: bytes) -> tuple[_Tensor, bytes]:
    """One tensor, and what it leaves of the binary data."""
    if not isinstance(item, dict):
        raise Unreadable("schema", f"found {kind(item)} as a tensor")
    name, datatype = item.get("name"), item.get("datatype")
    if not isinstance(name, str) or not name:
        raise Unreadable("schema", "found a tensor without a name")
    if not isinstance(datatype, str):
        raise Unreadable("schema", "found a tensor without a datatype")
    if datatype not in binary.DATATYPES:
        raise Unreadable("unsupported", f"found the datatype {datatype[:20]!r}")
    shape = _shape(item.get("shape"))
    count = _product(shape)
    if count == 0 and shape[0] != 0:
        # Else a few digits could ask for any number of empty rows.
        raise Unreadable("schema", "found a dimension of 0 that is not the first")
    must_be_few(count)
    parameters = item.get("parameters")
    if isinstance(parameters, dict) and "shared_memory_region" in parameters:
        raise Unreadable("unsupported", "found a tensor in shared memory")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return _Tensor(name, datatype, shape, _flat(item.get("data"), count)), tail
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tail):
        raise Unreadable("syntax", f"found {len(tail)} bytes of binary data; more are announced")
    flat = binary.elements(tail[:size], datatype, count)
    return _Tensor(name, datatype, shape, flat), tail[size:]


def _shape(given: object) -> list[int]:
    if not isinstance(given, list) or len(given) > _MOST_DIMENSIONS:
        raise Unreadable("schema", f"found {kind(given)} as a shape")
    for size in given:
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise Unreadable("schema", f"found {kind(size)} as a dimension that is no size")
    return given


def _product(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _flat(data: object, count: int) -> list[Value]:
    """The elements in order, whether they came flat or nested; there must be ``count``."""
    if isinstance(data, str) and count == 1:
        return [data]
    if not isinstance(data, list):
        raise Unreadable("schema", f"found {kind(data)} as data; allowed is a list")
    depth = 0
    while any(isinstance(it, list) for it in data):
        depth += 1
        if depth > _MOST_DIMENSIONS or not all(isinstance(it, list) for it in data):
            raise Unreadable("schema", "found data that is nested unevenly")
        data = [element for row in data for element in row]
    if len(data) != count:
        raise Unreadable("schema", f"found {len(data)} elements; the shape says {count}")
    if any(isinstance(it, dict) for it in data):
        raise Unreadable("schema", "found a mapping as an element")
    return data


def _columns(tensors: list[_Tensor], names: Sequence[str]) -> Columns:
    if len({it.name for it in tensors}) != len(tensors):
        raise Unreadable("schema", "found two tensors of one name")
    if not tensors:
        raise Unreadable("schema", "found no tensors")
    if len(tensors) == 1 and names and tensors[0].shape[1:] == [len(names)]:
        return _named(tensors[0], names)
    types = {it.name: it.datatype for it in tensors}
    lengths = {it.shape[0] if it.shape else 1 for it in tensors}
    if len(lengths) == 1:
        return Columns(lengths.pop(), {it.name: _rows(it.flat, it.shape) for it in tensors}, types)
    return Columns(1, {it.name: [_rows(it.flat, it.shape)] for it in tensors}, types)


def _named(matrix: _Tensor, names: Sequence[str]) -> Columns:
    width, flat = len(names), matrix.flat
    return Columns(
        matrix.shape[0],
        {name: flat[at::width] for at, name in enumerate(names)},
        dict.fromkeys(names, matrix.datatype),
    )


def _rows(flat: list[Value], shape: list[int]) -> list[Value]:
    """The rows of a tensor, nested as its inner dimensions say."""
    inner = shape[1:]
    while inner and inner[-1] == 1:
        inner = inner[:-1]
    for size in reversed(inner):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat
