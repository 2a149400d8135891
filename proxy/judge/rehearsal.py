"""A simulated release told to the real judge: the slow way, and the proof that the quick one is it.

Each customer's failures become Observations, retries and all, and each tick one Evidence, as a
desk would make them.  This file loads numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from proxy.judge.evidence import Evidence, Observation, Source
from proxy.judge.guardrails import Guardrail, Guardrails
from proxy.judge.simulate import CANARY, STABLE, Floats, Ints, Release
from proxy.judge.trial import Trial, hypotheses
from proxy.judge.verdict import tripped
from proxy.terms import Arm, Finding

MODEL: Final = "simulated"
CANDIDATE: Final = "2"
INCUMBENT: Final = "1"

_ARMS: Final = ((CANARY, Arm.CANARY), (STABLE, Arm.STABLE))


def crossing(
    release: Release, guardrails: Guardrails, random: np.random.Generator
) -> tuple[int, Finding] | None:
    """The tick (from 0) after which the judge reverts, and why; None: never."""
    trial = Trial(guardrails, MODEL, CANDIDATE, INCUMBENT, 0.0)
    for tick, evidence in enumerate(told(release, random)):
        trial.add(evidence)
        reason = tripped(trial.findings(evidence.at))
        if reason is not None:
            return tick, reason
    return None


@dataclass(frozen=True, slots=True)
class TrialRule:
    """One guardrail judged by the real thing, a look after every tick."""

    guardrails: Guardrails
    random: np.random.Generator
    name: str = "harm test"

    @classmethod
    def of(cls, rule: Guardrail, of: Guardrails, random: np.random.Generator) -> TrialRule:
        """``rule`` alone, with its part of alpha; its events are told as errors."""
        alone = Guardrail(
            rule.name, Source.ERROR, direction=rule.direction, tolerance=rule.tolerance,
            margin=max(rule.margin, rule.tolerance),
        )  # fmt: skip
        return cls(Guardrails((alone,), of.alpha / hypotheses(of), sample_ratio=None), random)

    def crossing(self, release: Release) -> int | None:
        found = crossing(release, self.guardrails, self.random)
        return None if found is None else found[0]


def told(release: Release, random: np.random.Generator, began: float = 0.0) -> Iterator[Evidence]:
    """One Evidence for each tick, with every single failed request of everybody.

    Who fails again is drawn among those who failed before, by how much they ask.
    """
    tick_seconds = release.scenario.tick
    names = _Names(release, random)
    for tick in range(len(release.shares)):
        share, at = float(release.shares[tick]), began + (tick + 1) * tick_seconds
        seen = [
            Observation(Source.ERROR, arm, share, customer, at)
            for column, arm in _ARMS
            for customer in names.failing(tick, column)
            for _ in range(release.scenario.failures)
        ]
        canary, stable = (int(release.requests[tick, column]) for column, _ in _ARMS)
        yield Evidence(
            at,
            MODEL,
            CANDIDATE,
            INCUMBENT,
            share,
            observations=tuple(seen[k] for k in random.permutation(len(seen))),
            requests={"": (canary, stable)},
        )


class _Names:
    """Who it is that fails in a tick."""

    def __init__(self, release: Release, random: np.random.Generator) -> None:
        self._release = release
        self._random = random
        self._strangers = 0

    def failing(self, tick: int, column: int) -> list[str]:
        """Customers, one for each time that somebody begins to fail."""
        firsts = int(self._release.firsts[tick, column])
        failed = self._release.failed
        if failed is None:
            self._strangers += firsts
            return [_name(self._strangers - k) for k in range(firsts)]
        mine = (failed.join <= tick) == (column == CANARY)
        new = failed.customer[mine & (failed.tick == tick)]
        times = int(self._release.errors[tick, column]) // self._release.scenario.failures
        known = mine & (failed.tick <= tick)
        again = self._again(failed.customer[known], failed.activity[known], times - firsts)
        return [_name(int(it)) for it in (*new, *again)]

    def _again(self, customers: Ints, activity: Floats, times: int) -> Ints:
        if times == 0:
            return np.zeros(0, np.int64)
        return self._random.choice(customers, times, p=activity / activity.sum())


def _name(number: int) -> str:
    return f"{number:016x}"
