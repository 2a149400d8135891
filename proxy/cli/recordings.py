"""Two files of recorded answers, joined by request: in one pass, holding no bodies.

Files in the same order take hardly any memory.  Of a line whose other half has not come yet, only
its place in the file is remembered; it is read again when the other half comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from proxy.compare.recorded import BadLine, Recorded, recorded, request_id
from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from typing import BinaryIO

_LONGEST: Final = 16 * 1024 * 1024
#: Waiting lines: 150 bytes each, or so.
_MOST_WAITING: Final = 5_000_000


class Joined(NamedTuple):
    """Both lines of one request, or one where the other file has none.  ``read``: bytes of both
    files until here."""

    first: Recorded | None
    second: Recorded | None
    read: int


class Recording:
    """One file, read line by line, and back to a line."""

    def __init__(self, path: Path, version: str) -> None:
        """Raises OperationRefused when it cannot be opened."""
        self.path, self.version = path, version
        try:
            self.file: BinaryIO = path.open("rb")
            self.size = path.stat().st_size
        except OSError as error:
            raise OperationRefused(f"{path}: cannot be read: {error.strerror or error}") from error
        self.line, self.at = 0, 0
        self.waiting: dict[str, tuple[int, int]] = {}  # id -> where, line

    def first(self) -> Recorded | None:
        """The first line, looked at before all is read; None of an empty file."""
        line = self.next()
        found = self.parse(line[1]) if line else None
        self.rewind()
        return found

    def rewind(self) -> None:
        self.file.seek(0)
        self.line, self.at = 0, 0
        self.waiting.clear()

    def close(self) -> None:
        self.file.close()

    def next(self) -> tuple[str, bytes, int] | None:
        """The next line's id, the line and where it begins; None at the end."""
        while True:
            place = self.at
            line = self.file.readline(_LONGEST + 1)
            if not line:
                return None
            self.line += 1
            self.at += len(line)
            if len(line) > _LONGEST:
                self.refuse(f"found a line of more than {_LONGEST} bytes")
            if line.strip():
                try:
                    return request_id(line), line, place
                except BadLine as error:
                    self.refuse(str(error))

    def wait(self, name: str, place: int) -> None:
        if name in self.waiting:
            self.refuse(f"found the request {name[:80]!r} a second time")
        if len(self.waiting) >= _MOST_WAITING:
            self.refuse(
                f"found {_MOST_WAITING} requests whose other half has not come; "
                "allowed are files in about the same order"
            )
        self.waiting[name] = place, self.line

    def again(self, name: str) -> Recorded:
        """The line that waited, read once more."""
        place, line = self.waiting.pop(name)
        back = self.file.tell()
        self.file.seek(place)
        text = self.file.readline()
        self.file.seek(back)
        return self.parse(text, line)

    def parse(self, text: bytes, line: int | None = None) -> Recorded:
        try:
            return recorded(text, self.version)
        except BadLine as error:
            self.refuse(str(error), line)

    def refuse(self, found: str, line: int | None = None) -> NoReturn:
        raise OperationRefused(f"{self.path}:{line or self.line}: {found}")


def join(first: Recording, second: Recording) -> Iterator[Joined]:
    """Every request of either file, once.  Raises OperationRefused at the first broken line."""
    sides = (first, second)
    open_sides = [True, True]
    while any(open_sides):
        for at, (mine, other) in enumerate((sides, sides[::-1])):
            found = mine.next() if open_sides[at] else None
            if found is None:
                open_sides[at] = False
                continue
            name, text, place = found
            if name not in other.waiting:
                mine.wait(name, place)
                continue
            halves = mine.parse(text), other.again(name)
            yield _joined(halves if at == 0 else halves[::-1], sides)
    for at, mine in enumerate(sides):
        for name in list(mine.waiting):
            left = mine.again(name)
            yield _joined((left, None) if at == 0 else (None, left), sides)


def _joined(halves: tuple[Recorded | None, ...], sides: tuple[Recording, Recording]) -> Joined:
    return Joined(halves[0], halves[1], sides[0].at + sides[1].at)
