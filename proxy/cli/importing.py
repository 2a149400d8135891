"""Sending a file's rows in chunks, and writing down what was refused.

An event counts once, by its id, so that whatever was interrupted is simply done again.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

from proxy.cli.client import AdminClient, NotNow, path
from proxy.cli.rows import BATCH, Row, Table
from proxy.errors import OperationRefused, Unreachable

#: Rows, and bytes, of one request.
ROWS: Final = BATCH
BYTES: Final = 4 * 1024 * 1024
CONTENT_TYPE: Final = "application/x-ndjson"
#: How often a chunk is sent that the desk cannot keep just now.
TRIES: Final = 6


class Rejects:
    """The file beside the file: every row that was refused, and why.  Made with the first one."""

    def __init__(self, table: Table) -> None:
        self._table = table
        ending = "jsonl" if table.kind == "jsonl" else "csv"
        self.path = Path(f"{table.path}.rejects.{ending}")
        self._file: TextIO | None = None

    def __enter__(self) -> Rejects:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, row: Row, problem: str) -> None:
        """Raises OperationRefused when the file cannot be written."""
        try:
            self._write(row, problem)
        except OSError as error:
            detail = f"{self.path}: cannot be written: {error.strerror or error}"
            raise OperationRefused(detail) from error

    def _write(self, row: Row, problem: str) -> None:
        first = self._file is None
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        if self._table.kind == "jsonl":
            said = {"row": row.number, "problem": problem, "event": "".join(row.cells)}
            self._file.write(json.dumps(said, ensure_ascii=False) + "\n")
            return
        out = csv.writer(self._file)
        if first:
            out.writerow(["row", "problem", *self._table.header])
        out.writerow([row.number, problem, *row.cells])


class Import:
    """One file's way to the desk."""

    def __init__(
        self, api: AdminClient, table: Table, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._api = api
        self._table = table
        self._sleep = sleep
        self._rejects = Rejects(table)
        self._taken = 0  # the last row that is done with
        self.rows = 0
        self.accepted = 0
        self.duplicates = 0
        self.waiting = 0
        self.rejected = 0

    def run(self) -> Import:
        """Send all of it.  Raises OperationRefused and Unreachable, which say how far it came."""
        with self._rejects, _progress(self._table) as progress:
            try:
                for chunk in _chunks(self._table.rows()):
                    self._send(chunk)
                    progress(chunk[-1].read)
            except Unreachable as error:
                raise Unreachable(self._so_far(error)) from error
            except OperationRefused as error:
                raise OperationRefused(self._so_far(error)) from error
        return self

    def _so_far(self, error: Exception) -> str:
        if not self._taken:
            return str(error)
        again = "run it again: what was taken is not taken twice"
        return f"{error}\n{self._table.path}: done up to row {self._taken:,}; {again}"

    def _send(self, chunk: list[Row]) -> None:
        self.rows += len(chunk)
        for row in chunk:
            if row.problem:
                self._reject(row, row.problem)
        good = [row for row in chunk if not row.problem]
        if good:
            answer = self._submit(b"\n".join(row.line for row in good))
            self.accepted += answer["accepted"]
            self.duplicates += answer["duplicates"]
            self.waiting += answer["waiting"]
            for it in answer["rejected"]:
                self._reject(good[it["index"]], it["problem"])
        self._taken = chunk[-1].number

    def _reject(self, row: Row, problem: str) -> None:
        self.rejected += 1
        self._rejects.add(row, problem)

    def _submit(self, body: bytes) -> Any:
        """The desk's answer; it may be busy for a while."""
        target = f"{path('feedback')}?rejected={ROWS}"
        for left in range(TRIES - 1, -1, -1):
            try:
                return self._api.submit(target, body, CONTENT_TYPE)
            except NotNow as busy:
                if not left:
                    raise
                self._sleep(busy.seconds)
        raise AssertionError("the last try returns or raises")

    def summary(self) -> dict[str, Any]:
        """What became of the rows, for scripts."""
        return {
            "file": str(self._table.path),
            "rows": self.rows,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "waiting": self.waiting,
            "rejected": self.rejected,
            "rejects": str(self._rejects.path) if self.rejected else None,
        }

    def words(self) -> str:
        """The same for people."""
        said = f"{self.rows:,} rows: {self.accepted:,} taken, {self.duplicates:,} known already"
        said += f", {self.rejected:,} refused"
        if self.waiting:
            said += f"; {self.waiting:,} wait for their predictions"
        return f"{said}\nrefused: {self._rejects.path}" if self.rejected else said


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.line)
        if len(chunk) == ROWS or size >= BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


@contextmanager
def _progress(table: Table) -> Iterator[Callable[[int], None]]:
    """A bar over the file's bytes on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(table.path.name.replace("[", r"\["), total=table.size)
        yield lambda read: shown.update(task, completed=read)
