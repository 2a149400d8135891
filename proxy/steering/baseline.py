"""What stable did in some time, from the totals: marks are taken, and their differences read.

A mark copies a model's totals; taking one every few minutes costs nothing where a request is
counted.  Time is an argument.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from proxy.judge.recovery import Figures, Measured, Validation, measured
from proxy.measure import Tally
from proxy.routing.plan import ModelPlan
from proxy.steering.totals import Totals
from proxy.terms import Arm

K = TypeVar("K")

#: Marks that are kept for a baseline: it is exact to a fifth of its length.
MARKS: Final = 5
#: KPI names that are counted for one model; others are not validated.
MOST_KPIS: Final = 64


class Mark(msgspec.Struct, frozen=True):
    """The totals of one version as stable, at one moment: (outcomes, total times) by segment."""

    at: float
    version: str
    series: dict[str, tuple[dict[str, int], dict[int, int]]]
    kpis: dict[str, int]


class Marks:
    """The marks of every model, and its KPI events since the start."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._kept: dict[str, deque[Mark]] = {}
        self._next: dict[str, float] = {}
        self._kpis: dict[str, dict[str, int]] = {}

    def count_kpi(self, model: str, name: str) -> None:
        """One KPI event of a customer of stable."""
        counts = self._kpis.setdefault(model, {})
        if name in counts or len(counts) < MOST_KPIS:
            counts[name] = counts.get(name, 0) + 1

    def follow(self, model: ModelPlan, policy: Validation, now: float) -> None:
        """Something was counted: take a mark when one is due."""
        due = self._next.get(model.name)
        if due is not None and now < due <= now + 2 * policy.baseline:
            return
        step = policy.baseline / MARKS
        if due is None:  # not all models at the same moment
            step *= 0.5 + zlib.crc32(model.name.encode()) / 2**33
        self._next[model.name] = now + step
        kept = self._kept.setdefault(model.name, deque())
        kept.append(self.mark(model, now))
        while len(kept) > 1 and kept[1].at <= now - policy.baseline:
            kept.popleft()

    def baseline(self, model: ModelPlan, policy: Validation, now: float) -> Figures | None:
        """What stable did in the last while, as far as it is known; None when it is not."""
        fit = [
            it
            for it in self._kept.get(model.name, ())
            if it.version == model.stable and 0 <= now - it.at <= policy.baseline * 1.25
        ]
        return self.since(fit[0], model, now) if fit else None

    def mark(self, model: ModelPlan, now: float) -> Mark:
        """The totals of the model's stable version now."""
        series = {
            segment: (dict(tally.outcomes), dict(tally.total))
            for segment, tally in self._series(model)
        }
        return Mark(now, model.stable, series, dict(self._kpis.get(model.name, {})))

    def since(self, mark: Mark, model: ModelPlan, now: float) -> Figures | None:
        """What was counted since the mark; None when another version is stable now."""
        if mark.version != model.stable:
            return None
        segments: dict[str, Measured] = {}
        for segment, tally in self._series(model):
            outcomes, total = mark.series.get(segment, ({}, {}))
            found = measured(
                Tally(
                    tally.model,
                    tally.version,
                    tally.arm,
                    segment,
                    outcomes=less(tally.outcomes, outcomes),
                    total=less(tally.total, total),
                )
            )
            if found.requests:
                segments[segment] = found
        kpis = less(self._kpis.get(model.name, {}), mark.kpis)
        return Figures(max(0.0, now - mark.at), segments, kpis)

    def keep(self, models: Mapping[str, ModelPlan]) -> None:
        """Forget the models that are none any more."""
        for held in (self._kept, self._next, self._kpis):
            for name in [name for name in held if name not in models]:
                del held[name]

    def _series(self, model: ModelPlan) -> list[tuple[str, Tally]]:
        names = [""]
        for it in model.segments:
            names += [f"{it.name}={value}" for value in (*it.values, "other", "missing")]
        series = self._totals.series
        found = [(n, series.get((model.name, model.stable, Arm.STABLE, n))) for n in names]
        return [(name, tally) for name, tally in found if tally is not None]


def less(now: Mapping[K, int], before: Mapping[K, int]) -> dict[K, int]:
    """The difference, key by key; what began anew meanwhile counts from its beginning."""
    return {key: n - before.get(key, 0) for key, n in now.items() if n > before.get(key, 0)}
