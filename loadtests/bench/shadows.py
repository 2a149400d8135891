"""The control of the rows with a shadow: its stub has the same work, but the proxy has no shadow.

The stub of a shadow shares its core with the load and with the stub that answers the callers.
What it takes of that core delays their answers, whoever asks it; a comparison with no shadow at
all would call that the proxy's doing.  So here a generator asks the stub what the copies would
ask of it.  It runs on the proxy's core, where the copies are written too.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from loadtests.bench import processes
from loadtests.bench.generator import Spec
from loadtests.bench.processes import Cores
from loadtests.bench.works import COPIES, HEADLINE_RATE, Kind, Shadow

#: Longer than any visit; it is ended with the visit.
_SECONDS: Final = 600.0


def spec(shadow: Shadow, port: int) -> Spec:
    """What copies of the callers' requests ask of a shadow at ``port``.

    One that keeps up gets them all; of one that does not, as many are under way as are let.
    """
    if shadow is Shadow.WELL:
        return Spec(kind=Kind.STEADY, port=port, rate=HEADLINE_RATE, seconds=_SECONDS)
    return Spec(kind=Kind.CLOSED, port=port, connections=COPIES, seconds=_SECONDS)


@contextlib.contextmanager
def driven(shadow: Shadow, port: int, folder: Path, cores: Cores) -> Iterator[None]:
    """A stub at work while it lasts; nothing for no shadow."""
    if shadow is Shadow.NONE:
        yield
        return
    words = msgspec.json.encode(spec(shadow, port)).decode()
    command = [sys.executable, "-m", "loadtests.bench.generator", words]
    with processes.running("driver", command, folder, cores.proxy) as child:
        yield
        child.must_run()
