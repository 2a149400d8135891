"""Connections to an endpoint, shared by every model and version that the Plan sends there.

One model server often serves many models on one port.  What belongs to a model stays with it
(upstreams.py); a connection belongs to nobody between two requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from proxy.measure.tally import PoolState
from proxy.net import Pool, Tasks, dial, our_own
from proxy.routing.plan import Endpoint, PoolLimits

if TYPE_CHECKING:
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.upstreams import Upstream


class Waiter(Protocol):
    """Who waits for a connection: an exchange, or a shadow's copy."""

    waiting: UpstreamPool | None  # where it waits

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for it; only called while ``waiting``."""

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        """The upstream could not be reached; only called while ``waiting``."""

    def connect_impossible(self, detail: str) -> None:
        """We ourselves have no means left to connect; only called while ``waiting``."""


class Goal(NamedTuple):
    """Where connections lead, and for whom: copies have their own (promise 2)."""

    endpoint: Endpoint
    shadow: bool


class OpenConnections:
    """How many connections are open, by goal, and what the desk was told of that."""

    __slots__ = ("_changed", "_open", "_told")

    def __init__(self) -> None:
        self._open: dict[Goal, int] = {}
        self._told: dict[Goal, int] = {}
        self._changed: set[Goal] = set()

    def add(self, goal: Goal, change: int) -> None:
        self._open[goal] = self._open.get(goal, 0) + change
        self._changed.add(goal)

    def news(self) -> list[PoolState]:
        """The numbers that the desk was not told; 0 is the last word on a goal."""
        changed, self._changed = self._changed, set()
        states = []
        for goal in changed:
            number = self._open[goal]
            if number != self._told.get(goal, 0):
                states.append(PoolState(str(goal.endpoint), goal.shadow, number))
            if number:
                self._told[goal] = number
            else:
                self._told.pop(goal, None)
                del self._open[goal]
        return states

    def forget_told(self) -> None:
        """For a desk that knows nothing yet."""
        self._told.clear()
        self._changed.update(self._open)


class UpstreamPool(Pool["UpstreamConnection", Waiter]):
    """The connections with one goal and the same limits.

    ``users`` are those that the Plan in force sends here; without any, nothing is kept.
    """

    __slots__ = ("goal", "limits", "make", "open", "tasks", "users")

    def __init__(
        self,
        goal: Goal,
        limits: PoolLimits,
        tasks: Tasks,
        make: Callable[[UpstreamPool], UpstreamConnection],
        open_: OpenConnections,
    ) -> None:
        super().__init__(goal.endpoint, limits)
        self.goal = goal
        self.limits = limits
        self.tasks = tasks
        self.make = make
        self.open = open_
        self.users: set[Upstream] = set()

    def opened(self) -> None:
        """One more connection."""
        self.open.add(self.goal, 1)

    def closed(self) -> None:
        """One less."""
        self.open.add(self.goal, -1)

    def connect(self, waiter: Waiter, upstream: Upstream, seconds: float) -> None:
        """Dials for ``waiter``, who is served by whatever connection comes free first."""
        waiter.waiting = self
        self.waiting.append(waiter)
        self.tasks.start(self._dial(waiter, upstream, seconds), f"dial {self.endpoint}")

    async def _dial(self, waiter: Waiter, upstream: Upstream, seconds: float) -> None:
        try:
            connection = await dial(self.endpoint, lambda: self.make(self), seconds)
        except (OSError, UnicodeError) as error:  # the latter: a host name that cannot be one
            detail = str(error) or f"no connection within {seconds:g} s"
            if our_own(error) and waiter.waiting is self:
                self.leave(waiter)
                return waiter.connect_impossible(detail)
            return self._dial_failed(waiter, upstream, detail)
        if connection.transport.is_closing():
            return self._dial_failed(waiter, upstream, "closed the connection at once")
        # It may have been served long ago, and wait elsewhere by now.
        if waiter.waiting is self:
            self.leave(waiter)
            waiter.connected(connection)
        else:
            self.free(connection, connection.born)
        return None

    def _dial_failed(self, waiter: Waiter, upstream: Upstream, detail: str) -> None:
        if waiter.waiting is self:
            self.leave(waiter)
            waiter.connect_failed(upstream, f"{self.endpoint}: {detail}")

    def free(self, connection: UpstreamConnection, now: int) -> None:
        """A connection without an exchange: to the next who waits, else it is kept."""
        if not self.waiting:
            if not self.release(connection, now):
                connection.discard()
        elif self.keeps(connection, now) and not connection.stale():
            waiter = self.waiting.popleft()
            waiter.waiting = None
            waiter.connected(connection)
        else:
            connection.discard()

    def leave(self, waiter: Waiter) -> None:
        """``waiter`` no longer wants a connection; its dial's goes to whoever comes next."""
        waiter.waiting = None
        self.waiting.remove(waiter)
