"""Where the ticks of an axis stand, and what is written at them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final, Literal

Kind = Literal["number", "log", "duration", "percent"]

_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
#: Steps in seconds that people count in: to a minute, an hour, a day, then whole days.
_CLOCK: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
)  # fmt: skip
DAY: Final = 86_400.0
_MINUS: Final = "\u2212"
#: What is longer is written with a power of ten.
_MOST_DECIMALS: Final = 9
_LARGEST: Final = 1e15


def ticks(low: float, high: float, most: int, kind: Kind = "number") -> list[float]:
    """Round numbers within ``low`` to ``high``, at most ``most`` (2 or more); [] for no range."""
    if not (math.isfinite(low) and math.isfinite(high)) or not high > low or most < 2:
        return []
    if kind == "log":
        return _decades(low, high, most)
    step = _step((high - low) / (most - 1), kind)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)][:most]


def _step(least: float, kind: Kind) -> float:
    """The smallest round step that is not under ``least``."""
    if kind == "duration" and 0.5 < least <= DAY:
        return next(float(step) for step in _CLOCK if step >= least * (1 - 1e-9))
    unit = DAY if kind == "duration" and least > DAY else 1.0
    power = 10.0 ** math.floor(math.log10(least / unit))
    nice = next(it for it in _NICE if it * power >= least / unit * (1 - 1e-9))
    return nice * power * unit


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / most))
    found = [10.0**k for k in range(first, last + 1, every)]
    return found if len(found) >= 2 else ticks(low, high, most)


def writer(values: list[float], kind: Kind) -> Callable[[float], str]:
    """How the ticks ``values`` are written: all with the same decimals, or in the same unit."""
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    if kind == "duration":
        return _clock(values, step)
    if kind == "log":
        return lambda value: f"{value:,.10g}"
    return _plain(values, step, *((100.0, " %") if kind == "percent" else (1.0, "")))


def _plain(
    values: list[float], step: float, factor: float = 1.0, unit: str = ""
) -> Callable[[float], str]:
    least = float(f"{step * factor:.6g}")
    decimals = max(0, math.ceil(-math.log10(least) - 1e-9))
    if round(least, decimals) != least:
        decimals += 1  # steps of 2.5
    if decimals > _MOST_DECIMALS or max(map(abs, values), default=0.0) * factor >= _LARGEST:
        return lambda value: f"{value * factor:.4g}{unit}".replace("-", _MINUS)
    # Adding nought makes one of minus nought.
    return lambda value: f"{round(value * factor, decimals) + 0.0:,.{decimals}f}{unit}".replace(
        "-", _MINUS
    )


def _clock(values: list[float], step: float) -> Callable[[float], str]:
    for least, seconds, unit in ((43_200.0, DAY, "d"), (1800.0, 3600.0, "h"), (60.0, 60.0, "min")):
        if step >= least:
            return _plain(values, step, 1 / seconds, f" {unit}")
    return _plain(values, step, 1.0, " s")
