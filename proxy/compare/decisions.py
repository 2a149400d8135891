"""Who would be decided otherwise: stable's decision beside the shadow's, by segment, in money.

A decision is yes or no: a score from a threshold on, or a class that is one of some.  What a
decision is worth depends on what came true, so money is counted where there is a label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from proxy.payload import Value

#: The name of all segments together.
EVERYONE: Final = ""
_Z_95: Final = 1.959963984540054


class Worth(msgspec.Struct, frozen=True):
    """What one decision is worth, by what it said and what came true; in the operator's money."""

    true_positive: float = 0.0  # said yes, and it was
    false_positive: float = 0.0  # said yes, and it was not
    true_negative: float = 0.0
    false_negative: float = 0.0

    def of(self, said: bool, came: bool) -> float:
        if said:
            return self.true_positive if came else self.false_positive
        return self.false_negative if came else self.true_negative


class DecisionRule(msgspec.Struct, frozen=True):
    """Yes from ``threshold`` on, or for a class in ``positive``."""

    threshold: float | None = None
    positive: tuple[str, ...] = ()
    worth: Worth | None = None

    def decide(self, value: Value) -> bool | None:
        """None for what decides nothing: NaN, or another kind of value."""
        if self.threshold is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
                return None
            return value >= self.threshold
        if isinstance(value, list):
            scores = [it for it in value if isinstance(it, int | float)]
            if not value or len(scores) != len(value) or any(it != it for it in scores):
                return None
            return str(scores.index(max(scores))) in self.positive
        return None if value is None else str(value) in self.positive

    def __bool__(self) -> bool:
        return self.threshold is not None or bool(self.positive)


class DecisionCounts(msgspec.Struct):
    """Rows by what (stable, shadow) decided, and of the labelled ones by what came true too.

    Keys are bits: 4 stable said yes, 2 the shadow did, 1 it came true.  Counts alone, so that
    money adds up exactly whoever counted.
    """

    rows: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0, 0])
    labelled: list[int] = msgspec.field(default_factory=lambda: [0] * 8)

    def merge(self, other: DecisionCounts) -> None:
        self.rows = [a + b for a, b in zip(self.rows, other.rows, strict=True)]
        self.labelled = [a + b for a, b in zip(self.labelled, other.labelled, strict=True)]

    def gain(self, worth: Worth) -> tuple[float, float] | None:
        """Mean of the shadow's worth minus stable's over labelled rows, and its standard error;
        None without any."""
        n = sum(self.labelled)
        if not n:
            return None
        gains = [
            worth.of(bool(key & 2), bool(key & 1)) - worth.of(bool(key & 4), bool(key & 1))
            for key in range(8)
        ]
        mean = math.fsum(g * c for g, c in zip(gains, self.labelled, strict=True)) / n
        scatter = math.fsum((g - mean) ** 2 * c for g, c in zip(gains, self.labelled, strict=True))
        return mean, math.sqrt(scatter / max(1, n - 1) / n)


class DecisionSummary(msgspec.Struct, frozen=True):
    """One segment ("" is everyone).  Rates 0 to 1; ``gain`` is the shadow's worth minus stable's
    per labelled row, with its 95 % interval (normal), None where money is not configured."""

    segment: str
    rows: int
    to_yes: int  # stable said no, the shadow yes
    to_no: int
    stable_yes: float
    shadow_yes: float
    flips: float
    labelled: int = 0
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    gain_total: float | None = None


class Decisions:
    """Counts by segment, of at most ``most`` segments; a row of a later one is in everyone only."""

    def __init__(self, rule: DecisionRule, most: int = 200) -> None:
        self.rule = rule
        self.counts: dict[str, DecisionCounts] = {EVERYONE: DecisionCounts()}
        self._most = most

    def add(self, segments: Iterable[str], stable: Value, shadow: Value) -> bool | None:
        """One row; whether it is decided otherwise, None when it decides nothing."""
        first, second = self.rule.decide(stable), self.rule.decide(shadow)
        if first is None or second is None:
            return None
        key = first << 1 | second
        self.counts[EVERYONE].rows[key] += 1
        for segment in segments:
            if (found := self._of(segment)) is not None:
                found.rows[key] += 1
        return first is not second

    def add_label(self, segments: Iterable[str], stable: Value, shadow: Value, came: bool) -> None:
        """What came true for a row that both decided."""
        first, second = self.rule.decide(stable), self.rule.decide(shadow)
        if first is None or second is None:
            return
        key = first << 2 | second << 1 | came
        for segment in (EVERYONE, *segments):
            if (found := self._of(segment)) is not None:
                found.labelled[key] += 1

    def merge(self, other: Decisions) -> None:
        for segment, counts in other.counts.items():
            if (found := self._of(segment)) is not None:
                found.merge(counts)

    def summary(self) -> tuple[DecisionSummary, ...]:
        """Everyone first, then the segments by how many of theirs are decided otherwise."""
        if not self.rule:
            return ()
        made = [self._summary(it, counts) for it, counts in self.counts.items() if any(counts.rows)]
        return tuple(sorted(made, key=lambda it: (it.segment != EVERYONE, -it.flips, it.segment)))

    def _of(self, segment: str) -> DecisionCounts | None:
        found = self.counts.get(segment)
        if found is None and len(self.counts) < self._most:
            found = self.counts[segment] = DecisionCounts()
        return found

    def _summary(self, segment: str, it: DecisionCounts) -> DecisionSummary:
        _, no_yes, yes_no, yes_yes = it.rows
        rows, n = sum(it.rows), sum(it.labelled)
        found = it.gain(self.rule.worth) if self.rule.worth is not None else None
        mean, error = found or (0.0, 0.0)
        money = found is not None
        return DecisionSummary(
            segment=segment,
            rows=rows,
            to_yes=no_yes,
            to_no=yes_no,
            stable_yes=(yes_yes + yes_no) / rows,
            shadow_yes=(yes_yes + no_yes) / rows,
            flips=(no_yes + yes_no) / rows,
            labelled=n,
            gain=mean if money else None,
            gain_low=mean - _Z_95 * error if money else None,
            gain_high=mean + _Z_95 * error if money else None,
            gain_total=mean * n if money else None,
        )
