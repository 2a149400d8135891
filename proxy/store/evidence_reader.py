"""Reading evidence files back: all of them for ``pointsman replay``, the newest after a restart."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from proxy.errors import ReplayError
from proxy.judge import Evidence
from proxy.store import evidence_files
from proxy.store.evidence_files import EvidenceFile, Header

#: No line is longer: one of a snapshot of 50,000 customers has some MiB.
_LONGEST: Final = 256 * 1024 * 1024
_BEGIN: Final = b'{"format":"pointsman evidence'
_ALLOWED: Final = (
    "allowed is an evidence file of pointsman (.jsonl or .jsonl.gz), or one model's folder of them"
)


class Recovered(msgspec.Struct, frozen=True):
    """What a trial is made of again: ``Trial.restore`` the snapshot (None: a fresh trial that
    began at ``header.began``), then add the ``lines``.  ``notes`` are for people."""

    header: Header
    lines: list[Evidence]
    notes: tuple[str, ...]

    @property
    def snapshot(self) -> bytes | None:
        return self.header.snapshot


class _Expected(NamedTuple):
    """How the next file's header should go on, if it is of the same trial and desk."""

    trial: tuple[str, float, float]
    line: int


def _trial(header: Header) -> tuple[str, float, float]:
    return header.version, header.began, header.desk


class Reading(Iterator[Evidence]):
    """The evidence of one file or folder, line by line, in order.

    ``total`` bytes are there in all, ``done`` were read.  ``header`` is that of the file which
    the last line came from (of the first one at the start); ``notes`` says, for people, what
    was passed over so far.  Raises ReplayError.
    """

    def __init__(self, path: Path) -> None:
        self._files = _found(path)
        self.total = sum(file.size for file in self._files)
        self.notes: list[str] = []
        self._behind = 0  # bytes of the files that were read
        self._raw: IO[bytes] | None = None
        self._headers: list[Header] = []  # the one in force
        self._lines = self._all()
        self._next = next(self._lines, None)
        if not self._headers:
            raise ReplayError(f"{path}: holds no whole line; {_ALLOWED}")
        self.header = self._headers[0]

    @property
    def done(self) -> int:
        """Bytes on the disk that were read so far, up to ``total``."""
        here = 0 if self._raw is None or self._raw.closed else self._raw.tell()
        return min(self._behind + here, self.total)

    def __next__(self) -> Evidence:
        line = self._next if self._next is not None else next(self._lines)
        self._next = None
        self.header = self._headers[0]
        return line

    def close(self) -> None:
        """Let go of the file, for who does not read to the end."""
        self._lines.close()

    def _all(self) -> Generator[Evidence, None, None]:
        expected: _Expected | None = None
        for file in self._files:
            count = 0
            for line in self._of(file):
                if isinstance(line, Header):
                    self._headers = [line]
                    self._gap(file, line, expected)
                    continue
                count += 1
                yield line
            if self._headers:
                held = self._headers[0]
                expected = _Expected(_trial(held), held.from_line + count)
            self._behind += file.size

    def _gap(self, file: EvidenceFile, header: Header, expected: _Expected | None) -> None:
        """Lines that were lost between two files of one trial, or are gone before the first."""
        if expected is None and header.from_line:
            self.notes.append(
                f"{file.path}: begins at line {header.from_line + 1} of its trial; the lines "
                "before are only in its snapshot"
            )
        if expected is None or expected.trial != _trial(header):
            return
        missing = header.from_line - expected.line
        if missing > 0:
            self.notes.append(f"{file.path}: {missing} lines before it were lost: no room on disk")

    def _of(self, file: EvidenceFile) -> Iterator[Header | Evidence]:
        with _open(file.path) as (raw, content):
            self._raw = raw
            yield from _lines(file.path, content, self.notes)
        self._raw = None


def read(path: Path) -> Reading:
    """The evidence of one file (gzipped or not), or of one model's folder in order.

    Raises ReplayError, here and while iterating, with the file and the line.
    """
    return Reading(path)


def recover(folder: Path, version: str) -> Recovered | None:
    """The trial of this canary version as the newest file has it; None when there is none, or it
    is over.

    Never raises: of a damaged file the lines before the damage count, and the notes say so.
    """
    notes: list[str] = []
    lines: list[Evidence] = []
    ended: list[float] = []
    newest = _newest(folder, version, notes)
    if newest is None:
        return None
    file, header = newest
    try:
        with _open(file.path) as (_, content):
            lines.extend(
                line
                for line in _lines(file.path, content, notes, ended)
                if not isinstance(line, Header)
            )
    except ReplayError as error:
        notes.append(f"{error}; the lines before it count")
    return None if ended else Recovered(header, lines, tuple(notes))


