"""What must be there before the story can begin; each is made once and kept in ``.demo``."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator

from rich.console import Console

from demo import data, environment, places, show
from demo.errors import DemoError, tail


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Holds ``.demo`` while the block runs.  Raises DemoError when another demo has it."""
    places.HOME.mkdir(exist_ok=True)
    with (places.HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("another demo is running in this folder; end it first") from None
        yield


def prepare(out: Console) -> None:
    """The second environment, the customers, the versions.  Raises DemoError."""
    if not environment.is_ready():
        python = environment.find_python(sys.version_info[:2])
        with show.step(out, "setting up the model servers' own environment (once, about 600 MB)"):
            environment.build(python)
    if not data.is_here():
        with show.step(out, "fetching 30,000 real customers (once, 38 MB)"):
            data.fetch()
    if not _is_trained():
        with show.step(out, "training the versions (once)"):
            _train()


def measures() -> dict[str, dict[str, float]]:
    """How each version did on the held-out customers."""
    content = json.loads(places.TRAINED.read_text())["versions"]
    assert isinstance(content, dict)
    return content


def _is_trained() -> bool:
    try:
        mark = json.loads(places.TRAINED.read_text())
    except (OSError, ValueError):
        return False
    return bool(mark.get("fingerprint") == _fingerprint())


def _train() -> None:
    log = places.LOGS / "train.log"
    command = [str(places.SERVER_PYTHON), "-m", "demo.train", "--csv", str(places.CSV)]
    command += ["--out", str(places.MODELS), "--fingerprint", _fingerprint()]
    with log.open("w") as out:
        done = subprocess.run(command, cwd=places.ROOT, stdout=out, stderr=out)
    if done.returncode:
        raise DemoError(f"training failed; {places.told(log)} ends:\n{tail(log)}")


def _fingerprint() -> str:
    """Of all that the trained models depend on."""
    made_of = (places.ROOT / "demo" / "train.py", places.SERVER_LOCK, places.DATA_LOCK)
    return hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
