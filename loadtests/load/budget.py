"""What a scenario may cost: a YAML file, and the verdict on each of its rows.

    scenario: spike
    rows:                              # over the whole run, without the warm-up
      errors_percent: 0                # a number is the most that is allowed
      load_percent: {at_least: 90}
    phases:                            # the same, within one phase
      after: {added_p99_ms: 10}

``docs/load.md`` lists the rows.  A row that was not measured is a broken one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from loadtests.load.errors import LoadError
from loadtests.load.measures import GENERAL, Figures
from loadtests.load.scenarios import Scenario

_KINDS: Final = "errors_percent."
_FIELDS: Final = ("scenario", "rows", "phases")


@dataclass(frozen=True, slots=True)
class Row:
    """One limit: ``phase`` is "" for the whole run."""

    name: str
    phase: str = ""
    at_most: float | None = None
    at_least: float | None = None

    def __str__(self) -> str:
        return f"{self.phase}.{self.name}" if self.phase else self.name

    @property
    def allowed(self) -> str:
        limits = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{word} {value:g}" for word, value in limits if value is not None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row and what was measured; None when nothing was."""

    row: Row
    measured: float | None

    @property
    def kept(self) -> bool:
        if self.measured is None:
            return False
        above = self.row.at_most is not None and self.measured > self.row.at_most
        below = self.row.at_least is not None and self.measured < self.row.at_least
        return not above and not below

    @property
    def told(self) -> str:
        return "nothing" if self.measured is None else f"{self.measured:.2f}"


def judge(rows: list[Row], whole: Figures, phases: Mapping[str, Figures]) -> list[Verdict]:
    """Each row against its figure, in the order of the file."""
    found = []
    for row in rows:
        figures = phases.get(row.phase, {}) if row.phase else whole
        # A kind of error that was never met is none of it, as long as anything was counted.
        unmet = 0.0 if row.name.startswith(_KINDS) and "errors_percent" in figures else None
        found.append(Verdict(row, figures.get(row.name, unmet)))
    return found


def read(path: Path, scenario: Scenario) -> list[Row]:
    """The rows of a budget file.  Raises LoadError with finding, place and what is allowed."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LoadError(f"{path}: cannot be read as a budget: {error}") from None
    return _Reader(path, scenario).read(content)


class _Reader:
    """Knows whose budget it is, for its errors."""

    def __init__(self, path: Path, scenario: Scenario) -> None:
        self._path = path
        self._scenario = scenario

    def read(self, content: Any) -> list[Row]:
        fields = self._mapping(content, "the file", _FIELDS)
        if fields.get("scenario") != self._scenario.name:
            raise self._fault("scenario", fields.get("scenario"), self._scenario.name)
        rows = self._rows(fields.get("rows") or {}, "rows", "")
        phases = self._mapping(fields.get("phases") or {}, "phases", self._scenario.phases)
        for phase, limits in phases.items():
            rows += self._rows(limits, f"phases.{phase}", phase)
        if not rows:
            raise LoadError(f"{self._path}: holds no row; a budget without a limit says nothing")
        return rows

    def _rows(self, content: Any, where: str, phase: str) -> list[Row]:
        # What an act finds out holds for the run as a whole.
        known = GENERAL if phase else (*GENERAL, *self._scenario.figures)
        limits = self._mapping(content, where, (*known, f"{_KINDS}KIND"))
        return [self._row(name, limit, where, phase) for name, limit in limits.items()]

    def _row(self, name: str, limit: Any, where: str, phase: str) -> Row:
        place = f"{where}.{name}"
        if not isinstance(limit, dict):
            return Row(name, phase, at_most=self._number(limit, place))
        if not limit:
            raise self._fault(place, "{}", "at_most, at_least or both")
        sides = self._mapping(limit, place, ("at_most", "at_least"))
        numbers = {side: self._number(value, f"{place}.{side}") for side, value in sides.items()}
        return Row(name, phase, **numbers)

    def _number(self, value: Any, place: str) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not math.isfinite(value):
            raise self._fault(place, value, "a number, or a mapping of at_most and at_least")
        return float(value)

    def _mapping(self, value: Any, place: str, allowed: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._fault(place, value, f"a mapping of {', '.join(allowed)}")
        for key in value:
            kind = isinstance(key, str) and key.startswith(_KINDS) and f"{_KINDS}KIND" in allowed
            if key not in allowed and not kind:
                raise self._fault(place, key, ", ".join(allowed))
        return value

    def _fault(self, place: str, found: Any, allowed: str) -> LoadError:
        return LoadError(f"{self._path}, {place}: found {found!r}; allowed: {allowed}")
