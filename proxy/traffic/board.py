"""The Plan made ready: what a request needs, prepared once, swapped by one assignment.

A Board is immutable as far as decisions go; what must outlive a Plan (connections, health,
counts, requests in flight) hangs on the Stock that every Board is built from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from proxy.net import Tasks
from proxy.routing import keys, split
from proxy.routing.match import Table
from proxy.routing.plan import Endpoint, ModelPlan, Plan, ShadowPlan, VersionPlan
from proxy.terms import Arm
from proxy.traffic.recording import ModelCounts, Recording, Series
from proxy.traffic.upstreams import Upstream, UpstreamSet
from proxy.wire import HeadMemory, RequestBook

if TYPE_CHECKING:
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.forward import UpstreamConnection
    from proxy.traffic.mirror import Mirror

_NANO: Final = 1_000_000_000
T = TypeVar("T")


def nanoseconds(seconds: float) -> int:
    return int(seconds * _NANO)


class ModelRoom:
    """Who is being served for one model, and who waits; outlives a Plan."""

    __slots__ = ("in_flight", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.waiting: deque[Exchange] = deque()


class Stock:
    """What outlives a Plan in one worker."""

    def __init__(
        self, tasks: Tasks, recording: Recording, make: Callable[[Upstream], UpstreamConnection]
    ) -> None:
        self.tasks = tasks
        self.recording = recording
        self._make = make
        self._upstreams: dict[tuple[str, str, str, Endpoint], Upstream] = {}
        self._rooms: dict[str, ModelRoom] = {}

    def room(self, model: str) -> ModelRoom:
        return self._rooms.setdefault(model, ModelRoom())

    def upstreams(self, model: str, version: VersionPlan, *, shadow: bool) -> UpstreamSet:
        """The endpoints of a version.  Copies have their own connections (promise 2)."""
        pool = Arm.SHADOW.value if shadow else "live"
        found = []
        for endpoint in version.endpoints:
            key = (model, version.name, pool, endpoint)
            upstream = self._upstreams.get(key)
            if upstream is None:
                upstream = Upstream(endpoint, version, self.tasks, self._make)
                self._upstreams[key] = upstream
            else:
                upstream.adopt(version)
            found.append(upstream)
        return UpstreamSet(model, version, found)

    def retire(self, kept: Board) -> None:
        """Closes the idle connections of endpoints that no Plan names any more."""
        named = {id(u) for upstreams in kept.upstream_sets for u in upstreams.upstreams}
        for key, upstream in list(self._upstreams.items()):
            if id(upstream) not in named:
                upstream.close()
                if not upstream.in_flight:
                    del self._upstreams[key]
        names = {route.name for route in kept.routes}
        for name, room in list(self._rooms.items()):
            if name not in names and not room.in_flight and not room.waiting:
                del self._rooms[name]


class ArmRoute:
    """One version in one arm: where it is, what it writes into answers, what it counts into."""

    __slots__ = (
        "_recording",
        "_segments",
        "answer_lines",
        "arm",
        "model",
        "series",
        "upstreams",
        "version",
    )

    def __init__(self, model: ModelPlan, version: str, arm: Arm, stock: Stock) -> None:
        plan = next(v for v in model.versions if v.name == version)
        self.model = model.name
        self.version = version
        self.arm = arm.value
        self.upstreams = stock.upstreams(model.name, plan, shadow=arm is Arm.SHADOW)
        self._recording = stock.recording
        self.series = stock.recording.series(model.name, version, self.arm)
        self._segments: dict[str, Series] = {}
        release = f"x-release-id: {model.release}\r\n" if model.release else ""
        self.answer_lines = (
            f"\r\nx-model: {model.name}\r\nx-model-version: {version}\r\nx-model-arm: {self.arm}"
            f"\r\n{release}x-request-id: "
        ).encode()

    def segment(self, label: str) -> Series:
        """The Series of a segment; labels are bounded by the Plan's declared values."""
        found = self._segments.get(label)
        if found is None:
            found = self._recording.series(self.model, self.version, self.arm, label)
            self._segments[label] = found
        return found


