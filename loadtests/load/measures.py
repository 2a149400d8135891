"""From what the callers wrote down to figures.  Pure.

A figure that cannot be known is missing, never zero: a p99 needs a hundred answers on either
way.  Only good answers have a latency, and only those of the stable arm are compared with the
direct way, which goes to the stable version as well.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.load.job import DIRECT, PROXIED, Exchange

QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
Figures = dict[str, float]

#: Known to every scenario and phase; ``errors_percent.KIND`` is one kind of error.
GENERAL: Final = (
    "errors_percent",
    "direct_errors_percent",
    "load_percent",
    "switched_customers",
    *(f"{what}_{p}_ms" for what in ("added", "proxied", "direct") for p in QUANTILES),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """From ``at`` (seconds since the epoch) on it is ``phase``; "" is none, and not judged."""

    at: float
    phase: str


def quantile(values: Sequence[float], q: float) -> float | None:
    """The nearest rank: the least value that ``q`` of all do not exceed.

    None when there are too few to have one: a p95 of nineteen values would be their largest.
    """
    if len(values) * (1 - q) < 1 - 1e-9:
        return None
    return sorted(values)[math.ceil(q * len(values) - 1e-9) - 1]


def split(exchanges: Iterable[Exchange], marks: Sequence[Mark]) -> dict[str, list[Exchange]]:
    """Each exchange under the phase in which it was sent; ``marks`` in the order of time."""
    found: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in exchanges:
        phase = ""
        for mark in marks:
            if mark.at > exchange.at:
                break
            phase = mark.phase
        found[phase].append(exchange)
    return dict(found)


def seconds(marks: Sequence[Mark], end: float) -> dict[str, float]:
    """How long each phase lasted in all."""
    found: dict[str, float] = defaultdict(float)
    for mark, following in zip(marks, [*marks[1:], Mark(end, "")], strict=True):
        found[mark.phase] += following.at - mark.at
    return dict(found)


def general(exchanges: Sequence[Exchange], due: float) -> Figures:
    """The figures that every scenario has, of one phase or of a whole run.

    ``due`` is how many requests were to be sent through the proxy.
    """
    proxied = [one for one in exchanges if one.way == PROXIED]
    direct = [one for one in exchanges if one.way == DIRECT]
    figures = errors(proxied)
    if direct:
        figures["direct_errors_percent"] = errors(direct)["errors_percent"]
    if due > 0:
        figures["load_percent"] = 100 * len(proxied) / due
    figures["switched_customers"] = float(switched(proxied))
    ours = [one.ms for one in proxied if comparable(one)]
    theirs = [one.ms for one in direct if not one.error]
    return figures | compared("", ours, theirs)


def errors(exchanges: Sequence[Exchange]) -> Figures:
    """Shares in percent: of all errors, and of each kind that was met."""
    if not exchanges:
        return {}
    kinds = Counter(one.error for one in exchanges if one.error)
    whole = 100 / len(exchanges)
    return {"errors_percent": kinds.total() * whole} | {
        f"errors_percent.{kind}": count * whole for kind, count in kinds.items()
    }


def comparable(one: Exchange) -> bool:
    """A good answer of the version that the direct way goes to."""
    return not one.error and not one.fallback and one.arm in ("", "stable")


def compared(what: str, proxied: Sequence[float], direct: Sequence[float]) -> Figures:
    """Quantiles of both ways, and what the proxy adds; ``what`` stands in the names."""
    found = {}
    for name, q in QUANTILES.items():
        ours, theirs = quantile(proxied, q), quantile(direct, q)
        if ours is not None:
            found[f"proxied_{what}{name}_ms"] = ours
        if theirs is not None:
            found[f"direct_{what}{name}_ms"] = theirs
        if ours is not None and theirs is not None:
            found[f"added_{what}{name}_ms"] = ours - theirs
    return found


def switched(proxied: Iterable[Exchange]) -> int:
    """Customers whom more than one arm answered."""
    arms: dict[str, set[str]] = defaultdict(set)
    for one in proxied:
        if one.arm and not one.fallback:
            arms[one.customer].add(one.arm)
    return sum(len(met) > 1 for met in arms.values())


def of_streams(exchanges: Sequence[Exchange]) -> Figures:
    """First events and the gaps between events, against the direct way; streams cut off."""
    whole = {
        PROXIED: [one for one in exchanges if one.way == PROXIED and comparable(one)],
        DIRECT: [one for one in exchanges if one.way == DIRECT and not one.error],
    }
    first = {way: [one.first_ms for one in met] for way, met in whole.items()}
    gaps = {way: [gap for one in met for gap in one.gaps] for way, met in whole.items()}
    cut = [one for one in exchanges if one.way == PROXIED and one.error == "truncated"]
    return (
        {"truncated_streams": float(len(cut))}
        | compared("first_event_", first[PROXIED], first[DIRECT])
        | compared("gap_", gaps[PROXIED], gaps[DIRECT])
    )


def of_shadow(phases: Mapping[str, Figures]) -> Figures:
    """What a shadow adds to the callers' latency: with it less without it."""
    alone, shadowed = phases.get("alone", {}), phases.get("shadowed", {})
    names = {f"shadow_adds_{p}_ms": f"proxied_{p}_ms" for p in QUANTILES}
    return {
        row: shadowed[name] - alone[name]
        for row, name in names.items()
        if name in shadowed and name in alone
    }


def of_revert(exchanges: Sequence[Exchange]) -> Figures:
    """From the first bad answer of the canary to its last answer of any kind.

    What follows the last one is after the revert, so a revert that never came shows as errors
    of the canary to the end, as few answers after it, and as ``reverts`` 0 of the acts.
    """
    proxied = [one for one in exchanges if one.way == PROXIED]
    canary = [one for one in proxied if one.arm == "canary"]
    figures = {
        "canary_answers": float(len(canary)),
        "errors_elsewhere": float(sum(1 for one in proxied if one.error and one.arm != "canary")),
    }
    bad = [one.ended for one in canary if one.error]
    if not bad:
        return figures
    last = max(one.ended for one in canary)
    after = [one for one in proxied if one.at > last]
    figures["revert_seconds"] = last - min(bad)
    figures["answers_after_revert"] = float(sum(1 for one in after if not one.error))
    figures["errors_after_revert"] = float(sum(1 for one in after if one.error))
    return figures
