"""One visit: a contender is started afresh, looked at, warmed up, measured and ended.

Afresh each time, so that no repeat inherits the memory layout of the one before, and that
nothing but the one that is measured runs on the proxy's core.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from demo.places import ROOT
from demo.processes import free_ports
from loadtests.bench import kernel, processes, shadows, wrk
from loadtests.bench.errors import BenchError
from loadtests.bench.generator import Found, Spec
from loadtests.bench.peers import Peer
from loadtests.bench.processes import Child, Cores
from loadtests.bench.stubs import Stubs
from loadtests.bench.works import (
    CANARY_PERCENT,
    CONNECTIONS,
    DIRECT,
    Contender,
    Kind,
    Measure,
    Shadow,
    Work,
)

#: Figure name to value: microseconds, bytes or per second, as the name says.
Figures = dict[str, float]
_LOOKED_AT = 400
_WARM = 0.4
_COPIES_ARRIVE = 0.2
_DIALLED_WITHIN = 1.0
_BODIES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where measuring happens: ``own_load``: without wrk even if it is there."""

    folder: Path
    cores: Cores
    stubs: Stubs
    own_load: bool = False


#: No customer comes twice, in no visit: nobody profits from having seen them.
_customers = itertools.count(10**9, 10**8)


class Visit:
    """A running contender."""

    def __init__(
        self, place: Place, work: Work, port: int, child: Child | None, peer: Peer | None
    ) -> None:
        self.place, self.work, self.port = place, work, port
        self._child, self._peer = child, peer
        self.carrying: tuple[int, ...] = ()
        self.beside: tuple[int, ...] = ()
        self.first = next(_customers)

    def settle(self) -> None:
        """Find out which processes carry traffic, now that they all run."""
        if self._child is None or self._peer is None:
            return
        family = [pid for pid in self._child.family() if kernel.memory(pid)]
        self.carrying = tuple(p for p in family if self._peer.carries(kernel.words(p)))
        self.beside = tuple(p for p in family if p not in self.carrying)

    def generate(self, spec: Spec) -> Found:
        """Run the generator on the load's cores.  Raises BenchError when it fails."""
        words = [sys.executable, "-m", "loadtests.bench.generator"]
        with processes.on_cores(self.place.cores.load):
            done = subprocess.run(
                [*words, msgspec.json.encode(spec).decode()],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=False,
            )
        if done.returncode:
            raise BenchError(f"the load generator failed:\n{done.stderr[-2000:]}")
        return msgspec.convert(json.loads(done.stdout), Found)

    def spec(self, kind: Kind, seconds: float, measure: Measure | None = None) -> Spec:
        self.first += 10**7
        return Spec(
            kind=kind,
            port=self.port,
            seconds=seconds,
            first=self.first,
            rate=measure.rate if measure else 0,
            models=measure.models if measure else 1,
            connections=_BODIES_AT_ONCE if kind in (Kind.UPLOAD, Kind.ANSWER) else CONNECTIONS,
            carrying=self.carrying,
            beside=self.beside,
        )

    def memory(self, field: str = "VmRSS") -> float:
        """Bytes of the processes that carry traffic."""
        return float(sum(kernel.memory(pid, field) for pid in self.carrying))

    def take(self, measure: Measure, seconds: float, customers: int = 0) -> Figures:
        """Do one measure; the figures that it gives, and how many requests failed.

        ``customers``: so few in all, again and again; 0: a new one for each request.
        """
        spec = self.spec(measure.kind, seconds, measure)
        if customers:
            spec = msgspec.structs.replace(spec, customers=customers)
        program = None if self.place.own_load else wrk.program()
        if measure.models > 1:
            # A proxy with upstreams of their own for each model has to dial them all first.
            self.generate(self.spec(Kind.CLOSED, _DIALLED_WITHIN, measure))
        seen, others = self._seen(), kernel.Others()
        if measure.kind is Kind.CLOSED and program is not None:
            found = self._wrk(program, spec)
        else:
            found = self.generate(spec)
        figures = self._figures(measure.kind, found) | {"others_cores": others.cores()}
        if self.work.shadow is Shadow.WELL and measure.kind is Kind.CLOSED:
            # Warming up is not in the count of our own generator, so this may pass 100.
            figures["copies_percent"] = 100 * ((self._seen() - seen) / max(1, found.count) - 1)
        return figures

    def _seen(self) -> int:
        """Requests that reached the stubs so far, copies among them."""
        if self.work.shadow is not Shadow.WELL:
            return 0
        time.sleep(_COPIES_ARRIVE)
        return self.place.stubs.seen(self.work)

    def _wrk(self, program: str, spec: Spec) -> Found:
        file = self.place.folder / "requests.lua"
        file.write_text(wrk.script(spec.models, spec.first, spec.customers))
        seconds = max(1, round(spec.seconds))
        command = wrk.command(program, spec.port, seconds, spec.connections, file)
        before = kernel.cpu_ns(self.carrying), kernel.cpu_ns(self.beside)
        with processes.on_cores(self.place.cores.load):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        after = kernel.cpu_ns(self.carrying), kernel.cpu_ns(self.beside)
        counted = wrk.parse(done.stdout + done.stderr)
        return Found(
            count=counted.requests,
            failed=counted.failed,
            seconds=counted.seconds,
            cpu_us=(after[0] - before[0]) / 1000,
            beside_us=(after[1] - before[1]) / 1000,
        )

    def _figures(self, kind: Kind, found: Found) -> Figures:
        figures: Figures = {"failed": found.failed, "count": found.count}
        if self.carrying and found.count:
            figures["cpu_us"] = found.cpu_us / found.count
            if self.beside:
                figures["beside_ms_per_s"] = found.beside_us / 1000 / found.seconds
            figures["rss_mb"] = self.memory() / 1e6
        if kind is Kind.STEADY:
            figures |= {"p50_us": found.p50, "p90_us": found.p90, "p99_us": found.p99}
            figures |= {"late_p50_us": found.late_p50, "late_p99_us": found.late_p99}
        elif kind is Kind.EVENTS:
            figures["first_byte_us"] = found.first_byte
        else:
            figures["per_s"] = found.count / found.seconds
        return figures

    def look(self, patience: float = 15.0) -> None:
        """Wait until it does its work: the canary has its share, and nothing fails.

        Raises BenchError with what it did instead: a proxy that does less must not be compared.
        """
        end = time.monotonic() + patience
        while True:
            spec = self.spec(Kind.CLOSED, _WARM)
            found = self.generate(msgspec.structs.replace(spec, warm=0.0, connections=8))
            share = 100 * found.versions.get("2", 0) / max(1, found.count)
            enough = found.count >= _LOOKED_AT and not found.failed
            if enough and CANARY_PERCENT / 3 < share < CANARY_PERCENT * 2:
                return
            if time.monotonic() > end:
                name = self._child.name if self._child else DIRECT
                raise BenchError(
                    f"{name} does other work than asked: of {found.count} requests "
                    f"{found.failed} failed, and {share:.1f} % went to the canary"
                )


@contextmanager
def visit(contender: Contender, peer: Peer | None, place: Place) -> Iterator[Visit]:
    """The contender, started, looked at and warm.  ``peer`` None: straight to the stub."""
    upstreams = place.stubs.of(contender.work)
    if peer is None:
        yield Visit(place, contender.work, upstreams.stable, None, None)
        return
    folder = place.folder / peer.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (port,) = free_ports([0])
    command = peer.command(contender.work, folder, port, upstreams)
    with processes.running(peer.name, command, folder, place.cores.proxy) as child:
        processes.wait_listening(child, port)
        one = Visit(place, contender.work, port, child, peer)
        one.look()
        one.settle()
        with shadows.driven(contender.work.driven, upstreams.shadow, folder, place.cores):
            yield one
        child.must_run()
