"""From what was seen to what it means: pure arithmetic.

Times are in seconds, shares run from 0 to 1.  The result is plain data that JSON can hold.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from demo import checks
from demo.replay import Exchange
from demo.story import ACTS, BAD, RATE, Act, Played, Told

#: A request that was due so shortly before the revert may have been decided after it.
_UNDER_WAY: Final = 0.2
_QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that the summary is made from."""

    exchanges: Sequence[Exchange]
    told: Told
    witness: Sequence[Mapping[str, Any]]  # version 3's own account: ``at`` and ``fate``
    pairs: Sequence[tuple[float, float]]  # seconds direct and through the proxy
    versions: Mapping[str, Mapping[str, float]]  # how the versions did in training


def quantiles(values: Iterable[float]) -> dict[str, float | None]:
    """p50, p95 and p99 by nearest rank: always a value that was really seen."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(_QUANTILES)
    return {
        name: ordered[min(len(ordered) - 1, math.ceil(q * len(ordered)) - 1)]
        for name, q in _QUANTILES.items()
    }


def summarise(seen: Seen) -> dict[str, Any]:
    """The whole summary; ``checks`` says whether the story happened."""
    start = seen.told.played[0].began
    summary: dict[str, Any] = {
        "began_at": start,
        "acts": [_act(played, start) for played in seen.told.played],
        "requests": _requests(seen),
        "shares": [share(played.act, _of(played.act, seen)) for played in seen.told.played],
        "added_latency": added_latency(seen.pairs),
        "shadow": _shadow(seen.told),
        "revert": revert(seen.told.latches.get(BAD), seen.witness),
        "reverts": [_reverted(act, seen) for act in ACTS if act.reverts],
        "feedback": _feedback(seen.told),
        "customers": customers(seen.exchanges),
        "versions": seen.versions,
    }
    found = checks.checks(summary, seen)
    summary["happened"] = all(check.held for check in found)
    summary["checks"] = [
        {"name": check.name, "held": check.held, "found": check.found} for check in found
    ]
    return summary


def _act(played: Played, start: float) -> dict[str, Any]:
    return {
        "key": played.act.key,
        "title": played.act.title,
        "short": played.act.short,
        "asked": played.act.canary[1] / 100 if played.act.canary else 0.0,
        "canary": played.act.canary[0] if played.act.canary else None,
        "shadow": played.act.shadow,
        "began": played.began - start,
        "ended": played.ended - start,
        "change_seconds": played.change_seconds,
        "plan": played.plan,
    }


def _requests(seen: Seen) -> dict[str, Any]:
    groups: dict[tuple[bool, bool, str, str], list[Exchange]] = defaultdict(list)
    for exchange in seen.exchanges:
        # Stable first, the canaries after it, what stable did for them last.
        order = (bool(exchange.fallback), exchange.arm == "canary")
        groups[*order, exchange.version, exchange.arm].append(exchange)
    return {
        "total": len(seen.exchanges),
        "rate_asked": RATE,
        "by_arm": [_arm(group) for _, group in sorted(groups.items())],
        "by_pointsman": seen.told.counted.requests if seen.told.counted else {},
    }


def _arm(group: list[Exchange]) -> dict[str, Any]:
    """``group`` is not empty, and all of one arm, version and fate."""
    return {
        "arm": group[0].arm,
        "version": group[0].version,
        "fallback": bool(group[0].fallback),
        "requests": len(group),
        "customers": len({exchange.customer for exchange in group}),
        "bad": sum(not exchange.good for exchange in group),
        "seconds": quantiles(exchange.seconds for exchange in group),
    }


def _of(act: Act, seen: Seen) -> list[Exchange]:
    """The act's exchanges under the split that it asked for, so only those before the revert."""
    mine = [exchange for exchange in seen.exchanges if exchange.act == act.key]
    latch = seen.told.latches.get(act.canary[0]) if act.reverts and act.canary else None
    if latch is not None:
        return [exchange for exchange in mine if exchange.at < latch["at"] - _UNDER_WAY]
    return mine


