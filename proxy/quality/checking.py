"""Rules and columns in, broken rules out: the first place of each, in the order of the rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from proxy.payload import Columns, Value
from proxy.quality.rules import Broken, ColumnRule, SideRules

_LONGEST: Final = 40
#: Of one body: a thousand broken columns say no more than these.
MOST_BROKEN: Final = 64
_PLAIN: Final = ColumnRule(missing=True)


def check(rules: SideRules, columns: Columns, *, show: bool = False) -> list[Broken]:
    """The rules that the columns break, each once, at most ``MOST_BROKEN``.

    With ``show``, ``found`` holds the value itself; without, only what is wrong with it.
    """
    broken: list[Broken] = []
    for it in _all(rules, columns, show):
        broken.append(it)
        if len(broken) == MOST_BROKEN:
            break
    return broken


def _all(rules: SideRules, columns: Columns, show: bool) -> Iterator[Broken]:
    given = columns.columns
    if rules.columns and given.keys().isdisjoint(rules.columns):
        yield Broken("schema", "", 0, f"none of the {len(rules.columns)} columns: {_listed(given)}")
    else:
        for name, rule in rules.columns.items():
            values = given.get(name)
            if values is not None:
                yield from _column(name, rule, values, show)
            elif not rule.missing:
                yield Broken(f"{name}.missing", name, 0, "no such column")
    yield from _others(rules, columns, show)


def _others(rules: SideRules, columns: Columns, show: bool) -> Iterator[Broken]:
    """Columns without a rule: what they are called comes from the body, so no rule is named so."""
    if rules.unknown and not rules.finite:
        return
    said = unknown = False
    for name, values in columns.columns.items():
        if name in rules.columns:
            continue
        if not rules.unknown and not unknown:
            unknown = True
            yield Broken("unknown", _cut(name), 0, "a column without a rule")
        if rules.finite and not said:
            for it in _column(name, _PLAIN, values, show):
                said = True
                yield Broken("finite", _cut(name), it.row, it.found)


def _column(name: str, rule: ColumnRule, values: list[Value], show: bool) -> Iterator[Broken]:
    seen: set[str] = set()
    for row, value in enumerate(values):
        fault = _fault(rule, value)
        if fault is not None and fault[0] not in seen:
            seen.add(fault[0])
            word, wrong = fault
            found = _shown(wrong) if show else _kept_back(rule, word, wrong)
            yield Broken(f"{name}.{word}", name, row, found)


def _fault(rule: ColumnRule, value: Value) -> tuple[str, Value] | None:
    """The first word that a row's value breaks, and the single value that does."""
    if isinstance(value, list):
        if rule.shape is not None and not _shaped(value, rule.shape):
            return "shape", value
        for element in value:
            fault = _element(rule, element)
            if fault is not None:
                return fault
        return None
    if rule.shape:
        return ("missing", None) if value is None else ("shape", value)
    return _single(rule, value)


def _element(rule: ColumnRule, value: Value) -> tuple[str, Value] | None:
    if not isinstance(value, list):
        return _single(rule, value)
    for element in value:
        fault = _element(rule, element)
        if fault is not None:
            return fault
    return None


def _single(rule: ColumnRule, value: Value) -> tuple[str, Value] | None:
    if value is None:
        return None if rule.missing else ("missing", None)
    if rule.type is not None and not _typed(rule.type, value):
        return "type", value
    if isinstance(value, float) and not math.isfinite(value):
        return ("finite", value) if rule.finite else None
    if isinstance(value, int | float):
        low, high = rule.low, rule.high
        if (low is not None and value < low) or (high is not None and value > high):
            return "range", value
    if rule.among is not None and value not in rule.among:
        return "set", value
    return None


def _typed(wanted: str, value: Value) -> bool:
    if wanted == "text":
        return isinstance(value, str)
    if wanted == "boolean":
        return isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # What is not finite is another rule's business.
    return (
        wanted == "number"
        or isinstance(value, int)
        or value.is_integer()
        or not math.isfinite(value)
    )


def _shaped(value: Value, shape: tuple[int | None, ...]) -> bool:
    if not shape:
        return not isinstance(value, list)
    if not isinstance(value, list) or (shape[0] is not None and len(value) != shape[0]):
        return False
    return all(_shaped(element, shape[1:]) for element in value)


def _kept_back(rule: ColumnRule, word: str, value: Value) -> str:
    """What is wrong, without the value: it may be a customer's (promise 12)."""
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity"
    if word == "range" and isinstance(value, int | float):
        return "below the range" if rule.low is not None and value < rule.low else "above the range"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    one = "true or false" if isinstance(value, bool) else "a number"
    one = "a text" if isinstance(value, str) else one
    return f"{one} that is not in the set" if word == "set" else one


def _shown(value: Value) -> str:
    if value is None:
        return "null"
    # Only what can be shown is written out: a list may be of any size.
    return f"a list of {len(value)}" if isinstance(value, list) else _cut(str(value))


def _cut(text: str) -> str:
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:80])
    return printable if len(printable) <= _LONGEST else printable[: _LONGEST - 3] + "..."


def _listed(given: dict[str, list[Value]]) -> str:
    names = [_cut(name) for name, _ in zip(given, range(3), strict=False)]
    more = f" and {len(given) - 3} more" if len(given) > 3 else ""
    return f"found {', '.join(names) or 'nothing'}{more}"
