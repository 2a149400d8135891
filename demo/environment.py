"""The second environment: model servers need older libraries than pointsman does.

It is built once from the hash-pinned lock and kept in ``.demo``; a change of the lock or of
the Python builds it again.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from demo import places
from demo.errors import DemoError, tail

#: MLServer 1.7 declares itself for these and no later ones.
SERVES = ((3, 12), (3, 11))
_MARK = places.VENV / "built-from"


def find_python(running: tuple[int, int]) -> str:
    """The interpreter for the second environment: this one, or another on the PATH.

    ``running`` is this one's version.  Raises DemoError when MLServer runs on none of them.
    """
    if running in SERVES:
        return sys.executable
    for candidate in _others():
        if _can_make_environments(candidate):
            return candidate
    wanted = " or ".join(f"{major}.{minor}" for major, minor in sorted(SERVES))
    raise DemoError(
        f"the demo's model servers (MLServer 1.7) need Python {wanted}; this is "
        f"{running[0]}.{running[1]}, and no other was found on the PATH. "
        "Install one of them beside this one and run the demo again; pointsman stays as it is."
    )


def _others() -> Iterator[str]:
    for major, minor in SERVES:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            yield found


def _can_make_environments(python: str) -> bool:
    probe = subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True)
    return probe.returncode == 0


def is_ready() -> bool:
    """True when the environment is there and was built from the lock as it now is."""
    try:
        return places.SERVER_PYTHON.exists() and _MARK.read_text() == _fingerprint()
    except OSError:
        return False


def build(python: str) -> None:
    """Make the environment from the lock.  Raises DemoError with the end of pip's log."""
    log = places.LOGS / "install.log"
    shutil.rmtree(places.VENV, ignore_errors=True)
    places.LOGS.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        _step([python, "-m", "venv", str(places.VENV)], out.fileno(), log)
        lock = str(places.SERVER_LOCK)
        pip = [str(places.SERVER_PYTHON), "-m", "pip"]
        _step([*pip, "install", "--require-hashes", "--no-input", "-r", lock], out.fileno(), log)
    _MARK.write_text(_fingerprint())


def _step(command: list[str], out: int, log: Path) -> None:
    if subprocess.run(command, stdout=out, stderr=out, cwd=places.ROOT).returncode:
        raise DemoError(
            f"the environment for the model servers could not be built; {places.told(log)} ends:\n"
            f"{tail(log)}"
        )


def _fingerprint() -> str:
    """Of the lock and the folder: an environment that was moved does not run any more."""
    return hashlib.sha256(places.SERVER_LOCK.read_bytes() + bytes(places.VENV)).hexdigest()
