"""Evidence in, verdict out.

The law of this room: whoever judges sees only numbers and the time, and does nothing; what
follows from a verdict is decided in ``steering``.  Missing data is a verdict of its own, never a
pass and never a failure.

    policy      what is allowed: thresholds and their defaults
    breakers    plain bounds on the last seconds, each with its finding
    evidence    what the statistical judge is shown
    guardrails  what a canary must not do more often, or less well, than stable
    recovery    whether stable is well again after a revert
    verdict     several findings, one verdict
"""

from __future__ import annotations

from proxy.judge.breakers import changes_at, check
from proxy.judge.evidence import Evidence, Observation, Source
from proxy.judge.guardrails import DEFAULT as DEFAULT_GUARDRAILS
from proxy.judge.guardrails import OFF as NO_GUARDRAILS
from proxy.judge.guardrails import Guardrail, Guardrails
from proxy.judge.policy import DEFAULT, OFF, ErrorRate, Latency, Thresholds
from proxy.judge.verdict import holding, tripped, worst

__all__ = [
    "DEFAULT",
    "DEFAULT_GUARDRAILS",
    "NO_GUARDRAILS",
    "OFF",
    "ErrorRate",
    "Evidence",
    "Guardrail",
    "Guardrails",
    "Latency",
    "Observation",
    "Source",
    "Thresholds",
    "changes_at",
    "check",
    "holding",
    "tripped",
    "worst",
]
