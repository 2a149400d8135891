"""The torn end of a history: what an interrupted write leaves behind.

An interrupted append leaves the beginning of one line, or (after a power cut, when pages reach
the disk in any order) a last line with a hole in it.  Neither is ever dropped without a word.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from proxy.store.entries import decode


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, newlines kept, and the torn rest (empty when nothing is torn).

    A last line with its newline is torn only when it has a hole, that is NULs, which JSON never
    holds.  Any other odd line is not the work of an interrupted write: the chain check sees it.
    """
    *ended, rest = data.split(b"\n")
    lines = [line + b"\n" for line in ended]
    if not rest and lines and b"\0" in lines[-1]:
        rest = lines.pop()
    return lines, rest


def completes(torn: bytes, seq: int) -> bool:
    """Whether only the newline is missing behind entry ``seq + 1``: then it counts.

    A line cut anywhere else is no JSON object, so it cannot be taken for a whole one.
    """
    try:
        return not torn.endswith(b"\n") and decode(torn).seq == seq + 1
    except msgspec.DecodeError:
        return False


def set_aside(history: Path, offset: int, torn: bytes) -> Path:
    """Keep the torn bytes, durably, in a file of their own beside the history; returns it."""
    for attempt in range(1000):
        suffix = f".{attempt}" if attempt else ""
        aside = history.with_name(f"{history.name}.torn-at-{offset}{suffix}")
        try:
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        except FileExistsError:
            continue
        with open(fd, "wb") as file:
            file.write(torn)
            file.flush()
            os.fsync(file.fileno())
        return aside
    raise FileExistsError(f"a thousand torn ends are kept beside {history} already")
