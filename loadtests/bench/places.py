"""Where things are: the project's own files, and all that the benchmark makes under ``.bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from demo.places import ROOT

LOCK: Final = ROOT / "requirements" / "bench.txt"

HOME: Final = ROOT / ".bench"
VENV: Final = HOME / "venv"
OUT: Final = HOME / "out"  # results; kept


def run(out: Path) -> Path:
    """Where configs and logs are, made afresh by every run: inside its results.

    Whatever folder somebody names for those, nothing of theirs has this name.
    """
    return out.absolute() / ".pointsman-run"
