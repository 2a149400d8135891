"""Kept connections to one endpoint, and who waits for the next one.

``assign`` and ``release`` decide without awaiting; the caller of them does the I/O.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, Protocol, TypeVar

from proxy.routing.plan import Endpoint, PoolLimits

#: Nanoseconds.  Where another look is not worth a system call, a connection that was in use this
#: short a while ago is taken without: no server's idle time is over yet.
_JUST_USED: Final = 50_000_000


class Kept(Protocol):
    """A connection as the pool sees it.  Times in nanoseconds of the monotonic clock."""

    born: int
    deadline: int
    idle_since: int
    served: int  # requests so far

    def stale(self) -> bool:
        """Whether bytes or the end of the stream wait unread: then it must not be used."""

    def discard(self) -> None:
        """Closes it; it will never be offered again."""


C = TypeVar("C", bound=Kept)
W = TypeVar("W")


class Pool(Generic[C, W]):
    """Idle connections (last in, first out, so that the surplus ages away) and waiters in order."""

    __slots__ = (
        "_age",
        "_requests",
        "endpoint",
        "idle",
        "idle_ns",
        "waiting",
    )

    def __init__(self, endpoint: Endpoint, limits: PoolLimits) -> None:
        self.endpoint = endpoint
        self.idle: list[C] = []
        self.waiting: deque[W] = deque()
        self.configure(limits)

    def configure(self, limits: PoolLimits) -> None:
        """Takes the limits of a Plan that names the endpoint; they hold from the next use on."""
        self.idle_ns = int(limits.idle * 1e9)
        self._age = int(limits.age * 1e9)
        self._requests = limits.requests

    def assign(self, now: int, careful: bool = True) -> C | None:
        """The connection to use, or None: dial a new one.  Discards those that went stale.

        Not ``careful``: nobody gets the answer and what is lost can be sent again, so that one
        that was just used need not be looked at.  Never for a caller: bytes that wait there
        unasked would be his answer (RFC 9112 9.2).
        """
        idle = self.idle
        while idle:
            connection = idle.pop()
            age = now - connection.idle_since
            if age < self.idle_ns and (
                (not careful and age < _JUST_USED) or not connection.stale()
            ):
                return connection
            connection.discard()
        return None

    def keeps(self, connection: C, now: int) -> bool:
        """Whether a connection whose exchange is over may have another: it is within limits."""
        return connection.served < self._requests and now - connection.born < self._age

    def release(self, connection: C, now: int) -> bool:
        """Keeps a connection until ``assign`` finds it; False when it is past its limits."""
        if connection.served >= self._requests or now - connection.born >= self._age:
            return False
        connection.idle_since = now
        connection.deadline = now + self.idle_ns
        self.idle.append(connection)
        return True

    def forget(self, connection: C) -> None:
        """A connection that closed is not offered again."""
        if connection in self.idle:
            self.idle.remove(connection)

    def close(self) -> None:
        """The endpoint left the Plan: closes what is idle, and each busy one after its exchange."""
        self._requests = 0
        idle, self.idle = self.idle, []
        for connection in idle:
            connection.discard()
