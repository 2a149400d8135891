"""pointsman itself: the real command with a real config, everything on.

Recording, limits, deadlines and headers are on by themselves; the config adds a segment, and
the fallback to stable (a prediction may be asked for twice); with a mirror it keeps pairs.  Desk
and parent share the proxy's core, as beside a model.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.processes import free_ports
from loadtests.bench.works import (
    CANARY_PERCENT,
    CUSTOMER_HEADER,
    SEGMENT_HEADER,
    SEGMENT_VALUES,
    Shadow,
    Upstreams,
    Work,
    path,
)
from proxy import __version__


def _model(work: Work, number: int, upstreams: Upstreams) -> dict[str, Any]:
    ports = {"1": upstreams.stable, "2": upstreams.canary}
    split: dict[str, Any] = {
        "stable": "1",
        "canary": {"version": "2", "percent": CANARY_PERCENT},
    }
    if work.shadow is not Shadow.NONE:
        ports["3"] = upstreams.shadow
        split["shadow"] = [{"version": "3", "percent": 100, "pairs": {"percent": 100}}]
    return {
        "match": {"path_prefix": path(number, "").rstrip("/")},
        "customer": {"header": CUSTOMER_HEADER},
        "segments": {"age_band": {"header": SEGMENT_HEADER, "values": list(SEGMENT_VALUES)}},
        "versions": {
            name: {"endpoints": [f"http://127.0.0.1:{port}"]} for name, port in ports.items()
        },
        "split": split,
        "safe_to_repeat": True,
    }


def config(work: Work, port: int, admin: int, upstreams: Upstreams) -> dict[str, Any]:
    """The whole pointsman.yaml."""
    return {
        "listen": f"127.0.0.1:{port}",
        "admin": f"127.0.0.1:{admin}",
        "workers": work.workers,
        "drain": "1s",
        "models": {f"model-{n}": _model(work, n, upstreams) for n in range(work.models)},
    }


@dataclass(frozen=True, slots=True)
class Pointsman:
    name: str = "pointsman"

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return __version__

    def unable(self, work: Work) -> str | None:
        return None

    def command(self, work: Work, folder: Path, port: int, upstreams: Upstreams) -> list[str]:
        file = folder / "pointsman.yaml"
        (admin,) = free_ports([0])
        file.write_text(yaml.safe_dump(config(work, port, admin, upstreams)))
        # The command beside this Python: the one that is measured is the one that is installed.
        return [sys.executable, "-m", "proxy", "serve", "--config", str(file)]

    def carries(self, words: str) -> bool:
        return "fleet.worker" in words
