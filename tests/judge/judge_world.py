"""Evidence made up for the judge's tests: customers, arms drawn as the split does, events."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from proxy.judge import Evidence, Guardrail, Guardrails, Observation, Source, Trial
from proxy.terms import Arm, Finding, Newcomers

ERRORS = Guardrail("errors", Source.ERROR)


def seen(
    customer: str,
    canary: bool,
    *,
    share: float = 0.1,
    at: float = 10.0,
    source: Source = Source.ERROR,
    **more: object,
) -> Observation:
    arm = Arm.CANARY if canary else Arm.STABLE
    return Observation(source, arm, share, customer, at, **more)  # type: ignore[arg-type]


def line(
    observations: Iterable[Observation] = (),
    *,
    share: float = 0.1,
    at: float = 10.0,
    newcomers: Iterable[Newcomers] = (),
    requests: dict[str, tuple[int, int]] | None = None,
    dropped: int = 0,
) -> Evidence:
    return Evidence(
        at, "m", "3", "1", share, tuple(observations), requests or {}, tuple(newcomers), dropped
    )


def trial(*rules: Guardrail, alpha: float = 0.05, **more: object) -> Trial:
    guardrails = Guardrails(rules or (ERRORS,), alpha=alpha)
    return Trial(guardrails, "m", "3", "1", 0.0, **more)  # type: ignore[arg-type]


def came(canary: Iterable[str], stable: Iterable[str], share: float = 0.1) -> Newcomers:
    def level(customers: Iterable[str]) -> tuple[tuple[str, int], ...]:
        return tuple((it, 0) for it in customers)

    return Newcomers("m", "3", share, 0, level(canary), level(stable))


def named(found: tuple[Finding, ...], check: str) -> Finding:
    return next(it for it in found if it.check == check)


@dataclass
class Customers:
    """Customers whose arm is drawn by chance, once, as the split's hash does."""

    chance: random.Random
    points: dict[str, float] = field(default_factory=dict)

    def canary(self, customer: str, share: float) -> bool:
        return self.points.setdefault(customer, self.chance.random()) < share
