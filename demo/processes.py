"""Child processes and ports: start, watch, end.

Each child runs in its own session, so that Ctrl-C reaches only the demo, which then ends its
children in order, by their process ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from demo import places
from demo.errors import DemoError, tail

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Child:
    """A started process; ``log`` holds all that it said."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def must_run(self) -> None:
        """Raises DemoError with the end of its log when the process has ended by itself."""
        if not self.running:
            raise DemoError(
                f"{self.name} ended by itself with exit {self.process.returncode}; "
                f"{places.told(self.log)} ends:\n{tail(self.log)}"
            )

    async def stop(self, patience: float) -> int:
        """SIGTERM; after ``patience`` seconds SIGKILL for its session.  Returns the exit code."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), patience)
        # The leader may be gone and its children not: the session's number is its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return await self.process.wait()


async def start(name: str, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Child:
    """Start a child in ``folder`` with ``env`` added to ours; its output goes to its log."""
    places.LOGS.mkdir(parents=True, exist_ok=True)
    log = places.LOGS / f"{name}.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, **env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Child(name, process, log)


async def wait_ready(child: Child, url: str, patience: float) -> float:
    """Poll ``url`` until it answers 200; returns the seconds it took.

    Raises DemoError when the child ends first or is not ready after ``patience`` seconds.
    """
    began = time.monotonic()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while time.monotonic() - began < patience:
            child.must_run()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            await asyncio.sleep(0.1)
    raise DemoError(
        f"{child.name} was not ready after {patience:.0f} s ({url}); "
        f"{places.told(child.log)} ends:\n{tail(child.log)}"
    )


def free_ports(wanted: Sequence[int]) -> list[int]:
    """A free loopback port for each wanted one: itself when it is free (0: any), else another."""
    with contextlib.ExitStack() as held:  # all held until all are chosen: none is given twice
        return [_bound(held, port).getsockname()[1] for port in wanted]


def _bound(held: contextlib.ExitStack, port: int) -> socket.socket:
    for candidate in (port, 0):
        sock = held.enter_context(socket.socket())
        # As the servers do: a port left in TIME_WAIT by the last run is free.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((_HOST, candidate))
        except OSError:
            continue
        return sock
    raise DemoError(f"no free port on {_HOST}: neither {port} nor any other could be bound")
