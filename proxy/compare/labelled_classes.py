"""Predicted classes whose truth came, of one version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from proxy.compare.figures import Figure, mean_of
from proxy.compare.labelled import log_loss
from proxy.measure.confidence import rate_interval
from proxy.measure.exact import ExactSum

MOST_CLASSES: Final = 50
OTHER: Final = "(other)"
TOP: Final = (1, 3, 5)
_BATCH: Final = 128


class ClassCounts(msgspec.Struct, frozen=True):
    """Of one class: true and predicted, predicted, true."""

    name: str
    hits: int
    predicted: int
    true: int
    precision: Figure | None
    recall: Figure | None


class ClassFigures(msgspec.Struct, frozen=True, tag_field="of", tag="class"):
    """``top``: k -> the share of labels among the k first of those that came ranked.  Wilson's
    intervals; of the log loss the normal one."""

    n: int
    accuracy: Figure | None = None
    log_loss: Figure | None = None
    top: dict[int, Figure] = {}
    classes: tuple[ClassCounts, ...] = ()  # the most frequent first


class ClassesSnapshot(msgspec.Struct, frozen=True):
    n: int
    hits: int
    ranked: int
    top: tuple[int, ...]
    classes: dict[str, tuple[int, int, int]]
    losses: tuple[int, tuple[float, ...], tuple[float, ...]]


class LabelledClasses:
    """``add(predicted, true)``.

    The first 50 classes that come have counts of their own, the others are ``(other)`` together;
    accuracy, top-k and log loss are of all.  Only with more than 50 classes do the counts by
    class depend on the order.
    """

    __slots__ = ("_classes", "_hits", "_losses", "_n", "_pending", "_ranked", "_scored",
                 "_squares", "_top")  # fmt: skip

    def __init__(self) -> None:
        self._n = self._hits = self._ranked = self._scored = 0
        self._top = [0] * len(TOP)
        self._classes: dict[str, list[int]] = {}  # hits, predicted, true
        self._losses, self._squares = ExactSum(), ExactSum()
        self._pending: list[float] = []

    def add(
        self, predicted: str, true: str, ranked: Sequence[str] = (), given: float | None = None
    ) -> None:
        """``ranked``: classes, best first, when the model told them.  ``given``: the probability
        that it gave to the true class."""
        self._n += 1
        self._hits += predicted == true
        self._row(predicted)[1] += 1
        self._row(true)[2] += 1
        if predicted == true:
            self._row(true)[0] += 1
        if ranked:
            self._ranked += 1
            for at, k in enumerate(TOP):
                self._top[at] += true in ranked[:k]
        if given is not None and 0.0 <= given <= 1.0:
            self._pending.append(log_loss(given, True))
            if len(self._pending) >= _BATCH:
                self._settle()

    def _row(self, name: str) -> list[int]:
        row = self._classes.get(name)
        if row is None:
            name = name if len(self._classes) < MOST_CLASSES else OTHER
            row = self._classes.setdefault(name, [0, 0, 0])
        return row

    def _settle(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            self._scored += len(pending)
            self._losses.add(pending)
            self._squares.add([it * it for it in pending])

    def merge(self, other: LabelledClasses) -> None:
        """Add what ``other`` counted, which is not changed."""
        self._settle()
        other._settle()
        self._n += other._n
        self._hits += other._hits
        self._ranked += other._ranked
        self._scored += other._scored
        self._top = [a + b for a, b in zip(self._top, other._top, strict=True)]
        for name, counts in other._classes.items():
            row = self._row(name)
            for at, n in enumerate(counts):
                row[at] += n
        self._losses.add(other._losses.parts)
        self._squares.add(other._squares.parts)

    @property
    def n(self) -> int:
        return self._n

    def figures(self) -> ClassFigures:
        self._settle()
        top = {k: _rate(hits, self._ranked) for k, hits in zip(TOP, self._top, strict=True)}
        return ClassFigures(
            n=self._n,
            accuracy=_rate(self._hits, self._n),
            log_loss=mean_of(self._scored, self._losses.value, self._squares.value),
            top={k: rate for k, rate in top.items() if rate is not None},
            classes=tuple(
                ClassCounts(name, hits, said, true, _rate(hits, said), _rate(hits, true))
                for name, (hits, said, true) in sorted(
                    self._classes.items(), key=lambda pair: (-pair[1][2], pair[0])
                )
            ),
        )

    def snapshot(self) -> ClassesSnapshot:
        self._settle()
        return ClassesSnapshot(
            self._n, self._hits, self._ranked, tuple(self._top),
            {name: (row[0], row[1], row[2]) for name, row in sorted(self._classes.items())},
            (self._scored, self._losses.parts, self._squares.parts),
        )  # fmt: skip

    @classmethod
    def restore(cls, kept: ClassesSnapshot) -> LabelledClasses:
        classes = cls()
        classes._n, classes._hits, classes._ranked = kept.n, kept.hits, kept.ranked
        classes._top = list(kept.top)
        classes._classes = {name: list(row) for name, row in kept.classes.items()}
        classes._scored = kept.losses[0]
        classes._losses, classes._squares = ExactSum(kept.losses[1]), ExactSum(kept.losses[2])
        return classes


def _rate(events: int, n: int) -> Figure | None:
    return Figure(events / n, *rate_interval(events, n)) if n else None
