"""The part of the schema about what comes after a revert: whether stable is well again."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from proxy.judge.recovery import Validation as Policy
from proxy.settings.kinds import OrOff, duration, real, whole
from proxy.settings.serving import Part

_DEFAULT: Final = Policy()


class Validation(Part):
    instead = "off"
    about = (
        "After a revert, stable is watched and compared with itself before the canary began: its "
        "error rate, its latency and its KPI events, for everybody and in each segment. What is "
        "found closes the revert: recovered, not recovered, or inconclusive."
    )

    after: Annotated[float, duration("10s", "24h")] = Field(
        default=_DEFAULT.after, description="How long stable is watched after a revert."
    )
    baseline: Annotated[float, duration("1m", "15m")] = Field(
        default=_DEFAULT.baseline,
        description="How long before the canary's beginning it is compared with.",
    )
    min_requests: Annotated[int, whole(1, 1_000_000_000)] = Field(
        default=_DEFAULT.min_requests,
        description="Fewer in either time are inconclusive.",
    )
    tolerance: Annotated[float, real("0", "100")] = Field(
        default=_DEFAULT.tolerance,
        description="How much worse a rate may be than before, relative to it: 0.2 is a fifth.",
    )
    latency_tolerance: Annotated[float, real("0", "100")] = Field(
        default=_DEFAULT.latency_tolerance,
        description="How much slower the quantiles 0.5 and 0.95 may be than before.",
    )


ValidationOrOff = Annotated[
    Validation | None, OrOff("a mapping with after, baseline and tolerances, or off")
]
