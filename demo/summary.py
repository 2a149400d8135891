"""From what was seen to what it means: pure arithmetic, and the list of what must be true.

Times are in seconds, shares run from 0 to 1.  The result is plain data that JSON can hold.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from demo.replay import Exchange
from demo.report import before_or_after, percent
from demo.story import ACTS, BAD, RATE, REVERT_ACT, Act, Played, Told

#: A realised share may miss the asked one by this many standard deviations of a fair draw.
_DEVIATIONS: Final = 4.0
#: The promise is 100 ms in the workers; a caller's request may be on its way a little longer.
LAST_CANARY_WITHIN: Final = 0.5
#: A request that was due so shortly before the revert may have been decided after it.
_UNDER_WAY: Final = 0.2
_QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the story promised, whether it held, and what was found."""

    name: str
    held: bool
    found: str


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
        "revert": revert(seen.told.latch, seen.witness),
        "customers": customers(seen.exchanges),
        "versions": seen.versions,
    }
    found = checks(summary, seen)
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
    latch = seen.told.latch
    if act.key == REVERT_ACT and latch is not None:
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


def is_fair(realised: float, asked: float, customers: int) -> bool:
    """Whether a share over so many customers is what a fair draw gives (4 deviations)."""
    if not customers:
        return False
    deviation = math.sqrt(asked * (1 - asked) / customers)
    return abs(realised - asked) <= _DEVIATIONS * deviation


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


def sent_back(exchanges: Sequence[Exchange], smaller: str, larger: str) -> int:
    """Customers of the canary in the act with the smaller share who were not in the larger."""
    before = {e.customer for e in exchanges if e.act == smaller and e.decided == "canary"}
    after = {e.customer for e in exchanges if e.act == larger and e.decided == "stable"}
    return len(before & after)


def checks(summary: Mapping[str, Any], seen: Seen) -> list[Check]:
    """Everything that must be true for the story to have happened."""
    return [
        *_share_checks(summary["shares"]),
        _sticky_check(summary["shares"], seen.exchanges),
        _shadow_check(summary["shadow"]),
        *_revert_checks(summary["revert"]),
        _latch_check(seen.exchanges),
        _customer_check(summary["customers"]),
        _count_check(seen),
    ]


def _share_checks(shares: Sequence[Mapping[str, Any]]) -> list[Check]:
    named = {act.key: act for act in ACTS if act.canary and act.canary[0] != BAD}
    return [
        Check(
            f"v{row['version']} got its {row['asked'] * 100:g} %",
            is_fair(row["by_customers"], row["asked"], row["customers"]),
            f"{percent(row['by_customers'])} of {row['customers']:,} customers, "
            f"{percent(row['by_requests'])} of {row['requests']:,} requests",
        )
        for row in shares
        if row["act"] in named
    ]


def _sticky_check(shares: Sequence[Mapping[str, Any]], exchanges: Sequence[Exchange]) -> Check:
    back = sent_back(exchanges, "3a", "3b")
    both = sum(row["of_both_arms"] for row in shares)
    return Check(
        "every customer kept its arm",
        not back and not both,
        f"{both} saw both arms under one split, {back} were sent back when the share grew",
    )


def _shadow_check(shadows: Mapping[str, Any]) -> Check:
    sent = shadows.get("2", {}).get("sent", 0)
    dropped = sum(shadows.get("2", {}).get("dropped", {}).values())
    return Check("v2 was mirrored", sent > dropped, f"{sent:,} copies sent, {dropped:,} dropped")


def _revert_checks(found: Mapping[str, Any] | None) -> list[Check]:
    if found is None:
        return [Check("v3 was reverted", False, "no revert of v3 was seen")]
    return [
        Check(
            "v3 was reverted by pointsman itself",
            found["actor"] == "pointsman" and found["bad_requests"] > 0,
            f"by {found['actor']}, for {found['reason']}: {found['message']}",
        ),
        Check(
            f"no canary request later than {LAST_CANARY_WITHIN * 1000:.0f} ms after the trip",
            found["trip_to_last"] <= LAST_CANARY_WITHIN,
            f"the last one came {before_or_after(found['trip_to_last'])} the trip",
        ),
    ]


def _latch_check(exchanges: Sequence[Exchange]) -> Check:
    last = [exchange for exchange in exchanges if exchange.act == "5"]
    given = sum(exchange.decided == "canary" for exchange in last)
    return Check(
        "editing the share gave nobody back to v3",
        bool(last) and not given,
        f"{given} of {len(last):,} requests after the edit",
    )


def _customer_check(found: Mapping[str, Any]) -> Check:
    return Check(
        "no customer got a bad answer",
        found["hurt"] == 0 and found["seen"] > 0,
        f"{found['hurt']} of {found['seen']:,} did; {found['saved']} would have without the "
        f"fallback to stable",
    )


def _count_check(seen: Seen) -> Check:
    """Both sides count decisions: a failed canary's request is the canary's, whoever answered."""
    asked: Counter[str] = Counter()
    for exchange in seen.exchanges:
        asked[f"{exchange.decided} {exchange.decided_version}"] += 1
    told = {
        arm: sum(outcomes.values())
        for arm, outcomes in (seen.told.counted.requests if seen.told.counted else {}).items()
        if not arm.startswith("shadow")
    }
    differ = sorted(arm for arm in asked.keys() | told.keys() if asked[arm] != told.get(arm, 0))
    found = "; ".join(
        f"{arm}: callers {asked[arm]:,}, pointsman {told.get(arm, 0):,}" for arm in differ
    )
    return Check(
        "pointsman counted what the callers counted",
        bool(told) and not differ,
        found or f"{sum(told.values()):,} requests, the same for every arm and version",
    )
