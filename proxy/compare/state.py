"""What a comparison counts beside its tables, and how all of it is kept."""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.compare.decisions import DecisionCounts
from proxy.compare.examples import Examples, UnreadExamples
from proxy.compare.fidelity import FidelityCounts
from proxy.compare.group import GroupSnapshot
from proxy.compare.noise import Differing, NoiseFloor
from proxy.compare.pairing import PairSeries
from proxy.compare.segments import SegmentSnapshot
from proxy.compare.timeline import Timeline
from proxy.measure.tally import add_counts

_MOST_CLASSES: Final = 50
OTHER: Final = "(other)"


class Counts(msgspec.Struct):
    """What is counted beside the tables: plain, mergeable."""

    since: float = 0.0
    until: float = 0.0
    series: PairSeries = msgspec.field(default_factory=PairSeries)
    fidelity: FidelityCounts = msgspec.field(default_factory=FidelityCounts)
    shadow: Differing = msgspec.field(default_factory=Differing)
    noise: NoiseFloor = msgspec.field(default_factory=NoiseFloor)
    timeline: Timeline = msgspec.field(default_factory=Timeline)
    examples: Examples = msgspec.field(default_factory=Examples)
    unread: UnreadExamples = msgspec.field(default_factory=UnreadExamples)
    stable_seconds: dict[int, int] = {}
    shadow_seconds: dict[int, int] = {}
    stable_answered: int = 0
    shadow_failed: int = 0
    shadow_answered: int = 0
    shadow_broken: int = 0
    labels: int = 0
    labels_unfit: int = 0
    stable_classes: dict[str, int] = {}
    shadow_classes: dict[str, int] = {}

    def merge(self, other: Counts) -> None:
        known = [it for it in (self.since, other.since) if it]
        self.since, self.until = min(known, default=0.0), max(self.until, other.until)
        for name in ("series", "fidelity", "shadow", "noise", "timeline", "examples", "unread"):
            getattr(self, name).merge(getattr(other, name))
        for name in ("stable_seconds", "shadow_seconds"):
            add_counts(getattr(self, name), getattr(other, name))
        for name in ("stable_classes", "shadow_classes"):
            for found, n in getattr(other, name).items():
                count_class(getattr(self, name), found, n)
        for name in ("stable_answered", "shadow_failed", "shadow_answered", "shadow_broken",
                     "labels", "labels_unfit"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Snapshot(msgspec.Struct, frozen=True):
    """All state, for msgpack."""

    model: str
    version: str
    stable: str
    fingerprint: str
    counts: Counts
    everyone: GroupSnapshot
    segments: SegmentSnapshot
    decisions: dict[str, DecisionCounts]


def count_class(classes: dict[str, int], name: str, n: int = 1) -> None:
    """The first fifty classes by name, the others together."""
    key = name if name in classes or len(classes) < _MOST_CLASSES else OTHER
    classes[key] = classes.get(key, 0) + n
