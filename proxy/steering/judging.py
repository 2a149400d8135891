"""Asks the judge about every canary in force.  Decides nothing: findings in, reasons out."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.judge import OFF, check, tripped
from proxy.routing.plan import CanaryPlan, ModelPlan
from proxy.steering.held import Held
from proxy.store import finite
from proxy.terms import Arm, Finding, Latch

#: Who a revert is by when no person asked for it.
AUTOMATIC = "pointsman"

#: Findings without any news are looked at again after so many seconds: time alone may move the
#: window on, but never makes a failure out of nothing.
_IDLE = 1.0


class Judging:
    """Every canary with news on every tick, and every canary once a second."""

    def __init__(self) -> None:
        self._looked_at: dict[str, float] = {}

    def trips(self, held: Held, now: float) -> list[Latch]:
        """Latches for the canaries that must go; the findings are left in ``held``."""
        latches = []
        for model, canary in _in_force(held):
            looked = self._looked_at.get(model.name)
            if model.name not in held.fresh and looked is not None and 0 <= now - looked < _IDLE:
                continue
            self._looked_at[model.name] = now
            finding = _judge(held, model, canary, now)
            if finding is not None:
                latches.append(latch_for(model.name, canary.version, finding, now))
        held.fresh.clear()
        self._looked_at = {k: v for k, v in self._looked_at.items() if k in held.rules.models}
        return latches


def latch_for(model: str, version: str, finding: Finding, now: float) -> Latch:
    return Latch(
        model=model,
        version=version,
        reason=finding.check,
        message=finding.message,
        numbers=finite(finding.numbers),
        at=now,
        actor=AUTOMATIC,
    )


def _in_force(held: Held) -> Iterator[tuple[ModelPlan, CanaryPlan]]:
    for model in held.plan.models:
        if model.canary is not None:
            yield model, model.canary


def _judge(held: Held, model: ModelPlan, canary: CanaryPlan, now: float) -> Finding | None:
    thresholds = held.rules.thresholds.get(model.name, OFF)
    findings = check(
        thresholds,
        held.observed.window(model.name, canary.version, Arm.CANARY),
        held.observed.window(model.name, model.stable, Arm.STABLE),
        held.observed.longest_run(model.name, canary.version),
        now,
    )
    held.findings[model.name] = findings
    return tripped(findings)
