"""The history file: what was done to the traffic, by whom and why; append-only JSON lines.

An entry counts once ``append`` has returned: written, and forced to the disk.  A failed append
leaves the file as it was.  Every access takes the file's lock and first reads what another
desk has added, so that two desks on one state directory (a hand-over of the port, or a desk
replaced while it hangs in a write) keep one chain.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from proxy.errors import StateError
from proxy.store import tail
from proxy.store.entries import GENESIS, Entry, decode, digest, encode
from proxy.store.state import State, fold
from proxy.store.verify import ChainError, chain

log = logging.getLogger(__name__)


class History:
    """One file, held open.  Methods block on the disk: call them from a worker thread.

    Raises StateError when the file cannot be used, or when its chain is broken: traffic is
    not given on the word of a history that was tampered with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repaired = ""  # what was done about a torn last line, for people
        self._state = State()
        self._mine = threading.Lock()  # the file's lock is one for all threads of a process
        self._seq = 0
        self._head = GENESIS
        self._end = 0  # bytes of whole, chained lines
        with self._failures("cannot be opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            try:
                _sync_folder(path.parent)
                with self._lock():
                    self._catch_up()
            except BaseException:
                os.close(self._fd)
                raise

    def append(self, entry: Entry) -> Entry:
        """Make one entry durable: see ``append_all``."""
        return self.append_all([entry])[0]

    def append_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Make the entries durable, in one go; returns them with their ``seq`` and ``prev``.

        Raises StateError (no space, read-only, moved away ...): then nothing was added, and
        the same entries may be tried again.
        """
        self._same_file()
        with self._failures("cannot be written"), self._lock():
            self._catch_up()
            lines: list[bytes] = []
            head = self._head
            for seq, entry in enumerate(entries, self._seq + 1):
                lines.append(encode(entry, seq, head))
                head = digest(lines[-1])
            try:
                _write(self._fd, b"".join(lines))
                os.fsync(self._fd)
            except BaseException:
                # After a failed fsync nobody knows what is on the disk: write it again whole.
                os.ftruncate(self._fd, self._end)
                raise
            return [self._take(line, decode(line)) for line in lines]

    def state(self) -> State:
        """What the entries add up to, as it is now; the caller's to keep."""
        with self._mine:
            return self._state.copy()

    def entries(self, limit: int | None = None) -> list[Entry]:
        """The last ``limit`` whole entries, oldest first; all of them without a limit."""
        with self._failures("cannot be read"), self.path.open("rb") as file:
            lines = deque((line for line in file if line.endswith(b"\n")), maxlen=limit)
        try:
            return [decode(line) for line in lines]
        except msgspec.DecodeError as error:
            raise StateError(f"{self.path}: has a line that is no entry: {error}") from error

    def close(self) -> None:
        """Let go of the file; closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self, line: bytes, entry: Entry) -> Entry:
        fold(self._state, entry)
        self._seq, self._head = entry.seq, digest(line)
        self._end += len(line)
        return entry

    def _catch_up(self) -> None:
        """Fold what stands behind the last known line: at the start, everything."""
        size = os.fstat(self._fd).st_size
        if size == self._end:
            return
        if size < self._end:
            raise StateError(
                f"{self.path}: was cut from {self._end} to {size} bytes while in use; "
                "put the whole file back, or move it away and restart to begin a new one"
            )
        lines, torn = tail.split(_read(self._fd, self._end, size))
        if torn and tail.completes(torn, self._seq + len(lines)):
            _write(self._fd, b"\n")
            os.fsync(self._fd)
            lines, torn = [*lines, torn + b"\n"], b""
            self._warn("the newline that was missing after its last line was added")
        self._take_all(lines)
        if torn:
            aside = tail.set_aside(self.path, self._end, torn)
            os.ftruncate(self._fd, self._end)
            os.fsync(self._fd)
            self._warn(f"a torn last line of {len(torn)} bytes was set aside in {aside.name}")

    def _take_all(self, lines: list[bytes]) -> None:
        try:
            for line, entry in chain(lines, self._seq, self._head):
                self._take(line, entry)
        except ChainError as broken:
            raise StateError(
                f"{self.path}: line {broken.line} {broken.problem}; no canary gets traffic on the "
                "word of this history: put the right file back, or move it away to begin a new one"
            ) from broken

    def _warn(self, what: str) -> None:
        self.repaired = what
        log.warning("history %s: %s", self.path, what)

    def _same_file(self) -> None:
        """Raises StateError when the path names another file by now: an append to a file that
        was moved or deleted would be lost without a word."""
        if self._fd < 0:
            raise StateError(f"{self.path}: the history is closed")
        with self._failures("cannot be written"):
            mine = os.fstat(self._fd)
            try:
                there = os.stat(self.path)
            except FileNotFoundError:
                there = None
        if there is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
            found = "is gone" if there is None else "was replaced by another file"
            raise StateError(f"{self.path}: {found} while in use; put it back, or restart")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self._mine:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateError(f"{self.path}: {what}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """A new file's name is durable only once its folder is."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(fd: int, start: int, end: int) -> bytes:
    pieces: list[bytes] = []
    while start < end:
        piece = os.pread(fd, end - start, start)
        if not piece:
            break
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def _write(fd: int, data: bytes) -> None:
    """All of it: a full disk may take a part before it says no."""
    while data:
        data = data[os.write(fd, data) :]
