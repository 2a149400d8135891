"""Whether there is anything to go back to: no revert onto a version that does not answer.

Pure: what the desk holds in, what to do out.  The rule, as docs/operations.md tells it:

    stable answers                          revert
    it does not, there is a last resort     everybody gets the last resort
    it does not, the canary answers, and    wait: its customers are served, elsewhere they were
    the finding is about answering          not; the share is held, and people are called
    else                                    revert, and people are called
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import msgspec

from proxy.judge import Source
from proxy.measure import errors, requests
from proxy.routing.plan import ModelPlan
from proxy.steering.held import Held
from proxy.terms import Arm

#: The check that a hold is by, while a revert waits for stable.
STABLE_DOWN: Final = "stable_down"
#: Seconds of which the error rate is taken.
LOOK_BACK: Final = 10.0
#: So many requests in that time say that a version does not answer ...
_ENOUGH: Final = 10
#: ... when this share of them failed.
_DOWN: Final = 0.9
#: So few say that it does, when at most this share failed.
_A_FEW: Final = 3
_UP: Final = 0.5
#: Checks that are about answering at all, not about what is answered.
_ABOUT_ANSWERING: Final = frozenset({"error_rate", "latency", "consecutive_failures"})
_SOURCES: Final = frozenset({Source.ERROR, Source.SLOW, Source.FALLBACK})


class Answering(msgspec.Struct, frozen=True):
    """Whether a version answers: yes, no, or (both False) nobody knows."""

    up: bool
    down: bool
    why: str


class Step(StrEnum):
    REVERT = "revert"
    SHIFT = "shift"
    WAIT = "wait"


def answering(held: Held, model: str, version: str, arm: Arm, now: float) -> Answering:
    """What the last seconds and the workers' endpoints say of a version in its role.

    Requests that were answered speak louder than an endpoint that was taken out.
    """
    tally = held.observed.counts(model, version, arm, LOOK_BACK, now)
    n, failed = requests(tally), errors(tally)
    share = failed / n if n else math.nan
    said = f"it failed {failed} of {n} requests in the last {LOOK_BACK:g} s"
    if n >= _ENOUGH and share >= _DOWN:
        return Answering(False, True, said)
    if n >= _A_FEW and share <= _UP:
        return Answering(True, False, said)
    states = [
        state
        for _, state in held.workers.endpoints()
        if (state.model, state.version, state.shadow) == (model, version, False)
    ]
    if states and all(state.ejected for state in states):
        return Answering(False, True, "every worker has taken all its endpoints out")
    return Answering(False, False, said if n else "it had no requests in the last seconds")


def decide(
    held: Held, model: ModelPlan, reason: str, now: float, by_person: bool
) -> tuple[Step, str]:
    """What to do about a canary that must go, and why not simply that; "" when simply that.

    ``model`` is as published, ``reason`` the check that tripped.  A person's order is never
    kept waiting.
    """
    canary = model.canary
    stable = answering(held, model.name, model.stable, Arm.STABLE, now)
    # A revert waited already, maybe of another desk: then it takes an answer, not only silence.
    waited = canary is not None and (model.name, canary.version, STABLE_DOWN) in held.holds
    if stable.up or not (stable.down or waited):
        return Step.REVERT, ""
    why = f"stable {model.stable} does not answer: {stable.why}"
    if last_resort(held, model) is not None:
        return Step.SHIFT, why
    if not by_person and canary is not None and about_answering(held, model.name, reason):
        found = answering(held, model.name, canary.version, Arm.CANARY, now)
        if found.up or (waited and not found.down):
            return Step.WAIT, why
    return Step.REVERT, why


def last_resort(held: Held, model: ModelPlan) -> str | None:
    """The version to shift to, if the file names one that may be used."""
    found = held.rules.last_resorts.get(model.name)
    canary = model.canary.version if model.canary is not None else None
    if found is None or found in (model.stable, canary) or (model.name, found) in held.latches:
        return None
    if found not in {version.name for version in model.versions}:
        return None
    return found


def about_answering(held: Held, model: str, check: str) -> bool:
    """Whether a check is about answering at all: then a stable that is down is no better."""
    if check in _ABOUT_ANSWERING:
        return True
    name = check.partition("[")[0]
    rules = held.rules.guardrails.get(model)
    return rules is not None and any(
        rule.name == name and rule.source in _SOURCES for rule in rules.rules
    )
