"""The access log's file: JSON lines, written by one thread of the desk, never waited for.

Bounded: when the disk or the reader of stdout is slower than the traffic, lines are dropped
and counted.  A disk that is full costs lines, never traffic.
"""

from __future__ import annotations

import logging
import queue
import threading
from datetime import UTC, datetime
from io import FileIO
from typing import Final

import msgspec

from proxy.terms import Logged

log = logging.getLogger(__name__)

#: Batches (one per report of one worker) that may wait for the disk.
WAITING: Final = 256
_STDOUT: Final = 1

_encode = msgspec.json.Encoder().encode


class AccessLog:
    """``path`` is a file that is appended to, or ``-`` for stdout.

    ``written``, ``dropped`` (the queue was full) and ``failed`` (the disk refused) count lines.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self._queue: queue.Queue[list[Logged] | None] = queue.Queue(WAITING)
        self._reopen = threading.Event()
        self._complained = False
        self._torn = False
        self._file: FileIO | None = None
        # A daemon: a stdout that nobody reads must not keep the desk from leaving.
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def offer(self, lines: list[Logged]) -> None:
        """Hand over lines; never waits."""
        if not lines:
            return
        try:
            self._queue.put_nowait(lines)
        except queue.Full:
            self.dropped += len(lines)

    def reopen(self) -> None:
        """Open the path anew before the next line: it was renamed by log rotation."""
        self._reopen.set()

    def flush(self) -> None:
        """Wait until what was offered is written, or lost."""
        self._queue.join()

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most about ``seconds``."""
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _run(self) -> None:
        while (lines := self._queue.get()) is not None:
            if self._reopen.is_set():
                self._reopen.clear()
                self._shut()
            try:
                self._write(b"".join(_line(one) for one in lines))
                self.written += len(lines)
                self._complained = False
            except OSError as error:
                self.failed += len(lines)
                self._complain(error)
                self._shut()
            self._queue.task_done()
        self._shut()

    def _write(self, data: bytes) -> None:
        """All of ``data``, or OSError; a line torn by a full disk is ended before the next one."""
        if self._file is None:
            # Unbuffered: a line that the disk refused is not tried again with the next ones.
            shared = self.path == "-"
            self._file = FileIO(_STDOUT if shared else self.path, "ab", closefd=not shared)
        view = memoryview(b"\n" + data if self._torn else data)
        while view:
            written = self._file.write(view)
            self._torn = True
            view = view[written:]
        self._torn = False

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _complain(self, error: OSError) -> None:
        """Once per trouble, not once per line."""
        if not self._complained:
            log.error("the access log %s cannot be written: %s; lines are lost", self.path, error)
        self._complained = True


def _line(one: Logged) -> bytes:
    """One line: the time first, as RFC 3339 in UTC with milliseconds."""
    fields = msgspec.structs.asdict(one)
    at = datetime.fromtimestamp(fields.pop("at"), UTC).isoformat(timespec="milliseconds")
    return _encode({"time": at.replace("+00:00", "Z"), **fields}) + b"\n"
