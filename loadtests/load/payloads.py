"""Who calls, and with what: customers and the bodies of their requests.

A file has one request per line, with the customer's key:

JSON lines  {"customer": "4711", "body": {...}}      a body that is text is sent as it stands
CSV         customer,body                            the body is JSON text
CSV         customer,LIMIT_BAL,AGE,...               numbers: one row of an inference request (v2)
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from demo import data, places
from loadtests.load.errors import LoadError

_CROWD: Final = 3000
_FEATURES: Final = 32  # as many as the demo's real customers have
_ALLOWED: Final = '{"customer": "...", "body": ...} on each line'


@dataclass(frozen=True, slots=True)
class Payload:
    """One customer's request."""

    customer: str
    body: str


def read(path: Path) -> list[Payload]:
    """The requests in a file.  Raises LoadError with line, finding and what is allowed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: cannot be read ({error}); allowed is a text file") from None
    if path.suffix == ".csv":
        found = list(_of_csv(path, text.splitlines()))
    elif path.suffix in (".jsonl", ".ndjson"):
        found = list(_of_json_lines(path, text.splitlines()))
    else:
        raise LoadError(f"{path}: found the ending {path.suffix!r}; allowed: .jsonl, .ndjson, .csv")
    if not found:
        raise LoadError(f"{path}: holds no request; at least one is needed")
    return found


def write(payloads: Iterable[Payload], path: Path) -> None:
    """As the callers read them: JSON lines."""
    with path.open("w") as out:
        for payload in payloads:
            out.write(json.dumps(asdict(payload)) + "\n")


def ours() -> list[Payload]:
    """The demo's real customers when it was run here before, else made-up ones."""
    if places.CUSTOMERS.exists():
        return [Payload(one.id, one.body.decode()) for one in data.customers(_CROWD)]
    return made_up(_CROWD)


def made_up(count: int) -> list[Payload]:
    """Inference requests of the real customers' shape, always the same."""
    chance = random.Random(20)
    return [
        Payload(
            f"made-up-{number:05d}",
            inference([float(chance.randrange(-2, 200_000)) for _ in range(_FEATURES)]),
        )
        for number in range(count)
    ]


def inference(features: list[float]) -> str:
    """An Open Inference Protocol v2 request for one row."""
    tensor = {"name": "customer", "shape": [1, len(features)], "datatype": "FP64", "data": features}
    parameters = {"content_type": "np"}
    request = {
        "inputs": [{**tensor, "parameters": parameters}],
        "outputs": [{"name": "predict_proba"}],
    }
    return json.dumps(request, separators=(",", ":"))


def _of_json_lines(path: Path, lines: list[str]) -> Iterator[Payload]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError as error:
            raise _fault(path, number, f"no JSON ({error})", _ALLOWED) from None
        if not isinstance(content, dict) or set(content) != {"customer", "body"}:
            raise _fault(path, number, _told(content), _ALLOWED)
        body = content["body"]
        yield Payload(
            _customer(path, number, content["customer"]),
            body if isinstance(body, str) else json.dumps(body, separators=(",", ":")),
        )


def _of_csv(path: Path, lines: list[str]) -> Iterator[Payload]:
    rows = csv.reader(lines)
    columns = next(rows, [])
    if "customer" not in columns or len(columns) < 2:
        allowed = "a column customer, and either body or one column for each feature"
        raise _fault(path, 1, f"the columns {', '.join(columns) or '(none)'}", allowed)
    for cells in rows:
        if not cells:
            continue
        if len(cells) != len(columns):
            allowed = f"{len(columns)}, as in the first line"
            raise _fault(path, rows.line_num, f"{len(cells)} cells", allowed)
        row = dict(zip(columns, cells, strict=True))
        customer = _customer(path, rows.line_num, row.pop("customer"))
        body = row["body"] if "body" in row else inference(_numbers(path, rows.line_num, row))
        yield Payload(customer, body)


def _numbers(path: Path, line: int, row: dict[str, str]) -> list[float]:
    found = []
    for column, cell in row.items():
        try:
            found.append(float(cell))
        except ValueError:
            raise _fault(path, line, f"{cell!r} in column {column}", "a number") from None
    return found


def _customer(path: Path, line: int, key: Any) -> str:
    """A key as a header can carry it."""
    text = str(key) if isinstance(key, str | int) and not isinstance(key, bool) else ""
    if not text or text != text.strip() or not text.isprintable() or not text.isascii():
        allowed = "one or more printable ASCII characters, without a space at either end"
        raise _fault(path, line, f"the customer {key!r}", allowed)
    return text


def _told(content: Any) -> str:
    if isinstance(content, dict):
        return f"the fields {', '.join(map(str, content)) or '(none)'}"
    return f"a JSON {type(content).__name__}"


def _fault(path: Path, line: int, found: str, allowed: str) -> LoadError:
    return LoadError(f"{path}, line {line}: found {found}; allowed: {allowed}")
