"""Pairs of stable and shadow answers to the same requests, counted by shadow version.

Only statuses and latencies are compared here.  A half is missing when no whole answer came: its
outcome says why.  Memory is bounded: per shadow version the pairs of status classes, a dozen
outcomes, and the histogram's buckets twice.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from proxy.measure import ANSWERED, histogram
from proxy.measure.tally import add_counts
from proxy.terms import Half, Pair

K = TypeVar("K", str, int)

_NANO: Final = 1_000_000_000


class PairSummary(msgspec.Struct, frozen=True):
    """What was counted for one shadow version.

    ``pairs`` is ``agree + differ + missing``.  ``statuses`` maps the stable answer's class to the
    shadow's to a count (``{"2xx": {"2xx": 90, "5xx": 2}}``).  Differences are shadow minus
    stable, in seconds (within 1.6 %), above nought when the shadow was slower; None without a
    whole pair.  ``differences`` are their buckets: minus the bucket where the shadow was faster,
    0 below 512 ns.
    """

    model: str
    version: str
    pairs: int = 0
    agree: int = 0  # the same status
    differ: int = 0
    missing: int = 0  # at least one half
    statuses: dict[str, dict[str, int]] = {}
    missing_live: dict[str, int] = {}  # outcome -> count
    missing_shadow: dict[str, int] = {}
    slower: int = 0
    faster: int = 0
    difference_p05: float | None = None
    difference_p50: float | None = None
    difference_p95: float | None = None
    differences: dict[int, int] = {}


class PairSnapshot(msgspec.Struct, frozen=True):
    """All that was counted so far: model -> shadow version -> summary."""

    models: dict[str, dict[str, PairSummary]] = {}

    def of(self, model: str, version: str) -> PairSummary:
        """One shadow version's summary; all noughts when no pair of it came."""
        found = self.models.get(model, {}).get(version)
        return found or PairSummary(model, version)


class PairCounts:
    """Counts pairs as they come, for every (model, shadow version)."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], PairSeries] = {}

    def add(self, pair: Pair) -> None:
        key = pair.model, pair.shadow.version
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = PairSeries()
        series.add(pair.live, pair.shadow)

    def forget(self, model: str, version: str) -> None:
        """Drop what was counted for a shadow version that is no longer one."""
        self._series.pop((model, version), None)

    def of(self, model: str, version: str) -> PairSummary:
        """One shadow version's counts as they are now; all noughts when no pair of it came."""
        series = self._series.get((model, version))
        return series.summary(model, version) if series else PairSummary(model, version)

    def kinds(self, model: str, version: str) -> dict[str, int]:
        """Only how many pairs agree, differ or miss a half; empty when none came."""
        found = self._series.get((model, version))
        if found is None:
            return {}
        return {"agree": found.agree, "differ": found.differ, "missing": found.missing}

    def versions(self) -> list[tuple[str, str]]:
        """The (model, shadow version) of which pairs came."""
        return list(self._series)

    def snapshot(self) -> PairSnapshot:
        """A copy of the counts as they are now."""
        models: dict[str, dict[str, PairSummary]] = {}
        for (model, version), series in self._series.items():
            models.setdefault(model, {})[version] = series.summary(model, version)
        return PairSnapshot(models)


class PairSeries(msgspec.Struct):
    """The running counts of one shadow version: plain, so that they are kept and merged."""

    agree: int = 0
    differ: int = 0
    missing: int = 0
    statuses: dict[str, dict[str, int]] = {}
    missing_live: dict[str, int] = {}
    missing_shadow: dict[str, int] = {}
    differences: dict[int, int] = {}

    def add(self, live: Half, shadow: Half) -> None:
        if not _whole(live):
            _count(self.missing_live, live.outcome.value)
        if not _whole(shadow):
            _count(self.missing_shadow, shadow.outcome.value)
        if not (_whole(live) and _whole(shadow)):
            self.missing += 1
            return
        if live.status == shadow.status:
            self.agree += 1
        else:
            self.differ += 1
        _count(self.statuses.setdefault(_class(live), {}), _class(shadow))
        _count(self.differences, _signed_bucket(shadow.seconds - live.seconds))

    def merge(self, other: PairSeries) -> None:
        self.agree += other.agree
        self.differ += other.differ
        self.missing += other.missing
        for live, shadows in other.statuses.items():
            add_counts(self.statuses.setdefault(live, {}), shadows)
        add_counts(self.missing_live, other.missing_live)
        add_counts(self.missing_shadow, other.missing_shadow)
        add_counts(self.differences, other.differences)

    def summary(self, model: str, version: str) -> PairSummary:
        return PairSummary(
            model=model,
            version=version,
            pairs=self.agree + self.differ + self.missing,
            agree=self.agree,
            differ=self.differ,
            missing=self.missing,
            statuses={live: dict(shadows) for live, shadows in self.statuses.items()},
            missing_live=dict(self.missing_live),
            missing_shadow=dict(self.missing_shadow),
            slower=sum(n for b, n in self.differences.items() if b > 0),
            faster=sum(n for b, n in self.differences.items() if b < 0),
            difference_p05=_quantile(self.differences, 0.05),
            difference_p50=_quantile(self.differences, 0.50),
            difference_p95=_quantile(self.differences, 0.95),
            differences=dict(self.differences),
        )


def _whole(half: Half) -> bool:
    return half.outcome in ANSWERED


def _class(half: Half) -> str:
    return f"{half.status // 100}xx"


def _count(counts: dict[K, int], key: K) -> None:
    counts[key] = counts.get(key, 0) + 1


def _signed_bucket(seconds: float) -> int:
    nanoseconds = round(abs(seconds) * _NANO)
    if nanoseconds < 512:  # the histogram's first edge; nearer is the same
        return 0
    found = histogram.bucket(nanoseconds)
    return found if seconds > 0 else -found


def _quantile(differences: dict[int, int], q: float) -> float | None:
    found = histogram.rank(differences, q)
    if found is None:
        return None
    if found == 0:
        return 0.0
    return histogram.middle(found) if found > 0 else -histogram.middle(-found)
