"""Where things are: the project's own files, and all that the benchmark makes under ``.bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "requirements" / "bench.txt"

HOME: Final = ROOT / ".bench"
VENV: Final = HOME / "venv"
OUT: Final = HOME / "out"  # results; kept


def run(out: Path) -> Path:
    """Where configs and logs are, made afresh by every run: beside its results."""
    return out.absolute().parent / "run"


def told(path: Path) -> str:
    """The path as a person at the project's root would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
