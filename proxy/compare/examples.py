"""A few pairs to look at: those that are farthest apart, and a fair sample of the others.

Which ones are kept depends on the pairs alone, so keepers merge in any order.  A customer is a
keyed hash; a body is never kept, and a predicted value only where the operator allows it
(promise 12).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from proxy.payload import Value
from proxy.routing.split import point

MOST: Final = 10
_SALT: Final = b"compare/examples"
_LONGEST: Final = 160
LAST: Final = 2**64 - 1


class Example(msgspec.Struct, frozen=True):
    """One row on which the versions differ.  ``distance`` None: they could not be held against
    each other.  ``stable`` and ``shadow`` are what was predicted, "" where it is not kept."""

    request_id: str
    row: int
    customer: str  # keyed hash
    segments: tuple[str, ...]
    at: float
    distance: float | None
    flip: bool
    stable: str = ""
    shadow: str = ""


class Unread(msgspec.Struct, frozen=True):
    """One answer that gave no prediction, and what was found in its place; never a value."""

    request_id: str
    version: str
    at: float
    text: str


class Examples(msgspec.Struct):
    """``MOST`` of the farthest, and ``MOST`` by the least hash of their request's id."""

    farthest: list[Example] = []
    fair: list[Example] = []
    #: The last of either, which a new one must come before; so that most cost a comparison.
    least_far: float = -1.0
    least_far_hash: int = LAST
    most_hash: int = LAST

    def wants(self, request_id: str, distance: float) -> bool:
        """Whether it is worth making an Example of this row."""
        if distance > self.least_far:
            return True
        place = _hash(request_id)
        return place <= self.most_hash or (
            distance == self.least_far and place <= self.least_far_hash
        )

    def add(self, example: Example) -> None:
        self.farthest.append(example)
        self._keep_farthest()
        self.fair.append(example)
        self._keep_fair()

    def merge(self, other: Examples) -> None:
        self.farthest += other.farthest
        self._keep_farthest()
        self.fair += other.fair
        self._keep_fair()

    def _keep_farthest(self) -> None:
        self.farthest = _one_per_request(
            sorted(self.farthest, key=lambda it: (-_far(it), _hash(it.request_id), it.row))
        )
        if len(self.farthest) == MOST:
            self.least_far = _far(self.farthest[-1])
            self.least_far_hash = _hash(self.farthest[-1].request_id)

    def _keep_fair(self) -> None:
        self.fair = _one_per_request(
            sorted(self.fair, key=lambda it: (_hash(it.request_id), it.row))
        )
        if len(self.fair) == MOST:
            self.most_hash = _hash(self.fair[-1].request_id)


class UnreadExamples(msgspec.Struct):
    """A few of each problem, by the least hash: ``side:problem`` to examples."""

    kept: dict[str, list[Unread]] = {}

    def add(self, problem: str, example: Unread) -> None:
        mine = self.kept.setdefault(problem, [])
        if len(mine) < 3 or _hash(example.request_id) < _hash(mine[-1].request_id):
            self.kept[problem] = _few(example, *mine)

    def merge(self, other: UnreadExamples) -> None:
        for problem, theirs in other.kept.items():
            self.kept[problem] = _few(*theirs, *self.kept.get(problem, ()))


def said(value: Value) -> str:
    """A predicted value for people, short."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}\u2026"
    if isinstance(value, list):
        shown = ", ".join(said(it)[:40] for it in value[:8])
        more = ", \u2026" if len(value) > 8 else ""
        return f"[{shown}{more}]"
    return str(value)[:_LONGEST]


def _few(*examples: Unread) -> list[Unread]:
    return sorted(examples, key=lambda it: (_hash(it.request_id), it.request_id, it.text))[:3]


def _one_per_request(examples: Iterable[Example]) -> list[Example]:
    """The first of each request: one broken batch is one example."""
    return list({it.request_id: it for it in reversed(list(examples))}.values())[::-1][:MOST]


def _far(example: Example) -> float:
    return math.inf if example.distance is None else example.distance


def _hash(request_id: str) -> int:
    return point(_SALT, request_id.encode())
