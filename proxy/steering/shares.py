"""Which share every running canary had, and when: so that late events find their arm.

The arm is computed by the split itself, with the salt and the threshold that the data plane used
when the event happened.  No I/O; time is an argument.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from proxy.routing import point, split_share, threshold
from proxy.routing.plan import ModelPlan, Plan
from proxy.terms import Arm

#: Changes of its share that are remembered of one canary.  Before them, nothing is evidence.
MOST_STEPS: Final = 1000


class Step(NamedTuple):
    """From ``since`` on the canary had ``percent`` (0 to 100) of the customers."""

    since: float
    percent: float


def changes(steps: Iterable[Step]) -> list[Step]:
    """Of many steps, in any order, those that changed something."""
    kept: list[Step] = []
    for step in sorted(steps):
        if not kept or kept[-1].percent != step.percent:
            kept.append(step)
    return kept


class Running:
    """One canary on trial beside ``stable``.  ``came`` is when that comparison began, -inf where
    it may have been before this desk did."""

    def __init__(self, version: str, stable: str, salt: bytes, step: Step, came: float) -> None:
        self.version = version
        self.stable = stable
        self.salt = salt
        self.came = came
        self.steps = [step]

    def at(self, when: float) -> Step | None:
        """The share in force at ``when``; None before the first that is remembered."""
        place = bisect_right(self.steps, when, key=lambda step: step.since)
        return self.steps[place - 1] if place else None

    def add(self, step: Step) -> None:
        if self.steps[-1].percent != step.percent:
            self.steps.append(step)
            del self.steps[:-MOST_STEPS]

    def arm(self, key: bytes, percent: float) -> Arm:
        """As the split decides for a customer."""
        return Arm.CANARY if point(self.salt, key) < threshold(percent) else Arm.STABLE


class Shares:
    """The running canaries by model."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._ended: dict[str, float] = {}
        self._begun = False

    def follow(self, plan: Plan, now: float) -> None:
        """``plan`` is in force from ``now`` on."""
        running = {}
        for model in plan.models:
            if model.canary is not None:
                running[model.name] = self._next(model, model.canary.percent, now)
        known = {model.name for model in plan.models}
        ended = {name: now for name in self._running if name not in running}
        self._ended = {n: at for n, at in (self._ended | ended).items() if n in known}
        self._running = running
        self._begun = True

    def _next(self, model: ModelPlan, percent: float, now: float) -> Running:
        assert model.canary is not None
        was, salt, step = self._running.get(model.name), split_share(model).salt, Step(now, percent)
        trial = (model.canary.version, model.stable, salt)
        if was is None or (was.version, was.stable, was.salt) != trial:
            return Running(*trial, step, now if self._begun else -math.inf)
        was.add(step)
        return was

    def restore(self, model: str, version: str, began: float, steps: Iterable[Step]) -> None:
        """The shares before this desk began, as they were written of the running canary."""
        found = self._running.get(model)
        if found is None or found.version != version:
            return
        found.came = began
        present, *later = found.steps
        earlier = changes(step for step in steps if step.since < present.since)
        if earlier and earlier[-1].percent == present.percent:
            present = earlier.pop()
        found.steps = [*earlier, present, *later][-MOST_STEPS:]

    def all(self) -> Mapping[str, Running]:
        """The canaries on trial by model, as of now: another plan makes another mapping."""
        return self._running

    def of(self, model: str) -> Running | None:
        """The canary of ``model``, if one is on trial."""
        return self._running.get(model)

    def ended(self, model: str) -> float:
        """When its last canary went, that this desk knows of; -inf without one."""
        return self._ended.get(model, -math.inf)
