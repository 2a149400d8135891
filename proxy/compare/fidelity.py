"""Whether the numbers can be trusted: what was lost on the way to a pair, and whom it hits.

A comparison of what is left over says little when what is missing is not like the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from proxy.compare.decisions import EVERYONE
from proxy.compare.reading import OURS
from proxy.terms import CopyResult

_MOST_SEGMENTS: Final = 200
_MOST_STABLES: Final = 8
OTHER: Final = "(other)"
_Z_95: Final = 1.959963984540054
_LEAST: Final = 30  # under so many of a kind, nothing is said of a difference
_SENT: Final = CopyResult.SENT.value


class FidelityOptions(msgspec.Struct, frozen=True):
    """From where on a comparison is ``poor``: shares from 0 to 1.

    ``dropped``: of copies; ``lost``: of pairs, a half of which is missing; ``unread``: of whole
    pairs; ``skew``: how much more of one segment may be lost than of all.
    """

    dropped: float = 0.05
    lost: float = 0.05
    unread: float = 0.05
    skew: float = 0.05


class Coverage(msgspec.Struct, frozen=True):
    """One segment: its share of all requests (None where nobody counted) and of the pairs that
    are compared; and of its own pairs the share that was lost."""

    segment: str
    requests: float | None
    compared: float
    pairs: int
    lost: float


class Fidelity(msgspec.Struct, frozen=True):
    """Rates from 0 to 1, None where there is nothing to take a share of.

    ``realised`` is the share of the wanted copies that were sent; ``pairing`` of pairs with both
    halves; ``readable`` of these, those that could be compared; ``sampled`` of what came, that
    which the comparison took.  ``problems`` count by ``side:problem`` (reading.py).  ``size_*``
    are mean bytes of stable's answers.  ``reasons``: why it is ``poor``, a sentence each;
    ``notes``: what else should be known.
    """

    poor: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    sent: int = 0
    dropped: dict[str, int] = {}
    realised: float | None = None
    pairs: int = 0
    whole: int = 0
    refused: int = 0
    pairing: float | None = None
    compared: int = 0
    readable: float | None = None
    sampled: float = 1.0
    passed_over: int = 0
    late: int = 0
    problems: dict[str, int] = {}
    coverage: tuple[Coverage, ...] = ()
    size_compared: float | None = None
    size_lost: float | None = None


class SegmentLoss(msgspec.Struct):
    compared: int = 0
    lost: int = 0


class FidelityCounts(msgspec.Struct):
    """What is counted, mergeable.  ``copies`` and ``requests`` are told from outside
    (``Comparison.tell``); all else comes with the pairs."""

    copies: dict[str, int] = {}
    requests: dict[str, int] = {}  # segment -> requests that stable answered
    pairs: int = 0
    whole: int = 0
    refused: int = 0
    compared: int = 0
    passed_over: int = 0
    late: int = 0
    others: int = 0  # pairs whose live half is not stable's
    problems: dict[str, int] = {}
    segments: dict[str, SegmentLoss] = {}
    bytes_compared: int = 0
    bytes_lost: int = 0
    stables: dict[str, int] = {}  # stable version -> pairs

    def from_stable(self, version: str) -> None:
        known = version in self.stables or len(self.stables) < _MOST_STABLES
        key = version if known else OTHER
        self.stables[key] = self.stables.get(key, 0) + 1

    def note(self, segments: Iterable[str], size: int, *, compared: bool) -> None:
        """A pair that was taken, compared or lost; ``size`` is that of stable's answer."""
        if compared:
            self.compared += 1
            self.bytes_compared += size
        else:
            self.bytes_lost += size
        for segment in segments:
            if (found := self._of(segment)) is None:
                continue
            if compared:
                found.compared += 1
            else:
                found.lost += 1

    def problem(self, name: str) -> None:
        self.problems[name] = self.problems.get(name, 0) + 1

    def merge(self, other: FidelityCounts) -> None:
        for name in ("copies", "requests", "problems", "stables"):
            mine: dict[str, int] = getattr(self, name)
            for key, n in getattr(other, name).items():
                mine[key] = mine.get(key, 0) + n
        for name in ("pairs", "whole", "refused", "compared", "passed_over", "late", "others",
                     "bytes_compared", "bytes_lost"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for segment, loss in other.segments.items():
            if (found := self._of(segment)) is not None:
                found.compared += loss.compared
                found.lost += loss.lost

    def _of(self, segment: str) -> SegmentLoss | None:
        found = self.segments.get(segment)
        if found is None and len(self.segments) < _MOST_SEGMENTS:
            found = self.segments[segment] = SegmentLoss()
        return found


def judge(counts: FidelityCounts, options: FidelityOptions) -> Fidelity:
    """The figures, and whether they are good enough to trust the comparison."""
    dropped = {it: n for it, n in sorted(counts.copies.items()) if it != _SENT and n}
    sent, lost_copies = counts.copies.get(_SENT, 0), sum(dropped.values())
    seen = counts.pairs + counts.passed_over
    lost = counts.pairs - counts.compared - counts.refused
    coverage = tuple(_coverage(counts))
    return Fidelity(
        poor=bool(reasons := tuple(_reasons(counts, options, coverage, sent, dropped))),
        reasons=reasons,
        notes=tuple(_notes(counts)),
        sent=sent,
        dropped=dropped,
        realised=_share(sent, sent + lost_copies),
        pairs=counts.pairs,
        whole=counts.whole,
        refused=counts.refused,
        pairing=_share(counts.whole, counts.pairs),
        compared=counts.compared,
        readable=_share(counts.compared, counts.whole - counts.refused),
        sampled=counts.pairs / seen if seen else 1.0,
        passed_over=counts.passed_over,
        late=counts.late,
        problems=dict(sorted(counts.problems.items(), key=lambda it: (-it[1], it[0]))),
        coverage=coverage,
        size_compared=_share(counts.bytes_compared, counts.compared),
        size_lost=_share(counts.bytes_lost, lost),
    )


def _reasons(
    counts: FidelityCounts,
    options: FidelityOptions,
    coverage: tuple[Coverage, ...],
    sent: int,
    dropped: Mapping[str, int],
) -> Iterator[str]:
    if not counts.compared:
        yield "not one pair could be compared"
    unread = counts.whole - counts.refused - counts.compared
    lost_copies = sum(dropped.values())
    if len(counts.stables) > 1:
        ranked = sorted(counts.stables.items(), key=lambda it: (-it[1], it[0]))
        listed = " and ".join(f"{name} ({n})" for name, n in ranked[:3])
        yield f"stable was not one version: pairs with {listed} are mixed"
    share = _share(lost_copies, sent + lost_copies)
    if share is not None and share > options.dropped:
        why = max(dropped, key=lambda it: dropped[it])
        yield (
            f"{_percent(share)} of the copies were dropped, mostly {why}; "
            f"allowed is {_percent(options.dropped)}"
        )
    share = _share(counts.pairs - counts.whole, counts.pairs)
    if share is not None and share > options.lost:
        yield (
            f"{_percent(share)} of the pairs have no second half; "
            f"allowed is {_percent(options.lost)}"
        )
    share = _share(unread, counts.whole - counts.refused)
    if share is not None and share > options.unread:
        why = max(counts.problems, key=lambda it: counts.problems[it], default="")
        yield (
            f"{_percent(share)} of the answers could not be compared, mostly {why}; "
            f"allowed is {_percent(options.unread)}"
        )
    overall = _share(counts.pairs - counts.whole + unread, counts.pairs - counts.refused) or 0.0
    for it in coverage:
        if it.pairs >= _LEAST and it.lost - overall > options.skew and _clearly(it, overall):
            yield (
                f"{it.segment} loses {_percent(it.lost)} of its pairs, all together "
                f"{_percent(overall)}: what is compared is not who was served"
            )
        if it.requests and not it.pairs and it.requests >= 0.01:
            yield f"{it.segment} is {_percent(it.requests)} of the requests and of no pair"


def _notes(counts: FidelityCounts) -> Iterator[str]:
    ours = sum(n for it, n in counts.problems.items() if it.partition(":")[2] in OURS)
    if ours:
        yield f"{ours} answers were not read because of our own limits"
    if counts.others:
        yield f"{counts.others} pairs were answered by a canary, and are left out"
    if counts.late:
        yield f"{counts.late} halves came too late to be paired"
    if counts.passed_over:
        yield f"{counts.passed_over} pairs were passed over, fairly by customer, to keep up"
    if not counts.copies:
        yield "nobody counted the copies: what was dropped before it was sent is not known"


def _coverage(counts: FidelityCounts) -> Iterator[Coverage]:
    everyone = counts.requests.get(EVERYONE, 0)
    for segment in sorted({*counts.segments, *counts.requests} - {EVERYONE}):
        loss = counts.segments.get(segment, SegmentLoss())
        pairs = loss.compared + loss.lost
        yield Coverage(
            segment=segment,
            requests=_share(counts.requests[segment], everyone)
            if segment in counts.requests
            else None,
            compared=_share(loss.compared, counts.compared) or 0.0,
            pairs=pairs,
            lost=_share(loss.lost, pairs) or 0.0,
        )


def _clearly(it: Coverage, overall: float) -> bool:
    """Not by chance alone: two standard errors of a share of so many pairs."""
    return it.lost - overall > _Z_95 * math.sqrt(max(overall, 1 / it.pairs) / it.pairs)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
