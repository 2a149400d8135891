"""Evidence in, verdict out.

The law of this room: whoever judges sees only numbers and the time, and does nothing; what
follows from a verdict is decided in ``steering``.  Missing data is a verdict of its own, never a
pass and never a failure.

    policy      what is allowed: thresholds and their defaults
    breakers    plain bounds on the last seconds, each with its finding
    evidence    what the statistical judge is shown
    guardrails  what a canary must not do more often, or less well, than stable
    recovery    whether stable is well again after a revert
    trial       the running state for one canary: evidence in, findings out (read this first)
    rates, means, arrivals      one guardrail, or the shares, judged and put in words
    counting, census, totals    whose event counts, who came, what each was worth; all bounded
    sequential, sample_ratio    the statistics, by themselves; more of them in ``measure``
    verdict     several findings, one verdict
    replay      recorded evidence through a trial once more

Loaded by who needs them, never by this door, for they load numpy:

    scenario, simulate   releases by chance: who asks, who fails
    rivals, rehearsal    the harm test, a fixed bound and a z-test on them; the real trial on them
    power                before the start: what will be found, and how soon
"""

from __future__ import annotations

from proxy.judge.breakers import changes_at, check
from proxy.judge.evidence import Evidence, Observation, Source
from proxy.judge.guardrails import DEFAULT as DEFAULT_GUARDRAILS
from proxy.judge.guardrails import OFF as NO_GUARDRAILS
from proxy.judge.guardrails import Guardrail, Guardrails
from proxy.judge.policy import DEFAULT, OFF, ErrorRate, Latency, Thresholds
from proxy.judge.sequential import HarmTest, PromotionTest, Running, promotion_log_e
from proxy.judge.trial import Trial, hypotheses
from proxy.judge.verdict import holding, tripped, worst
from proxy.measure.multiplicity import e_bh

__all__ = [
    "DEFAULT",
    "DEFAULT_GUARDRAILS",
    "NO_GUARDRAILS",
    "OFF",
    "ErrorRate",
    "Evidence",
    "Guardrail",
    "Guardrails",
    "HarmTest",
    "Latency",
    "Observation",
    "PromotionTest",
    "Running",
    "Source",
    "Thresholds",
    "Trial",
    "changes_at",
    "check",
    "e_bh",
    "holding",
    "hypotheses",
    "promotion_log_e",
    "tripped",
    "worst",
]
