"""Numbers in words, the same in every report: short, with their intervals and units."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from proxy.compare.figures import Figure
from proxy.compare.paired import PairedFigures

NOTHING = "\u2013"
_MINUS = "\u2212"


def number(value: float | None, digits: int = 4) -> str:
    return NOTHING if value is None else f"{value:.{digits}g}".replace("-", _MINUS)


def signed(value: float | None, decimals: int = 4) -> str:
    # Adding nought makes one of minus nought.
    if value is None:
        return NOTHING
    return f"{round(value, decimals) + 0.0:+.{decimals}f}".replace("-", _MINUS)


def percent(share: float | None, decimals: int = 1) -> str:
    return NOTHING if share is None else f"{share * 100:.{decimals}f} %".replace("-", _MINUS)


def between(low: float | None, high: float | None, decimals: int = 4) -> str:
    if low is None or high is None:
        return NOTHING
    return f"{signed(low, decimals)} to {signed(high, decimals)}"


def figure(found: Figure | None, decimals: int = 4) -> str:
    """``0.7712 (0.7601 to 0.7823)``."""
    if found is None:
        return NOTHING
    value, low, high = (f"{it:.{decimals}f}".replace("-", _MINUS) for it in _three(found))
    return f"{value} ({low} to {high})"


def rate(found: Figure | None) -> str:
    if found is None:
        return NOTHING
    value, low, high = (percent(it) for it in _three(found))
    return f"{value} ({low} to {high})"


def paired(found: PairedFigures | None, decimals: int = 4) -> str:
    """``+0.0102 (+0.0080 to +0.0124)``."""
    if found is None or found.mean is None:
        return NOTHING
    if found.low is None:
        return signed(found.mean, decimals)
    return f"{signed(found.mean, decimals)} ({between(found.low, found.high, decimals)})"


def milliseconds(seconds: float | None) -> str:
    return NOTHING if seconds is None else f"{seconds * 1000:.3g} ms".replace("-", _MINUS)


def clock(at: float) -> str:
    """UTC, to the minute; nothing where no time is known."""
    if not at:
        return NOTHING
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def several(n: int, one: str, more: str = "") -> str:
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _three(found: Figure) -> tuple[float, float, float]:
    return found.value, found.low, found.high
