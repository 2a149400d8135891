"""The Plan: the immutable, numbered instruction that the desk gives to the data plane.

Plain data that crosses a process boundary (msgspec encodes it); nothing here decides.
Times are seconds, sizes are bytes, percentages run from 0 to 100 in steps of 0.01.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from proxy.terms import Latch


class Endpoint(msgspec.Struct, frozen=True, order=True):
    """An address that serves a version: ``host:port``, or a Unix socket's path."""

    host: str = ""
    port: int = 0
    unix: str = ""

    def __str__(self) -> str:
        return f"unix:{self.unix}" if self.unix else f"{self.host}:{self.port}"


class HealthProbe(msgspec.Struct, frozen=True):
    """An active check: ``GET path`` every ``interval``; 2xx within ``timeout`` is healthy."""

    path: str
    interval: float = 5.0
    timeout: float = 2.0


class Ejection(msgspec.Struct, frozen=True):
    """When an endpoint is taken out by its outcomes, and for how long (doubling to ``longest``)."""

    after: int = 5  # upstream failures in a row
    shortest: float = 5.0
    longest: float = 300.0


class PoolLimits(msgspec.Struct, frozen=True):
    """How long an upstream connection may be kept.

    ``idle`` is shorter than uvicorn's 5 s, so that we close first (kserve#5446).
    """

    idle: float = 4.0
    age: float = 600.0
    requests: int = 10_000


class VersionPlan(msgspec.Struct, frozen=True):
    name: str
    endpoints: tuple[Endpoint, ...]
    pool: PoolLimits = PoolLimits()
    ejection: Ejection = Ejection()
    health: HealthProbe | None = None


class KeySource(msgspec.Struct, frozen=True):
    """Where a value is read from: a header, cookie, query parameter or JSON field.

    ``name`` is the header (any case), cookie or parameter; for ``json`` an RFC 6901 pointer.
    """

    kind: Literal["header", "cookie", "query", "json"]
    name: str


class SegmentPlan(msgspec.Struct, frozen=True):
    """A dimension to count by.

    A value outside ``values`` counts as ``other``, none as ``missing``.
    """

    name: str
    source: KeySource
    values: tuple[str, ...]


class CanaryPlan(msgspec.Struct, frozen=True):
    version: str
    percent: float


class JsonRewrite(msgspec.Struct, frozen=True):
    """Set the value at an RFC 6901 pointer of a JSON body."""

    pointer: str
    value: str


class PathRewrite(msgspec.Struct, frozen=True):
    """Replace a leading ``prefix`` of the path by ``by``."""

    prefix: str
    by: str


class ShadowPlan(msgspec.Struct, frozen=True):
    """A version that receives copies, and the bounds that keep it from being felt."""

    version: str
    percent: float
    salt: str
    in_flight: int = 64
    queue: int = 128
    bytes: int = 16 * 1024 * 1024  # of all its copies together, in one worker
    deadline: float = 10.0
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ("authorization", "cookie", "proxy-authorization", "x-api-key")
    path: PathRewrite | None = None
    json: JsonRewrite | None = None
    pair_percent: float = 100.0  # of customers whose pairs go to the desk
    pair_bytes: int = 64 * 1024  # of each answer body that is kept
    pair_salt: str = ""
    #: The version is stable itself: what its answers differ by is noise, not a version.
    noise: bool = False


class Deadlines(msgspec.Struct, frozen=True):
    """Upstream deadlines.  ``first_byte`` runs from the whole request being sent."""

    connect: float = 1.0
    first_byte: float = 30.0
    idle: float = 30.0  # between two reads of an answer, or two writes of an upload
    total: float = 300.0


class ModelLimits(msgspec.Struct, frozen=True):
    """Room for one model in one worker; over it: wait in the queue, then 503."""

    in_flight: int = 1024
    queue: int = 256
    queue_wait: float = 1.0
    body: int | None = None  # bytes of a request body; over it: 413
    hold: int = 1024 * 1024  # bytes of a body held to read a JSON field, or kept to repeat


class Fallback(msgspec.Struct, frozen=True):
    """When a failing canary's request is answered by stable (needs ``safe_to_repeat``)."""

    statuses: tuple[int, ...] = (500, 502, 503, 504)
    first_byte: float | None = None  # a tighter first-byte deadline for canary attempts


class Testers(msgspec.Struct, frozen=True):
    """Lets testers choose an arm: the header's value is ``<secret> <stable|canary>``."""

    header: str
    secret: str


class SamplePlan(msgspec.Struct, frozen=True):
    """Whose exchanges are kept whole for the desk, and how much of each body."""

    percent: float  # of customers, whatever their arm
    salt: str
    canary: bool = False  # the canary's all, as far as a report has room
    bytes: int = 64 * 1024  # of the request's body, and of the answer's


class WatchPlan(msgspec.Struct, frozen=True):
    """What the workers tell of a model's exchanges beside their counts, while it has a canary.

    ``slow`` in seconds: an exchange that took longer is an incident; None: none is.
    """

    slow: float | None = None
    sample: SamplePlan | None = None  # with and without a canary


class ModelPlan(msgspec.Struct, frozen=True):
    name: str
    path_prefix: str  # matches whole path segments
    stable: str
    versions: tuple[VersionPlan, ...]
    host: str | None = None
    customer: KeySource | None = None
    missing: Literal["random", "stable"] = "stable"
    segments: tuple[SegmentPlan, ...] = ()
    salt: str = ""
    canary: CanaryPlan | None = None
    shadows: tuple[ShadowPlan, ...] = ()
    deadlines: Deadlines = Deadlines()
    limits: ModelLimits = ModelLimits()
    safe_to_repeat: bool = False
    fallback: Fallback = Fallback()
    testers: Testers | None = None
    watch: WatchPlan | None = None
    release: str = ""  # id of the release, once there are releases
    noise: ShadowPlan | None = None  # who is sent to stable once more


class ListenerLimits(msgspec.Struct, frozen=True):
    """What a caller may take of one worker."""

    connections: int = 10_000
    request_line: int = 8192
    head_bytes: int = 65_536
    head_lines: int = 128
    head_seconds: float = 10.0  # from the first byte of a head to its last
    body_seconds: float = 30.0  # between two reads of an upload
    idle_seconds: float = 75.0  # a kept-alive connection without a request


class AccessLog(msgspec.Struct, frozen=True):
    """``percent`` of customers are logged; errors of the upstream and proxy always."""

    percent: float = 100.0
    salt: str = "access-log"
    customers: Literal["hashed", "plain", "none"] = "hashed"


class Plan(msgspec.Struct, frozen=True):
    number: int
    models: tuple[ModelPlan, ...]
    limits: ListenerLimits = ListenerLimits()
    desk_silence: float = 3.0  # after this, every customer goes to stable
    access_log: AccessLog | None = None
    shadow_marker_from_outside: Literal["remove", "refuse"] = "remove"
    latches: tuple[Latch, ...] = ()
    busy_poll: float = 0.0  # how long a worker stays awake after traffic; 0 is off
    hash_key: str = ""  # under which customer keys are hashed before anything is kept
