"""Feedback to observations: pure, so that it can run beside the loop.

An event that is no evidence is counted by why not; it stays in the ledger all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from proxy.feedback import Kpi, Label, Policy, Prediction, Unfitting, loss
from proxy.judge import Observation, Source
from proxy.steering.shares import Running
from proxy.terms import Arm

OBSERVED: Final = "observed"
NO_CANARY: Final = "no_canary"  # none is on trial; of a KPI event, any more
EARLY: Final = "early"  # from before the trial, or of another canary
UNDRAWN: Final = "undrawn"  # a tester's choice, a shadow's, or a share that leaves one arm empty
KEYLESS: Final = "keyless"  # shown to nobody when it came, and then the key was gone
NO_RULE: Final = "no_rule"  # no rule in ``labels:`` has this name
UNFIT: Final = "unfit"  # label and prediction cannot be held against each other
RESULTS: Final = (OBSERVED, NO_CANARY, EARLY, UNDRAWN, KEYLESS, NO_RULE, UNFIT)

#: An observation, or why there is none.
Seen: TypeAlias = "Observation | str"


def of_customer(
    running: Running | None, key: bytes, customer: str, at: float, source: Source,
    name: str, value: float = 1.0,
) -> Seen:  # fmt: skip
    """Something that is known of a customer: the split says the arm."""
    if running is None:
        return NO_CANARY
    step = running.at(at)
    if step is None:
        return EARLY
    if not 0.0 < step.percent < 100.0:
        return UNDRAWN
    arm = running.arm(key, step.percent)
    return Observation(source, arm, step.percent / 100, customer, at, name, value)


def of_kpi(running: Running | None, kpi: Kpi, key: bytes, ended: float) -> Seen:
    """``key`` is empty where it is not known any more; ``ended`` is when the last canary went.

    Without a canary everybody has stable, with a share of nought: what recovers after a revert
    is seen in that.
    """
    if running is None:
        if kpi.at < ended:
            return NO_CANARY
        return Observation(Source.KPI, Arm.STABLE, 0.0, kpi.customer, kpi.at, kpi.name, kpi.value)
    if not key:
        return KEYLESS
    return of_customer(running, key, kpi.customer, kpi.at, Source.KPI, kpi.name, kpi.value)


def of_label(running: Running | None, policy: Policy, label: Label, made: Prediction) -> Seen:
    """A truth that met its prediction: the prediction knows the arm and the share."""
    if running is None:
        return NO_CANARY
    rule = policy.labels.get(label.name)
    if rule is None:
        return NO_RULE
    if running.at(made.at) is None or (made.arm == Arm.CANARY and made.version != running.version):
        return EARLY
    if not made.drawn or not 0.0 < made.share < 1.0 or made.arm not in (Arm.CANARY, Arm.STABLE):
        return UNDRAWN
    try:
        lost = loss(rule, label.value, made.value)
    except Unfitting:
        return UNFIT
    return Observation(
        Source.LABEL, Arm(made.arm), made.share, made.customer, label.at, label.name, lost,
        made.segments,
    )  # fmt: skip


def sorted_out(
    seen: Mapping[str, list[Seen]], counts: Counter[str]
) -> dict[str, list[Observation]]:
    """By model what is evidence; the rest is counted into ``counts``."""
    found: dict[str, list[Observation]] = {}
    for model, each in seen.items():
        observations = [it for it in each if isinstance(it, Observation)]
        counts.update(it for it in each if isinstance(it, str))
        if observations:
            counts[OBSERVED] += len(observations)
            found[model] = observations
    return found