class ModelRoute:
    """All that is prepared for one model."""

    __slots__ = (
        "body_limit", "canary", "canary_first_byte", "connect_seconds", "counts", "first_byte",
        "hold_limit", "holds_body", "idle", "in_flight_limit", "key", "mirrors", "missing_random",
        "name", "plan", "queue_limit", "queue_wait", "repeatable", "room", "segments", "share",
        "stable", "statuses", "tester_name", "tester_secret", "total",
    )  # fmt: skip

    def __init__(self, plan: ModelPlan, stock: Stock, mirrors: tuple[Mirror, ...]) -> None:
        self.plan = plan
        self.name = plan.name
        self.room = stock.room(plan.name)
        self.counts: ModelCounts = stock.recording.model(plan.name)
        self.stable = ArmRoute(plan, plan.stable, Arm.STABLE, stock)
        self.canary = (
            ArmRoute(plan, plan.canary.version, Arm.CANARY, stock) if plan.canary else None
        )
        self.share = split.split_share(plan)
        self.mirrors = mirrors
        self.key = keys.reader(plan.customer) if plan.customer else None
        self.segments = tuple(keys.SegmentKey(segment) for segment in plan.segments)
        sources = [plan.customer] if plan.customer else []
        sources += [segment.source for segment in plan.segments]
        self.holds_body = any(source.kind == "json" for source in sources)
        self.missing_random = plan.missing == "random"
        self._prepare_limits(plan)
        self.tester_name = plan.testers.header.lower().encode() if plan.testers else b""
        self.tester_secret = plan.testers.secret.encode() if plan.testers else b""

    def without_canary(self) -> ModelRoute:
        """The same with every customer on stable."""
        if self.canary is None:
            return self
        safe = _twin(self)
        safe.canary = None
        return safe

    def _prepare_limits(self, plan: ModelPlan) -> None:
        deadlines, limits = plan.deadlines, plan.limits
        self.connect_seconds = deadlines.connect
        self.first_byte = nanoseconds(deadlines.first_byte)
        self.idle = nanoseconds(deadlines.idle)
        self.total = nanoseconds(deadlines.total)
        self.in_flight_limit = limits.in_flight
        self.queue_limit = limits.queue
        self.queue_wait = nanoseconds(limits.queue_wait)
        self.body_limit = limits.body
        self.hold_limit = limits.hold
        self.repeatable = plan.safe_to_repeat
        self.statuses = frozenset(plan.fallback.statuses if plan.safe_to_repeat else ())
        tighter = plan.fallback.first_byte if plan.safe_to_repeat else None
        self.canary_first_byte = self.first_byte if tighter is None else nanoseconds(tighter)


class Board:
    """One Plan, ready to be asked."""

    __slots__ = (
        "_table",
        "_wanted",
        "by_name",
        "heads",
        "log_customers",
        "log_share",
        "plan",
        "refuse_marked",
        "routes",
    )

    def __init__(
        self,
        plan: Plan,
        stock: Stock,
        mirror: Callable[[ModelPlan, ShadowPlan], Mirror],
        before: Board | None = None,
    ) -> None:
        """``before`` is the Board of the last Plan: what is the same in both is kept as it is.

        A revert of one model among a thousand prepares one; this runs on the traffic's loop.
        """
        self.plan = plan
        ready: dict[str, ModelRoute] = {} if before is None else before.by_name

        def route(model: ModelPlan) -> ModelRoute:
            known = ready.get(model.name)
            if known is not None and known.plan == model:
                return known
            mirrors = tuple(mirror(model, shadow) for shadow in model.shadows)
            return ModelRoute(model, stock, mirrors)

        self.routes = tuple(route(model) for model in plan.models)
        self.by_name: dict[str, ModelRoute] = {each.name: each for each in self.routes}
        self._table = Table(plan.models)
        self._wanted = _wanted(plan)
        self.heads: HeadMemory = (
            before.heads
            if before is not None and before._wanted == self._wanted
            else HeadMemory(RequestBook(self._wanted[0]), self._wanted[1])
        )
        self.log_share = split.log_share(plan.access_log) if plan.access_log else None
        self.log_customers = plan.access_log.customers if plan.access_log else "none"
        self.refuse_marked = plan.shadow_marker_from_outside == "refuse"

    def without_canaries(self) -> Board:
        """The same with every customer on stable."""
        safe = _twin(self)
        safe.routes = tuple(route.without_canary() for route in self.routes)
        safe.by_name = {route.name: route for route in safe.routes}
        return safe

    def find(self, target: bytes, host: bytes) -> ModelRoute | None:
        """The model that a request is for."""
        index = self._table.find(target, host)
        return None if index is None else self.routes[index]

    @property
    def upstream_sets(self) -> list[UpstreamSet]:
        """Every version that this Plan sends anything to."""
        found = []
        for route in self.routes:
            found.append(route.stable.upstreams)
            if route.canary is not None:
                found.append(route.canary.upstreams)
            found += [mirror.route.upstreams for mirror in route.mirrors]
        return found


def _twin(thing: T) -> T:
    """A shallow copy of a slotted object; ``copy`` would load more than a worker needs."""
    twin = object.__new__(type(thing))
    for name in type(thing).__slots__:  # type: ignore[attr-defined]
        setattr(twin, name, getattr(thing, name))
    return twin


def _wanted(plan: Plan) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The header names whose values some model reads, and those that name the customer."""
    names, customers = set(), set()
    for model in plan.models:
        for source in (model.customer, *(segment.source for segment in model.segments)):
            reader = None if source is None else keys.reader(source)
            if isinstance(reader, keys.HeaderKey | keys.CookieKey):
                names.add(reader.line)
                if source is model.customer:
                    customers.add(reader.line)
        if model.testers:
            names.add(model.testers.header.lower().encode())
    return frozenset(names), frozenset(customers)
