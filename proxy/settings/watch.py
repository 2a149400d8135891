"""Follows the config file: new settings, or why they were refused.

The folders on the way to the file are watched, not the file: editors replace it, and a
Kubernetes ConfigMap is swapped by moving the link ``..data`` beside it.  A slow poll stands
behind the events, for file systems that send none.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import watchfiles

from proxy.errors import ConfigError
from proxy.settings.load import parse, read
from proxy.settings.schema import Settings

#: A content is believed when it has stood so long; what cannot be used may be half written.
SETTLE: Final = 0.1
PATIENCE: Final = 0.5
POLL: Final = 2.0
_MOST_LINKS = 40  # as many as Linux follows

Result = Settings | ConfigError


class Settling:
    """Decides when a content is to be believed.  Pure: the time is an argument.

    ``known`` names the content that was reported last.
    """

    def __init__(self, known: str, settle: float = SETTLE, patience: float = PATIENCE) -> None:
        self._known = known
        self._settle = settle
        self._patience = patience
        self._candidate = known
        self._since = 0.0

    def look(self, name: str, usable: bool, now: float) -> float | None:
        """Seconds to wait before the next look; 0: report it now; None: nothing is new."""
        if name == self._known:
            self._candidate = name
            return None
        if name != self._candidate:
            self._candidate, self._since = name, now
        left = self._since + (self._settle if usable else self._patience) - now
        if left > 0:
            return left
        self._known = name
        return 0.0


class _Reader:
    """Reads the file and parses each content once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = ""
        self._result: Result | None = None

    def look(self) -> tuple[str, Result]:
        """The name of the content that is there now, and what it says."""
        try:
            content = read(self._path)
        except ConfigError as error:
            return f"unread: {error}", error
        name = hashlib.sha256(content).hexdigest()
        if name != self._name or self._result is None:
            try:
                self._result = parse(content, self._path)
            except ConfigError as error:
                self._result = error
            self._name = name
        return name, self._result


async def watch(
    path: Path,
    loaded: Settings | None = None,
    *,
    settle: float = SETTLE,
    patience: float = PATIENCE,
    poll: float = POLL,
) -> AsyncIterator[Result]:
    """Yields the settings of each new content, or the ``ConfigError`` why it was refused.

    ``loaded`` is what is in force; a change since then is yielded at once.  Without it the
    content of now is taken as known.  The same content is never yielded twice in a row.
    Times are seconds.  Secrets behind the config are read again only with a new content.
    """
    reader = _Reader(path)
    known = loaded.digest if loaded else (await asyncio.to_thread(reader.look))[0]
    settling = Settling(known, settle, patience)
    stirred = asyncio.Event()
    stirring = asyncio.create_task(_stir(path, stirred, poll), name="config-watch")
    try:
        while True:
            stirred.clear()
            name, result = await asyncio.to_thread(reader.look)
            wait = settling.look(name, isinstance(result, Settings), time.monotonic())
            if wait == 0:
                yield result
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stirred.wait(), wait if wait is not None else poll)
    finally:
        stirring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stirring


async def _stir(path: Path, stirred: asyncio.Event, poll: float) -> None:
    """Sets ``stirred`` whenever a step on the way to the file moved.

    What else lies in those folders stirs nothing: a log there is written to all the time.
    """
    while True:
        steps = steps_of(path)
        folders = folders_of(path)
        if not folders:
            await asyncio.sleep(poll)
            continue
        try:
            async for _ in watchfiles.awatch(
                *folders,
                recursive=False,
                watch_filter=lambda _change, moved, steps=steps: moved in steps,  # type: ignore[misc]
                debounce=200,
                rust_timeout=int(poll * 1000),
                yield_on_timeout=True,
            ):
                stirred.set()
                if steps_of(path) != steps:
                    break
        except (OSError, RuntimeError):
            # Gone meanwhile, or the kernel's watches are used up: the poll goes on without.
            await asyncio.sleep(poll)


def folders_of(path: Path) -> frozenset[Path]:
    """The existing folders, links followed, in which a move can change what ``path`` means."""
    folders = {os.path.dirname(step) for step in steps_of(path)}
    return frozenset(Path(folder) for folder in folders if os.path.isdir(folder))


def steps_of(path: Path) -> frozenset[str]:
    """The links on the way to ``path``, and where it ends: what decides what ``path`` means."""
    found: set[str] = set()
    done, todo = "/", list(path.absolute().parts[:0:-1])
    links = 0
    while todo and links <= _MOST_LINKS:
        part = todo.pop()
        here = os.path.normpath(os.path.join(done, part))
        if not os.path.islink(here):
            if not todo:
                found.add(here)
            done = here
            continue
        links += 1
        found.add(here)
        target = os.readlink(here)
        done = "/" if os.path.isabs(target) else done
        todo += [step for step in target.split("/") if step not in ("", ".")][::-1]
    return frozenset(found)
