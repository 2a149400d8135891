"""The key under which customers are hashed: made once, kept beside the history.

It outlives restarts, so that the same customer has the same hash in every log; two instances
on one state directory share it.  Without the file nobody can try out customer ids on a log.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Final

from proxy.errors import StateError

NAME: Final = "customers.key"
_HEX: Final = re.compile(r"[0-9a-f]{64}\n?")


def hash_key(state_dir: Path) -> str:
    """32 random bytes as 64 hex digits, readable for the owner only.  Raises StateError."""
    path = state_dir / NAME
    try:
        if not path.exists():
            _make(path)
        found = path.read_text("ascii", "replace")
    except OSError as error:
        raise StateError(
            f"{path}: the key of customer hashes cannot be kept: {error.strerror or error}"
        ) from error
    if not _HEX.fullmatch(found):
        raise StateError(
            f"{path}: found {len(found)} characters that are no key; allowed are 64 hex digits. "
            "Remove the file for a new key: customers then get other hashes than before"
        )
    return found.strip()


def _make(path: Path) -> None:
    """Whole or not at all, and only once: of two who try, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=NAME)  # for the owner only
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        os.unlink(temporary)
