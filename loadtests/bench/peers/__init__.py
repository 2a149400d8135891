"""The proxies, each told in its own language to do the same work.

A peer is found or missing, has a version, may be unable to do a work, and turns a work into the
command that serves it.  Configs are what a careful operator would write: keep-alive on both
sides, no access log, one worker, streaming where the peer can.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Protocol

from loadtests.bench.works import Upstreams, Work

__all__ = ["Peer", "asked_version"]


class Peer(Protocol):
    """One kind of proxy."""

    @property
    def name(self) -> str: ...

    def missing(self) -> str | None:
        """None when it is there, or else a line that says how to get it."""

    def version(self) -> str: ...

    def unable(self, work: Work) -> str | None:
        """None when it can do ``work``, or else why not."""

    def command(self, work: Work, folder: Path, port: int, upstreams: Upstreams) -> list[str]:
        """Write the config for ``work`` into ``folder``; returns what to run, in foreground."""

    def carries(self, words: str) -> bool:
        """Whether the process with this command line carries traffic."""


def asked_version(command: list[str]) -> str:
    """The first number with two dots in what the program says of itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found[0] if found else "unknown"
