"""A comparison's state to its summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from proxy.compare import drift, fidelity, noise
from proxy.compare.agreement import Distances
from proxy.compare.group import Group
from proxy.compare.kinds import DISTANCE
from proxy.compare.scores import ScoreHistogram
from proxy.compare.summary import AgreementSummary, Bin, Latency, Step, Summary
from proxy.measure import histogram

if TYPE_CHECKING:
    from proxy.compare.comparison import Comparison

_BINS: Final = 40
_MOST_STEPS: Final = 200


def summary(comparison: Comparison, now: float, *, brief: bool = False) -> Summary:
    """All figures at ``now``, in seconds since the epoch; with ``brief`` not those that
    no gate asks for: the distribution, and by segment drift and either version's own figures."""
    counts, options = comparison.counts, comparison.options
    everyone = comparison.everyone
    classes = _classes(counts.stable_classes, counts.shadow_classes)
    return Summary(
        model=comparison.model,
        version=comparison.version,
        stable=comparison.stable
        or max(counts.fidelity.stables.items(), key=_second, default=("", 0))[0],
        kind=options.kind,
        at=now,
        since=counts.since,
        until=counts.until,
        pairs=counts.fidelity.compared,
        rows=counts.shadow.agreement.rows,
        agreement=_agreement(comparison),
        noise=counts.noise.summary(counts.shadow.agreement),
        fidelity=fidelity.judge(counts.fidelity, options.fidelity),
        everyone=everyone.figures(),
        segments=comparison.segments.report(brief),
        statuses=counts.series.summary(comparison.model, comparison.version),
        stable_latency=_latency(counts.stable_seconds),
        shadow_latency=_latency(counts.shadow_seconds),
        stable_answered=counts.stable_answered,
        shadow_failed=counts.shadow_failed,
        shadow_answered=counts.shadow_answered,
        shadow_broken=counts.shadow_broken,
        labels=counts.labels,
        labels_unfit=counts.labels_unfit,
        threshold=options.decision.threshold,
        paths=noise.paths(counts.shadow, counts.noise),
        decisions=comparison.decisions.summary(),
        timeline=counts.timeline.moments(),
        distances=_steps(counts.shadow.distances),
        noise_distances=_steps(counts.noise.distances),
        distribution=() if brief else _distribution(everyone),
        class_drift=drift.of_classes(counts.shadow_classes, counts.stable_classes)
        if classes
        else None,
        classes=classes,
        training_stable=_training(comparison, 0),
        training_shadow=_training(comparison, 1),
        farthest=tuple(counts.examples.farthest),
        fair=tuple(counts.examples.fair),
        unread={name: tuple(it) for name, it in sorted(counts.unread.kept.items())},
    )


def _agreement(comparison: Comparison) -> AgreementSummary:
    found = comparison.counts.shadow
    mine, distances = found.agreement, found.distances
    low, high = mine.span()
    kind = comparison.options.kind
    return AgreementSummary(
        pairs=mine.pairs,
        rows=mine.rows,
        rate=mine.rate if mine.rows else 0.0,
        low=low,
        high=high,
        error=mine.error,
        whole=mine.whole,
        flips=mine.flips,
        tolerance=comparison.options.tolerances.within(kind),
        distance=DISTANCE[kind],
        distance_p50=noise.finite(distances.quantile(0.50)),
        distance_p95=noise.finite(distances.quantile(0.95)),
        distance_p99=noise.finite(distances.quantile(0.99)),
    )


def _second(item: tuple[str, int]) -> int:
    return item[1]


def _latency(buckets: Mapping[int, int]) -> Latency:
    n = histogram.count(buckets)
    if not n:
        return Latency()
    p50, p95, p99 = histogram.quantiles(buckets, (0.50, 0.95, 0.99))
    return Latency(n, p50, p95, p99)


def _classes(stable: Mapping[str, int], shadow: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Both versions' counts by class, the most frequent first."""
    both = {it: (stable.get(it, 0), shadow.get(it, 0)) for it in {**stable, **shadow}}
    return dict(sorted(both.items(), key=lambda it: (-max(it[1]), it[0])))


def _steps(distances: Distances) -> tuple[Step, ...]:
    found = [Step(x, y) for x, y in distances.steps() if math.isfinite(x)]
    size = max(1, math.ceil(len(found) / _MOST_STEPS))
    thin = found[::size]
    return (*thin, found[-1]) if found and thin[-1] != found[-1] else tuple(thin)


def _distribution(group: Group) -> tuple[Bin, ...]:
    """Shares in forty equal bins, from 0 to 1 or over what came."""
    if group.scores is None or not all(it.n for it in group.scores):
        return ()
    stable, shadow = group.scores
    low, high = 0.0, 1.0
    if stable.scale == "number":
        low, high = _range(stable, shadow)
    width = (high - low) / _BINS
    first, second = (_shares(it, low, width) for it in group.scores)
    return tuple(
        Bin(low + k * width, low + (k + 1) * width, first[k], second[k]) for k in range(_BINS)
    )


def _range(stable: ScoreHistogram, shadow: ScoreHistogram) -> tuple[float, float]:
    """From the least to the most, without a few that are far out."""
    both = stable, shadow
    low = min(it.quantile(0.001) for it in both)
    high = max(it.quantile(0.999) for it in both)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _shares(histogram: ScoreHistogram, low: float, width: float) -> list[float]:
    """A bin of theirs that lies in several of ours is divided evenly; what is outside is left."""
    shares, total = [0.0] * _BINS, histogram.n
    for a, b, n in histogram.pieces():
        part = n / total
        first = math.floor((a - low) / width + 1e-9)
        last = math.floor((b - low) / width - 1e-9) if b > a else first
        for k in range(max(0, first), min(_BINS - 1, max(first, last)) + 1):
            if last <= first:
                shares[k] += part
            else:
                inside = min(b, low + (k + 1) * width) - max(a, low + k * width)
                shares[k] += part * max(0.0, inside) / (b - a)
        if first == _BINS and a <= low + _BINS * width:
            shares[-1] += part  # 1 is in the last bin
    return shares


def _training(comparison: Comparison, side: int) -> drift.Drift | None:
    scores = comparison.everyone.scores
    if comparison.reference is None or scores is None or not scores[side].n:
        return None
    return drift.from_training(scores[side], comparison.reference)
