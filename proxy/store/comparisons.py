"""Comparisons on the disk: one file for each shadow and stable version of a model, replaced whole.

What is in a file was counted until ``at``; what was counted afterwards is lost with the process.
Labels are the exception: a file names those that are in it, so that one that the ledger hands
out again is never counted twice.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from proxy.errors import StateError

FORMAT: Final = 1
#: Of one model; the oldest go.  A version that left the config is kept to be looked at.
MOST_FILES: Final = 32
#: Bytes.  A comparison is bounded far below it.
LARGEST: Final = 64 * 1024 * 1024
_SUFFIX: Final = ".comparison"


class Gap(msgspec.Struct, frozen=True):
    """A time, in seconds since the epoch, in which nothing was compared, or none of it kept."""

    since: float
    until: float


class KeptComparison(msgspec.Struct, frozen=True):
    """One comparison: ``counted`` are ``Comparison.snapshot``'s bytes, ``joins`` the labels last
    counted, by ``Joined.id``."""

    model: str
    version: str
    stable: str
    began: float
    at: float
    counted: bytes
    joins: tuple[int, ...] = ()
    gaps: tuple[Gap, ...] = ()
    format: int = FORMAT


class ComparisonFiles:
    """The files under one folder.  Blocks on the disk: for a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, model: str, version: str, stable: str) -> Path:
        """No version's name holds an @."""
        return self.folder / model / f"{version}@{stable}{_SUFFIX}"

    def write(self, kept: KeptComparison) -> None:
        """Replace the file, whole or not at all; it outlives a power cut.  Raises StateError."""
        path, content = (
            self.path(kept.model, kept.version, kept.stable),
            msgspec.msgpack.encode(kept),
        )
        if len(content) > LARGEST:
            raise StateError(f"{path}: {len(content)} bytes; allowed are at most {LARGEST}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
            self._tidy(path.parent)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {error.strerror or error}") from error

    def read(self, model: str, version: str, stable: str) -> KeptComparison | None:
        """None where there is none.  Raises StateError for what is no comparison."""
        path = self.path(model, version, stable)
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
            kept = msgspec.msgpack.decode(content, type=KeptComparison)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {error.strerror or error}") from error
        except msgspec.DecodeError as error:
            raise StateError(f"{path}: found no comparison: {str(error)[:120]}") from None
        found = kept.format, kept.model, kept.version, kept.stable
        wanted = FORMAT, model, version, stable
        if found != wanted:
            raise StateError(
                f"{path}: found format, model, shadow and stable {found}; allowed are {wanted}"
            )
        return kept

    def _tidy(self, folder: Path) -> None:
        found = [it for it in folder.iterdir() if it.suffix == _SUFFIX]
        if len(found) <= MOST_FILES:
            return
        found.sort(key=lambda it: it.stat().st_mtime)
        for old in found[:-MOST_FILES]:
            old.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
