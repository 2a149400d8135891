"""A file of training data, piece by piece: CSV with a header, JSON lines, Parquet.

Nothing holds a whole file.  Every fault is an ``OperationRefused`` with file, line and what was
found.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from typing import BinaryIO

    from proxy.payload import Value

KINDS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
STDIN: Final = "-"
_ROWS: Final = 2_000  # of one piece
_CELLS: Final = 200_000  # of one piece, where a row is wide
_RAGGED: Final = 20 * _CELLS  # with those that only other rows of the piece have
_LONGEST_LINE: Final = 16 * 1024 * 1024


class Piece(NamedTuple):
    """Some rows, column by column; ``read`` bytes of the file were read until here."""

    rows: int
    columns: dict[str, list[Value]]
    read: int


class DataFile:
    """One file, read once.  ``missing`` are the texts that stand for no value in a CSV."""

    def __init__(
        self, path: str, kind: str = "", *, separator: str = "", missing: Sequence[str] = ()
    ) -> None:
        """Raises OperationRefused when there is no such file, or its kind cannot be told."""
        self.name = "standard input" if path == STDIN else path
        self.path = Path(path)
        self.kind = kind or KINDS.get(self.path.suffix.lower(), "")
        self._stdin = path == STDIN
        self._separator = separator or ("\t" if self.path.suffix.lower() == ".tsv" else ",")
        self._missing = frozenset(("", *missing))
        if not self.kind:
            what = "no name to tell its format by" if self._stdin else f"the name {self.path.name}"
            self._refuse(f"found {what}; allowed are {', '.join(KINDS)}, or --format")
        if self._stdin and self.kind == "parquet":
            self._refuse("found Parquet, which is read from its end; allowed is a file")

    def size(self) -> int | None:
        """Bytes of the file; None when nobody knows."""
        try:
            return None if self._stdin else self.path.stat().st_size
        except OSError as error:
            self._refuse(f"cannot be read: {error.strerror}")

    def pieces(self) -> Iterator[Piece]:
        """Raises OperationRefused at the first fault."""
        try:
            if self.kind == "parquet":
                yield from self._parquet()
                return
            read = self._csv if self.kind == "csv" else self._json_lines
            if self._stdin:
                yield from read(sys.stdin.buffer)
                return
            with self.path.open("rb") as file:
                yield from read(file)
        except OSError as error:
            self._refuse(f"cannot be read: {error.strerror or error}")

    def _refuse(self, found: str, line: int | None = None) -> NoReturn:
        place = self.name if line is None else f"{self.name}:{line}"
        raise OperationRefused(f"{place}: {found}")

    # ---- CSV

    def _csv(self, file: BinaryIO) -> Iterator[Piece]:
        lines = _Lines(file, self._refuse)
        reader = csv.reader(lines, delimiter=self._separator, strict=True)
        header = self._header(next(self._records(reader), None))
        most = _rows(len(header))
        cells: list[list[str]] = []
        for record in self._records(reader):
            if len(record) != len(header):
                self._refuse(
                    f"found {len(record)} cells; allowed are {len(header)}, as in the header",
                    reader.line_num,
                )
            cells.append(record)
            if len(cells) == most:
                yield self._piece(header, cells, lines.read)
                cells = []
        yield self._piece(header, cells, lines.read)

    def _records(self, reader: Any) -> Iterator[list[str]]:
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._refuse(f"found no CSV: {error}", reader.line_num)
            if record:
                yield record

    def _header(self, header: list[str] | None) -> list[str]:
        if header is None:
            self._refuse("found nothing; allowed is a line of column names, and rows")
        for at, name in enumerate(header):
            if not name or name in header[:at]:
                found = (
                    f"the column name {name!r} a second time" if name else "an empty column name"
                )
                self._refuse(f"found {found} in the header; allowed are names that differ", 1)
        if len(header) == 1:
            for separator in (";", "\t", "|", ","):
                if separator in header[0]:
                    self._refuse(
                        f"found one column; --separator {separator!r} may be what separates them", 1
                    )
        return header

    def _piece(self, header: list[str], cells: list[list[str]], read: int) -> Piece:
        from proxy.payload.documents import cell

        missing = self._missing
        columns: dict[str, list[Value]] = {
            name: [None if (text := row[at]) in missing else cell(text) for row in cells]
            for at, name in enumerate(header)
        }
        return Piece(len(cells), columns, read)

    # ---- JSON lines

    def _json_lines(self, file: BinaryIO) -> Iterator[Piece]:
        records: list[dict[str, Any]] = []
        cells = 0
        lines = _Lines(file, self._refuse)
        for line in lines:
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                self._refuse(f"found no JSON: {error}", lines.number)
            if not isinstance(record, dict):
                self._refuse(
                    f"found {type(record).__name__}; allowed is an object of columns", lines.number
                )
            records.append(record)
            cells += len(record)
            if len(records) == _ROWS or cells >= _CELLS:
                yield self._flat(records, lines)
                records, cells = [], 0
        yield self._flat(records, lines)

    def _flat(self, records: list[dict[str, Any]], lines: _Lines) -> Piece:
        from proxy.payload import Unreadable
        from proxy.payload.tables import from_rows

        try:
            found = from_rows(records, "row", most_cells=_RAGGED)
        except Unreadable as error:
            self._refuse(f"{error}, in the {len(records)} rows before", lines.number)
        return Piece(found.rows, found.columns if records else {}, lines.read)

    # ---- Parquet

    def _parquet(self) -> Iterator[Piece]:
        try:
            from pyarrow import ArrowException  # type: ignore[import-untyped]
            from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
        except ImportError:
            self._refuse("Parquet needs pyarrow: pip install 'pointsman[parquet]'")
        try:
            with ParquetFile(self.path) as file:
                size, rows = self.size() or 0, max(1, file.metadata.num_rows)
                done = 0
                for batch in file.iter_batches(_rows(len(file.schema_arrow.names))):
                    done += batch.num_rows
                    columns = {
                        name: [_plain(value) for value in values]
                        for name, values in batch.to_pydict().items()
                    }
                    yield Piece(batch.num_rows, columns, size * done // rows)
        except ArrowException as error:
            self._refuse(f"found no Parquet: {str(error)[:200]}")


def _rows(columns: int) -> int:
    return max(1, min(_ROWS, _CELLS // max(1, columns)))


class _Lines:
    """Lines of a file as text, counted, so that a byte that is no UTF-8 has its line named."""

    def __init__(self, file: BinaryIO, refuse: Callable[[str, int], NoReturn]) -> None:
        self._file = file
        self._refuse = refuse
        self.number = 0
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(_LONGEST_LINE + 1)
        if not raw:
            raise StopIteration
        self.number += 1
        self.read += len(raw)
        if len(raw) > _LONGEST_LINE:
            self._refuse(f"found a line of more than {_LONGEST_LINE} bytes", self.number)
        try:
            # Excel's CSV begins with a byte order mark.
            return raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = raw[error.start]
            self._refuse(f"found the byte 0x{byte:02x}; allowed is UTF-8", self.number)


def _plain(value: Any) -> Value:
    """A cell of Parquet as JSON would have it: dates and decimals as their text and number."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(it) for it in value]
    if hasattr(value, "as_integer_ratio"):  # Decimal
        return float(value)
    return str(value)
