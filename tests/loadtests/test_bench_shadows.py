"""A shadow's stub at work without the proxy: the control of the rows with a shadow."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from demo.processes import free_ports
from loadtests.bench import processes, shadows
from loadtests.bench.processes import Cores
from loadtests.bench.stubs import Stubs
from loadtests.bench.works import COPIES, HEADLINE_RATE, Kind, Shadow, Upstreams, Work
from proxy.settings import shadows as settings

QUICK = Upstreams(9001, 9002, 9003)


def test_the_control_has_the_same_stub_behind_it() -> None:
    stubs = Stubs(QUICK, Upstreams(9011, 9012, 9013), slow=9021, hung=9022)
    for kind in (Shadow.WELL, Shadow.SLOW, Shadow.HUNG):
        assert stubs.of(Work(kind)) == stubs.of(Work(driven=kind))


def test_the_stub_gets_what_the_copies_would_ask() -> None:
    well = shadows.spec(Shadow.WELL, 9003)
    assert (well.kind, well.rate, well.port) == (Kind.STEADY, HEADLINE_RATE, 9003)
    for kind in (Shadow.SLOW, Shadow.HUNG):
        spec = shadows.spec(kind, 9021)
        assert (spec.kind, spec.connections, spec.port) == (Kind.CLOSED, COPIES, 9021)
    assert settings.Shadow.model_fields["in_flight"].default == COPIES


@pytest.mark.parametrize("kind", [Shadow.WELL, Shadow.SLOW])
def test_it_is_at_work_for_as_long_as_it_is_asked(kind: Shadow, tmp_path: Path) -> None:
    port, seen = free_ports([0, 0])
    cores = Cores(frozenset(os.sched_getaffinity(0)), frozenset(os.sched_getaffinity(0)))
    words = [f"{port}:3:{'slow' if kind is Shadow.SLOW else 'quick'}", f"{seen}:1"]
    stub = [sys.executable, "-m", "loadtests.bench.upstream", *words]
    behind = Stubs(Upstreams(seen, seen, port), Upstreams(seen, seen, port), port, port)
    with processes.running("stub", stub, tmp_path, cores.load) as child:
        processes.wait_listening(child, seen)
        with shadows.driven(kind, port, tmp_path, cores):
            until = time.monotonic() + 20
            while behind.seen(Work()) < 2 * COPIES and time.monotonic() < until:
                time.sleep(0.05)
        assert behind.seen(Work()) >= 2 * COPIES
        with shadows.driven(Shadow.NONE, port, tmp_path, cores):
            before = behind.seen(Work())
            assert behind.seen(Work()) == before + 1
