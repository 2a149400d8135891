"""The part of the schema about thresholds: what reverts a canary, and when."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from proxy.judge import policy
from proxy.settings.kinds import OneOrMany, OrOff, duration, real, refusal, whole
from proxy.settings.serving import Part

#: The desk keeps the numbers of the last quarter of an hour (measure/window.py).
_WINDOW = duration("1s", "15m")
_RATE: Final = policy.ErrorRate(absolute=1.0)  # for its other fields' defaults
_LATENCY: Final = policy.Latency(absolute=1.0)
_WINDOW_TEXT = "The last numbers that are looked at."
_REQUESTS_TEXT = "No verdict before so many requests in the window."
_RELATIVE_TEXT = (
    "Trips when the canary's is more than so many times that of stable in the same window."
)


class ErrorRate(Part):
    about = (
        "Trips on the share of the canary's requests that it failed itself. "
        "At least one of `absolute` and `relative` is needed."
    )

    absolute: Annotated[float, real("0", "1", above=True)] | None = Field(
        default=None, description="Trips when the share is above this; 0.05 is 5 %."
    )
    relative: Annotated[float, real("1", "1000")] | None = Field(
        default=None, description=_RELATIVE_TEXT
    )
    window: Annotated[float, _WINDOW] = Field(default=_RATE.window, description=_WINDOW_TEXT)
    min_requests: Annotated[int, whole(1, 1_000_000_000)] = Field(
        default=_RATE.min_requests, description=_REQUESTS_TEXT
    )

    @model_validator(mode="after")
    def _says_something(self) -> ErrorRate:
        if self.absolute is None and self.relative is None:
            raise refusal("absolute, relative or both, or off", found="neither bound")
        return self


class Latency(Part):
    about = (
        "Trips on a quantile of the canary's time to answer. "
        "At least one of `absolute` and `relative` is needed."
    )

    quantile: Annotated[float, real("0", "1", above=True, below=True)] = Field(
        default=_LATENCY.quantile,
        description="Which quantile; 0.95 is the time that 95 % of the requests keep.",
    )
    absolute: Annotated[float, duration("1ms", "24h")] | None = Field(
        default=None, description="Trips when the quantile is above this."
    )
    relative: Annotated[float, real("1", "1000")] | None = Field(
        default=None, description=_RELATIVE_TEXT
    )
    window: Annotated[float, _WINDOW] = Field(default=_LATENCY.window, description=_WINDOW_TEXT)
    min_requests: Annotated[int, whole(1, 1_000_000_000)] = Field(
        default=_LATENCY.min_requests, description=_REQUESTS_TEXT
    )

    @model_validator(mode="after")
    def _says_something(self) -> Latency:
        if self.absolute is None and self.relative is None:
            raise refusal("absolute, relative or both", found="neither bound")
        return self


def _default_rate() -> ErrorRate | None:
    rate = policy.DEFAULT.error_rate
    return None if rate is None else ErrorRate(absolute=rate.absolute, relative=rate.relative)


class Thresholds(Part):
    instead = "off"
    about = (
        "What reverts the canary by itself. A revert holds until a person clears it. "
        "`thresholds: off` switches all of them off; each may be `off` alone."
    )

    error_rate: Annotated[
        ErrorRate | None, OrOff("a mapping with absolute, relative or both, or off")
    ] = Field(
        default=_default_rate(),
        description="The share of failed requests. Left out, 10 % in 60s trips it.",
    )
    latency: Annotated[
        tuple[Latency, ...],
        OneOrMany(),
        OrOff("a mapping, a list of mappings, or off", off=tuple),
    ] = Field(
        default=(),
        max_length=8,
        description="The time to answer: one mapping, or a list of several.",
    )
    consecutive_failures: Annotated[
        Annotated[int, whole(1, 1_000_000)] | None,
        OrOff("a whole number from 1 to 1000000, or off"),
    ] = Field(
        default=policy.DEFAULT.consecutive_failures,
        description="Failures of the canary in a row, as one worker sees them.",
    )


def all_off() -> Thresholds:
    """What ``thresholds: off`` reads as."""
    return Thresholds.model_validate({"error_rate": "off", "consecutive_failures": "off"})
