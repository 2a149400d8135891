"""A house of our own: pointsman, and behind it two good versions and one on trial.

Versions 1 and 2 are stubs, or the demo's MLServers; version 3, on trial, is a stub always, for
it must misbehave on command.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from rich.console import Console

from demo import data, prepare, processes, servers, workfile
from demo.places import ROOT
from demo.processes import Child
from loadtests.load.errors import LoadError
from loadtests.load.scenarios import Act, Scenario

MODEL: Final = servers.MODEL
INFER: Final = servers.INFER
STREAM: Final = f"/v2/models/{MODEL}/infer_stream"
HEADER: Final = "X-Customer-Id"
CANARY: Final = "2"
TRIAL: Final = "3"
KINDS: Final = ("stubs", "mlserver")

Config = dict[str, Any]
_TRIALS: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "slow": {"delay": 1.5},
    "hung": {"hang": True},
}


@dataclass
class House:
    """All that runs; ``config`` is what pointsman was last told."""

    proxy: str
    admin: str
    versions: dict[str, str]
    file: Path
    config: Config
    children: list[Child] = field(default_factory=list)

    def must_run(self) -> None:
        """Raises DemoError when any child has ended by itself."""
        for child in self.children:
            child.must_run()

    def save(self, config: Config) -> None:
        """Edit the config file, as an operator would."""
        self.config = config
        workfile.save(config, self.file)

    async def tell_trial(self, behaviour: Mapping[str, Any]) -> dict[str, Any]:
        """Change how version 3 behaves; returns its state."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.versions[TRIAL]}/_stub", json=behaviour) as answer,
        ):
            if answer.status != 200:
                raise LoadError(f"the stub refused {behaviour}: {await answer.text()}")
            state = await answer.json()
            assert isinstance(state, dict)
            return state

    async def stop(self) -> None:
        """End everything, pointsman first."""
        for child in self.children[:1]:
            await child.stop(8.0)
        await asyncio.gather(*(child.stop(3.0) for child in self.children[1:]))


def config(scenario: Scenario, ports: Mapping[str, int], workers: int) -> Config:
    """The config that pointsman starts with; ``ports`` for listen, admin and each version."""
    versions = {
        name: {"endpoints": [f"http://127.0.0.1:{ports[name]}"]} for name in ("1", CANARY, TRIAL)
    }
    model: Config = {
        "match": {"path_prefix": f"/v2/models/{MODEL}"},
        "customer": {"header": HEADER},
        "versions": versions,
        "split": split(scenario),
    }
    if scenario.act is Act.FAILING:
        # As a careful team would have it: half of the canary's answers are errors.
        model["thresholds"] = {"error_rate": {"absolute": 0.1, "window": "30s", "min_requests": 30}}
    return {
        "listen": f"127.0.0.1:{ports['listen']}",
        "admin": f"127.0.0.1:{ports['admin']}",
        "workers": workers,
        "drain": "5s",
        "models": {MODEL: model},
    }


def split(scenario: Scenario) -> Config:
    """A canary and a full shadow, unless the scenario brings its own."""
    if scenario.act is Act.FAILING:
        return {"stable": "1", "canary": {"version": TRIAL, "percent": 20}}
    if scenario.act is Act.SHADOW:
        return {"stable": "1"}
    return with_shadow({"stable": "1", "canary": {"version": CANARY, "percent": 5}})


def with_shadow(split: Config) -> Config:
    """The same split, and the version on trial gets a copy of everything."""
    return {**split, "shadow": [{"version": TRIAL, "percent": 100}]}


def with_split(config: Config, split: Config) -> Config:
    changed = copy.deepcopy(config)
    changed["models"][MODEL]["split"] = split
    return changed


@asynccontextmanager
async def running(
    scenario: Scenario, kind: str, workers: int, folder: Path, out: Console
) -> AsyncIterator[House]:
    """Everything started and ready, in ``folder``; all of it is ended with the block."""
    async with AsyncExitStack() as ending:
        real = {}
        if kind == "mlserver":
            real = await ending.enter_async_context(_model_servers(out))
        names = ("listen", "admin", "1", CANARY, TRIAL)
        ports = dict(zip(names, processes.free_ports([0] * len(names)), strict=True)) | real
        at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        proxy, admin = at.pop("listen"), at.pop("admin")
        house = House(proxy, admin, at, folder / "pointsman.yaml", {})
        ending.push_async_callback(house.stop)
        house.save(config(scenario, ports, workers))
        for version in sorted(at.keys() - real.keys()):
            trial = _TRIALS[scenario.trial] if version == TRIAL else {}
            house.children.append(await _start_stub(version, ports[version], trial, folder))
        house.children.insert(0, await _start_pointsman(house, folder))
        yield house


async def start(
    name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
) -> Child:
    """A child at the project's root, which says everything into ``folder``/NAME.log."""
    log = folder / f"{name}.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    return Child(name, process, log)


async def _start_stub(version: str, port: int, behaviour: Mapping[str, Any], folder: Path) -> Child:
    command = [sys.executable, "-m", "loadtests.load.stub", "--port", str(port)]
    command += ["--version", version, "--behave", json.dumps(behaviour)]
    child = await start(f"stub-{version}", command, folder)
    return await _ready(child, f"http://127.0.0.1:{port}/_stub")


async def _start_pointsman(house: House, folder: Path) -> Child:
    serve = [sys.executable, "-m", "proxy", "serve", "--config", str(house.file)]
    child = await start("pointsman", serve, folder)
    return await _ready(child, f"{house.admin}/readyz")


async def _ready(child: Child, url: str) -> Child:
    """The child, once it answers; one that does not is ended.  Raises DemoError."""
    try:
        await processes.wait_ready(child, url, patience=20)
    except BaseException:
        await child.stop(3.0)
        raise
    return child


@asynccontextmanager
async def _model_servers(out: Console) -> AsyncIterator[dict[str, int]]:
    """The demo's versions 1 and 2, prepared as the demo prepares them: their ports."""
    with prepare.alone():
        await asyncio.to_thread(prepare.prepare, out)
        fleet = servers.plan_fleet()
        del fleet.versions[TRIAL]
        try:
            await servers.start_model_servers(fleet)
            await servers.warm(fleet, data.customers(10))
            yield {name: int(at.rsplit(":", 1)[1]) for name, at in fleet.versions.items()}
        finally:
            await asyncio.gather(*(child.stop(3.0) for child in fleet.children))
