"""How far two distributions of predictions lie apart: PSI, Jensen-Shannon, Kolmogorov-Smirnov,
the shift of the mean.  Of two versions on the same requests, or of one and its training data.

PSI and Jensen-Shannon are taken over ten groups of about as many reference predictions each, cut
at bin edges, so that chance alone stays small; a hundred groups would show a drift of chance.
Each figure comes with what chance is expected to show.  The chances take both sides to be drawn
by themselves; two versions that see the same requests differ less by chance than that, so their
figures are on the safe side: what they call drift is drift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, Literal

import msgspec

from proxy.compare.scores import ScoreHistogram, aligned
from proxy.quality.profile import ColumnProfile

GROUPS: Final = 10

#: Under the first "little", under the second "some", else "much".  PSI: the rule of thumb of
#: credit scoring (Siddiqi 2006); Jensen-Shannon: what the same small drift makes of it (PSI is
#: 8 ln 2 of it); KS and the mean (in standard deviations of the reference): our own.
PSI_WORDS: Final = (0.1, 0.25)
JS_WORDS: Final = (0.018, 0.045)
KS_WORDS: Final = (0.05, 0.15)
MEAN_WORDS: Final = (0.1, 0.3)

_Z_95: Final = 1.959963984540054
_ONE_SIDED_95: Final = 1.6448536269514722

Word = Literal["little", "some", "much", "not known"]


class Reference(msgspec.Struct, frozen=True):
    """A distribution as counts between edges: of a training profile, whose rows are gone.

    ``edges`` are one more than ``counts``; [a, b), the last closed.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    deviation: float
    n: int  # that mean and deviation are of


class Drift(msgspec.Struct, frozen=True):
    """Figures of one comparison; None where there is too little for one.

    ``psi_chance`` and ``js_chance`` are under what 95 of 100 comparisons without any drift stay.
    ``ks_error``: the true statistic lies between ``ks`` and ``ks + ks_error`` (bins).
    ``mean_shift`` is new minus reference; low and high its 95 % interval for independent sides.
    """

    n: int
    reference_n: int
    psi: float | None = None
    psi_chance: float | None = None
    psi_word: Word = "not known"
    js: float | None = None  # bits, 0 to 1
    js_chance: float | None = None
    js_word: Word = "not known"
    ks: float | None = None
    ks_error: float | None = None
    ks_p: float | None = None
    ks_word: Word = "not known"
    mean_shift: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    mean_word: Word = "not known"


def between(new: ScoreHistogram, reference: ScoreHistogram, groups: int = GROUPS) -> Drift:
    """Of two histograms of the same scale and bins (else ValueError)."""
    if (new.scale, new.bins) != (reference.scale, reference.bins):
        raise ValueError(
            f"histograms of {new.bins} bins of a {new.scale} and {reference.bins} "
            f"of a {reference.scale}: must be the same to be compared"
        )
    if not new.n or not reference.n:
        return Drift(new.n, reference.n)
    rows = aligned(new, reference).rows
    a, b = [row[1] for row in rows], [row[2] for row in rows]
    ends = _cuts(b, groups)
    ks, error = _ks(a, b)
    return _drift(
        _summed(a, ends), _summed(b, ends), ks, error,
        _shift(new, reference.mean, _square(reference) / reference.n, _deviation(reference)),
    )  # fmt: skip


def from_training(new: ScoreHistogram, reference: Reference) -> Drift:
    """Of a histogram and a training profile, over the profile's bins (20 at most).

    A bin of ours that lies on an edge of theirs is divided as if its predictions were spread
    evenly in it.  Nothing is known inside of their bins, which ``ks_error`` says.
    """
    sampled = sum(reference.counts)
    if not new.n or not sampled:
        return Drift(new.n, sampled)
    found = _at_edges(new, reference.edges[1:-1])
    theirs = [float(n) for n in reference.counts]
    ks, error = _ks(found, theirs)
    spread = reference.deviation
    return _drift(
        found, theirs, ks, error, _shift(new, reference.mean, spread**2 / reference.n, spread)
    )


def of_classes(new: Mapping[str, int], reference: Mapping[str, int]) -> Drift:
    """PSI and Jensen-Shannon of two counts by class."""
    n, reference_n = sum(new.values()), sum(reference.values())
    if not n or not reference_n:
        return Drift(n, reference_n)
    names = sorted(new.keys() | reference.keys())
    a, b = [new.get(it, 0) for it in names], [reference.get(it, 0) for it in names]
    return _drift(a, b, None, None, None)


def reference_of(column: ColumnProfile) -> Reference | None:
    """What a profile says of the column that holds scores or labels; None when no numbers."""
    if not column.edges or column.mean is None or column.deviation is None:
        return None
    return Reference(
        tuple(column.edges),
        tuple(column.bins),
        column.mean,
        column.deviation,
        column.count - column.not_finite,
    )


def psi(a: Sequence[float], b: Sequence[float]) -> float:
    """sum (p - q) ln(p / q) over the shares of the same groups.

    Where a group is empty on one side, half a prediction is added to every group of both.
    """
    p, q = _shares(a, b)
    return math.fsum((x - y) * math.log(x / y) for x, y in zip(p, q, strict=True) if x != y)


def jensen_shannon(a: Sequence[float], b: Sequence[float]) -> float:
    """The divergence in bits: 0 for the same shares, 1 for no group in common."""
    n, m = math.fsum(a), math.fsum(b)
    terms = []
    for x, y in zip(a, b, strict=True):
        p, q = x / n, y / m
        terms += [part * math.log2(2.0 * part / (p + q)) / 2.0 for part in (p, q) if part > 0.0]
    return min(1.0, max(0.0, math.fsum(terms)))


