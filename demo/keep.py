"""What a run leaves in ``.demo/out``: the summary, every request, and the picture."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from demo import places, report
from demo.errors import DemoError, tail
from demo.replay import Exchange

SUMMARY: Final = places.OUT / "summary.json"
PAGE: Final = places.OUT / "summary.md"
REQUESTS: Final = places.OUT / "requests.csv"
PAIRS: Final = places.OUT / "added-latency.csv"
WITNESS: Final = places.OUT / "v3-witness.jsonl"
PICTURE: Final = places.OUT / "picture.png"


def clear() -> None:
    """Nothing of an earlier run may be taken for this one's."""
    shutil.rmtree(places.OUT, ignore_errors=True)
    places.OUT.mkdir(parents=True)


def witness() -> list[dict[str, Any]]:
    """Version 3's own account; empty when it never got a request."""
    if not places.WITNESS.exists():
        return []
    with places.WITNESS.open() as lines:
        return [json.loads(line) for line in lines]


def write(
    found: Mapping[str, Any],
    exchanges: Sequence[Exchange],
    pairs: Sequence[tuple[float, float]],
) -> None:
    """Everything but the picture."""
    SUMMARY.write_text(json.dumps(found, indent=2) + "\n")
    PAGE.write_text(report.markdown(found))
    names = [field.name for field in dataclasses.fields(Exchange)]
    _table(REQUESTS, names, ([getattr(one, name) for name in names] for one in exchanges))
    _table(PAIRS, ["direct", "through"], pairs)
    WITNESS.write_text("".join(json.dumps(line) + "\n" for line in witness()))


def _table(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(head)
        lines.writerows(rows)


def draw() -> None:
    """The picture, from the files.  Raises DemoError with what went wrong."""
    command = [str(places.SERVER_PYTHON), "-m", "demo.picture", str(places.OUT)]
    done = subprocess.run(command, cwd=places.ROOT, capture_output=True, text=True)
    if done.returncode:
        log = places.LOGS / "picture.log"
        log.write_text(done.stdout + done.stderr)
        raise DemoError(f"the picture could not be drawn:\n{tail(log)}")
