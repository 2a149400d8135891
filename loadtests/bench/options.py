"""What the command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import places
from loadtests.bench.works import GROUPS, PEERS, QUICK_GROUPS, QUICK_PEERS, Group

ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, how long, and where the results go."""

    groups: tuple[Group, ...]
    peers: tuple[str, ...]
    rounds: int
    seconds: float
    alone: bool
    plane: bool
    quick: bool
    own_load: bool
    out: Path

    def told(self) -> dict[str, object]:
        """For the record."""
        return {
            "quick": self.quick,
            "rows": [group.name for group in self.groups],
            "rounds": self.rounds,
            "seconds": self.seconds,
            "own_load": self.own_load,
        }


def parse(words: Sequence[str] | None = None) -> Options:
    """From the words of the command line."""
    asked = _parser().parse_args(words)
    groups = QUICK_GROUPS if asked.quick else GROUPS
    rows = asked.rows or [group.name for group in groups] + ([] if asked.quick else [ALONE])
    return Options(
        groups=tuple(group for group in groups if group.name in rows),
        peers=tuple(asked.peers or (QUICK_PEERS if asked.quick else PEERS)),
        rounds=asked.rounds or (3 if asked.quick else 5),
        seconds=asked.seconds or 1.5,
        alone=ALONE in rows,
        plane=not asked.no_plane,
        quick=asked.quick,
        own_load=asked.own_load,
        out=asked.out,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench",
        description="pointsman beside its peers: CPU per request, throughput, latency, memory.",
    )
    add = parser.add_argument
    rows = [*(group.name for group in GROUPS), ALONE]
    add("--quick", action="store_true", help="the hot path only, in two minutes")
    add("--rows", nargs="+", choices=rows, metavar="ROW", help=f"of {', '.join(rows)}")
    add("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)}")
    add("--rounds", type=positive_int, help="repeats (5; quick: 3)")
    add("--seconds", type=positive_float, help="of each measure (1.5; wrk: whole seconds)")
    add("--no-plane", action="store_true", help="without the plane's own figures")
    add("--own-load", action="store_true", help="own load and stubs, though wrk and nginx are here")
    add("--out", type=Path, default=places.OUT, help="folder of the results")
    return parser


def positive_int(text: str) -> int:
    """A whole number from 1 on.  Raises ArgumentTypeError otherwise."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def positive_float(text: str) -> float:
    """A number above 0.  Raises ArgumentTypeError otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
