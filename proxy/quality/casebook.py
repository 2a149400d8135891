"""What was found wrong until now, counted by version and rule, with a few examples of each."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from proxy.quality.examine import Examined
from proxy.quality.rules import Broken, SideRules
from proxy.terms import Sample

_MOST_VERSIONS: Final = 64
_MOST_RULES: Final = 1_000  # of one version; over it the rest is counted together
_EXAMPLES: Final = 3
_OTHER: Final = "other"
_LEAST_ROWS: Final = 100
_ERRORS: Final = 5.0  # standard errors above the training data's share
Kind = Literal["bad_input", "bad_output"]


class Case(msgspec.Struct, frozen=True):
    """One exchange that broke a rule: enough to find it in a log, without its data."""

    at: float  # seconds since the epoch
    request_id: str
    arm: str
    column: str
    row: int
    found: str


class BrokenRule(msgspec.Struct, frozen=True):
    """How many exchanges broke one rule, and the last few of them."""

    kind: Kind
    rule: str
    exchanges: int
    last: tuple[Case, ...]


class MissingMore(msgspec.Struct, frozen=True):
    """An input that is missing clearly more often than in the training data; shares 0 to 1."""

    column: str
    share: float
    expected: float
    rows: int


class VersionQuality(msgspec.Struct, frozen=True):
    """What was looked at of one version.  ``unread`` counts by side and reason: answer:cut."""

    version: str
    exchanges: int
    bad_input: int  # exchanges with any
    bad_output: int
    unread: dict[str, int]
    rules: tuple[BrokenRule, ...]  # the most often broken first
    missing: tuple[MissingMore, ...] = ()  # for people: no single exchange shows it


class Casebook:
    """The bounded keeper of one model.  Not shared between threads."""

    def __init__(self) -> None:
        self._versions: dict[str, _Version] = {}

    def add(self, sample: Sample, examined: Examined) -> None:
        version = sample.answer.version
        kept = self._versions.get(version)
        if kept is None:
            if len(self._versions) == _MOST_VERSIONS:
                del self._versions[next(iter(self._versions))]  # the one that came first
            kept = self._versions[version] = _Version()
        kept.add(sample, examined)

    def status(self, inputs: SideRules | None = None) -> tuple[VersionQuality, ...]:
        """Of each version; ``inputs`` are the rules that know what was missing in training."""
        rules = inputs or SideRules()
        return tuple(kept.status(version, rules) for version, kept in self._versions.items())


class _Version:
    def __init__(self) -> None:
        self.exchanges = 0
        self.bad: Counter[Kind] = Counter()
        self.unread: Counter[str] = Counter()
        self.rows = 0
        self.missing: Counter[str] = Counter()  # names of the rules, so no more than those
        self.rules: dict[tuple[Kind, str], tuple[list[int], deque[Case]]] = {}

    def add(self, sample: Sample, examined: Examined) -> None:
        self.exchanges += 1
        self.rows += examined.rows
        self.missing.update(examined.missing)
        self.unread.update(f"{it.side}:{it.reason}" for it in examined.unread)
        if examined.bad_input:
            self._book("bad_input", sample, examined.bad_input)
        if examined.bad_output:
            self._book("bad_output", sample, examined.bad_output)

    def _book(self, kind: Kind, sample: Sample, broken: tuple[Broken, ...]) -> None:
        self.bad[kind] += 1
        for it in broken:
            key = (kind, it.rule)
            if key not in self.rules and len(self.rules) >= _MOST_RULES:
                key = (kind, _OTHER)
            count, cases = self.rules.setdefault(key, ([0], deque(maxlen=_EXAMPLES)))
            count[0] += 1
            cases.append(
                Case(sample.at, sample.request_id, sample.arm, it.column, it.row, it.found)
            )

    def status(self, version: str, inputs: SideRules) -> VersionQuality:
        rules = [
            BrokenRule(kind, rule, count[0], tuple(cases))
            for (kind, rule), (count, cases) in self.rules.items()
        ]
        rules.sort(key=lambda it: (-it.exchanges, it.kind, it.rule))
        return VersionQuality(
            version,
            self.exchanges,
            self.bad["bad_input"],
            self.bad["bad_output"],
            dict(self.unread),
            tuple(rules),
            tuple(self._missing_more(inputs)),
        )

    def _missing_more(self, inputs: SideRules) -> Iterator[MissingMore]:
        rows = self.rows
        for name, count in self.missing.items() if rows >= _LEAST_ROWS else ():
            rule = inputs.columns.get(name)
            expected = rule.missing_share if rule else None
            if expected is not None:
                error = math.sqrt(max(expected * (1 - expected), 1 / rows) / rows)
                if count / rows > expected + _ERRORS * error:
                    yield MissingMore(name, count / rows, expected, rows)
