"""Rows of a file as feedback events: CSV with a header, JSON lines, Parquet.

A row becomes one line of JSON, to be judged by the desk; only what cannot even become that is
refused here.  Nothing holds a whole file.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from typing import BinaryIO

#: What an event may say (proxy/feedback/reading.py); a column of that name is taken by itself.
FIELDS: Final = (
    "type", "event_id", "request_id", "model", "customer", "since", "until", "name", "value", "at",
)  # fmt: skip
KINDS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
#: Bytes of a row; the desk takes 64 KiB.
LONGEST: Final = 1024 * 1024
BATCH: Final = 2_000

#: A number as JSON writes it: 007 is a text, and stays one.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_TIMES: Final = ("since", "until", "at")


class Row(NamedTuple):
    """``number`` counts from 1, the header left out; ``line`` is the event, empty with a
    ``problem``; ``cells`` is what stood there; ``read`` how many bytes of the file are read."""

    number: int
    line: bytes
    cells: list[str]
    problem: str
    read: int


class Wanted(NamedTuple):
    """Where the fields of an event come from: ``columns`` by field; ``fixed`` where no column
    says anything."""

    columns: Mapping[str, str]
    fixed: Mapping[str, str]


class Table:
    """The rows of one file, read once.

    ``header`` are the columns of the rejects; of JSON lines it is empty.
    """

    def __init__(self, path: Path, kind: str, mapping: Wanted) -> None:
        self.path = path
        self.kind = kind
        self.mapping = mapping
        self.header: list[str] = []
        try:
            self.size = path.stat().st_size
        except OSError as error:
            raise OperationRefused(f"{path}: cannot be read: {error.strerror}") from error

    def rows(self) -> Iterator[Row]:
        """Raises OperationRefused when the file as a whole cannot be read."""
        read = {"csv": self._csv, "jsonl": self._lines, "parquet": self._parquet}[self.kind]
        try:
            yield from read()
        except OSError as error:
            raise OperationRefused(f"{self.path}: cannot be read: {error}") from error

    def _taken(self, header: list[str]) -> dict[str, str]:
        """Field -> column.  Raises OperationRefused for a column that is not there."""
        found = {name: name for name in FIELDS if name in header} | dict(self.mapping.columns)
        missing = [column for column in found.values() if column not in header]
        if missing or not found:
            what = f"has no column {missing[0]!r}" if missing else "has no column of an event"
            raise OperationRefused(
                f"{self.path}: {what}; it has {', '.join(header)[:500]}. "
                f"An event's fields are {', '.join(FIELDS)}; --column FIELD=COLUMN maps them"
            )
        return found

    def _event(self, said: Mapping[str, Any]) -> bytes:
        return json.dumps({**self.mapping.fixed, **said}, allow_nan=False).encode()

    # ---- CSV

    def _csv(self) -> Iterator[Row]:
        with self.path.open("rb") as file:
            # What is no UTF-8 costs its row, not the file.
            text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
            reader = csv.reader(text, strict=True)
            self.header = next(reader, [])
            taken = self._taken(self.header)
            places = {field: self.header.index(column) for field, column in taken.items()}
            for number, cells, problem in _records(reader):
                if not cells and not problem:
                    continue
                yield self._cells(number, cells, problem, places, file)

    def _cells(
        self, number: int, cells: list[str], problem: str, places: dict[str, int], file: BinaryIO
    ) -> Row:
        if not problem and len(cells) != len(self.header):
            problem = f"found {len(cells)} fields; allowed are {len(self.header)}, as in the header"
        if not problem and not "".join(cells).isascii():
            problem = _undecoded(cells)
        said = {}
        if not problem:
            said = {
                field: plain(field, cells[place])
                for field, place in places.items()
                if cells[place] != ""
            }
        line = b"" if problem else self._event(said)
        return Row(number, line, cells, problem, min(file.tell(), self.size))

    # ---- JSON lines

    def _lines(self) -> Iterator[Row]:
        read = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), 1):
                read += len(line)
                if len(line) > LONGEST:
                    while line and not line.endswith(b"\n"):
                        line = file.readline(LONGEST)
                        read += len(line)
                    yield Row(number, b"", [], f"found over {LONGEST} bytes in one line", read)
                    continue
                line = line.strip()
                if line:
                    yield Row(number, self._mapped(line), [line.decode(errors="replace")], "", read)

    def _mapped(self, line: bytes) -> bytes:
        """With the columns renamed and the fixed fields; what is no object stays as it is."""
        if not self.mapping.columns and not self.mapping.fixed:
            return line
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return line
        if not isinstance(found, dict) or "specversion" in found:
            return line
        for field, column in self.mapping.columns.items():
            if column in found:
                found[field] = found.pop(column)
        said = {name: value for name, value in found.items() if value is not None}
        return json.dumps({**self.mapping.fixed, **said}).encode()

    # ---- Parquet

    def _parquet(self) -> Iterator[Row]:
        try:
            from pyarrow import ArrowException  # type: ignore[import-untyped]
            from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
        except ImportError:
            detail = "Parquet needs pyarrow: pip install 'pointsman[parquet]'"
            raise OperationRefused(f"{self.path}: {detail}") from None
        try:
            with ParquetFile(self.path) as file:
                self.header = list(file.schema_arrow.names)
                taken = self._taken(self.header)
                columns = list(dict.fromkeys(taken.values()))
                self.header, number = columns, 0
                rows = max(1, file.metadata.num_rows)
                for batch in file.iter_batches(BATCH, columns=columns):
                    for record in batch.to_pylist():
                        number += 1
                        yield self._record(number, record, taken, self.size * number // rows)
        except ArrowException as error:
            raise OperationRefused(f"{self.path}: found no Parquet: {error}") from error

    def _record(self, number: int, record: dict[str, Any], taken: dict[str, str], read: int) -> Row:
        cells = ["" if it is None else str(it) for it in record.values()]
        try:
            said = {field: _json(record[column]) for field, column in taken.items()}
            line = self._event({field: it for field, it in said.items() if it is not None})
        except (TypeError, ValueError) as error:
            return Row(number, b"", cells, str(error), read)
        return Row(number, line, cells, "", read)


def _records(reader: Any) -> Iterator[tuple[int, list[str], str]]:
    """A broken record is said, and the next one is looked for."""
    number = 0
    while True:
        number += 1
        try:
            yield number, next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            yield number, [], f"found no CSV in line {reader.line_num}: {error}"


def _undecoded(cells: list[str]) -> str:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return "found bytes that are no UTF-8"
    return ""


def plain(field: str, text: str) -> float | bool | str:
    """A cell as JSON would have it: in a CSV all is text."""
    if field in _TIMES or field == "value":
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else text
        if field == "value" and text.lower() in ("true", "false"):
            return text.lower() == "true"
    return text


def _json(value: Any) -> Any:
    """A cell of Parquet as JSON has it.  Raises TypeError."""
    match value:
        case datetime.datetime():
            # Without a zone it is UTC, as who writes Parquet means it.
            aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
            return aware.timestamp()
        case decimal.Decimal():
            return _json(float(value))
        case float() if math.isnan(value):
            return None  # what has no value is written so
        case float() if math.isinf(value):
            raise TypeError("found an infinite number; allowed is a finite one")
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"found {type(value).__name__}; allowed are numbers, texts, truths and times")
