"""The Plan made ready: what a request needs, prepared once, swapped by one assignment.

A Board is immutable as far as decisions go; what must outlive a Plan (connections, health,
counts, requests in flight) hangs on the Stock that every Board is built from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from proxy.measure.tally import EndpointState
from proxy.net import NEVER, Tasks
from proxy.routing import keys, split
from proxy.routing.match import Table
from proxy.routing.plan import Endpoint, ModelPlan, Plan, PoolLimits, ShadowPlan, VersionPlan
from proxy.terms import Arm
from proxy.traffic.evidence import EvidenceBook
from proxy.traffic.pools import Goal, OpenConnections, UpstreamPool
from proxy.traffic.recording import Joint, ModelCounts, Recording
from proxy.traffic.upstreams import Place, Upstream, UpstreamSet
from proxy.traffic.watching import Sampler, Watch
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
        self,
        tasks: Tasks,
        recording: Recording,
        evidence: EvidenceBook,
        make: Callable[[UpstreamPool], UpstreamConnection],
    ) -> None:
        self.tasks = tasks
        self.recording = recording
        self.evidence = evidence
        self._make = make
        self.astir: set[Upstream] = set()  # the next report looks at them
        self.open = OpenConnections()
        self.rooms: dict[str, ModelRoom] = {}
        self._upstreams: dict[Place, Upstream] = {}
        self._pools: dict[tuple[Goal, PoolLimits], UpstreamPool] = {}
        self._loosened: set[UpstreamPool] = set()  # of endpoints that the next Plan places anew
        self._leaving: set[Upstream] = set()  # of no Plan any more, but with requests under way

    def room(self, model: str) -> ModelRoom:
        return self.rooms.setdefault(model, ModelRoom())

    def upstreams(self, model: str, version: VersionPlan, *, shadow: bool) -> UpstreamSet:
        """The endpoints of a version, with the connections that it shares with others."""
        found = []
        for endpoint in version.endpoints:
            pool = self._pool(endpoint, version.pool, shadow)
            place = Place(model, version.name, endpoint, shadow)
            upstream = self._upstreams.get(place)
            if upstream is None:
                upstream = Upstream(place, version, pool, self.astir)
                self._upstreams[place] = upstream
            else:
                self._loosened.add(upstream.pool)
                upstream.adopt(version, pool)
            found.append(upstream)
        return UpstreamSet(version, found)

    def _pool(self, endpoint: Endpoint, limits: PoolLimits, shadow: bool) -> UpstreamPool:
        """Copies have connections of their own (promise 2)."""
        goal = Goal(endpoint, shadow)
        pool = self._pools.get((goal, limits))
        if pool is None:
            pool = UpstreamPool(goal, limits, self.tasks, self._make, self.open)
            self._pools[goal, limits] = pool
        return pool

    def retire(self, kept: Board) -> list[EndpointState]:
        """Closes the idle connections that no Plan has a use for any more.

        Gives back those endpoints that the desk was told of.  Looks at no more than the Plan
        changed, and at what earlier ones left behind.
        """
        self.astir |= kept.came
        self._leaving = (self._leaving | kept.gone) - kept.came
        for upstream in list(self._leaving):
            if not upstream.in_flight:
                self._leaving.discard(upstream)
                del self._upstreams[upstream.place]
        for name, room in list(self.rooms.items()):
            if name not in kept.by_name and not room.in_flight and not room.waiting:
                del self.rooms[name]
        told = [state for state in (it.retire() for it in kept.gone) if state is not None]
        for pool in self._loosened.union([it.pool for it in kept.gone]):
            key = pool.goal, pool.limits
            if not pool.users and self._pools.get(key) is pool:
                pool.close()
                del self._pools[key]
        self._loosened.clear()
        return told

    def news(self, kept: Board, busy: set[str]) -> list[EndpointState]:
        """The endpoints of ``busy`` models, and those astir, that are not as was last told."""
        looked = self.astir.copy()
        self.astir.clear()
        for model in busy:
            route = kept.by_name.get(model)
            if route is not None:
                looked |= route.upstreams
        return [state for state in (it.news() for it in looked) if state is not None]


class ArmRoute:
    """One version in one arm: where it is, what it writes into answers, what it counts into."""

    __slots__ = (
        "_recording",
        "answer_lines",
        "arm",
        "joints",
        "model",
        "upstreams",
        "version",
    )

    def __init__(self, model: ModelPlan, version: str, arm: Arm, stock: Stock) -> None:
        plan = next(v for v in model.versions if v.name == version)
        self.model = model.name
        self.version = version
        self.arm = arm.value
        self.upstreams = stock.upstreams(model.name, plan, shadow=arm in (Arm.SHADOW, Arm.NOISE))
        self._recording = stock.recording
        self.joints: dict[tuple[str, ...], Joint] = {}  # by segments
        release = f"x-release-id: {model.release}\r\n" if model.release else ""
        self.answer_lines = (
            f"\r\nx-model: {model.name}\r\nx-model-version: {version}\r\nx-model-arm: {self.arm}"
            f"\r\n{release}x-request-id: "
        ).encode()

    def joint(self, segments: tuple[str, ...]) -> Joint:
        """What an exchange of these segments counts into.

        Labels are bounded by the Plan's declared values; it is asked once for each set of them.
        """
        found = self._recording.joint(self.model, self.version, self.arm, segments)
        self.joints[segments] = found
        return found


class ModelRoute:
    """All that is prepared for one model."""

    __slots__ = (
        "_safe", "body_limit", "canary", "canary_first_byte", "connect_seconds", "counts",
        "customer_line", "draw", "first_byte", "hold_limit", "holds_body", "idle",
        "in_flight_limit", "key", "mirrors", "missing_random", "name", "plan", "queue_limit",
        "queue_wait", "repeatable", "room", "sampler", "segments", "share", "slow", "stable",
        "statuses", "tester_name", "tester_secret", "total", "upstreams", "wanted", "watch",
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
        self._prepare_watch(plan, stock.evidence)
        self.mirrors = mirrors
        self.upstreams = self._all_upstreams()  # all that the Plan sends anything of it to
        self.key = keys.reader(plan.customer) if plan.customer else None
        self.segments = tuple(keys.SegmentKey(segment) for segment in plan.segments)
        sources = [plan.customer] if plan.customer else []
        sources += [segment.source for segment in plan.segments]
        self.holds_body = any(source.kind == "json" for source in sources)
        self.missing_random = plan.missing == "random"
        self._prepare_limits(plan)
        self.tester_name = plan.testers.header.lower().encode() if plan.testers else b""
        self.tester_secret = plan.testers.secret.encode() if plan.testers else b""
        self.wanted = _wanted(plan)
        self.customer_line = self.key.line if isinstance(self.key, keys.FROM_LINES) else b""
        self._safe: ModelRoute | None = None

    def without_canary(self) -> ModelRoute:
        """The same with every customer on stable; made once."""
        if self.canary is None:
            return self
        if self._safe is None:
            safe = _twin(self)
            safe.canary = None
            self._safe = safe
        return self._safe

    def _prepare_watch(self, plan: ModelPlan, book: EvidenceBook) -> None:
        """``draw`` is ``share`` for customers who named themselves: it meets newcomers as well."""
        watch = plan.watch
        self.watch: Watch | None = None
        self.draw = self.share
        if watch is None or plan.canary is None:
            book.forget(plan.name)
        elif self.share.limit:
            self.watch = Watch(watch, book)
            self.draw = book.counted(plan, self.share)
        self.slow = NEVER if self.watch is None else self.watch.slow
        sample = None if watch is None else watch.sample
        self.sampler = None if sample is None else Sampler(sample, book)

    def _all_upstreams(self) -> frozenset[Upstream]:
        arms = [self.stable, *(mirror.route for mirror in self.mirrors)]
        if self.canary is not None:
            arms.append(self.canary)
        return frozenset(upstream for arm in arms for upstream in arm.upstreams.upstreams)

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
        "_places",
        "_table",
        "_wanted",
        "by_name",
        "came",
        "gone",
        "heads",
        "log_customers",
        "log_share",
        "made",
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
        self._take_routes(plan, stock, mirror, {} if before is None else before.by_name)
        self._places = [(model.path_prefix, model.host) for model in plan.models]
        same_places = before is not None and before._places == self._places
        self._table: Table = before._table if before and same_places else Table(plan.models)
        self._wanted = (
            frozenset[bytes]().union(*[each.wanted for each in self.routes]),
            frozenset([each.customer_line for each in self.routes if each.customer_line]),
            frozenset([each.tester_name for each in self.routes if each.tester_name]),
        )
        self.heads: HeadMemory = (
            before.heads
            if before is not None and before._wanted == self._wanted
            else HeadMemory(RequestBook(self._wanted[0]), *self._wanted[1:])
        )
        self.log_share = split.log_share(plan.access_log) if plan.access_log else None
        self.log_customers = plan.access_log.customers if plan.access_log else "none"
        self.refuse_marked = plan.shadow_marker_from_outside == "refuse"

    def _take_routes(
        self,
        plan: Plan,
        stock: Stock,
        mirror: Callable[[ModelPlan, ShadowPlan], Mirror],
        ready: dict[str, ModelRoute],
    ) -> None:
        """The route of each model: the ready one, or one that is ``made``.

        ``came`` and ``gone`` are the endpoints that this Plan names and the last one did not,
        and the other way round.
        """
        self.made: list[ModelRoute] = []
        self.gone: set[Upstream] = set()
        routes = []
        for model in plan.models:
            route = ready.get(model.name)
            if route is None or (route.plan is not model and route.plan != model):
                if route is not None:
                    self.gone |= route.upstreams
                copied = model.shadows if model.noise is None else (*model.shadows, model.noise)
                mirrors = tuple(mirror(model, shadow) for shadow in copied)
                route = ModelRoute(model, stock, mirrors)
                self.made.append(route)
            routes.append(route)
        self.routes = tuple(routes)
        self.by_name: dict[str, ModelRoute] = {each.name: each for each in routes}
        for name in ready.keys() - self.by_name.keys():
            self.gone |= ready[name].upstreams
        named = {upstream for route in self.made for upstream in route.upstreams}
        self.came = named - self.gone
        self.gone -= named

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


def _twin(thing: T) -> T:
    """A shallow copy of a slotted object; ``copy`` would load more than a worker needs."""
    twin = object.__new__(type(thing))
    for name in type(thing).__slots__:  # type: ignore[attr-defined]
        setattr(twin, name, getattr(thing, name))
    return twin


def _wanted(model: ModelPlan) -> frozenset[bytes]:
    """The header names whose values the model reads."""
    names = set()
    sources = [model.customer] if model.customer else []
    sources += [segment.source for segment in model.segments]
    for source in sources:
        reader = keys.reader(source)
        if isinstance(reader, keys.FROM_LINES):
            names.add(reader.line)
    if model.testers:
        names.add(model.testers.header.lower().encode())
    return frozenset(names)
