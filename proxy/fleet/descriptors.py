"""How many files and sockets a process may have open; children inherit it.

Many systems give 1,024 and allow far more to whoever asks: a worker that runs out of them can
reach no model server, however healthy that is.
"""

from __future__ import annotations

import contextlib
import resource
from typing import Final

#: More is never asked for: some systems say a billion, and mean to be kind.
_ENOUGH: Final = 1 << 20


def raise_limit(enough: int = _ENOUGH) -> int:
    """Ask for as many as this process may have, at most ``enough``; returns how many it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = enough if hard == resource.RLIM_INFINITY else min(hard, enough)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def shortage(limit: int, connections: int) -> str:
    """What to tell the operator when ``limit`` is too low for so many callers; else empty."""
    needed = 2 * connections  # each caller may have a request at a model server
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ""
    return (
        f"a process may have {limit} files and sockets open here, and limits.connections is "
        f"{connections}: raise the limit (`ulimit -n`) to {needed}, or allow fewer connections"
    )
