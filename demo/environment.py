"""Environments of their own: what needs other libraries than pointsman does.

Each is built once from a hash-pinned lock and kept; a change of the lock or of the folder
builds it again.  The demo's holds its model servers, which need older libraries.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo import places
from demo.errors import DemoError, tail

#: MLServer 1.7 declares itself for these and no later ones.
SERVES = ((3, 12), (3, 11))


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in ``folder``, made of what ``lock`` pins."""

    holds: str  # for messages: "the environment for ... could not be built"
    folder: Path
    lock: Path
    log: Path  # pip's

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def is_ready(self) -> bool:
        """True when it is there and was built from the lock as it now is."""
        try:
            return self.python.exists() and self._mark.read_text() == self._fingerprint()
        except OSError:
            return False

    def build(self, python: str) -> None:
        """Make it from the lock.  Raises DemoError with the end of pip's log."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as out:
            self._step([python, "-m", "venv", str(self.folder)], out.fileno())
            pip = [str(self.python), "-m", "pip"]
            lock = ["--require-hashes", "--no-input", "-r", str(self.lock)]
            self._step([*pip, "install", *lock], out.fileno())
        self._mark.write_text(self._fingerprint())

    @property
    def _mark(self) -> Path:
        return self.folder / "built-from"

    def _step(self, command: list[str], out: int) -> None:
        if subprocess.run(command, stdout=out, stderr=out, cwd=places.ROOT).returncode:
            raise DemoError(
                f"the environment for {self.holds} could not be built; "
                f"{places.told(self.log)} ends:\n{tail(self.log)}"
            )

    def _fingerprint(self) -> str:
        """Of the lock and the folder: an environment that was moved does not run any more."""
        return hashlib.sha256(self.lock.read_bytes() + bytes(self.folder)).hexdigest()


MODEL_SERVERS: Final = Environment(
    "the model servers", places.VENV, places.SERVER_LOCK, places.LOGS / "install.log"
)
is_ready = MODEL_SERVERS.is_ready
build = MODEL_SERVERS.build


def find_python(running: tuple[int, int]) -> str:
    """The interpreter for the model servers: this one, or another on the PATH.

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
