"""Envoy's own environment: built once from the hash-pinned lock, kept in ``.bench``.

It is not a dependency of the project's development: only this benchmark runs it, and it is large.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from demo.environment import Environment
from demo.errors import DemoError
from loadtests.bench import places

ENVOY: Final = Environment("Envoy", places.VENV, places.LOCK, places.HOME / "install.log")


def missing() -> str | None:
    """None when Envoy is there, building the environment first if need be; else why not."""
    if not ENVOY.is_ready():
        try:
            ENVOY.build(sys.executable)
        except DemoError as error:
            return str(error)
    return None if envoy().is_file() else "Envoy's wheel holds no program for this machine"


def envoy() -> Path:
    """The program itself, without the Python that wraps it."""
    return next(places.VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"), places.VENV)
