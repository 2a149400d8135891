"""The thread that writes evidence files: a disk that is slow, full or gone holds up no loop.

A file is a ``Part``.  Once a write to it fails it is never written again, so that a file has no
hole: everything that is still waiting for it is lost and counted, and the loop begins another.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from proxy.store import evidence_files, evidence_tidy
from proxy.store.evidence_files import PLAIN

log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """Bytes and seconds.  ``linger`` and ``beat`` together stay under 0.2 s."""

    file: int = 16 * 1024 * 1024  # then the next one begins
    model: int = 256 * 1024 * 1024  # of one model in all; the oldest files go
    waiting: int = 32 * 1024 * 1024  # in memory, for the disk
    gzip: bool = True  # rotated files
    linger: float = 0.05  # for more lines to come, so that one write takes them all
    sync: float = 1.0  # between two fsyncs of one file
    retry: float = 5.0  # after a failure


class Part:
    """One file.  The loop reads ``failed`` and ``error``, the thread sets them."""

    def __init__(self, model: str, version: str, stable: str) -> None:
        self.model = model
        self.version = version
        self.stable = stable
        self.offered = 0  # bytes, the header among them
        self.failed = False  # takes nothing more
        self.error = ""
        self.broken = False  # what still waits for it is lost as well
        self.path: Path | None = None
        self.fd = -1
        self.end = 0  # bytes that are in the file
        self.unsynced_since: float | None = None


class _Piece(NamedTuple):
    """Something for the thread: bytes for a part, or (None) its end."""

    part: Part
    data: bytes | None
    lines: int


class Disk:
    """Owns the thread, the queue and the open files."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._news = threading.Condition()
        self._queue: deque[_Piece] = deque()
        self._open: dict[Part, None] = {}
        self._chores: deque[Iterator[None]] = deque()
        self._troubled: set[str] = set()
        self._closing = False
        self.pending = 0
        self.lost = 0
        self.written = 0
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._thread.start()

    def offer(self, part: Part, data: bytes, lines: int = 1) -> None:
        """Queue ``data``.  Without room the part has failed: it would have a hole."""
        with self._news:
            if part.failed:
                self.lost += lines
                return
            if self.pending and self.pending + len(data) > self._limits.waiting:
                self._fail(part, f"{self.pending} bytes are waiting for the disk", lines)
                return
            part.offered += len(data)
            self.pending += len(data)
            self._queue.append(_Piece(part, data, lines))
            self._news.notify()

    def finish(self, part: Part) -> None:
        """Nothing more comes for this part."""
        with self._news:
            self._queue.append(_Piece(part, None, 0))
            self._news.notify()

    def close(self, timeout: float) -> None:
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            pieces, closing = self._take()
            for part, data, lines in _joined(pieces):
                self._write(part, data, lines)
            self._sync(time.monotonic())
            if closing:
                break
            self._chore()
        for part in list(self._open):
            self._close(part)

    def _take(self) -> tuple[list[_Piece], bool]:
        """Everything that waits, once something does; nothing when a chore or a sync is due."""
        with self._news:
            if not self._queue and not self._closing:
                self._news.wait(self._patience())
            if self._queue and not self._closing:
                self._news.wait_for(lambda: self._closing, self._limits.linger)
            pieces = list(self._queue)
            self._queue.clear()
            return pieces, self._closing

    def _patience(self) -> float | None:
        if self._chores:
            return 0.0
        unsynced = any(part.unsynced_since is not None for part in self._open)
        return self._limits.sync / 4 if unsynced else None

    def _write(self, part: Part, data: bytes | None, lines: int) -> None:
        if data is None:
            self._close(part)
            return
        if not part.broken:
            try:
                if part.fd < 0:
                    self._begin(part)
                _write_all(part.fd, data)
                part.end += len(data)
                if part.unsynced_since is None:
                    part.unsynced_since = time.monotonic()
                if part not in self._open:
                    self._ready(part)
            except OSError as error:
                self._broken(part, error)
        with self._news:
            self.pending -= len(data)
            if part.broken:
                self.lost += lines
            else:
                self.written += lines

    def _begin(self, part: Part) -> None:
        """A new file under the next free number, locked for as long as it is written."""
        folder = evidence_files.folder_of(self._root, part.model)
        folder.mkdir(parents=True, exist_ok=True)
        known = evidence_files.files(folder)
        number = known[-1].number + 1 if known else 1
        while part.fd < 0:
            path = folder / evidence_files.name(number, PLAIN)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                part.fd = os.open(path, flags, 0o640)
            except FileExistsError:  # another desk was quicker
                number += 1
        part.path = path
        fcntl.flock(part.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _ready(self, part: Part) -> None:
        """The header is in: it is made durable before any older file may go."""
        assert part.path is not None
        os.fsync(part.fd)
        self._open[part] = None
        if part.model in self._troubled:
            self._troubled.discard(part.model)
            log.warning("evidence of %s: is written again, to %s", part.model, part.path)
        self._chores.append(evidence_tidy.tidy(part.path.parent, part.path, self._limits))

    def _broken(self, part: Part, error: OSError) -> None:
        """Take back what was half written, so that the file ends with a whole line."""
        try:
            if part.fd >= 0:
                os.ftruncate(part.fd, part.end)
            if part.path is not None and not part.end:
                part.path.unlink(missing_ok=True)
        except OSError as another:
            log.warning("evidence: %s: cannot be cut to whole lines: %s", part.path, another)
        where = part.path or evidence_files.folder_of(self._root, part.model)
        part.broken = True
        with self._news:
            self._fail(part, f"{where}: cannot be written: {error.strerror or error}", 0)
        self._close(part)

    def _fail(self, part: Part, why: str, lines: int) -> None:
        self.lost += lines
        part.error, part.failed = why, True
        if part.model not in self._troubled:  # said once, however often it is tried again
            self._troubled.add(part.model)
            log.warning("evidence of %s: lines are lost until there is room: %s", part.model, why)

    def _sync(self, now: float) -> None:
        for part in list(self._open):
            since = part.unsynced_since
            if since is None or now - since < self._limits.sync:
                continue
            try:
                os.fsync(part.fd)
                _same_file(part)
                part.unsynced_since = None
            except OSError as error:
                self._broken(part, error)

    def _close(self, part: Part) -> None:
        self._open.pop(part, None)
        if part.fd < 0:
            return
        try:
            os.fsync(part.fd)
        except OSError as error:
            log.warning("evidence: %s: may not be durable: %s", part.path, error)
        os.close(part.fd)
        part.fd = -1

    def _chore(self) -> None:
        """One small step, so that lines never wait long for a gzip."""
        if not self._chores:
            return
        try:
            next(self._chores[0])
        except StopIteration:
            self._chores.popleft()
        except OSError as error:
            self._chores.popleft()
            log.warning("evidence: old files cannot be tidied: %s", error)


def _joined(pieces: list[_Piece]) -> Iterator[_Piece]:
    """The pieces of one part as one write; its end stays behind them."""
    parts: dict[Part, list[_Piece]] = {}
    for piece in pieces:
        parts.setdefault(piece.part, []).append(piece)
    for part, mine in parts.items():
        data = b"".join(piece.data for piece in mine if piece.data is not None)
        if data:
            yield _Piece(part, data, sum(piece.lines for piece in mine))
        if any(piece.data is None for piece in mine):
            yield _Piece(part, None, 0)


def _same_file(part: Part) -> None:
    """Raises OSError when the path names another file by now: its lines would be lost."""
    assert part.path is not None
    mine, there = os.fstat(part.fd), os.stat(part.path)
    if (mine.st_ino, mine.st_dev) != (there.st_ino, there.st_dev):
        raise OSError("was replaced by another file while in use")


def _write_all(fd: int, data: bytes) -> None:
    """A full disk may take a part before it says no."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
