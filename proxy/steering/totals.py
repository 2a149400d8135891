"""All that was counted since this desk started, for ``/metrics``.

Memory is bounded: series belong to versions and segments of the config in force and are
forgotten when their version leaves it; over ``SERIES_PER_MODEL`` segments' series are not
begun any more, and what they lose is counted.
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.compare import PairCounts
from proxy.measure import ModelTally, Report, Tally, merge, merge_model
from proxy.routing.plan import Plan

#: (model, version, arm, segment); the segment is "" for everyone.
Series = tuple[str, str, str, str]

SERIES_PER_MODEL: Final = 2000


def series_of(tally: Tally) -> Series:
    return (tally.model, tally.version, tally.arm, tally.segment)


class Totals(msgspec.Struct):
    """Counts since the desk's start.  ``reverts`` is by (model, reason)."""

    series: dict[Series, Tally] = msgspec.field(default_factory=dict)
    models: dict[str, ModelTally] = msgspec.field(default_factory=dict)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    reverts: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    pairs: PairCounts = msgspec.field(default_factory=PairCounts)
    pairs_dropped: int = 0  # by the workers' bounds, as the next two
    incidents_dropped: int = 0
    samples_dropped: int = 0
    log_dropped: int = 0
    unknown: int = 0  # tallies of models or versions that the config no longer has
    over_cap: int = 0  # tallies of segments beyond SERIES_PER_MODEL


class Counting:
    """Adds reports up, for the versions that the config has."""

    def __init__(self, totals: Totals) -> None:
        self.totals = totals
        self._versions: set[tuple[str, str]] = set()
        self._models: set[str] = set()
        self._held: dict[str, int] = {}  # model -> series of segments

    def keep(self, plan: Plan) -> None:
        """Count what this plan names, and forget the series of everything else."""
        self._models = {model.name for model in plan.models}
        self._versions = {(m.name, v.name) for m in plan.models for v in m.versions}
        totals = self.totals
        gone = [key for key in totals.series if key[:2] not in self._versions]
        for key in gone:
            del totals.series[key]
        for name in [name for name in totals.models if name not in self._models]:
            del totals.models[name]
        for name, version in totals.pairs.versions():
            if (name, version) not in self._versions:
                totals.pairs.forget(name, version)
        self._held = {}
        for model, _, _, segment in totals.series:
            self._held[model] = self._held.get(model, 0) + bool(segment)

    def add(self, report: Report) -> list[Tally]:
        """Count one report; returns its tallies that belong to versions of the config."""
        totals = self.totals
        known = [
            tally for tally in report.tallies if (tally.model, tally.version) in self._versions
        ]
        totals.unknown += len(report.tallies) - len(known)
        kept = [tally for tally in known if self._add_series(tally)]
        for counts in report.models:
            if counts.model in self._models:
                merge_model(
                    totals.models.setdefault(counts.model, ModelTally(counts.model)), counts
                )
        for pair in report.pairs:
            if (pair.model, pair.shadow.version) in self._versions:
                totals.pairs.add(pair)
        for reason, n in report.refused.items():
            totals.refused[reason] = totals.refused.get(reason, 0) + n
        totals.pairs_dropped += report.pairs_dropped
        totals.incidents_dropped += report.incidents_dropped
        totals.samples_dropped += report.samples_dropped
        totals.log_dropped += report.log_dropped
        return kept

    def _add_series(self, tally: Tally) -> bool:
        key = series_of(tally)
        total = self.totals.series.get(key)
        if total is None:
            held = self._held.get(tally.model, 0)
            if tally.segment and held >= SERIES_PER_MODEL:
                self.totals.over_cap += 1
                return False
            self._held[tally.model] = held + bool(tally.segment)
            total = self.totals.series[key] = Tally(*key)
        merge(total, tally)
        return True
