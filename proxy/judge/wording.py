"""How numbers are said in findings: short, with their unit, and never two that look the same."""

from __future__ import annotations

from collections.abc import Callable

from proxy.measure import Tally


def named(tally: Tally) -> str:
    """``canary 3``; only ``canary`` before its first request."""
    return f"{tally.arm or 'canary'} {tally.version}".rstrip()


def percent(rate: float, decimals: int = 1) -> str:
    """A rate from 0 to 1: ``20.0 %``."""
    return f"{rate * 100:.{decimals}f} %"


def duration(seconds: float, decimals: int = 0) -> str:
    """``4.10 ms``, ``48.0 ms``, ``480 ms``, ``2.50 s``, ``12.5 s``: three digits or so."""
    number, unit = (seconds, "s") if seconds >= 1.0 else (seconds * 1000, "ms")
    decimals += 2 if number < 10.0 else 1 if number < 100.0 else 0
    return f"{number:.{decimals}f} {unit}"


def apart(say: Callable[[float, int], str], a: float, b: float, decimals: int) -> tuple[str, str]:
    """Both numbers said with as many decimals as it takes to see that they differ."""
    for more in range(decimals, decimals + 5):
        said = say(a, more), say(b, more)
        if a == b or said[0] != said[1]:
            break
    return said
