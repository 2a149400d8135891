"""What the demo serves: five MLServer processes, and pointsman in front of them."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from demo import data, places, processes, replay, workfile
from demo.data import Customer
from demo.errors import DemoError
from demo.processes import Child

MODEL: Final = "credit-risk"
INFER: Final = f"/v2/models/{MODEL}/infer"

#: When version 3 turns bad, and how: see demo/fading.py and demo/runtime.py.
FADING: Final[dict[str, float]] = {
    "good_requests": 75,
    "good_seconds": 9.0,
    "error_after": 0.15,
    "slow_by": 8.0,  # longer than any caller waits
}
#: Version 4 fails every third request of a customer younger than this.
YOUNG_UNDER: Final = 30
_SKLEARN: Final = "mlserver_sklearn.SKLearnModel"
#: Of each version, its runtime and its model: 3 and 4 are 2 with a fault, 5 is one of its own.
_SERVED: Final = {
    "1": (_SKLEARN, "v1"),
    "2": (_SKLEARN, "v2"),
    "3": ("demo.runtime.FadingModel", "v2"),
    "4": ("demo.runtime.FailsTheYoung", "v2"),
    "5": (_SKLEARN, "v5"),
}
#: One thread each: a server that takes every core would slow the others, and look like news.
_ENV: Final = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(places.ROOT)}


@dataclass
class Fleet:
    """All that runs: the addresses, and the children in the order in which they are ended."""

    proxy: str
    admin: str
    versions: dict[str, str]
    children: list[Child] = field(default_factory=list)

    def must_run(self) -> None:
        """Raises DemoError when any child has ended by itself."""
        for child in self.children:
            child.must_run()

    async def stop(self) -> dict[str, int]:
        """End everything, pointsman first; returns exit codes by name."""
        front, servers = self.children[:1], self.children[1:]
        codes = {child.name: await child.stop(8.0) for child in front}
        stopped = await asyncio.gather(*(child.stop(3.0) for child in servers))
        self.children.clear()
        return codes | dict(zip((child.name for child in servers), stopped, strict=True))


def plan_fleet() -> Fleet:
    """Choose the ports and write the working copy of the config."""
    shutil.rmtree(places.RUN, ignore_errors=True)
    places.WORKING_CONFIG.parent.mkdir(parents=True)
    config = workfile.load(places.CONFIG)
    wanted = workfile.ports(config, MODEL)
    chosen = dict(zip(wanted, processes.free_ports(list(wanted.values())), strict=True))
    workfile.save(workfile.with_ports(config, MODEL, chosen), places.WORKING_CONFIG)
    at = {name: f"http://127.0.0.1:{port}" for name, port in chosen.items()}
    return Fleet(at.pop("listen"), at.pop("admin"), versions=at)


async def start_model_servers(fleet: Fleet) -> None:
    """Start all and wait until each answers for its model."""
    for version, address in fleet.versions.items():
        fleet.children.append(await _start_version(version, int(address.rsplit(":", 1)[1])))
    await asyncio.gather(
        *(
            processes.wait_ready(child, f"{address}/v2/models/{MODEL}/ready", patience=120)
            for child, address in zip(fleet.children, fleet.versions.values(), strict=True)
        )
    )


async def warm(fleet: Fleet, crowd: Sequence[Customer]) -> None:
    """A few predictions each; v3 counts what it is asked, and warms itself."""
    async with replay.client() as session:
        for customer in [one for one in crowd if one.age_band != "young"][:10]:
            for version in ("1", "2", "4", "5"):
                await replay.timed(session, fleet.versions[version] + INFER, customer)


async def _start_version(version: str, port: int) -> Child:
    folder = places.RUN / f"v{version}"
    folder.mkdir()
    grpc_port = processes.free_ports([0])[0]
    _write(folder / "settings.json", _server_settings(port, grpc_port))
    _write(folder / "model-settings.json", _model_settings(version))
    command = [str(places.VENV / "bin" / "mlserver"), "start", "."]
    return await processes.start(f"mlserver-v{version}", command, folder, _ENV)


def _server_settings(port: int, grpc_port: int) -> dict[str, Any]:
    return {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": grpc_port,
        "metrics_endpoint": None,
        "parallel_workers": 0,
    }


def _model_settings(version: str) -> dict[str, Any]:
    runtime, model = _SERVED[version]
    extra: dict[str, Any] = {}
    if version == "3":
        extra = {**FADING, "witness": str(places.WITNESS)}
    elif version == "4":
        extra = {"column": data.columns().index("AGE"), "under": YOUNG_UNDER}
    return {
        "name": MODEL,
        "implementation": runtime,
        "parameters": {
            "uri": str(places.MODELS / f"{model}.joblib"),
            "version": version,
            "extra": extra,
        },
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


async def start_pointsman(fleet: Fleet) -> None:
    """``pointsman serve`` on the working copy; waits until it is ready for traffic."""
    command = Path(sys.executable).parent / "pointsman"
    if not command.exists():
        raise DemoError(f"{places.told(command)} is not there: run `make install` first")
    serve = [str(command), "serve", "--config", str(places.WORKING_CONFIG)]
    child = await processes.start("pointsman", serve, places.RUN, {})
    fleet.children.insert(0, child)
    await processes.wait_ready(child, f"{fleet.admin}/readyz", patience=20)