def _newest(folder: Path, version: str, notes: list[str]) -> tuple[EvidenceFile, Header] | None:
    """That of the desk which started last, and of its files the last."""
    best: tuple[tuple[float, int], EvidenceFile, Header] | None = None
    try:
        known = evidence_files.files(folder)
    except OSError as error:
        notes.append(str(_unreadable(folder, error)))
        return None
    for file in known:
        try:
            with _open(file.path) as (_, content):
                header = _header(file.path, content, notes)
        except ReplayError as error:
            notes.append(f"{error}; the file was passed over")
            continue
        if header is None or header.version != version:
            continue
        rank = (header.desk, file.number)
        if best is None or rank > best[0]:
            best = (rank, file, header)
    return None if best is None else best[1:]


def _found(path: Path) -> list[EvidenceFile]:
    try:
        if path.is_dir():
            known = evidence_files.files(path)
            if not known:
                inside = sorted(each.name for each in path.iterdir() if each.is_dir())
                hint = f"; it has the folders {', '.join(inside[:20])}" if inside else ""
                raise ReplayError(f"{path}: found a folder without evidence{hint}; {_ALLOWED}")
            return known
        return [EvidenceFile(0, path, path.stat().st_size)]
    except FileNotFoundError:
        raise ReplayError(f"{path}: found nothing there; {_ALLOWED}") from None
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error


class _open:  # noqa: N801 - used like the function it stands for
    """The file as it lies on the disk, and its content; gzip is told by its first bytes.

    Every failure to read becomes a ReplayError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw: IO[bytes] | None = None

    def __enter__(self) -> tuple[IO[bytes], IO[bytes]]:
        try:
            self._raw = self._path.open("rb")
            magic = self._raw.read(2)
            self._raw.seek(0)
        except OSError as error:
            self.__exit__()
            raise _unreadable(self._path, error) from error
        if magic != b"\x1f\x8b":
            return self._raw, self._raw
        return self._raw, gzip.open(self._raw, "rb")  # type: ignore[return-value]

    def __exit__(self, *_: object) -> None:
        if self._raw is not None:
            self._raw.close()


def _unreadable(path: Path, error: Exception) -> ReplayError:
    if isinstance(error, EOFError):
        return ReplayError(f"{path}: found a gzip that is cut off; copy the whole file")
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return ReplayError(f"{path}: found a damaged gzip: {error}")
    reason = getattr(error, "strerror", None) or error
    return ReplayError(f"{path}: cannot be read: {reason}")


def _line(path: Path, content: IO[bytes], number: int) -> bytes:
    try:
        line = content.readline(_LONGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if len(line) == _LONGEST:
        raise ReplayError(f"{path}: line {number} is longer than {_LONGEST} bytes; {_ALLOWED}")
    return line


def _header(path: Path, content: IO[bytes], notes: list[str]) -> Header | None:
    """The first line; None when the file's writer was killed before he had written it."""
    line = _line(path, content, 1)
    if not line:
        notes.append(f"{path}: is empty")
        return None
    try:
        return evidence_files.decode_header(line)
    except msgspec.DecodeError as error:
        begins = line.startswith(_BEGIN) or _BEGIN.startswith(line)
        if b"\0" in line or (begins and not line.endswith(b"\n")):
            notes.append(f"{path}: its only line is torn, and was passed over")
            return None
        raise ReplayError(f"{path}: line 1 is no header: {error}; {_ALLOWED}") from error


def _lines(
    path: Path, content: IO[bytes], notes: list[str], ended: list[float] | None = None
) -> Iterator[Header | Evidence]:
    """Header, then Evidence.  A torn last line is passed over and noted."""
    header = _header(path, content, notes)
    if header is None:
        return
    yield header
    number = 1
    line = _line(path, content, 2)
    while line:
        number += 1
        following = _line(path, content, number + 1)
        try:
            found = evidence_files.decode(line)
        except msgspec.DecodeError as error:
            if not following and evidence_files.torn(line):
                notes.append(
                    f"{path}: line {number} is torn ({len(line)} bytes): an interrupted write; "
                    "it was passed over"
                )
                return
            raise ReplayError(f"{path}: line {number} is no evidence: {error}") from error
        if isinstance(found, Evidence):
            yield found
        elif ended is not None:
            ended.append(found.ended)
        line = following
