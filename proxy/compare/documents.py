"""Two JSON documents: which of their values differ, and where.

Only what stands in a document is compared: member order never counts, nor does 1 beside 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

#: Deeper than this, two parts are the same or not.
_DEEPEST: Final = 32
Close: TypeAlias = Callable[[float, float], bool]


class Ignored:
    """RFC 6901 pointers that are not compared, with all below them; ``*`` is any one step."""

    def __init__(self, pointers: tuple[str, ...] = ()) -> None:
        self._patterns = [
            tuple(step.replace("~1", "/").replace("~0", "~") for step in it.split("/")[1:])
            for it in pointers
        ]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def covers(self, steps: tuple[str, ...]) -> bool:
        return any(
            len(steps) >= len(pattern)
            and all(want in ("*", step) for want, step in zip(pattern, steps, strict=False))
            for pattern in self._patterns
        )


class Walk:
    """One comparison: ``total`` values that either has, and the ``differing`` pointers.

    An item of a list is ``*`` in a pointer, so that a long list has one line in the counts.
    """

    def __init__(self, close: Close, ignored: Ignored, *, unordered: bool = False) -> None:
        self._close, self._ignored, self._unordered = close, ignored, unordered
        self.total = 0
        self.apart = 0
        self.differing: dict[str, int] = {}

    def walk(self, a: Any, b: Any, steps: tuple[str, ...] = (), real: tuple[str, ...] = ()) -> None:
        if self._ignored and self._ignored.covers(real):
            return
        if len(steps) > _DEEPEST:
            self._leaf(_encoded(a) == _encoded(b), steps)
        elif isinstance(a, dict) and isinstance(b, dict):
            for name in {**a, **b}:
                self._member(a, b, name, steps, real)
        elif isinstance(a, list) and isinstance(b, list):
            if self._unordered:
                a, b = sorted(a, key=_encoded), sorted(b, key=_encoded)
            below = (*steps, "*")
            for at, (x, y) in enumerate(zip(a, b, strict=False)):
                self.walk(x, y, below, (*real, str(at)))
            for _ in range(abs(len(a) - len(b))):
                self._leaf(False, below)
        else:
            self._leaf(self._same(a, b), steps)

    def _member(
        self, a: dict[Any, Any], b: dict[Any, Any], name: Any, steps: tuple[str, ...],
        real: tuple[str, ...],
    ) -> None:  # fmt: skip
        below, place = (*steps, str(name)), (*real, str(name))
        if name in a and name in b:
            self.walk(a[name], b[name], below, place)
        elif not self._ignored.covers(place):
            self._leaf(False, below)

    def _leaf(self, same: bool, steps: tuple[str, ...]) -> None:
        self.total += 1
        if not same:
            self.apart += 1
            pointer = "".join(f"/{it.replace('~', '~0').replace('/', '~1')}" for it in steps)
            self.differing[pointer[:200]] = self.differing.get(pointer[:200], 0) + 1

    def _same(self, a: Any, b: Any) -> bool:
        if isinstance(a, bool) or isinstance(b, bool):
            return a is b
        if isinstance(a, int | float) and isinstance(b, int | float):
            return self._close(a, b)
        return type(a) is type(b) and bool(a == b)


def _encoded(value: Any) -> bytes:
    """The same bytes for the same value, whatever the order of its members."""
    return msgspec.json.encode(_canonical(value, 0))


def _canonical(value: Any, depth: int) -> Any:
    if depth > 4 * _DEEPEST:
        return repr(type(value))
    if isinstance(value, dict):
        return {str(k): _canonical(value[k], depth + 1) for k in sorted(value, key=str)}
    if isinstance(value, list):
        return [_canonical(it, depth + 1) for it in value]
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return f"{value:.0f}"
    return f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def elements(value: Any) -> Iterator[Any]:
    """The single values of nested lists, in their order."""
    if isinstance(value, list):
        for it in value:
            yield from elements(it)
    else:
        yield value
