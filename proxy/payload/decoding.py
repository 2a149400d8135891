"""Bytes to plain data: content encodings with a bound, and JSON as servers really write it."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any, Final

import msgspec

from proxy.payload.columns import Unreadable

#: A body expands to no more than this many bytes: sixteen times what is kept of one, so that a
#: caller cannot keep the desk busy with a few compressed kilobytes.
MOST: Final = 1024 * 1024
#: A body holds no more values than this; what is kept of one that is not compressed fits.
MOST_VALUES: Final = 65_536
_MOST_ENCODINGS = 2
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits for each framing
#: What Python's servers and TensorFlow Serving write where JSON has no word.
_NO_JSON: Final = re.compile(rb"NaN|Infinity")
_DECODER: Final = json.JSONDecoder()


def expanded(body: bytes, encoding: str, most: int = MOST) -> bytes:
    """The body without its content encodings (RFC 9110 8.4), at most ``most`` bytes of it."""
    names = [name for it in encoding.lower().split(",") if (name := it.strip()) != "identity"]
    names = [name for name in names if name]
    if len(names) > _MOST_ENCODINGS:
        raise Unreadable("unsupported", f"found {len(names)} content encodings; allowed are two")
    for name in reversed(names):
        if name in ("gzip", "x-gzip"):
            body = _members(body, most)
        elif name == "deflate":
            body = _deflated(body, most)
        else:
            raise Unreadable(
                "unsupported", f"found the content encoding {name[:20]!r}; read are gzip, deflate"
            )
    if len(body) > most:
        raise Unreadable("too_large", f"found {len(body)} bytes; read are at most {most}")
    return body


def _deflated(body: bytes, most: int) -> bytes:
    # RFC 9110 8.4.1.2: some senders leave the zlib wrapper out.
    wrapped = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _inflated(body, _ZLIB if wrapped else _RAW, most)[0]


def _members(body: bytes, most: int) -> bytes:
    """A gzip file is one or more members, one after the other (RFC 1952 2.2)."""
    parts: list[bytes] = []
    while body or not parts:
        part, body = _inflated(body, _GZIP, most)
        most -= len(part)
        parts.append(part)
    return b"".join(parts)


def _inflated(body: bytes, framing: int, most: int) -> tuple[bytes, bytes]:
    """One stream, and what follows it."""
    stream = zlib.decompressobj(framing)
    try:
        part = stream.decompress(body, most + 1)
    except zlib.error:
        raise Unreadable("encoding", "found broken compressed data") from None
    if len(part) > most:
        raise Unreadable("too_large", "found compressed data that expands to more than is read")
    if not stream.eof:
        raise Unreadable("encoding", "found compressed data without its end")
    return part, stream.unused_data


def must_be_few(values: int) -> None:
    """Raises ``Unreadable`` for more values than a desk should look at for one exchange."""
    if values > MOST_VALUES:
        raise Unreadable("too_large", f"found {values} values; read are at most {MOST_VALUES}")


def json_of(body: bytes) -> Any:
    """The JSON value of a body; NaN, Infinity and -Infinity are read as what they mean."""
    must_be_few(body.count(b","))
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _NO_JSON.search(body) is None:
            raise Unreadable("syntax", f"found no JSON: {_plain(error)}") from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("syntax", f"found no JSON: {_plain(error)}") from None


def _plain(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    # Both decoders say what is wrong and where, and quote nothing of the body.
    return str(error)[:120]


def leading_json(body: bytes) -> int:
    """Where the JSON value at the beginning of a body ends.

    As Latin-1 every byte is one character, and JSON's own signs are ASCII: the end is exact.
    """
    try:
        return _DECODER.raw_decode(body.decode("latin-1"))[1]
    except (ValueError, RecursionError) as error:
        raise Unreadable("syntax", f"found no JSON header: {_plain(error)}") from None


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """``text/csv; header=present`` as its type and parameters, lower case."""
    head, *rest = content_type.lower().split(";")
    given = (it.partition("=") for it in rest)
    return head.strip(), {name.strip(): value.strip().strip('"') for name, _, value in given}
