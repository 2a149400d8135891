"""A running pointsman for tests: the process, what it says, its children, and callers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 20.0


def until(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Poll ``what`` until it is true; returns it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    """The process has ended (a zombie has: its parent, if any, will bury it)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Running:
    """A started ``command``; ``said`` grows with its stderr."""

    def __init__(self, command: Sequence[str], **more: Any) -> None:
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **more
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def await_words(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until stderr matches ``pattern`` for the ``count``-th time."""

        def look() -> re.Match[str] | None:
            over = self.process.poll() is not None and not self._reader.is_alive()
            found = list(re.finditer(pattern, self.said))
            assert len(found) >= count or not over, "it has ended"
            return found[count - 1] if len(found) >= count else None

        try:
            return until(look)  # type: ignore[no-any-return]
        except AssertionError:
            raise AssertionError(f"{pattern!r} was never said:\n{self.said}") from None

    def ready(self) -> tuple[int, int]:
        """The ports of callers and operators, once it serves."""
        found = self.await_words(
            r"pointsman \S+: serving .* on http://127\.0\.0\.1:(\d+), "
            r"admin on http://127\.0\.0\.1:(\d+), \d+ worker"
        )
        return int(found[1]), int(found[2])

    def children(self, role: str) -> list[int]:
        """Process ids of the children whose command line holds ``role``."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, parent = stat.read_text().rpartition(")")[2].split()[:2]
                words = (stat.parent / "cmdline").read_bytes().decode().split("\0")
                if int(parent) == self.process.pid and state != "Z":
                    found += [int(stat.parent.name)] if any(role in w for w in words) else []
        return sorted(found)

    def child(self, role: str, other_than: int = 0) -> int:
        """The one child of that role, waiting for a new one when ``other_than`` is given."""
        return until(  # type: ignore[no-any-return]
            lambda: next((pid for pid in self.children(role) if pid != other_than), None)
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def clean_up(self) -> None:
        """Nothing of it is left, whatever the test did."""
        if self.process.poll() is None:
            for pid in self.children(""):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.kill()
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.end()


@contextlib.contextmanager
def running(command: Sequence[str], **more: Any) -> Iterator[Running]:
    one = Running(command, **more)
    try:
        yield one
    finally:
        one.clean_up()


def call(port: int, path: str = "/", headers: dict[str, str] | None = None) -> dict[str, Any]:
    """One GET on a connection of its own: ``status``, ``headers`` and the JSON body's fields."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        body = answer.read()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return {**_object(body), "status": answer.status, "headers": fields}
    finally:
        connection.close()


def _object(body: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = json.loads(body)
        if isinstance(value, dict):
            return value
    return {}


class Callers:
    """A light load: a few threads, each calling again and again until the block ends.

    ``outcomes`` counts statuses, and the names of errors.
    """

    def __init__(self, port: int, threads: int = 2, fresh: bool = True, path: str = "/") -> None:
        self.port = port
        self.path = path
        self.outcomes: Counter[str] = Counter()
        self._fresh = fresh
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(threads)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        self.more(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until ``count`` more requests have ended."""
        start = self.outcomes.total()
        until(lambda: self.outcomes.total() >= start + count)

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self._over.is_set():
            try:
                connection.request("GET", self.path, headers={"X-Customer-Id": "7"})
                answer = connection.getresponse()
                answer.read()
                self.outcomes[str(answer.status)] += 1
                if self._fresh:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[type(error).__name__] += 1
                connection.close()
            time.sleep(0.002)
        connection.close()
