"""How often two versions agree, and how far apart they are where they do not.

Plain sums, so that they merge exactly.  A request is the unit: the rows of one batch are no
independent witnesses, and the intervals know it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from proxy.measure.confidence import Interval, rate_interval

#: Buckets per octave: a quantile is at most 1/16 too large.
_STEPS: Final = 16
_SMALLEST, _LARGEST = -40 * _STEPS, 64 * _STEPS
_NOUGHT: Final = _SMALLEST - 1
_INFINITE: Final = _LARGEST + 1


class Agreement(msgspec.Struct):
    """Requests, and of their rows how many agree.

    The sums of squares and products over requests give the variance of a ratio of two sums, so
    that a batch counts for no more than it tells.
    """

    pairs: int = 0
    rows: int = 0
    agreed: int = 0  # rows
    whole: int = 0  # pairs all of whose rows agree
    flips: int = 0  # rows
    agreed_squared: int = 0
    agreed_rows: int = 0
    rows_squared: int = 0

    def add(self, rows: int, agreed: int, flips: int = 0) -> None:
        """One pair with ``rows`` rows, of which so many agree and so many flip."""
        self.pairs += 1
        self.rows += rows
        self.agreed += agreed
        self.whole += agreed == rows
        self.flips += flips
        self.agreed_squared += agreed * agreed
        self.agreed_rows += agreed * rows
        self.rows_squared += rows * rows

    def merge(self, other: Agreement) -> None:
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))

    @property
    def rate(self) -> float:
        """The share of the rows that agree; nan without any."""
        return self.agreed / self.rows if self.rows else math.nan

    @property
    def effective(self) -> float:
        """So many single, independent rows would tell as much: 1 to ``rows``.

        With all rows agreeing, or none, there is no spread to see: each request counts as one.
        """
        if self.pairs < 2:
            return float(self.pairs)
        rate = self.rate
        spread = rate * (1.0 - rate)
        scatter = (
            self.agreed_squared - 2.0 * rate * self.agreed_rows + rate * rate * self.rows_squared
        )
        variance = scatter / self.rows**2 * self.pairs / (self.pairs - 1)
        if spread <= 0.0 or variance <= 0.0:
            return float(self.pairs)
        return min(float(self.rows), max(1.0, spread / variance))

    @property
    def error(self) -> float:
        """The standard error of ``rate``, never nought: two rows of either sort are added, as
        Agresti and Coull do (The American Statistician 1998)."""
        n = self.effective + 4.0
        if not self.rows:
            return 0.5
        rate = (self.rate * self.effective + 2.0) / n
        return math.sqrt(rate * (1.0 - rate) / n)

    def span(self) -> Interval:
        """Wilson's 95 % interval of ``rate`` for ``effective`` rows: right at one look."""
        n = self.effective
        return rate_interval(self.rate * n if n else 0.0, n)


def excess(shadow: Agreement, noise: Agreement) -> tuple[float, Interval]:
    """How much more the shadow disagrees with stable than stable does with itself, and its
    interval; 0 to 1, below 0 when it disagrees less.

    Newcombe's hybrid of two Wilson intervals (Statistics in Medicine 1998, method 10).
    """
    if not shadow.rows or not noise.rows:
        return math.nan, Interval(-1.0, 1.0)
    p, q = noise.rate, shadow.rate
    (p_low, p_high), (q_low, q_high) = noise.span(), shadow.span()
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return p - q, Interval(low, high)


class Distances(msgspec.Struct):
    """Distances of rows in log buckets: any number of them in bounded memory, exactly mergeable."""

    buckets: dict[int, int] = {}

    def add(self, distance: float) -> None:
        found = _bucket(distance)
        self.buckets[found] = self.buckets.get(found, 0) + 1

    def merge(self, other: Distances) -> None:
        for bucket, n in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + n

    @property
    def count(self) -> int:
        return sum(self.buckets.values())

    def quantile(self, q: float) -> float:
        """The least distance that a share ``q`` does not exceed, at most 1/16 too large; inf when
        rows could not be held against each other; nan without any."""
        left = math.ceil(q * self.count - 1e-9)
        found = math.nan
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            found = _upper(bucket)
            if left <= 0:
                break
        return found

    def over(self, distance: float) -> float:
        """The share of distances in buckets above that of ``distance``; nan without any."""
        edge = _bucket(distance)
        n = self.count
        return sum(c for b, c in self.buckets.items() if b > edge) / n if n else math.nan

    def steps(self) -> list[tuple[float, float]]:
        """(distance, share of rows that are not farther), in order: the distribution function."""
        n, seen, found = self.count, 0, []
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            found.append((_upper(bucket), seen / n))
        return found


def _bucket(distance: float) -> int:
    if distance == 0.0:
        return _NOUGHT
    if distance != distance or distance == math.inf:
        return _INFINITE
    fraction, octave = math.frexp(distance)
    found = octave * _STEPS + int((fraction - 0.5) * 2 * _STEPS)
    return min(max(found, _SMALLEST), _LARGEST)


def _upper(bucket: int) -> float:
    if bucket == _NOUGHT:
        return 0.0
    if bucket == _INFINITE:
        return math.inf
    octave, step = divmod(bucket, _STEPS)
    return math.ldexp(0.5 + (step + 1) / (2 * _STEPS), octave)


def pooled(parts: Iterable[Agreement]) -> Agreement:
    """The sum of several."""
    total = Agreement()
    for part in parts:
        total.merge(part)
    return total
