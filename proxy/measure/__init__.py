"""Numbers that add up.

The law of this room: what is counted here merges exactly, whatever worker it came from and
however often it was added up on the way.  No clock, no rates, no verdicts: time is an argument,
and what the numbers mean is said in ``judge``.

    tally       what a worker counts, what a report carries, and how they merge
    histogram   durations in fixed log buckets; quantiles within 1.6 %
    ring        counts of the last seconds, slot by slot
    window      the last minutes of one series
    exact       sums without rounding
    confidence, mixtures, gamma, multiplicity    how far chance alone may carry a sum: formulas
                that both the judge and the comparison use; not loaded by the door
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
from proxy.measure.window import SPAN, Decisions, Spans, Steady, Window

__all__ = [
    "ANSWERED",
    "SPAN",
    "Decisions",
    "EndpointState",
    "ModelTally",
    "PoolState",
    "Report",
    "Spans",
    "Steady",
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
