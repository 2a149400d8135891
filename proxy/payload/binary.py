"""Elements of the binary tensor extension of the open inference protocol, version 2.

Row-major, little-endian; a BYTES element is its length in 4 bytes, and the bytes.
"""

from __future__ import annotations

import struct
from typing import Final

from proxy.payload.columns import Unreadable, Value

#: struct's letter and the size in bytes of one element.
_FIXED: Final[dict[str, tuple[str, int]]] = {
    "BOOL": ("?", 1),
    "INT8": ("b", 1),
    "INT16": ("h", 2),
    "INT32": ("i", 4),
    "INT64": ("q", 8),
    "UINT8": ("B", 1),
    "UINT16": ("H", 2),
    "UINT32": ("I", 4),
    "UINT64": ("Q", 8),
    "FP16": ("e", 2),
    "FP32": ("f", 4),
    "FP64": ("d", 8),
    "BF16": ("H", 2),
}
DATATYPES: Final = frozenset({*_FIXED, "BYTES"})


def elements(raw: bytes, datatype: str, count: int) -> list[Value]:
    """``count`` values of ``datatype`` that ``raw`` holds, neither more nor fewer."""
    if datatype == "BYTES":
        return _texts(raw, count)
    letter, size = _FIXED[datatype]
    if len(raw) != count * size:
        raise Unreadable(
            "schema", f"found {len(raw)} bytes for {count} elements of {size} bytes ({datatype})"
        )
    if datatype == "BF16":
        # The upper half of a 32-bit float.
        halves = struct.unpack(f"<{count}H", raw)
        wide = struct.pack(f"<{count}I", *(half << 16 for half in halves))
        return list(struct.unpack(f"<{count}f", wide))
    return list(struct.unpack(f"<{count}{letter}", raw))


def _texts(raw: bytes, count: int) -> list[Value]:
    texts: list[Value] = []
    at = 0
    while at < len(raw):
        start = at + 4
        end = start + int.from_bytes(raw[at:start], "little")
        if start > len(raw) or end > len(raw):
            raise Unreadable("syntax", "found a BYTES element that ends after its tensor")
        # Bytes that are no text stay visible, and distinct.
        texts.append(raw[start:end].decode("utf-8", "backslashreplace"))
        at = end
    if len(texts) != count:
        raise Unreadable("schema", f"found {len(texts)} BYTES elements; the shape says {count}")
    return texts
