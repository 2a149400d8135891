"""Child processes on chosen cores: start, watch, end by their process ids.

Each child runs in its own session, so that Ctrl-C reaches only the benchmark, which then ends
its children in order.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.errors import tail
from demo.places import ROOT, told
from loadtests.bench import kernel
from loadtests.bench.errors import BenchError

_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores carry the proxy, and which the load and the upstream stubs."""

    proxy: frozenset[int]
    load: frozenset[int]


def share_out(cores: Sequence[int]) -> Cores:
    """The last core for the proxy, all others for load and stubs; one core has to do for both."""
    ordered = sorted(cores)
    return Cores(frozenset(ordered[-1:]), frozenset(ordered[:-1] or ordered))


@dataclass(frozen=True, slots=True)
class Child:
    """A started process; ``log`` holds all that it said."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def must_run(self) -> None:
        """Raises BenchError with the end of its log when the process has ended by itself."""
        if self.process.poll() is not None:
            raise BenchError(
                f"{self.name} ended by itself with exit {self.process.returncode}; "
                f"{told(self.log)} ends:\n{tail(self.log)}"
            )

    def family(self) -> list[int]:
        return kernel.family(self.process.pid)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for its session; returns when it is gone."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)
        # The leader may be gone and its children not: the session's number is its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """What is started inside runs on ``cores``: a child inherits them from its parent."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], folder: Path, cores: frozenset[int]
) -> Iterator[Child]:
    """A child in ``folder`` on ``cores``, ended at the end."""
    log = folder / f"{name}.log"
    with log.open("wb") as out, on_cores(cores):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    child = Child(name, process, log)
    try:
        yield child
    finally:
        child.stop()


def wait_listening(child: Child, port: int, patience: float = 20.0) -> None:
    """Until ``port`` takes connections.  Raises BenchError when the child ends or it takes long."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        child.must_run()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise BenchError(
        f"{child.name} took no connection on port {port} within {patience:.0f} s; "
        f"{told(child.log)} ends:\n{tail(child.log)}"
    )
