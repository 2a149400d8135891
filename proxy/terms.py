"""The words every room shares: frozen, slotted, no behaviour.

One word per thing, the same in code, config, API, metrics and docs.  Nothing here may
import another room.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, Literal

import msgspec


class Arm(StrEnum):
    """The role of a version in a release."""

    STABLE = "stable"
    CANARY = "canary"
    SHADOW = "shadow"


class Owner(StrEnum):
    """Whose side a failure is on.  Only ``UPSTREAM`` failures may feed the judge."""

    NOBODY = "nobody"
    CALLER = "caller"
    PROXY = "proxy"
    UPSTREAM = "upstream"


class Outcome(StrEnum):
    """How one exchange with one version ended."""

    OK = "ok"
    UPSTREAM_4XX = "upstream_4xx"
    UPSTREAM_5XX = "upstream_5xx"
    UPSTREAM_CONNECT = "upstream_connect"
    UPSTREAM_PROTOCOL = "upstream_protocol"
    UPSTREAM_RESET = "upstream_reset"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    CALLER_ERROR = "caller_error"
    CALLER_LEFT = "caller_left"
    CALLER_TIMEOUT = "caller_timeout"
    PROXY_OVERLOAD = "proxy_overload"
    PROXY_ERROR = "proxy_error"


#: Who is to blame for each outcome.  The upstream's own 4xx is its judgement of the caller.
OWNER: Final[dict[Outcome, Owner]] = {
    Outcome.OK: Owner.NOBODY,
    Outcome.UPSTREAM_4XX: Owner.CALLER,
    Outcome.UPSTREAM_5XX: Owner.UPSTREAM,
    Outcome.UPSTREAM_CONNECT: Owner.UPSTREAM,
    Outcome.UPSTREAM_PROTOCOL: Owner.UPSTREAM,
    Outcome.UPSTREAM_RESET: Owner.UPSTREAM,
    Outcome.UPSTREAM_TIMEOUT: Owner.UPSTREAM,
    Outcome.CALLER_ERROR: Owner.CALLER,
    Outcome.CALLER_LEFT: Owner.CALLER,
    Outcome.CALLER_TIMEOUT: Owner.CALLER,
    Outcome.PROXY_OVERLOAD: Owner.PROXY,
    Outcome.PROXY_ERROR: Owner.PROXY,
}


class Verdict(IntEnum):
    """What a check says.  Combining several is ``max``: the worst speaks."""

    PASS = 0
    NOT_YET = 1
    INCONCLUSIVE = 2
    ERROR = 3
    FAIL = 4


class CopyResult(StrEnum):
    """What became of one shadow copy; everything but ``SENT`` is a drop with its reason."""

    SENT = "sent"  # handed to a connection of the shadow's own pool
    DROPPED_QUEUE = "dropped_queue"  # all in-flight places taken and the queue full
    DROPPED_BYTES = "dropped_bytes"  # the copies' bytes in all were over the bound
    DROPPED_DEADLINE = "dropped_deadline"  # waited or ran longer than the copy's deadline
    DROPPED_CONNECT = "dropped_connect"  # the shadow could not be reached
    DROPPED_CALLER = "dropped_caller"  # the caller left or sent a broken body: no whole copy
    DROPPED_REWRITE = "dropped_rewrite"  # the configured rewrite could not be done
    DROPPED_DRAIN = "dropped_drain"  # the worker was stopping


class Latch(msgspec.Struct, frozen=True):
    """A version that was reverted, and why.  Holds until a person clears it."""

    model: str
    version: str
    reason: str  # the check that tripped: error_rate, latency, consecutive_failures, manual
    message: str  # one sentence that a tired operator understands
    numbers: dict[str, float]
    at: float  # seconds since the epoch
    actor: str  # "pointsman" for the automatic actor, else who asked


class Finding(msgspec.Struct, frozen=True):
    """One check's result, with the numbers it was read from.

    ``effect`` is what a FAIL brings about by itself: ``revert``; ``hold``, which lets no share
    grow; or ``none``, for a check that is only reported (``dry_run``).
    """

    check: str
    verdict: Verdict
    message: str
    numbers: dict[str, float]
    effect: Literal["revert", "hold", "none"] = "revert"


class Half(msgspec.Struct, frozen=True):
    """One side of a pair: an answer as it came, or why none came (``status`` 0)."""

    version: str
    outcome: Outcome
    status: int
    seconds: float  # in total
    body: bytes  # at most the cap; shorter than ``body_bytes`` when it was cut
    body_bytes: int
    content_type: str = ""
    content_encoding: str = ""


class Pair(msgspec.Struct, frozen=True):
    """What the stable and the shadow version answered to the same request."""

    request_id: str
    model: str
    customer: str  # keyed hash, never the key itself
    segments: tuple[str, ...]  # ``dimension=value``
    at: float  # seconds since the epoch
    live: Half
    shadow: Half


class Incident(msgspec.Struct, frozen=True):
    """One exchange that may count against its version: failed, slow, or saved by stable.

    ``outcome`` is a failure of the upstream's own; for one that was slow alone, ``ok``,
    ``upstream_4xx``, or ``caller_left`` by a caller who did not wait any longer.  A customer's
    alike ones of a quarter of a second are one, the slowest.

    Only exchanges whose arm was drawn (by the split, never by a tester or a missing key that is
    always stable) become incidents.  ``share`` is the canary's share, 0 to 1, that the draw was
    made with; without it no incident is fair evidence (judge).
    """

    request_id: str
    model: str
    version: str
    arm: str
    share: float
    customer: str  # keyed hash; "" when the request named nobody and was drawn by itself
    segments: tuple[str, ...]
    at: float  # seconds since the epoch
    outcome: str
    seconds: float  # in total, as long as the caller waited
    fallback: bool  # stable answered in the place of this version


class Newcomers(msgspec.Struct, frozen=True):
    """Customers whom a worker sees for the first time since this canary came, by arm.

    A sample by customer, so that a worker remembers a bounded number: of each, ``level`` says how
    many low bits of its draw are nought, and those with fewer than ``least`` are not in the
    sample any more.  So ``n`` customers stand for ``n << least``, and the samples of several
    workers merge exactly: take the highest ``least``.
    """

    model: str
    version: str  # the canary
    share: float  # the canary's share, 0 to 1, when they came
    least: int
    canary: tuple[tuple[str, int], ...] = ()  # keyed hash, level
    stable: tuple[tuple[str, int], ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """One exchange kept whole, up to a cap: for the prediction log and for data quality.

    ``arm`` is the one that was drawn; who answered is ``answer.version``, which is stable's where
    stable stood in for a failing canary.
    """

    request_id: str
    model: str
    arm: str
    share: float  # the canary's, 0 to 1; 0 without a canary
    #: Fair evidence: the arm was drawn by the split, and it was sampled whatever its arm.
    drawn: bool
    customer: str  # keyed hash, "" when the request named nobody
    segments: tuple[str, ...]
    at: float
    request: bytes  # at most the cap
    request_bytes: int  # shorter than ``request`` says when it was cut
    request_type: str
    answer: Half
    request_encoding: str = ""
    fallback: bool = False  # stable answered in the drawn version's place


class Logged(msgspec.Struct, frozen=True):
    """One line of the access log."""

    at: float
    request_id: str
    model: str
    version: str
    arm: str
    outcome: Outcome
    status: int
    method: str
    target: str
    customer: str
    first_byte: float
    seconds: float
    bytes_in: int
    bytes_out: int
    fallback: str = ""
