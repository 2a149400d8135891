"""What stands behind the proxies: nginx for small answers where there is one, else our own."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from demo.processes import free_ports
from loadtests.bench import processes
from loadtests.bench.peers import nginx
from loadtests.bench.processes import Cores
from loadtests.bench.works import ANSWER_BYTES, SEEN, Behind, Shadow, Upstreams, Work


class Stubs:
    """The running stubs; ``of`` says which ports a work has behind it."""

    def __init__(self, quick: Upstreams, rich: Upstreams, slow: int, hung: int) -> None:
        self._quick, self._rich, self._slow, self._hung = quick, rich, slow, hung

    def of(self, work: Work) -> Upstreams:
        chosen = self._quick if work.behind is Behind.QUICK else self._rich
        kind = work.shadow if work.driven is Shadow.NONE else work.driven
        shadow = {Shadow.SLOW: self._slow, Shadow.HUNG: self._hung}.get(kind, chosen.shadow)
        return Upstreams(chosen.stable, chosen.canary, shadow)

    def seen(self, work: Work) -> int:
        """How many requests the stub behind ``work`` has had, over all versions."""
        with urlopen(f"http://127.0.0.1:{self.of(work).stable}/{SEEN}", timeout=5) as answer:
            return parse_seen(answer.read().decode())


def parse_seen(said: str) -> int:
    """The last number of our stub's answer, or of the third line of nginx's ``stub_status``."""
    line = next((line for line in said.splitlines() if re.fullmatch(r"[ \d]+", line)), "0")
    return int(line.split()[-1])


@contextlib.contextmanager
def running(folder: Path, cores: Cores, own: bool = False) -> Iterator[Stubs]:
    """All stubs, on the cores of the load.  ``own``: without nginx even if it is there."""
    ports = free_ports([0] * 8)
    quick, rich = Upstreams(*ports[:3]), Upstreams(*ports[3:6])
    slow, hung = ports[6:]
    with contextlib.ExitStack() as stack:
        words = [*_places(rich), f"{slow}:3:slow", f"{hung}:3:hung"]
        if own or not nginx.program():
            words += _places(quick)
        else:
            command = nginx.command(_made(folder / "stub-nginx"), _nginx(folder, quick))
            child = stack.enter_context(
                processes.running("stub-nginx", command, folder / "stub-nginx", cores.load)
            )
            processes.wait_listening(child, quick.stable)
        ours = [sys.executable, "-m", "loadtests.bench.upstream", *words]
        child = stack.enter_context(
            processes.running("stub", ours, _made(folder / "stub"), cores.load)
        )
        for port in (rich.stable, slow, hung):
            processes.wait_listening(child, port)
        yield Stubs(quick, rich, slow, hung)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _places(upstreams: Upstreams) -> list[str]:
    ports = (upstreams.stable, upstreams.canary, upstreams.shadow)
    return [f"{port}:{version}" for version, port in enumerate(ports, start=1)]


def _nginx(folder: Path, upstreams: Upstreams) -> str:
    ports = (upstreams.stable, upstreams.canary, upstreams.shadow)
    bodies = {port: str(n).ljust(ANSWER_BYTES, "y") for n, port in enumerate(ports, start=1)}
    return nginx.stub_config(folder / "stub-nginx", bodies)
