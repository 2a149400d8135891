"""The part of the schema about reaching a version: endpoints, pools, deadlines, limits.

Defaults are the Plan's own (routing/plan.py), so that there is one truth.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxy.routing import plan
from proxy.settings import grammar
from proxy.settings.kinds import duration, flag, refusal, size, whole

_POOL: Final = plan.PoolLimits()
_EJECTION: Final = plan.Ejection()
_PROBE: Final = plan.HealthProbe("/")
_DEADLINES: Final = plan.Deadlines()
_LIMITS: Final = plan.ModelLimits()
_FALLBACK: Final = plan.Fallback()
_LISTENER: Final = plan.ListenerLimits()

Flag = Annotated[bool, flag()]
Endpoint = Annotated[plan.Endpoint, grammar.ENDPOINT]


class Part(BaseModel):
    """One mapping of the config file: unknown fields are refused, values never change."""

    #: What the mapping as a whole is for; the manual prints it.
    about: ClassVar[str] = ""
    #: A word that may stand in the mapping's place.
    instead: ClassVar[str] = ""
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Pool(Part):
    about = (
        "How long a connection to an endpoint is kept for the next request. All models and "
        "versions with the same endpoint and the same `pool` share their connections."
    )

    idle: Annotated[float, duration("10ms", "1h")] = Field(
        default=_POOL.idle,
        description="Longest time without a request. Keep it shorter than the server's own "
        "keep-alive time (uvicorn: 5s), so that the proxy closes first.",
    )
    age: Annotated[float, duration("1s", "24h")] = Field(
        default=_POOL.age, description="Longest life of a connection."
    )
    requests: Annotated[int, whole(1, 1_000_000_000)] = Field(
        default=_POOL.requests, description="Most requests on one connection."
    )


class Ejection(Part):
    about = (
        "When an endpoint is taken out for failing, and for how long. "
        "The last endpoint of a version always stays in."
    )

    after: Annotated[int, whole(1, 1_000_000)] = Field(
        default=_EJECTION.after, description="Failures in a row that take an endpoint out."
    )
    shortest: Annotated[float, duration("100ms", "24h")] = Field(
        default=_EJECTION.shortest,
        description="How long it stays out the first time; doubles each time.",
    )
    longest: Annotated[float, duration("100ms", "24h")] = Field(
        default=_EJECTION.longest, description="The time out never grows beyond this."
    )


class Health(Part):
    about = "An active check: a GET that a healthy endpoint answers with 2xx."

    path: Annotated[str, grammar.PATH] = Field(description="The path that is asked for.")
    interval: Annotated[float, duration("100ms", "1h")] = Field(
        default=_PROBE.interval, description="Time between two checks of one endpoint."
    )
    timeout: Annotated[float, duration("10ms", "1h")] = Field(
        default=_PROBE.timeout, description="An answer that takes longer counts as none."
    )


class Version(Part):
    about = "One deployed build of the model, and the addresses that serve it."

    endpoints: tuple[Endpoint, ...] = Field(
        min_length=1,
        max_length=64,
        description="The addresses that serve this version, each `http://host:port` or "
        "`unix:/path`; the one with the fewest requests in flight is asked.",
    )
    pool: Pool = Field(default=Pool(), description="How long connections are kept.")
    ejection: Ejection = Field(
        default=Ejection(), description="When a failing endpoint is taken out."
    )
    health: Health | None = Field(
        default=None, description="An active check of each endpoint; left out, only outcomes count."
    )


class Deadlines(Part):
    about = (
        "How long a version may take. Over `connect` the caller gets a 502, over another deadline "
        "a 504; an answer that has begun is broken off."
    )

    connect: Annotated[float, duration("1ms", "1h")] = Field(
        default=_DEADLINES.connect, description="To open a connection."
    )
    first_byte: Annotated[float, duration("1ms", "24h")] = Field(
        default=_DEADLINES.first_byte,
        description="From the whole request being sent to the first byte of the answer.",
    )
    idle: Annotated[float, duration("1ms", "24h")] = Field(
        default=_DEADLINES.idle, description="Between two pieces of an answer or of an upload."
    )
    total: Annotated[float, duration("1ms", "24h")] = Field(
        default=_DEADLINES.total, description="For the request and its answer in all."
    )


class Limits(Part):
    about = "The room for one model in one worker. Over it the caller gets a 503 or 413."

    in_flight: Annotated[int, whole(1, 1_000_000)] = Field(
        default=_LIMITS.in_flight, description="Most requests at the same time."
    )
    queue: Annotated[int, whole(0, 1_000_000)] = Field(
        default=_LIMITS.queue, description="Most requests that wait for room."
    )
    queue_wait: Annotated[float, duration("1ms", "1h")] = Field(
        default=_LIMITS.queue_wait, description="Longest wait for room."
    )
    body: Annotated[int | None, size("1B", "1024GiB", none=True)] = Field(
        default=_LIMITS.body, description="Largest request body."
    )
    hold: Annotated[int, size("0B", "1GiB")] = Field(
        default=_LIMITS.hold,
        description="Most bytes of a body that are held, to read a JSON field before the "
        "decision or to repeat the request.",
    )


class Fallback(Part):
    about = "When the request of a failing canary is answered by stable. Needs `safe_to_repeat`."

    statuses: tuple[Annotated[int, whole(400, 599)], ...] = Field(
        default=_FALLBACK.statuses,
        max_length=200,
        description="Answers of the canary that count as a failure. A connection that fails, "
        "and a deadline that passes before the first byte, always do.",
    )
    first_byte: Annotated[float, duration("1ms", "24h")] | None = Field(
        default=_FALLBACK.first_byte,
        description="A tighter deadline for the canary's first byte; left out, the one of "
        "`deadlines` holds.",
    )


class ListenerLimits(Part):
    about = "What callers may take of one worker."

    connections: Annotated[int, whole(1, 1_000_000)] = Field(
        default=_LISTENER.connections, description="Most connections of callers."
    )
    request_line: Annotated[int, size("64B", "1MiB")] = Field(
        default=_LISTENER.request_line, description="Longest request line."
    )
    head_bytes: Annotated[int, size("1KiB", "16MiB")] = Field(
        default=_LISTENER.head_bytes, description="Largest head: request line and headers together."
    )
    head_lines: Annotated[int, whole(1, 10_000)] = Field(
        default=_LISTENER.head_lines, description="Most header lines."
    )
    head_timeout: Annotated[float, duration("10ms", "1h")] = Field(
        default=_LISTENER.head_seconds, description="From the first byte of a head to its last."
    )
    body_timeout: Annotated[float, duration("10ms", "1h")] = Field(
        default=_LISTENER.body_seconds,
        description="Between two pieces of an upload, or of an answer that its caller takes.",
    )
    idle_timeout: Annotated[float, duration("10ms", "24h")] = Field(
        default=_LISTENER.idle_seconds, description="A kept-alive connection without a request."
    )

    @model_validator(mode="after")
    def _line_fits(self) -> ListenerLimits:
        if self.request_line > self.head_bytes:
            raise refusal(
                "a request_line that is no larger than head_bytes", found="a larger request_line"
            )
        return self
