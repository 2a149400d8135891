"""The endpoints of one version: which one takes the next request, and its kept connections.

They outlive a Plan: a new Plan that names the same endpoint keeps its connections and what
is known of its health.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from proxy.measure.tally import EndpointState
from proxy.net import Pool, Tasks, dial, our_own
from proxy.routing.health import EndpointHealth, choose
from proxy.routing.plan import Endpoint, VersionPlan
from proxy.traffic.recording import OK, good, upstream_failed

if TYPE_CHECKING:
    from proxy.traffic.forward import UpstreamConnection


class Waiter(Protocol):
    """Who waits for a connection: an exchange, or a shadow's copy."""

    waiting: bool

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection for it; only called while ``waiting``."""

    def connect_failed(self, upstream: Upstream, detail: str) -> None:
        """The upstream could not be reached; only called while ``waiting``."""

    def connect_impossible(self, detail: str) -> None:
        """We ourselves have no means left to connect; only called while ``waiting``."""


class Place(NamedTuple):
    """Where an endpoint stands.  Copies have connections of their own (promise 2)."""

    model: str
    version: str
    endpoint: Endpoint
    shadow: bool


class Upstream(Pool["UpstreamConnection", Waiter]):
    """One endpoint with its pool and health."""

    __slots__ = ("_told", "astir", "health", "left", "make", "place", "tasks")

    def __init__(
        self,
        place: Place,
        version: VersionPlan,
        tasks: Tasks,
        make: Callable[[Upstream], UpstreamConnection],
        astir: set[Upstream],
    ) -> None:
        super().__init__(place.endpoint, version.pool)
        self.place = place
        self.health = EndpointHealth(version.ejection)
        self.tasks = tasks
        self.make = make
        self.astir = astir
        self.left = False  # the Plan in force names it no more
        self._told: EndpointState | None = None

    def adopt(self, version: VersionPlan) -> None:
        """Takes what a new Plan says of the endpoint."""
        self.left = False
        self.configure(version.pool)
        self.health.configure(version.ejection)

    # --- telling the desk ---

    def stir(self) -> None:
        """From now on it may change without saying so: it is looked at for each report.

        Whoever gets a connection, or may be ejected, comes by here; a request on a kept
        connection does not have to.
        """
        if not self.left:
            self.astir.add(self)

    def news(self) -> EndpointState | None:
        """How it is, unless the desk was told just that; one with nothing under way rests."""
        told = self._told
        if (
            told is not None
            and told.in_flight == self.in_flight
            and told.connections == self.connections
            and told.ejected is self.health.ejected
            and told.reason == self.health.reason
        ):
            if not (self.connections or self.in_flight or self.waiting):
                self.astir.discard(self)
            return None
        self._told = self._state()
        return self._told

    def forget_told(self) -> None:
        """For a desk that knows nothing yet."""
        self._told = None
        self.stir()

    def retire(self) -> EndpointState | None:
        """The Plan in force names it no more: what the desk was told of it, to take back."""
        self.left = True
        self.astir.discard(self)
        told, self._told = self._told, None
        return told

    def _state(self) -> EndpointState:
        place = self.place
        return EndpointState(
            place.model,
            place.version,
            str(place.endpoint),
            self.in_flight,
            self.connections,
            self.health.ejected,
            self.health.reason,
            place.shadow,
        )

    # --- connections ---

    def connect(self, waiter: Waiter, seconds: float) -> None:
        """Dials for ``waiter``, who is served by whatever connection comes free first."""
        self.stir()
        waiter.waiting = True
        self.waiting.append(waiter)
        self.tasks.start(self._dial(waiter, seconds), f"dial {self.endpoint}")

    async def _dial(self, waiter: Waiter, seconds: float) -> None:
        try:
            connection = await dial(self.endpoint, lambda: self.make(self), seconds)
        except (OSError, UnicodeError) as error:  # the latter: a host name that cannot be one
            detail = str(error) or f"no connection within {seconds:g} s"
            if our_own(error) and waiter.waiting:
                self.leave(waiter)
                return waiter.connect_impossible(detail)
            return self._dial_failed(waiter, detail)
        self.stir()  # whom it was dialled for may have left long ago
        if connection.transport.is_closing():
            return self._dial_failed(waiter, "closed the connection at once")
        if waiter.waiting:
            self.leave(waiter)
            waiter.connected(connection)
        else:
            self.free(connection, connection.born)
        return None

    def _dial_failed(self, waiter: Waiter, detail: str) -> None:
        if waiter.waiting:
            self.leave(waiter)
            waiter.connect_failed(self, f"{self.endpoint}: {detail}")

    def free(self, connection: UpstreamConnection, now: int) -> None:
        """A connection without an exchange: to the next who waits, else it is kept."""
        if self.waiting:
            self.hand_on(connection, now)
        elif not self.release(connection, now):
            connection.discard()

    def hand_on(self, connection: UpstreamConnection, now: int) -> None:
        """A connection without an exchange, to whoever waits for one."""
        if self.keeps(connection, now) and not connection.stale():
            waiter = self.waiting.popleft()
            waiter.waiting = False
            waiter.connected(connection)
        else:
            connection.discard()

    def leave(self, waiter: Waiter) -> None:
        """``waiter`` no longer wants a connection; its dial's goes to whoever comes next."""
        waiter.waiting = False
        if waiter in self.waiting:
            self.waiting.remove(waiter)

    def judge(self, outcome: str, now: int) -> None:
        """What an exchange says of the endpoint's health."""
        health = self.health
        if outcome is OK or good(outcome):
            if health.streak or not health.well:
                health.succeeded(now / 1e9)
        elif upstream_failed(outcome):
            health.failed(now / 1e9)
        else:
            health.undecided()


class UpstreamSet:
    """The endpoints of one version of one model."""

    __slots__ = ("_health", "upstreams", "version")

    def __init__(self, version: VersionPlan, upstreams: list[Upstream]) -> None:
        self.version = version
        self.upstreams = upstreams
        self._health = [upstream.health for upstream in upstreams]

    def choose(self, now: int) -> Upstream:
        """The endpoint for the next request: least in flight among those that are well."""
        upstreams = self.upstreams
        if len(upstreams) == 1 and self._health[0].well:
            return upstreams[0]
        loads = [upstream.in_flight for upstream in upstreams]
        return upstreams[choose(self._health, loads, now / 1e9)]

    def other(self, tried: Upstream, now: int) -> Upstream | None:
        """Another endpoint after ``tried`` could not be reached; None if it is the only one."""
        rest = [upstream for upstream in self.upstreams if upstream is not tried]
        if not rest:
            return None
        loads = [upstream.in_flight for upstream in rest]
        return rest[choose([upstream.health for upstream in rest], loads, now / 1e9)]
