"""Where things are: the project's own files, and all that the demo makes under ``.demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CONFIG: Final = ROOT / "config" / "demo.yaml"
SERVER_LOCK: Final = ROOT / "requirements" / "mlserver.txt"
DATA_LOCK: Final = ROOT / "requirements" / "uci-credit.txt"

HOME: Final = ROOT / ".demo"
VENV: Final = HOME / "mlserver-venv"
SERVER_PYTHON: Final = VENV / "bin" / "python"
DATA: Final = HOME / "data"
CSV: Final = DATA / "UCI_Credit_Card.csv"
MODELS: Final = HOME / "models"
CUSTOMERS: Final = MODELS / "customers.jsonl"
TRAINED: Final = MODELS / "trained.json"

RUN: Final = HOME / "run"  # made afresh for every run
WORKING_CONFIG: Final = RUN / "pointsman" / "demo.yaml"
WITNESS: Final = RUN / "v3" / "witness.jsonl"
LOGS: Final = HOME / "logs"
OUT: Final = HOME / "out"


def told(path: Path) -> str:
    """The path as a person at the project's root would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
