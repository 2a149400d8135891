"""Numbers that add up.

The law of this room: what is counted here merges exactly, whatever worker it came from and
however often it was added up on the way.  No clock, no rates, no verdicts: time is an argument,
and what the numbers mean is said in ``judge``.

    tally       what a worker counts, what a report carries, and how they merge
    histogram   durations in fixed log buckets; quantiles within 1.6 %
    window      the last minutes, second by second
"""

from __future__ import annotations

from proxy.measure import histogram
from proxy.measure.histogram import bucket
from proxy.measure.tally import (
    ANSWERED,
    EndpointState,
    ModelTally,
    PoolState,
    Report,
    Tally,
    error_rate,
    errors,
    merge,
    merge_model,
    requests,
)
from proxy.measure.window import SPAN, ModelWindow, Window

__all__ = [
    "ANSWERED",
    "SPAN",
    "EndpointState",
    "ModelTally",
    "ModelWindow",
    "PoolState",
    "Report",
    "Tally",
    "Window",
    "bucket",
    "error_rate",
    "errors",
    "histogram",
    "merge",
    "merge_model",
    "requests",
]
