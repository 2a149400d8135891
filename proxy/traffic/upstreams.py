"""The endpoints of one version: which one takes the next request, and how each one fares.

What is known of an endpoint belongs to the model and version that asked: requests in flight,
health.  Its connections are shared (pools.py).  They outlive a Plan: a new Plan that names the
same endpoint keeps both.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.measure.tally import EndpointState
from proxy.routing.health import EndpointHealth, choose
from proxy.routing.plan import Endpoint, VersionPlan
from proxy.traffic.pools import UpstreamPool, Waiter
from proxy.traffic.recording import GOOD, upstream_failed


class Place(NamedTuple):
    """Where an endpoint stands.  Copies are told apart from live requests (promise 2)."""

    model: str
    version: str
    endpoint: Endpoint
    shadow: bool


class Upstream:
    """One endpoint as one version of one model uses it."""

    __slots__ = ("_told", "astir", "endpoint", "health", "in_flight", "left", "place", "pool")

    def __init__(
        self, place: Place, version: VersionPlan, pool: UpstreamPool, astir: set[Upstream]
    ) -> None:
        self.place = place
        self.endpoint = place.endpoint
        self.health = EndpointHealth(version.ejection)
        self.in_flight = 0
        self.pool = pool
        pool.users.add(self)
        self.astir = astir
        self.left = False  # the Plan in force names it no more
        self._told: EndpointState | None = None

    def adopt(self, version: VersionPlan, pool: UpstreamPool) -> None:
        """Takes what a new Plan says of the endpoint; requests under way end where they are."""
        self.left = False
        self.health.configure(version.ejection)
        self.pool.users.discard(self)
        self.pool = pool
        pool.users.add(self)

    # --- telling the desk ---

    def stir(self) -> None:
        """It may have changed though its model was not asked: the next report looks at it."""
        if not self.left:
            self.astir.add(self)

    def news(self) -> EndpointState | None:
        """How it is, unless the desk was told just that."""
        told = self._told
        if (
            told is not None
            and told.in_flight == self.in_flight
            and told.ejected is self.health.ejected
            and told.reason == self.health.reason
        ):
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
        self.pool.users.discard(self)
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
            self.health.ejected,
            self.health.reason,
            place.shadow,
        )

    # --- requests ---

    def connect(self, waiter: Waiter, seconds: float) -> None:
        """Dials for ``waiter``, who is served by whatever connection comes free first."""
        self.pool.connect(waiter, self, seconds)

    def judge(self, outcome: str, now: int) -> None:
        """What an exchange says of the endpoint's health."""
        health = self.health
        if outcome in GOOD:
            if health.streak or not health.well:
                health.succeeded(now / 1e9)
        elif upstream_failed(outcome):
            health.failed(now / 1e9)
        else:
            health.undecided()


class UpstreamSet:
    """The endpoints of one version of one model."""

    __slots__ = ("_health", "_only", "upstreams", "version")

    def __init__(self, version: VersionPlan, upstreams: list[Upstream]) -> None:
        self.version = version
        self.upstreams = upstreams
        self._health = [upstream.health for upstream in upstreams]
        self._only = upstreams[0] if len(upstreams) == 1 else None

    def choose(self, now: int) -> Upstream:
        """The endpoint for the next request: least in flight among those that are well."""
        only = self._only
        if only is not None and only.health.well:
            return only
        upstreams = self.upstreams
        loads = [upstream.in_flight for upstream in upstreams]
        return upstreams[choose(self._health, loads, now / 1e9)]

    def other(self, tried: Upstream, now: int) -> Upstream | None:
        """Another endpoint after ``tried`` could not be reached; None if it is the only one."""
        rest = [upstream for upstream in self.upstreams if upstream is not tried]
        if not rest:
            return None
        loads = [upstream.in_flight for upstream in rest]
        return rest[choose([upstream.health for upstream in rest], loads, now / 1e9)]
