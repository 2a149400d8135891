"""What can stop the benchmark: said in a line to whoever started it."""

from __future__ import annotations

from pathlib import Path


class BenchError(Exception):
    """It cannot go on; the text says what was found and what to do."""


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented."""
    said = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in said) or "  (it said nothing)"
