"""Latency in fixed log buckets: counts that add up exactly, from any worker, in any order.

A bucket is a whole number.  It keeps the six leading bits of a duration in nanoseconds: its
octave, and one of 32 equal steps within it.  So a bucket is at most 1/32 as wide as its lower
edge, and its middle is at most 1/64 (1.6 %) away from anything in it.  The scheme is that of
HdrHistogram; the edges are whole nanoseconds, so that two processes never disagree about one.

Bucket ``b`` holds the durations ``lower(b) <= d < upper(b)``.  What is shorter than 512 ns is
counted in ``FIRST``, what is longer than 4.9 hours in ``LAST``.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from operator import mul
from typing import Final

FIRST: Final = 160  # from 512 ns
LAST: Final = 1279  # up to 2**44 ns, 4.9 hours

_NANO: Final = 1_000_000_000


def bucket(nanoseconds: int) -> int:
    """The bucket of a duration in nanoseconds, from ``FIRST`` to ``LAST``.

    Called twice for every request: literals, because a global costs a look-up, and a product
    instead of a shift, because CPython has a faster path for it.
    """
    shift = nanoseconds.bit_length() - 6
    if 3 < shift < 39:
        return shift * 32 + (nanoseconds >> shift)
    return 160 if shift < 4 else 1279


def _lower_ns(bucket: int) -> int:
    if not FIRST <= bucket <= LAST:
        raise ValueError(f"bucket {bucket}: must be from {FIRST} to {LAST}")
    return (32 + bucket % 32) << (bucket // 32 - 1)


def _width_ns(bucket: int) -> int:
    return 1 << (bucket // 32 - 1)


def lower(bucket: int) -> float:
    """The bucket's lower edge in seconds (part of it).  ValueError for no bucket of ours."""
    return _lower_ns(bucket) / _NANO


def upper(bucket: int) -> float:
    """The bucket's upper edge in seconds (not part of it).  ValueError for no bucket of ours."""
    return (_lower_ns(bucket) + _width_ns(bucket)) / _NANO


@cache  # there are 1,120; and every bucket of every histogram is asked for at every scrape
def middle(bucket: int) -> float:
    """What to say for any duration in the bucket, in seconds; wrong by 1.6 % at most."""
    return (_lower_ns(bucket) + _width_ns(bucket) / 2) / _NANO


def count(buckets: Mapping[int, int]) -> int:
    """How many durations are counted."""
    return sum(buckets.values())


def seconds(buckets: Mapping[int, int]) -> float:
    """All durations together in seconds, each taken as its bucket's middle."""
    return math.fsum(map(mul, map(middle, buckets), buckets.values()))


def rank(buckets: Mapping[int, int], q: float) -> int | None:
    """The bucket of the q-quantile: of the ``ceil(q * n)``-th smallest; None when empty.

    Raises ValueError unless ``0 <= q <= 1``.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"quantile {q}: must be from 0 to 1")
    left = math.ceil(q * sum(buckets.values()) - 1e-9)  # 0.07 * 100 is 7.000000000000001
    last = None
    for last in sorted(b for b, n in buckets.items() if n > 0):
        left -= buckets[last]
        if left <= 0:
            break
    return last


def quantile(buckets: Mapping[int, int], q: float) -> float:
    """The q-quantile in seconds, within 1.6 % of the exact one; nan when nothing is counted.

    Raises ValueError unless ``0 <= q <= 1``.
    """
    found = rank(buckets, q)
    return math.nan if found is None else middle(found)


def quantiles(buckets: Mapping[int, int], asked: Sequence[float]) -> list[float]:
    """The ``quantile`` for each of the ascending ``asked``, in one go."""
    if list(asked) != sorted(asked) or not all(0.0 <= q <= 1.0 for q in asked):
        raise ValueError(f"quantiles {list(asked)}: must ascend from 0 to 1")
    n = sum(buckets.values())
    ranks = [math.ceil(q * n - 1e-9) for q in asked]
    found: list[float] = []
    seen, last = 0, None
    for last in sorted(b for b, count in buckets.items() if count > 0):
        seen += buckets[last]
        while len(found) < len(ranks) and ranks[len(found)] <= seen:
            found.append(middle(last))
    rest = math.nan if last is None else middle(last)
    return found + [rest] * (len(ranks) - len(found))


def edge_near(seconds: float) -> float:
    """The bucket edge (in seconds) that is nearest to a duration: a bound for ``cumulative``."""
    inside = bucket(round(seconds * _NANO))
    below, above = lower(inside), upper(inside)
    return below if seconds - below < above - seconds else above


#: Prometheus ``le`` bounds in seconds.  Each is a bucket edge, so what is counted below it is
#: exact, and for that reason 0.1 reads 0.100663296.
BOUNDS: Final[tuple[float, ...]] = tuple(
    edge_near(s)
    for s in (
        *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
        *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
    )
)


def cumulative(buckets: Mapping[int, int], bounds: Iterable[float] = BOUNDS) -> list[int]:
    """How many durations are below each of the ascending ``bounds``, which are in seconds.

    The bounds are bucket edges (``BOUNDS``, ``edge_near``); any other raises ValueError, because
    its count would be a guess.  ``le="+Inf"`` is ``count(buckets)``.
    """
    ends = _starting_at_each(tuple(bounds))
    inside = sorted(buckets)
    below = list(accumulate(map(buckets.__getitem__, inside), initial=0))
    return [below[bisect_left(inside, end)] for end in ends]


@lru_cache(maxsize=8)
def _starting_at_each(bounds: tuple[float, ...]) -> tuple[int, ...]:
    ends = tuple(_starting_at(bound) for bound in bounds)
    if list(ends) != sorted(ends):
        raise ValueError("bounds: must ascend")
    return ends


def _starting_at(bound: float) -> int:
    """The bucket whose lower edge is ``bound`` seconds."""
    found = bucket(round(bound * _NANO))
    if lower(found) != bound:
        near = edge_near(bound)
        raise ValueError(f"bound {bound} s: must be a bucket edge; the nearest is {near} s")
    return found
