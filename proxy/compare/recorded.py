"""A line of recorded answers: one JSON object, to a Half and what belongs to its request.

    {"request_id": "r1", "prediction": 0.31}
    {"request_id": "r1", "predictions": [0.31, 0.4], "segments": {"age_band": "young"}}
    {"request_id": "r1", "answer": {"outputs": [...]}, "status": 200, "seconds": 0.012}
    {"request_id": "r1", "body": "data: ...", "content_type": "text/event-stream"}
    {"request_id": "r1", "body_base64": "H4sI...", "content_encoding": "gzip"}

Exactly one of the five ways to say what was answered; or ``"error": "upstream_timeout"`` where
nothing was.  ``at`` is seconds since the epoch or an RFC 3339 time.  Other fields are left alone.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from typing import Any, Final, NamedTuple

import msgspec

from proxy.terms import Half, Outcome

WAYS: Final = ("prediction", "predictions", "answer", "body", "body_base64", "error")
#: Ways that need no protocol: the prediction itself.
BARE: Final = frozenset({"prediction", "predictions"})
_MOST_SEGMENTS: Final = 32


class BadLine(ValueError):
    """The line is no recorded answer; says what was found and what is allowed."""


class Recorded(NamedTuple):
    """One line.  ``at`` is 0 where it was not said; ``way`` is one of WAYS."""

    request_id: str
    half: Half
    segments: tuple[str, ...]
    customer: str
    at: float
    way: str


class _Id(msgspec.Struct):
    request_id: str | int


def request_id(line: bytes) -> str:
    """Only the id, which is all that is needed to find the other half.  Raises BadLine."""
    try:
        return str(msgspec.json.decode(line, type=_Id).request_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(_document(line), "request_id")


def recorded(line: bytes, version: str) -> Recorded:
    """The whole line.  Raises BadLine."""
    document = _document(line)
    ways = [it for it in WAYS if it in document]
    if len(ways) != 1:
        found = " and ".join(ways) or "none of them"
        raise BadLine(f"found {found}; allowed is one of {', '.join(WAYS)}")
    way = ways[0]
    return Recorded(
        _text(document, "request_id"),
        _half(document, way, version),
        _segments(document.get("segments")),
        str(document.get("customer") or ""),
        _time(document.get("at")),
        way,
    )


def _document(line: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            found = json.loads(line)  # NaN
        except (ValueError, RecursionError) as error:
            raise BadLine(f"found no JSON: {str(error)[:120]}") from None
    if not isinstance(found, dict):
        raise BadLine(f"found {type(found).__name__}; allowed is an object with request_id")
    return found


def _text(document: dict[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
        raise BadLine(f"found no {name}; allowed is a text or a whole number")
    return str(found)


def _half(document: dict[str, Any], way: str, version: str) -> Half:
    seconds = document.get("seconds", 0.0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < 1e6:
        raise BadLine("found seconds that are none; allowed is a number from 0")
    if way == "error":
        return Half(version, _outcome(document["error"]), 0, float(seconds), b"", 0)
    status = document.get("status", 200)
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise BadLine("found a status that is none; allowed is 100 to 599")
    body = _body(document[way], way)
    outcome = (
        Outcome.UPSTREAM_5XX
        if status >= 500
        else Outcome.UPSTREAM_4XX
        if status >= 400
        else Outcome.OK
    )
    return Half(
        version,
        outcome,
        status,
        float(seconds),
        body,
        len(body),
        str(document.get("content_type") or ""),
        str(document.get("content_encoding") or "") if way.startswith("body") else "",
    )


def _outcome(value: Any) -> Outcome:
    try:
        return Outcome(value)
    except ValueError:
        return Outcome.UPSTREAM_PROTOCOL


def _body(value: Any, way: str) -> bytes:
    if way == "prediction":
        return _json({"predictions": [value]})
    if way == "predictions":
        if not isinstance(value, list):
            raise BadLine("found predictions that are no list; allowed is a list of rows")
        return _json({"predictions": value})
    if way == "answer":
        return _json(value)
    if not isinstance(value, str):
        raise BadLine(f"found a {way} that is no text")
    if way == "body":
        return value.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadLine("found a body_base64 that is none") from None


def _json(value: object) -> bytes:
    # Not msgspec: it writes NaN as null, and they are not the same.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _segments(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, dict):
        made = [f"{name}={it}" for name, it in value.items() if it is not None]
    elif isinstance(value, list) and all(isinstance(it, str) and "=" in it for it in value):
        made = list(value)
    else:
        raise BadLine("found segments that are none; allowed is a mapping of dimension to value")
    if len(made) > _MOST_SEGMENTS:
        raise BadLine(f"found {len(made)} segments; allowed are {_MOST_SEGMENTS}")
    return tuple(sorted(it[:200] for it in made))


def _time(value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        return float(value)
    if isinstance(value, str):
        try:
            found = datetime.datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            known = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
            return known.timestamp()
    raise BadLine("found a time that is none; allowed are seconds since the epoch or RFC 3339")
