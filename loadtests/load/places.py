"""Where things are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from demo.environment import Environment
from demo.places import ROOT

HERE: Final = Path(__file__).resolve().parent
BUDGETS: Final = HERE / "budgets"
LOCUSTFILE: Final = HERE / "locustfile.py"
HOME: Final = ROOT / ".load"

LOCUST: Final = Environment(
    "Locust", HOME / "locust-venv", ROOT / "requirements" / "load.txt", HOME / "install.log"
)