def ks_chance(d: float, n: float, m: float) -> float:
    """p of a two-sample statistic ``d``: Kolmogorov's limit with Stephens' correction for the
    number (JRSS B 1970), good from some ten on either side."""
    root = math.sqrt(n * m / (n + m))
    size = d * (root + 0.12 + 0.11 / root)
    if size < 0.2:
        return 1.0
    terms = (2.0 * (-1) ** (k - 1) * math.exp(-2.0 * (k * size) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))


def word(value: float, chance: float, words: tuple[float, float]) -> Word:
    """What a figure means; "not known" where chance alone may look like some drift."""
    if chance >= words[0] and value < max(words[1], 2.0 * chance):
        return "not known"
    if value < words[0]:
        return "little"
    return "some" if value < words[1] else "much"


def _drift(
    a: Sequence[float],
    b: Sequence[float],
    ks: float | None,
    error: float | None,
    shift: tuple[float, float, Word] | None,
) -> Drift:
    """All figures from the counts of the same groups."""
    n, m = round(sum(a)), round(sum(b))
    chance = _psi_chance(len(a), n, m)
    js_chance = chance / (8.0 * math.log(2.0))
    size, bits = psi(a, b), jensen_shannon(a, b)
    p = None if ks is None else ks_chance(ks, n, m)
    spread = None if ks is None else 1.36 * math.sqrt((n + m) / (n * m))  # of KS at 5 %
    mean, radius, mean_word = shift or (None, None, "not known")
    return Drift(
        n, m, size, chance, word(size, chance, PSI_WORDS),
        bits, js_chance, word(bits, js_chance, JS_WORDS),
        ks, error, p,
        "not known" if ks is None or spread is None else word(ks, spread, KS_WORDS),
        mean,
        None if mean is None or radius is None else mean - radius,
        None if mean is None or radius is None else mean + radius,
        mean_word,
    )  # fmt: skip


def _psi_chance(groups: int, n: int, m: int) -> float:
    """PSI without drift is (1/n + 1/m) times a chi-square of groups - 1 degrees (Yurdakul
    2018); its 95 % quantile by Wilson and Hilferty's cube."""
    freedom = groups - 1
    if not freedom:
        return 0.0
    part = 2.0 / (9.0 * freedom)
    return (1.0 / n + 1.0 / m) * freedom * (1.0 - part + _ONE_SIDED_95 * math.sqrt(part)) ** 3


def _cuts(counts: Sequence[int], groups: int) -> list[int]:
    """After which bins to cut, for groups of about as many; fewer where one bin holds many."""
    n, below, cuts = sum(counts), 0, []
    for at, count in enumerate(counts[:-1]):
        before, below = below, below + count
        if below * groups // n > before * groups // n:
            cuts.append(at + 1)
    return [*cuts, len(counts)]


def _summed(counts: Sequence[int], ends: Sequence[int]) -> list[int]:
    below = [0, *accumulate(counts)]
    starts = [0, *ends[:-1]]
    return [below[end] - below[start] for start, end in zip(starts, ends, strict=True)]


def _ks(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """The greatest distance of the two distributions at the bins' edges, and how much greater
    it may be inside of a bin: where all of one side's come before all of the other's."""
    n, m = math.fsum(a), math.fsum(b)
    above = highest = lowest = bound = 0.0
    for x, y in zip(a, b, strict=True):
        up, down = x / n, y / m
        if above + up > bound:
            bound = above + up
        if down - above > bound:
            bound = down - above
        above += up - down
        if above > highest:
            highest = above
        elif above < lowest:
            lowest = above
    greatest = min(1.0, max(highest, -lowest))
    return greatest, max(0.0, min(1.0, bound) - greatest)


def _at_edges(histogram: ScoreHistogram, inner: Sequence[float]) -> list[float]:
    """Counts below, between and above the edges."""
    found = [0.0] * (len(inner) + 1)
    for low, high, n in histogram.pieces():
        left, at = float(n), 0
        while at < len(inner) and inner[at] <= low:
            at += 1
        while at < len(inner) and inner[at] < high:
            part = n * (inner[at] - low) / (high - low)
            found[at] += part - (n - left)
            left = n - part
            at += 1
        found[at] += left
    return found


def _shares(a: Sequence[float], b: Sequence[float]) -> tuple[list[float], list[float]]:
    more = 0.5 if any(x == 0.0 or y == 0.0 for x, y in zip(a, b, strict=True)) else 0.0
    n, m = math.fsum(a) + more * len(a), math.fsum(b) + more * len(b)
    return [(x + more) / n for x in a], [(y + more) / m for y in b]


def _shift(
    new: ScoreHistogram, mean: float, square: float, deviation: float
) -> tuple[float, float, Word]:
    """The mean's shift, half its interval, its word; ``square`` is the reference's error's."""
    shift = new.mean - mean
    radius = _Z_95 * math.sqrt(_square(new) / new.n + square)
    if deviation == 0.0:
        return shift, radius, "little" if shift == 0.0 else "much"
    return shift, radius, word(abs(shift) / deviation, radius / deviation, MEAN_WORDS)


def _square(histogram: ScoreHistogram) -> float:
    return histogram.variance if histogram.n > 1 else 0.0


def _deviation(histogram: ScoreHistogram) -> float:
    return math.sqrt(_square(histogram))
