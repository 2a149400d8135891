"""The noise floor: how often, and how far, stable differs from itself on the same input.

A model that draws at random, sums in another order or asks a clock disagrees with itself.  A
shadow is blamed only for what comes on top of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from proxy.compare.agreement import Agreement, Distances, excess

#: Under so many pairs the floor is not known yet.
LEAST: Final = 100
_MOST_PATHS: Final = 200
OTHER_PATHS: Final = "(other)"


class PathCount(msgspec.Struct, frozen=True):
    """How often one place of a document differs, per pair: between the versions, and between
    stable and itself (None while that is not known)."""

    pointer: str
    share: float
    noise: float | None


class NoiseSummary(msgspec.Struct, frozen=True):
    """What stable does to itself, and how the shadow compares.

    ``state``: ``unknown`` under LEAST pairs; ``still``, when stable never differed from itself;
    ``noisy`` else.  ``excess`` is the share of rows by which the shadow disagrees more, with its
    95 % interval; None while unknown.  Distances as in ``kinds.DISTANCE``.
    """

    state: Literal["unknown", "still", "noisy"]
    pairs: int
    agreement: float | None = None
    agreement_low: float | None = None
    agreement_high: float | None = None
    error: float | None = None
    distance_p50: float | None = None
    distance_p95: float | None = None
    distance_p99: float | None = None
    excess: float | None = None
    excess_low: float | None = None
    excess_high: float | None = None


class Differing(msgspec.Struct):
    """Agreement, distances and the places that differ: of one sort of pairs."""

    agreement: Agreement = msgspec.field(default_factory=Agreement)
    distances: Distances = msgspec.field(default_factory=Distances)
    paths: dict[str, int] = {}  # pointer -> pairs in which it differs

    def note(self, pointers: Mapping[str, int]) -> None:
        for pointer in pointers:
            known = pointer in self.paths or len(self.paths) < _MOST_PATHS
            key = pointer if known else OTHER_PATHS
            self.paths[key] = self.paths.get(key, 0) + 1

    def merge(self, other: Differing) -> None:
        self.agreement.merge(other.agreement)
        self.distances.merge(other.distances)
        for pointer, n in other.paths.items():
            known = pointer in self.paths or len(self.paths) < _MOST_PATHS
            key = pointer if known else OTHER_PATHS
            self.paths[key] = self.paths.get(key, 0) + n


class NoiseFloor(Differing):
    """What pairs of stable answers to one request say."""

    @property
    def known(self) -> bool:
        return self.agreement.pairs >= LEAST

    def within(self, q: float = 0.99) -> float | None:
        """The distance that an identical version keeps in a share ``q`` of its rows; None while
        the floor is not known."""
        return self.distances.quantile(q) if self.known else None

    def summary(self, shadow: Agreement) -> NoiseSummary:
        mine = self.agreement
        if not self.known:
            return NoiseSummary("unknown", mine.pairs)
        low, high = mine.span()
        more, (more_low, more_high) = excess(shadow, mine) if shadow.rows else (0.0, (-1.0, 1.0))
        return NoiseSummary(
            state="still" if mine.agreed == mine.rows else "noisy",
            pairs=mine.pairs,
            agreement=mine.rate,
            agreement_low=low,
            agreement_high=high,
            error=mine.error,
            distance_p50=finite(self.distances.quantile(0.50)),
            distance_p95=finite(self.distances.quantile(0.95)),
            distance_p99=finite(self.distances.quantile(0.99)),
            excess=more,
            excess_low=more_low,
            excess_high=more_high,
        )


def paths(shadow: Differing, noise: NoiseFloor, most: int = 20) -> tuple[PathCount, ...]:
    """The places of a document that differ between the versions, the most often first by what
    they differ more often than between stable and itself."""
    pairs, floor = shadow.agreement.pairs, noise.agreement.pairs
    known = noise.known
    counted = [
        PathCount(it, n / pairs, noise.paths.get(it, 0) / floor if known else None)
        for it, n in shadow.paths.items()
    ]
    counted.sort(key=lambda it: (-(it.share - (it.noise or 0.0)), it.pointer))
    return tuple(counted[:most])


def finite(value: float) -> float | None:
    """JSON has no word for infinity and NaN."""
    return value if math.isfinite(value) else None
