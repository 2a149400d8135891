"""Reading and showing quantities: durations in seconds, sizes in bytes, percentages to 0.01.

Pure.  Every reader raises ``Unfit`` for what it cannot read, with a hint where one helps.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(us|ms|s|m|h|d)", re.ASCII)
_SECONDS: Final = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86_400),
}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(B|KiB|MiB|GiB)", re.ASCII)
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LOOSE_UNIT = re.compile(r"\d+(?:\.\d+)?\s*(?:[kmg]b?|[kmg]ib|b)", re.ASCII | re.IGNORECASE)


class Unfit(ValueError):
    """A value that cannot be read; the text is a hint for the operator, or empty."""


def number(value: object) -> Decimal:
    """The exact decimal that was written; a bool, a text, infinity or NaN is unfit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit
    # repr() of a float is the shortest text that reads back: 33.33, not 33.3299999.
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise Unfit
    return exact


def duration(value: object) -> Decimal:
    """Seconds from ``400us``, ``250ms``, ``3s``, ``5m``, ``1h``, ``30d``, or a number of them."""
    if not isinstance(value, str):
        return number(value)
    match = _DURATION.fullmatch(value)
    if match is None:
        raise Unfit("one number and one unit" if value[:1].isdigit() else "")
    return Decimal(match[1]) * _SECONDS[match[2]]


def size(value: object) -> int:
    """Bytes from ``64KiB``, ``1MiB``, ``2GiB``, or from a whole number of bytes."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise Unfit("units are powers of 1024" if _LOOSE_UNIT.fullmatch(value) else "")
        exact = Decimal(match[1]) * _BYTES[match[2]]
    else:
        exact = number(value)
    if exact != exact.to_integral_value():
        raise Unfit("a part of a byte")
    return int(exact)


def percent(value: object) -> float:
    """A percentage from 0 to 100 in steps of 0.01, exactly."""
    if isinstance(value, str) and value.endswith("%"):
        raise Unfit("without the sign %")
    exact = number(value)
    if not 0 <= exact <= 100 or exact * 100 != (exact * 100).to_integral_value():
        raise Unfit
    return float(exact)


def plain(value: float) -> float:
    """A whole float as an int, so that 5 stays 5 when it is written back."""
    return int(value) if value == int(value) else value


def show_duration(seconds: float) -> str:
    """The largest unit that keeps the number whole: 90s, 5m, 250ms, 400us."""
    exact = number(seconds)
    if not exact:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count = exact / _SECONDS[unit]
        # A day is shown as 24h, as people say it.
        if unit == "d" and count <= 1:
            continue
        if count == count.to_integral_value() and (count >= 1 or unit == "ms"):
            return f"{int(count)}{unit}"
    return f"{(exact / _SECONDS['ms']).normalize():f}ms"


def show_size(count: int) -> str:
    """The largest unit that keeps the number whole: 16MiB, 1000B."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"
