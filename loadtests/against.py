"""The plane's figures beside those of another revision, in turns within one run.

Figures of two runs cannot be compared: the machine was another one then.  So the other
revision is unpacked into a temporary folder, and its own benchmark runs in turns with ours,
each time in a fresh process.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.spread import Spread, ratios

ROOT: Final = Path(__file__).resolve().parent.parent
#: The word for "the last commit on main before this one".
BEFORE: Final = "before"
_TURNS: Final = 4
_FEWEST: Final = 2
_SECONDS: Final = 18.0
_ROW: Final = re.compile(r"^  (\S.*?)\s{2,}(\d+\.\d+)$", re.MULTILINE)

Rows = dict[str, float]


class NothingToCompareWith(Exception):
    """There is no such revision here, or it has no such benchmark; the text says why."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Least CPU microseconds per request of each row here and there, and the ratio by turns."""

    revision: str
    rows: Rows
    there: Rows
    ratios: dict[str, Spread | None]


def parse(said: str) -> Rows:
    """Row to microseconds, from what the benchmark prints."""
    return {name: float(value) for name, value in _ROW.findall(said)}


def resolve(asked: str, root: Path = ROOT) -> str:
    """The commit that ``asked`` names; ``before``: see ``BEFORE``.

    Raises NothingToCompareWith.
    """
    if asked != BEFORE:
        return _commit(asked, root)
    here = _commit("HEAD", root)
    try:
        main = _commit("origin/main", root)
    except NothingToCompareWith:
        main = here
    return main if main != here else _commit("HEAD~1", root)


def _commit(name: str, root: Path) -> str:
    try:
        found = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", root=root)
    except (OSError, subprocess.CalledProcessError):
        raise NothingToCompareWith(
            f"nothing to compare with: there is no {name} here (no git, or a shallow clone)"
        ) from None
    return found.decode().strip()


def _git(*words: str, root: Path) -> bytes:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, check=True).stdout


def unpack(revision: str, folder: Path, root: Path = ROOT) -> None:
    """The files of a revision, without touching the work tree or its index."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", revision, root=root))) as archive:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4 and newer
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder)


def run(root: Path, rounds: int) -> Rows:
    """One process of the benchmark that lies in ``root``.

    Raises CalledProcessError when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.plane", "--rounds", str(rounds)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},  # before the installed package
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    return parse(done.stdout)


def compare(
    revision: str,
    rounds: int = 1,
    seconds: float = _SECONDS,
    root: Path = ROOT,
    clock: Callable[[], float] = time.monotonic,
) -> Compared:
    """Both in turns, for about ``seconds``.  Raises NothingToCompareWith, CalledProcessError."""
    found: dict[str, list[Rows]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory(prefix="plane-") as folder:
        there = Path(folder)
        unpack(revision, there, root)
        if not (there / "loadtests" / "plane.py").exists():
            raise NothingToCompareWith(f"nothing to compare with: {revision[:9]} has no benchmark")
        for number in turns(seconds, clock):
            order = [("ours", root), ("theirs", there)]
            for who, place in order if number % 2 else reversed(order):
                found[who].append(_one(who, place, rounds, revision))
    return summed_up(revision, found["ours"], found["theirs"])


def turns(seconds: float, clock: Callable[[], float]) -> Iterator[int]:
    """Turn after turn, as long as one more will be over within ``seconds``; two at least."""
    began = clock()
    for number in range(_TURNS):
        if number >= _FEWEST and clock() - began > seconds * number / (number + 1):
            return
        yield number


def _one(who: str, place: Path, rounds: int, revision: str) -> Rows:
    try:
        return run(place, rounds)
    except subprocess.CalledProcessError:
        if who == "ours":
            raise
        raise NothingToCompareWith(
            f"nothing to compare with: the benchmark of {revision[:9]} does not run here"
        ) from None


def summed_up(revision: str, ours: list[Rows], theirs: list[Rows]) -> Compared:
    """The least of each row, for noise only ever adds; the ratio turn by turn."""

    def by_turn(turns: list[Rows], name: str) -> Mapping[int, float]:
        return {number: rows[name] for number, rows in enumerate(turns) if name in rows}

    names = [name for name in ours[0] if name in theirs[0]]
    return Compared(
        revision,
        {name: min(by_turn(ours, name).values()) for name in ours[0]},
        {name: min(by_turn(theirs, name).values()) for name in names},
        {name: ratios(by_turn(ours, name), by_turn(theirs, name)) for name in names},
    )


def told(compared: Compared) -> str:
    """The table; ``~`` where the turns do not agree on which is faster."""
    lines = [
        "CPU microseconds per request, data plane alone (least of the turns), beside "
        f"{compared.revision[:9]}",
        f"  {'':<34} {'here':>7} {'there':>7}   ratio, turn by turn",
    ]
    for name, here in compared.rows.items():
        found = compared.ratios.get(name)
        if found is None:
            lines.append(f"  {name:<34} {here:7.2f} {'-':>7}   (a new row)")
            continue
        noise = "" if found.resolved_from(1.0) else "  ~"
        lines.append(
            f"  {name:<34} {here:7.2f} {compared.there[name]:7.2f}   "
            f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f}){noise}"
        )
    return "\n".join(lines)
