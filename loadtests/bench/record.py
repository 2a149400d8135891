"""What a run leaves behind: JSON with the machine, the versions and every raw repeat."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from demo.places import ROOT
from loadtests.bench import wrk
from loadtests.bench.peers import Peer
from loadtests.bench.processes import Cores
from loadtests.bench.reach import Judged
from loadtests.bench.rounds import Results


def machine(cores: Cores) -> dict[str, Any]:
    """What the figures depend on, and no name by which the machine could be known."""
    return {
        "system": platform.system(),
        "kernel": platform.release().split("-")[0],
        "architecture": platform.machine(),
        "processor": processor(Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "proxy_on_cores": sorted(cores.proxy),
        "load_on_cores": sorted(cores.load),
        "python": platform.python_version(),
        "python_optimised": optimised(str(sysconfig.get_config_var("CONFIG_ARGS") or "")),
        "uvloop": version("uvloop"),
        "load": "wrk" if wrk.program() else "own generator",
    }


def revision(root: Path) -> str:
    """The commit that was measured, marked when files had changed since; "" without git."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty"]
    try:
        return subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def processor(cpuinfo: Path) -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else "unknown"


def optimised(arguments: str) -> dict[str, bool]:
    """Whether this Python was built with profile-guided and link-time optimisation."""
    return {
        "pgo": "--enable-optimizations" in arguments,
        "lto": bool(re.search(r"--with-lto(?!=no)", arguments)),
    }


def whole(
    results: Results,
    judged: list[Judged],
    peers: Mapping[str, Peer],
    cores: Cores,
    options: Mapping[str, Any],
    plane: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The record of a run."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "options": dict(options),
        "revision": revision(ROOT),
        "machine": machine(cores),
        "versions": {name: peer.version() for name, peer in peers.items()},
        "results": results.raw(),
        "reach": [asdict(each) for each in judged],
        "notes": results.notes,
        "retaken": results.retaken,
        "plane": plane,
    }


def keep(content: Mapping[str, Any], folder: Path) -> Path:
    """Write ``<date>.json``; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = re.sub(r"\W", "", str(content["date"]))
    path = folder / f"{stamp}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def python_line() -> str:
    """This Python in a line, with the warning that an unoptimised build deserves."""
    built = optimised(str(sysconfig.get_config_var("CONFIG_ARGS") or ""))
    said = f"Python {platform.python_version()}"
    if built["pgo"]:
        return f"{said}, optimised{' (PGO, LTO)' if built['lto'] else ' (PGO)'}"
    return f"{said}, NOT an optimised build: Python code may be 10 to 20 % slower than Debian's"
