"""The statistical judge's findings in words: one sentence that a tired operator understands."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from proxy.judge.evidence import Source
from proxy.judge.guardrails import Guardrail
from proxy.judge.wording import duration

_MILLION: Final = 1e6


def verb(rule: Guardrail) -> str:
    """What the customers did, or what happened to them: ``failed``, ``were too slow``."""
    of = rule.of
    match rule.source:
        case Source.ERROR:
            said = "failed"
        case Source.SLOW:
            said = "waited too long" if rule.over is None else f"waited over {duration(rule.over)}"
        case Source.FALLBACK:
            said = "needed another version's answer"
        case Source.BAD_INPUT:
            said = f"sent bad inputs ({of})" if of else "sent bad inputs"
        case Source.BAD_OUTPUT:
            said = f"got bad answers ({of})" if of else "got bad answers"
        case Source.SIGNAL:
            said = f"set off the alarm {of}" if of else "set off an alarm downstream"
        case Source.KPI:
            said = f"had the event {of}" if of else "had an event"
        case Source.LABEL:
            said = f"had a wrong {of}" if of else "had a wrong outcome"
    return said + ("" if rule.source is Source.SLOW else _bounds(rule))


def quantity(rule: Guardrail) -> str:
    """What a mean is of: ``approved``."""
    return (rule.of or rule.name) + _bounds(rule)


def _bounds(rule: Guardrail) -> str:
    bounds = [] if rule.over is None else [f"over {rule.over:g}"]
    bounds += [] if rule.under is None else [f"under {rule.under:g}"]
    return f" {' and '.join(bounds)}" if bounds else ""


def worse(rule: Guardrail, harm: float) -> str:
    """``20 % more``, or less where that is the harm."""
    return f"{harm * 100:g} % {'more' if rule.direction == 'increase' else 'less'}"


def tolerated(rule: Guardrail) -> str:
    return f" ({worse(rule, rule.tolerance)} is tolerated)" if rule.tolerance else ""


def shares(of: Collection[float]) -> str:
    """``a 10 % share``, ``shares of 5 to 25 %``."""
    lowest, highest = min(of), max(of)
    if lowest == highest:
        return f"a {lowest * 100:g} % share"
    return f"shares of {lowest * 100:g} to {highest * 100:g} %"


def number(value: float) -> str:
    """A few digits: ``0.3``, ``2.1``, ``480``, ``1,200``."""
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:,.0f}"


def figure(value: float) -> str:
    """A mean of any size, to four digits."""
    return f"{value:.4g}"


def once_in(log_e: float) -> str:
    """How seldom chance alone gets there: ``once in 480 times`` (Ville's inequality)."""
    if log_e > math.log(_MILLION):
        return "less than once in a million times"
    return f"once in {number(math.exp(log_e))} times"


def against(log_e: float, needed: float, crossed: bool) -> str:
    """How much speaks against the canary; ``needed`` is an e-value."""
    if log_e <= 0.0:
        return "nothing speaks against it so far"
    enough = "is enough" if crossed else "is needed"
    return (
        f"a healthy canary looks this bad at most {once_in(log_e)}, "
        f"once in {number(needed)} {enough}"
    )


def counted(n: int, things: str = "customers") -> str:
    """``14 of its customers``, ``none of its customers``."""
    return f"{n:,} of its {things}" if n else f"none of its {things}"
