"""Evidence in, verdict out.

The law of this room: whoever judges sees only numbers and the time, and does nothing; what
follows from a verdict is decided in ``steering``.  Missing data is a verdict of its own, never a
pass and never a failure.

    policy      what is allowed: thresholds and their defaults
    breakers    plain bounds on the last seconds, each with its finding
    verdict     several findings, one verdict

The statistical judge, which bounds how often a healthy canary is reverted, will stand beside
``breakers`` and give findings of the same kind.
"""

from __future__ import annotations

from proxy.judge.breakers import changes_at, check
from proxy.judge.policy import DEFAULT, OFF, ErrorRate, Latency, Thresholds
from proxy.judge.verdict import tripped, worst

__all__ = [
    "DEFAULT",
    "OFF",
    "ErrorRate",
    "Latency",
    "Thresholds",
    "changes_at",
    "check",
    "tripped",
    "worst",
]
