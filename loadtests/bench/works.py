"""What a proxy is asked to do: data only.

A ``Work`` is a configuration that every peer translates into its own language; a ``Measure`` is
what is then done to it; a ``Group`` is what one visit measures, and who is visited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

CUSTOMER_HEADER: Final = "X-Customer-Id"
SEGMENT_HEADER: Final = "X-Age-Band"
SEGMENT_VALUES: Final = ("young", "middle", "senior")
CANARY_PERCENT: Final = 10
BODY: Final = b"x" * 500
ANSWER_BYTES: Final = 200
MIB: Final = 1024 * 1024
UPLOAD: Final = MIB
DOWNLOAD: Final = 4 * MIB
CONNECTIONS: Final = 64
OURS: Final = "pointsman"
DIRECT: Final = "direct"
#: Copies to one shadow that pointsman lets be under way at once, if not told otherwise.
COPIES: Final = 64
#: The path where a stub says how many requests it has had.
SEEN: Final = "seen"


def path(model: int, leaf: str = "infer") -> str:
    """The path of a request to a model."""
    return f"/v2/models/model-{model}/{leaf}"


class Behind(StrEnum):
    """What stands behind the proxy."""

    QUICK = "quick"  # answers at once, 200 bytes; nginx where there is one
    RICH = "rich"  # our own: large bodies and event streams as well


class Shadow(StrEnum):
    """How the version that gets copies behaves."""

    NONE = "none"
    WELL = "well"
    SLOW = "slow"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Work:
    """A 10 % split, and what else is asked for.

    ``driven``: such a shadow's stub has its work to do, but not from the proxy (shadows.py).
    """

    shadow: Shadow = Shadow.NONE
    driven: Shadow = Shadow.NONE
    models: int = 1
    workers: int = 1
    behind: Behind = Behind.QUICK


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The ports of the three versions."""

    stable: int
    canary: int
    shadow: int


class Kind(StrEnum):
    """How load is made."""

    CLOSED = "closed"  # as fast as it goes, over a fixed number of connections
    STEADY = "steady"  # at a fixed rate, timed from the scheduled arrival
    UPLOAD = "upload"
    ANSWER = "answer"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Measure:
    """One row: ``rate`` is requests a second for STEADY; ``models`` are asked in turn."""

    row: str
    kind: Kind
    title: str
    rate: int = 0
    models: int = 1


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is visited: a peer with a work, under the label that figures carry."""

    label: str
    peer: str
    work: Work


@dataclass(frozen=True, slots=True)
class Group:
    """What is measured in one visit, of whom; ``direct``: without any proxy as well."""

    name: str
    title: str
    measures: tuple[Measure, ...]
    contenders: tuple[Contender, ...]
    direct: bool = False
    behind: Behind = field(default=Behind.QUICK)


PEERS: Final = (OURS, "nginx", "haproxy", "envoy", "aiohttp")
HEADLINE_RATE: Final = 3000
CALM_RATE: Final = 1000


def _each(work: Work, peers: tuple[str, ...] = PEERS) -> tuple[Contender, ...]:
    return tuple(Contender(peer, peer, work) for peer in peers)


def _alone(**works: Work) -> tuple[Contender, ...]:
    """pointsman against itself: the keyword says what is different."""
    return tuple(
        Contender(f"{OURS}, {said.replace('_', ' ')}", OURS, work) for said, work in works.items()
    )


SPLIT: Final = Measure("split", Kind.CLOSED, "split")
MIRROR: Final = Measure("mirror", Kind.CLOSED, "split and 100 % mirror")
HEADLINE: Final = Measure("steady", Kind.STEADY, "3,000 requests/s", HEADLINE_RATE)
CALM: Final = Measure("calm", Kind.STEADY, "1,000 requests/s", CALM_RATE)

GROUPS: Final = (
    Group(
        "split",
        "A 10 % split by hashed customer",
        (SPLIT, HEADLINE, CALM),
        _each(Work()),
        direct=True,
    ),
    Group(
        "mirror",
        "The split, and a copy of every request (pointsman keeps the pairs)",
        (MIRROR,),
        _each(Work(Shadow.WELL)),
    ),
    Group(
        "bodies",
        "Large bodies and event streams",
        (
            Measure("upload", Kind.UPLOAD, "1 MiB upload"),
            Measure("answer", Kind.ANSWER, "4 MiB answer"),
            Measure("events", Kind.EVENTS, "server-sent events"),
        ),
        _each(Work(behind=Behind.RICH)),
        direct=True,
        behind=Behind.RICH,
    ),
    Group(
        "models",
        "1,000 models in the config",
        (
            Measure("models", Kind.CLOSED, "1,000 models, one asked"),
            Measure("models-all", Kind.CLOSED, "1,000 models, all asked", models=1000),
        ),
        (*_alone(one_model=Work()), *_each(Work(models=1000), (OURS, "nginx", "envoy"))),
    ),
    Group(
        "workers",
        "Two workers against one",
        (Measure("workers", Kind.CLOSED, "split"),),
        _alone(one_worker=Work(), two_workers=Work(workers=2)),
    ),
    Group(
        "shadows",
        "A shadow that is slow, or hangs, beside its stub alone (callers at 3,000 requests/s)",
        (Measure("shadows", Kind.STEADY, "3,000 requests/s", HEADLINE_RATE),),
        _alone(
            no_shadow=Work(),
            shadow=Work(Shadow.WELL),
            stub_alone=Work(driven=Shadow.WELL),
            slow_shadow=Work(Shadow.SLOW),
            slow_stub_alone=Work(driven=Shadow.SLOW),
            hung_shadow=Work(Shadow.HUNG),
            hung_stub_alone=Work(driven=Shadow.HUNG),
        ),
    ),
)

#: What `make bench QUICK=1` measures: what a change of the hot path would move.
QUICK_GROUPS: Final = (
    Group(
        "split", "A 10 % split by hashed customer", (SPLIT, HEADLINE), _each(Work()), direct=True
    ),
    GROUPS[1],
)
QUICK_PEERS: Final = (OURS, "nginx", "envoy")