def share(act: Act, mine: Sequence[Exchange]) -> dict[str, Any]:
    """The canary's share of one act's exchanges, asked and realised, by customers and requests."""
    everybody = {exchange.customer for exchange in mine}
    canary = [exchange for exchange in mine if exchange.decided == "canary"]
    chosen = {exchange.customer for exchange in canary}
    both = chosen & {exchange.customer for exchange in mine if exchange.decided == "stable"}
    return {
        "act": act.key,
        "version": act.canary[0] if act.canary else None,
        "asked": act.canary[1] / 100 if act.canary else 0.0,
        "by_customers": len(chosen) / len(everybody) if everybody else 0.0,
        "by_requests": len(canary) / len(mine) if mine else 0.0,
        "customers": len(everybody),
        "requests": len(mine),
        "of_both_arms": len(both),
    }


def added_latency(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """What the proxy adds: quantiles both ways, their difference, and the median difference."""
    direct = quantiles(straight for straight, _ in pairs)
    through = quantiles(proxied for _, proxied in pairs)
    return {
        "pairs": len(pairs),
        "direct": direct,
        "through": through,
        "added": {
            name: None if (d := direct[name]) is None or (t := through[name]) is None else t - d
            for name in _QUANTILES
        },
        "added_in_the_middle": quantiles(t - d for d, t in pairs)["p50"],
    }


def _shadow(told: Told) -> dict[str, Any]:
    copies = told.counted.copies if told.counted else {}
    return {
        version: {
            "sent": results.get("sent", 0),
            "dropped": {why: n for why, n in results.items() if why != "sent" and n},
            "seconds": told.shadow_latency,
        }
        for version, results in copies.items()
    }


def revert(
    latch: Mapping[str, Any] | None, witness: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Why and when the bad version was reverted, by the proxy's account and by its own."""
    if latch is None or not witness:
        return None
    arrivals = [float(line["at"]) for line in witness]
    bad = [float(line["at"]) for line in witness if line["fate"] != "good"]
    last, trip = max(arrivals), float(latch["at"])
    first_bad = min(bad) if bad else None
    return {
        "version": latch["version"],
        "reason": latch["reason"],
        "message": latch["message"],
        "numbers": latch["numbers"],
        "actor": latch["actor"],
        "at": trip,
        "first_bad_at": first_bad,
        "last_canary_at": last,
        "first_bad_to_trip": None if first_bad is None else trip - first_bad,
        "first_bad_to_last": None if first_bad is None else last - first_bad,
        "trip_to_last": last - trip,
        "canary_requests": len(arrivals),
        "bad_requests": len(bad),
        "after_the_trip": sum(at > trip for at in arrivals),
    }


def _reverted(act: Act, seen: Seen) -> dict[str, Any]:
    """What the judge said when it reverted this act's canary; no reason when it did not."""
    assert act.canary is not None
    version = act.canary[0]
    latch = seen.told.latches.get(version)
    mine = [e for e in _of(act, seen) if e.decided == "canary"]
    began = next((played.began for played in seen.told.played if played.act is act), math.nan)
    return {
        "act": act.key,
        "version": version,
        "actor": latch["actor"] if latch else "",
        "reason": latch["reason"] if latch else "",
        "message": latch["message"] if latch else "",
        "seconds": float(latch["at"]) - began if latch else None,
        "at": float(latch["at"]) if latch else None,
        "customers": len({exchange.customer for exchange in mine}),
        "failed": sum(bool(exchange.fallback) for exchange in mine),
        "findings": seen.told.findings.get(version, []),
    }


def _feedback(told: Told) -> dict[str, Any]:
    sent, accepted = told.approvals
    labels = told.labels
    return {
        "approvals_sent": sent,
        "approvals_accepted": accepted,
        "labels_sent": labels.sent if labels else 0,
        "labels_said": labels.said if labels else {},
    }


def customers(exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """Who got a bad answer, and who would have without the fallback."""
    hurt = [exchange for exchange in exchanges if not exchange.good]
    saved = [exchange for exchange in exchanges if exchange.good and exchange.fallback]
    return {
        "seen": len({exchange.customer for exchange in exchanges}),
        "hurt": len({exchange.customer for exchange in hurt}),
        "hurt_requests": len(hurt),
        "hurt_by_status": dict(Counter(str(exchange.status) for exchange in hurt)),
        "saved": len({exchange.customer for exchange in saved}),
        "saved_requests": len(saved),
        "saved_by_reason": dict(Counter(exchange.failure for exchange in saved)),
    }
