"""``pointsman profile``: what training data looks like, for data-quality rules and for drift."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.datafile import DataFile
from proxy.cli.options import Json
from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.quality import ColumnProfile, Gatherer, Profile

#: Texts that pandas reads as missing as well; an empty cell always is.
MISSING = ("NA", "N/A", "null", "NULL", "None", "<NA>")
_FORMATS = ("csv", "jsonl", "parquet")
_SHOWN_CATEGORIES = 4


def _one_sign(value: str) -> str:
    sign = {"tab": "\t", r"\t": "\t"}.get(value, value)
    if len(sign) > 1 or sign in ("\n", "\r", '"'):
        raise typer.BadParameter(f"{value!r} is not one sign, or tab")
    return sign


def _format(value: str) -> str:
    if value and value not in _FORMATS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(_FORMATS)}")
    return value


def profile(
    file: Annotated[
        str,
        typer.Argument(
            help="CSV with a header, JSON lines or Parquet; - for standard input.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the profile is written.", metavar="FILE", show_default=False
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="A column that is no input but what is predicted; may be given again.",
            metavar="COLUMN",
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            help="A column that is left out, such as an id; may be given again.",
            metavar="COLUMN",
            show_default=False,
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option(
            "--missing",
            help=f"A text in a CSV that stands for no value, beside {', '.join(MISSING)}.",
            metavar="TEXT",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="csv, jsonl or parquet, in place of what the name says.",
            metavar="FORMAT",
            callback=_format,
            show_default=False,
        ),
    ] = "",
    separator: Annotated[
        str,
        typer.Option(
            "--separator",
            help="What separates the cells of a CSV: a comma when left out; tab for a tab.",
            metavar="SIGN",
            callback=_one_sign,
            show_default=False,
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Profile training data, as a reference for data quality.

    Reads the file once, with bounded memory, and notes for each column its type, what is
    missing, the range, quantiles, a histogram and the categories. It keeps no rows. Name the
    profile in the config (models.MODEL.quality.profile), and every input is held against it.

    \b
    Examples:
      pointsman profile train.csv --out credit-risk.profile.json --label default --without id
      pointsman profile train.parquet --json
    """
    from proxy.cli.options import print_json
    from proxy.quality.profile import encode

    if out is None and not as_json:
        raise typer.BadParameter("give --out FILE to write it, or --json to print it")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        # Said before an hour of reading, not after it.
        raise OperationRefused(
            f"{out}: cannot be written: allowed is a file in a folder that is there"
        )
    source = DataFile(file, kind, separator=separator, missing=(*MISSING, *(missing or ())))
    made = _gathered(source, label or [], without or [])
    if out is not None:
        _write(out, encode(made))
    if as_json:
        import json

        print_json(json.loads(encode(made)))
    else:
        _show(made, source.name, out)


def _gathered(source: DataFile, labels: list[str], without: list[str]) -> Profile:
    from proxy.quality import Gatherer
    from proxy.quality.gathering import TooManyColumns

    gatherer = Gatherer(labels)
    left_out: set[str] = set()
    try:
        with _progress(source) as reached:
            for piece in source.pieces():
                left_out |= piece.columns.keys() & set(without)
                columns = {it: v for it, v in piece.columns.items() if it not in left_out}
                gatherer.add(piece.rows, columns)
                reached(piece.read)
    except TooManyColumns as error:
        raise OperationRefused(f"{source.name}: {error}") from error
    _must_be_there(source, gatherer, labels, {*gatherer.names, *left_out}, without)
    return gatherer.profile()


def _must_be_there(
    source: DataFile, gatherer: Gatherer, labels: list[str], known: set[str], without: list[str]
) -> None:
    if not gatherer.rows:
        raise OperationRefused(f"{source.name}: found no rows; a profile needs at least one")
    listed = ", ".join(gatherer.names)
    for option, names in (("--label", labels), ("--without", without)):
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                guess = f"; did you mean {near[0]}?" if near else f"; there are: {listed}"
                raise OperationRefused(f"{source.name}: {option} {name}: no such column{guess}")
    if not set(gatherer.names) - set(labels):
        raise OperationRefused(
            f"{source.name}: found no input; every column is a label or left out"
        )


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise OperationRefused(f"{out}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _progress(source: DataFile) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on standard error; none where nobody looks."""
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    size = source.size()
    if not sys.stderr.isatty():
        yield lambda read: None
        return
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=size)
        yield lambda read: bar.update(task, completed=read)


def _show(made: Profile, name: str, out: Path | None) -> None:
    from proxy.cli import show

    screen = show.console()
    counted = f"{made.rows} rows" if made.rows != 1 else "1 row"
    screen.print(show.plain(f"{name}: {counted}, {len(made.columns)} columns"))
    table = show.table(
        "column", "role", "type", "missing", "least", "median", "most", "values",
        right=("missing", "least", "median", "most"),
    )  # fmt: skip
    for column in made.columns:
        table.add_row(*(show.plain(cell) for cell in _row(column)))
    screen.print(table)
    if out is not None:
        screen.print(show.plain(f"written to {out} ({made.hash[:19]})"))


def _row(column: ColumnProfile) -> tuple[str, ...]:
    share = column.missing_share
    return (
        column.name,
        column.role,
        column.type,
        f"{share:.1%}" if share else "none",
        _number(column.least),
        _number(column.quantiles.get("0.5")),
        _number(column.most),
        _values(column),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _values(column: ColumnProfile) -> str:
    """Its categories, the most frequent first, or how it is besides."""
    said = f"{column.not_finite} NaN or infinite" if column.not_finite else ""
    if column.categories is None or not column.categories:
        return said or ("too many to be categories" if column.type == "text" else "")
    first = [
        _number(value) if isinstance(value, float) else str(value)
        for value, _ in column.categories[:_SHOWN_CATEGORIES]
    ]
    more = len(column.categories) - len(first)
    listed = ", ".join(first) + (f" and {more} more" if more > 0 else "")
    return f"{listed}; {said}" if said else listed
