"""Old evidence files: gzipped, and the oldest of them removed when there are too many bytes.

In small steps (a generator), because the thread that does it writes lines in between.  A file
that a living desk writes is locked by it, and left alone.
"""

from __future__ import annotations

import fcntl
import gzip
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.store import evidence_files
from proxy.store.evidence_files import GZIPPED, PLAIN, UNFINISHED

if TYPE_CHECKING:
    from proxy.store.evidence_disk import Limits

log = logging.getLogger(__name__)

_STEP: Final = 256 * 1024
_LEVEL: Final = 4  # twice as quick as 6, and a tenth larger


def tidy(folder: Path, newest: Path, limits: Limits) -> Iterator[None]:
    """Yields between its steps.  ``newest`` is never touched.  Raises OSError."""
    if limits.gzip:
        for file in evidence_files.files(folder):
            if file.path != newest and file.path.name.endswith(PLAIN) and file.size:
                try:
                    yield from _gzip(file.path, file.number)
                except OSError as error:  # no room: then the oldest must go all the sooner
                    log.warning("evidence: %s cannot be gzipped: %s", file.path, error)
                    break
    _remove_orphans(folder)
    yield
    _bound(folder, newest, limits.model)


def _for_its_group(path: str, flags: int) -> int:
    """As readable as the file that it replaces."""
    return os.open(path, flags, 0o640)


def _gzip(path: Path, number: int) -> Iterator[None]:
    unfinished = path.with_name(evidence_files.name(number, UNFINISHED))
    with _mine(path) as fd:
        if fd is None:
            return
        try:
            with (
                open(fd, "rb", closefd=False) as plain,
                open(unfinished, "wb", opener=_for_its_group) as raw,
                gzip.GzipFile(path.name, "wb", _LEVEL, raw, mtime=0) as zipped,
            ):
                while piece := plain.read(_STEP):
                    zipped.write(piece)
                    yield
            _sync(unfinished)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        unfinished.rename(path.with_name(evidence_files.name(number, GZIPPED)))
        path.unlink()


def _remove_orphans(folder: Path) -> None:
    """Beginnings of a gzip whose plain file is gone."""
    for path in folder.glob(f"*{UNFINISHED}"):
        if not path.with_name(path.name.removesuffix(UNFINISHED) + PLAIN).exists():
            path.unlink(missing_ok=True)


def _bound(folder: Path, newest: Path, most: int) -> None:
    """Remove the oldest until all together hold at most ``most`` bytes."""
    known = evidence_files.files(folder)
    total = sum(file.size for file in known)
    for file in known:
        if total <= most:
            return
        if file.path == newest or not file.size:  # empty: another desk is just beginning it
            continue
        with _mine(file.path) as fd:
            if fd is not None:
                file.path.unlink(missing_ok=True)
                total -= file.size


@contextmanager
def _mine(path: Path) -> Iterator[int | None]:
    """The file, locked; None when another desk has it, or removed it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield fd if path.exists() else None
    finally:
        os.close(fd)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
