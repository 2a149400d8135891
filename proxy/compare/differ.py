"""How far two predictions of one input are apart: a comparator for each kind.

Every comparator is symmetric and finds no distance between a prediction and itself; NaN beside
NaN is the same, NaN beside anything else is infinitely far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from proxy.compare import texts
from proxy.compare.documents import Close, Ignored, Walk, elements
from proxy.compare.kinds import DEFAULT_TOLERANCE, Kind
from proxy.payload import Value

_NO_PATHS: Final[dict[str, int]] = {}


class Tolerances(msgspec.Struct, frozen=True):
    """Up to which distance two predictions agree.

    ``absolute`` None is the kind's own (kinds.py).  ``relative`` is added to it, as a share of
    the larger of the two numbers; it means nothing to texts, rankings and classes.  ``top``: of a
    class with scores, agreement asks that the same ``top`` classes come first, in any order.
    ``depth``: places of a ranking that count.  ``unordered``: lists are sets.  ``ignore``: RFC
    6901 pointers of a document that are not compared.  ``threshold``: a score that crosses it is
    a flip.
    """

    absolute: float | None = None
    relative: float = 0.0
    top: int = 1
    depth: int = 10
    unordered: bool = False
    ignore: tuple[str, ...] = ()
    threshold: float | None = None

    def within(self, kind: Kind) -> float:
        return DEFAULT_TOLERANCE[kind] if self.absolute is None else self.absolute


class Difference(NamedTuple):
    """``distance`` is 0 or more, in the kind's own measure (kinds.DISTANCE), inf where two rows
    cannot be held against each other.  ``flip``: another decision, class or first item.
    ``paths``: of a document, how many values differ at which pointer."""

    agree: bool
    distance: float
    flip: bool
    paths: dict[str, int] = _NO_PATHS


Comparator: TypeAlias = Callable[[Any, Any], Difference]
_SAME: Final = Difference(True, 0.0, False)
_INCOMPARABLE: Final = Difference(False, math.inf, True)


def comparator(kind: Kind, tolerances: Tolerances) -> Comparator:
    """What compares two rows of ``kind``, made once and called for every row."""
    return _MAKERS[kind](tolerances)


def compare_rows(kind: Kind, a: Value, b: Value, tolerances: Tolerances) -> Difference:
    """How two rows differ."""
    return comparator(kind, tolerances)(a, b)


def _numbers(kind: Kind) -> Callable[[Tolerances], Comparator]:
    def make(tolerances: Tolerances) -> Comparator:
        absolute, relative = tolerances.within(kind), tolerances.relative
        threshold = tolerances.threshold

        def compare(a: float, b: float) -> Difference:
            if a == b:
                return _SAME
            flip = threshold is not None and (a >= threshold) != (b >= threshold)
            distance = abs(a - b)
            if distance != distance:  # NaN on one side, or on both
                return _SAME if a != a and b != b else _INCOMPARABLE
            # Rounding must not make 0.01 more than 0.01.
            most = absolute + relative * max(abs(a), abs(b))
            return Difference(distance <= most * (1 + 1e-9) + 1e-15, distance, flip)

        return compare

    return make


def _classes(tolerances: Tolerances) -> Comparator:
    top = tolerances.top

    def compare(a: Value, b: Value) -> Difference:
        if isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return _INCOMPARABLE
            return _best(_by_score(a), _by_score(b), top)
        if isinstance(a, list) or isinstance(b, list):
            return _INCOMPARABLE
        return _SAME if a == b or (a != a and b != b) else Difference(False, 1.0, True)

    return compare


def _best(a: Sequence[Value], b: Sequence[Value], top: int) -> Difference:
    """Of two lists with the best first: another first one is a flip."""
    first, second = set(a[:top]), set(b[:top])
    most = max(len(first), len(second))
    apart = 1.0 - len(first & second) / most if most else 0.0
    return Difference(apart == 0.0, apart, a[:1] != b[:1])


def _by_score(scores: list[Any]) -> list[Value]:
    """The places, the largest score first.  Equal ones keep their order; NaN comes last."""
    if not all(isinstance(it, int | float) for it in scores):
        return list(scores)  # labels that are in order already
    places = sorted(range(len(scores)), key=lambda at: (scores[at] != scores[at], -scores[at]))
    return [*places]


def _vectors(tolerances: Tolerances) -> Comparator:
    absolute = tolerances.within(Kind.VECTOR)

    def compare(a: list[float], b: list[float]) -> Difference:
        if a == b:
            return _SAME
        if len(a) != len(b):
            return _INCOMPARABLE
        distance = _cosine_distance(a, b)
        if distance != distance:
            return _SAME if _same_numbers(a, b) else _INCOMPARABLE
        return Difference(distance <= absolute, distance, False)

    return compare


def _cosine_distance(a: list[float], b: list[float]) -> float:
    """1 minus the cosine, 0 to 2; a vector without a direction is 1 from any other."""
    # Scaled first: squares of what is very large or small would not be numbers any more.
    long, other = max(map(abs, a), default=0.0), max(map(abs, b), default=0.0)
    if not (math.isfinite(long) and math.isfinite(other)):
        return math.nan
    if long == 0.0 or other == 0.0:
        return 0.0 if long == other else 1.0
    x, y = [it / long for it in a], [it / other for it in b]
    if any(it != it for it in x) or any(it != it for it in y):
        return math.nan
    product = math.sumprod(x, y) if hasattr(math, "sumprod") else _product(x, y)
    return min(2.0, max(0.0, 1.0 - product / math.sqrt(_product(x, x) * _product(y, y))))


def _product(x: list[float], y: list[float]) -> float:
    return math.fsum(p * q for p, q in zip(x, y, strict=True))


def _same_numbers(a: list[float], b: list[float]) -> bool:
    return all(x == y or (x != x and y != y) for x, y in zip(a, b, strict=True))


def _rankings(tolerances: Tolerances) -> Comparator:
    absolute, depth = tolerances.within(Kind.RANKING), tolerances.depth

    def compare(a: list[Value], b: list[Value]) -> Difference:
        if tolerances.unordered:
            distance = _jaccard_distance(a[:depth], b[:depth])
            return Difference(distance <= absolute, distance, False)
        distance = kendall(a[:depth], b[:depth])
        return Difference(distance <= absolute, distance, a[:1] != b[:1])

    return compare


def _jaccard_distance(a: Sequence[Value], b: Sequence[Value]) -> float:
    first, second = set(a), set(b)
    both = len(first | second)
    return 1.0 - len(first & second) / both if both else 0.0


def kendall(a: Sequence[Value], b: Sequence[Value]) -> float:
    """The share of the pairs of items that two top lists put in another order, 0 to 1.

    Fagin, Kumar and Sivakumar, "Comparing top k lists", SIAM J. Discrete Math. 2003: K with
    p = 1/2, over its value for two lists without a common item.  What a list does not hold comes
    after all that it holds; a pair that one list says nothing about counts half.
    """
    if a == b:
        return 0.0
    place_a = {item: at for at, item in enumerate(a)}
    place_b = {item: at for at, item in enumerate(b)}
    apart = 0.0
    for i, j in combinations({**place_a, **place_b}, 2):
        in_a = _order(place_a, i, j)
        in_b = _order(place_b, i, j)
        if in_a and in_b:
            apart += in_a != in_b
        else:
            apart += 0.5
    m, n = len(a), len(b)
    most = m * n + 0.5 * (m * (m - 1) / 2 + n * (n - 1) / 2)
    return min(1.0, apart / most) if most else 1.0


def _order(places: dict[Value, int], i: Value, j: Value) -> int:
    """1 when i comes first, -1 when j does, 0 when the list holds neither."""
    first, second = places.get(i), places.get(j)
    if first is None:
        return 0 if second is None else -1
    return 1 if second is None or first < second else -1


def _texts(tolerances: Tolerances) -> Comparator:
    absolute = tolerances.within(Kind.TEXT)

    def compare(a: str, b: str) -> Difference:
        if a == b:
            return _SAME
        distance = texts.distance(a, b)
        return Difference(distance <= absolute, distance, False)

    return compare


def _close(absolute: float, relative: float) -> Close:
    def close(a: float, b: float) -> bool:
        if a == b or (a != a and b != b):
            return True
        apart = _apart(a, b)
        most = absolute + relative * max(_apart(a, 0), _apart(b, 0))
        return math.isfinite(most) and apart <= most * (1 + 1e-9)

    return close


def _apart(x: float, y: float) -> float:
    """|x - y|; inf where it is no number, or a whole number larger than any float."""
    try:
        apart = float(abs(x - y))
    except OverflowError:
        return math.inf
    return math.inf if apart != apart else apart


def _tensors(tolerances: Tolerances) -> Comparator:
    close = _close(tolerances.within(Kind.TENSOR), tolerances.relative)

    def compare(a: Value, b: Value) -> Difference:
        if a == b:
            return _SAME
        if not _same_shape(a, b):
            return _INCOMPARABLE
        agree, largest = True, 0.0
        for x, y in zip(elements(a), elements(b), strict=True):
            if x == y or (x != x and y != y):
                continue
            if not (isinstance(x, int | float) and isinstance(y, int | float)):
                return _INCOMPARABLE
            largest = max(largest, _apart(x, y))
            agree = agree and close(x, y)
        return Difference(agree, largest, False)

    return compare


def _same_shape(a: Value, b: Value) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same_shape(x, y) for x, y in zip(a, b, strict=True))
    return not isinstance(a, list) and not isinstance(b, list)


def _documents(tolerances: Tolerances) -> Comparator:
    close = _close(tolerances.within(Kind.DOCUMENT), tolerances.relative)
    ignored = Ignored(tolerances.ignore)

    def compare(a: object, b: object) -> Difference:
        walk = Walk(close, ignored, unordered=tolerances.unordered)
        walk.walk(a, b)
        distance = walk.apart / walk.total if walk.total else 0.0
        return Difference(walk.apart == 0, distance, False, walk.differing)

    return compare


_MAKERS: Final[dict[Kind, Callable[[Tolerances], Comparator]]] = {
    Kind.PROBABILITY: _numbers(Kind.PROBABILITY),
    Kind.CLASS: _classes,
    Kind.NUMBER: _numbers(Kind.NUMBER),
    Kind.VECTOR: _vectors,
    Kind.RANKING: _rankings,
    Kind.TEXT: _texts,
    Kind.TENSOR: _tensors,
    Kind.DOCUMENT: _documents,
}
