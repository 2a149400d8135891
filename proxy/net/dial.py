"""New connections: the one thing in the data plane that takes a task."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from proxy.routing.plan import Endpoint

P = TypeVar("P", bound=asyncio.Protocol)

#: What we have run out of ourselves: descriptors, memory, local ports.  No fault of the peer's.
_OUR_OWN: Final = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
)


def our_own(error: Exception) -> bool:
    """Whether a dial failed for want of something that this machine has run out of."""
    return isinstance(error, OSError) and error.errno in _OUR_OWN


async def dial(endpoint: Endpoint, protocol: Callable[[], P], seconds: float) -> P:
    """Connects to ``endpoint``.  Raises OSError, or TimeoutError after ``seconds``."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        if endpoint.unix:
            _, made = await loop.create_unix_connection(protocol, endpoint.unix)
        else:
            _, made = await loop.create_connection(protocol, endpoint.host, endpoint.port)
    return made


class Tasks:
    """The one place where tasks are made: each has a name, and an owner who can end them all."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def cancel(self) -> None:
        """Ends every task and waits until each has gone."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._running)
