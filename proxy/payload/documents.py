"""The protocols of plain JSON and CSV: KServe v1 and TensorFlow Serving, MLflow, SageMaker."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Final

from proxy.payload.columns import Columns, Unreadable, Value, kind
from proxy.payload.decoding import json_of, media_type, must_be_few
from proxy.payload.tables import from_columns, from_rows, from_split

#: A number as it stands in a CSV file.  Python's float() takes 1_000 as well.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|[+-]?(?:nan|inf|infinity)",
    re.ASCII | re.IGNORECASE,
)
_CSV: Final = ("text/csv", "application/csv")
_JSON_LINES: Final = ("application/jsonlines", "application/x-jsonlines", "application/x-ndjson")


def kserve_request(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    return _either(json_of(body), ("instances", "inputs"), names)


def kserve_answer(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    return _either(json_of(body), ("predictions", "outputs"), names)


def mlflow_request(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    if media_type(content_type)[0] in _CSV:
        return from_csv(body, (), header=True)
    document = json_of(body)
    if isinstance(document, dict):
        if "dataframe_split" in document:
            return from_split(document["dataframe_split"])
        if "dataframe_records" in document:
            return from_rows(document["dataframe_records"], "dataframe_records")
    allowed = ("dataframe_split", "dataframe_records", "instances", "inputs")
    return _either(document, allowed, names)


def mlflow_answer(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    return _either(json_of(body), ("predictions",), names)


def sagemaker_request(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    return _sagemaker(body, names, content_type, ("instances", "inputs"))


def sagemaker_answer(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    return _sagemaker(body, names, content_type, ("predictions", "outputs"))


def _sagemaker(
    body: bytes, names: Sequence[str], content_type: str, fields: tuple[str, ...]
) -> Columns:
    """No schema is fixed: CSV, JSON lines, JSON under a known name, a bare list or record."""
    media, parameters = media_type(content_type)
    if media in _CSV:
        # RFC 4180, 3: the header parameter.  SageMaker's own containers send none.
        return from_csv(body, names, header=parameters.get("header") == "present")
    if media in _JSON_LINES:
        rows = [json_of(line) for line in body.splitlines() if line.strip()]
        return from_rows(rows, fields[0], names)
    document = json_of(body)
    if isinstance(document, dict):
        if any(field in document for field in fields):
            return _either(document, fields, names)
        return from_rows([document], fields[0])
    if isinstance(document, list) and len(document) == len(names) and _single(document):
        document = [document]  # one row, without a list around it
    return from_rows(document, fields[0], names)


def _single(values: list[Any]) -> bool:
    return not any(isinstance(it, list | dict) for it in values)


def _either(document: Any, fields: tuple[str, ...], names: Sequence[str]) -> Columns:
    """What stands under exactly one of the fields: a list of rows, or a mapping of columns."""
    if not isinstance(document, dict):
        raise Unreadable("schema", f"found {kind(document)}; allowed is a mapping")
    found = [field for field in fields if field in document]
    if len(found) != 1:
        said = " and ".join(found) or ("an error" if "error" in document else "none of them")
        raise Unreadable("schema", f"found {said}; allowed is one of {', '.join(fields)}")
    given = document[found[0]]
    if isinstance(given, dict):
        return from_columns(given)
    if not isinstance(given, list) and found[0] in ("outputs", "inputs", "predictions"):
        given = [given]  # TensorFlow Serving leaves the list out for one value
    return from_rows(given, found[0], names)


def from_csv(body: bytes, names: Sequence[str], *, header: bool) -> Columns:
    """Cells as numbers where they are written so; an empty cell is a missing value."""
    must_be_few(body.count(b",") + body.count(b"\n"))
    try:
        text = body.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except UnicodeDecodeError:
        raise Unreadable("syntax", "found bytes that are no UTF-8") from None
    except csv.Error as error:
        raise Unreadable("syntax", f"found no CSV: {str(error)[:80]}") from None
    if not rows:
        raise Unreadable("schema", "found no row")
    if header or (names and rows[0] == list(names)):
        names, rows = rows[0], rows[1:]
        if len(set(names)) != len(names):
            raise Unreadable("schema", "found a column's name twice")
    width = len(names) if header else len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows):
        raise Unreadable("schema", f"found rows that have not {width} cells")
    cells = [[cell(it) for it in row] for row in rows]
    if len(names) == width:
        return Columns(len(rows), {it: [row[at] for row in cells] for at, it in enumerate(names)})
    return Columns(len(rows), {f"column {at}": [row[at] for row in cells] for at in range(width)})


def cell(text: str) -> Value:
    """One cell: a whole number, a number, nothing or a text."""
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if len(text) < 400 and _NUMBER.fullmatch(text):
        return float(text)
    return text
