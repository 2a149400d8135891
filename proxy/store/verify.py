"""Is this history the one that was written?  Works offline, on the file alone.

The chain shows every changed, added, removed or moved line but for one: a new last line, or
lines cut from the end, leave a shorter chain that is whole in itself.  Who must know writes
``head`` down somewhere else now and then, and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from proxy.errors import StateError
from proxy.store.entries import GENESIS, Entry, decode, digest


class Verified(msgspec.Struct, frozen=True):
    """``entries`` good ones from the start; ``head`` is the hash of the last good line;
    ``bad_line`` (from 1) is the first bad one and ``problem`` what is wrong with it."""

    entries: int
    head: str
    bad_line: int | None = None
    problem: str = ""


class ChainError(StateError):
    """A line is not what was written: changed, added, removed or moved."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


def chain(
    lines: Iterable[bytes], seq: int = 0, head: str = GENESIS
) -> Iterator[tuple[bytes, Entry]]:
    """The lines with their entries, after line number ``seq`` with the hash ``head``.

    Raises ChainError at the first line that is no entry or does not follow the one before.
    """
    for line in lines:
        seq += 1
        try:
            entry = decode(line)
        except msgspec.DecodeError as error:
            raise ChainError(seq, f"not an entry of a history: {error}") from error
        if entry.prev != head:
            raise ChainError(
                seq,
                f"names {entry.prev[:16] or 'nothing'} as the hash of the line before, "
                f"which is {head[:16]}: the line before was changed, or lines were moved",
            )
        if entry.seq != seq:
            raise ChainError(seq, f"is numbered {entry.seq}, and {seq} comes here")
        head = digest(line)
        yield line, entry


def verify(path: Path) -> Verified:
    """Walk the whole file.  Raises StateError when it cannot be read."""
    count, head = 0, GENESIS
    try:
        with path.open("rb") as file:
            for line, _ in chain(file):
                if not line.endswith(b"\n"):
                    raise ChainError(count + 1, "has no end: its writing was interrupted")
                count, head = count + 1, digest(line)
    except ChainError as broken:
        return Verified(count, head, broken.line, broken.problem)
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}") from error
    return Verified(count, head)
