"""Asks the judge about the canaries in force.  Decides nothing: findings in, reasons out."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Final

from proxy.judge import OFF, changes_at, check, holding, tripped
from proxy.routing.plan import CanaryPlan, ModelPlan
from proxy.steering.held import Held
from proxy.store import finite
from proxy.terms import Arm, Finding, Latch

#: Who a revert is by when no person asked for it.
AUTOMATIC = "pointsman"

#: Seconds.  Sums of times as large as today's are off by a quarter of a microsecond.
_ROUNDING: Final = 1e-6


class Judging:
    """Judges on every tick the canaries that may be judged otherwise than on the last one.

    Those are the canaries with news, and those out of whose windows something has aged; with
    neither, the same numbers would give the same findings.  So a tick costs what was touched,
    and says what judging every canary on every tick would say.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[float, str]] = []  # a heap: when to look at which model again
        self._queued: dict[str, float] = {}  # model -> its one entry that counts
        self._due: dict[str, float] = {}  # model -> when its findings may be others

    def trips(self, held: Held, now: float) -> list[Latch]:
        """Latches for the canaries that must go; the findings are left in ``held``."""
        steady = held.observed.steady(now)
        latches = []
        for name in sorted(held.fresh | self._ripe(steady)):
            model = held.in_force.get(name)
            if model is None or model.canary is None:
                self._due.pop(name, None)
                continue
            finding = self._judge(held, model, model.canary, steady)
            if finding is not None:
                latches.append(latch_for(name, model.canary.version, finding, now))
        held.fresh.clear()
        held.observed.forget(steady)
        return latches

    def guarded(
        self, held: Held, changed: Iterable[str], now: float
    ) -> tuple[list[Latch], list[tuple[ModelPlan, Finding]]]:
        """What the trials of the ``changed`` models ask for: latches, and holds.

        Nothing but news changes a trial, so the others say what they said before.
        """
        latches, holds = [], []
        for name in sorted(changed):
            model, course = held.in_force.get(name), held.trials.course(name)
            if model is None or model.canary is None or course is None:
                continue
            version = model.canary.version
            if (finding := tripped(course.findings)) is not None:
                latches.append(latch_for(name, version, finding, now))
            holds += [
                (model, it)
                for it in holding(course.findings)
                if (name, version, it.check) not in held.holds
                and not held.has_passed(name, version, it.check, course.began)
            ]
        return latches, holds

    def _ripe(self, now: float) -> set[str]:
        """The models that may have aged into other findings by ``now``."""
        ripe, early = set(), []
        while self._queue and self._queue[0][0] <= now:
            at, name = heapq.heappop(self._queue)
            if self._queued.get(name) != at:
                continue  # another entry took its place
            del self._queued[name]
            if (due := self._due.get(name, math.inf)) <= now:
                ripe.add(name)
            else:
                early.append((name, due))
        for name, due in early:
            self._look_again(name, due)
        return ripe

    def _look_again(self, name: str, due: float) -> None:
        """At ``due`` at the latest.  An entry that comes before it stays: a busy model moves its
        own moment on with every report, and would fill the queue."""
        self._due[name] = due
        if due < self._queued.get(name, math.inf):
            self._queued[name] = due
            heapq.heappush(self._queue, (due, name))

    def _judge(
        self, held: Held, model: ModelPlan, canary: CanaryPlan, now: float
    ) -> Finding | None:
        thresholds = held.rules.thresholds.get(model.name, OFF)
        observed = held.observed
        mine = observed.window(model.name, canary.version, Arm.CANARY)
        stable = observed.window(model.name, model.stable, Arm.STABLE)
        run = observed.longest_run(model.name, canary.version)
        findings = check(thresholds, mine, stable, run, now)
        held.findings[model.name] = findings
        self._look_again(model.name, changes_at(thresholds, mine, stable, now) - _ROUNDING)
        return tripped(findings)


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
