"""The list of what must be true for the story to have happened, each with what was found.  Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from demo.replay import Exchange
from demo.report import before_or_after, percent
from demo.story import ACTS, BAD, KPI_ACT, YOUNG_ACT

if TYPE_CHECKING:
    from demo.summary import Seen

#: A realised share may miss the asked one by this many standard deviations of a fair draw.
_DEVIATIONS: Final = 4.0
#: The promise is 100 ms in the workers; a caller's request may be on its way a little longer.
LAST_CANARY_WITHIN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the story promised, whether it held, and what was found."""

    name: str
    held: bool
    found: str


def checks(summary: Mapping[str, Any], seen: Seen) -> list[Check]:
    """Everything that must be true for the story to have happened."""
    return [
        *_share_checks(summary["shares"]),
        _sticky_check(summary["shares"], seen.exchanges),
        _shadow_check(summary["shadow"]),
        *_revert_checks(summary["revert"]),
        _latch_check(seen.exchanges),
        *_judge_checks({row["act"]: row for row in summary["reverts"]}),
        *_feedback_checks(summary["feedback"]),
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


def _judge_checks(rows: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    young, kpi = rows[YOUNG_ACT], rows[KPI_ACT]
    failing = {
        finding["check"]
        for finding in young["findings"]
        if finding["verdict"] == "fail" and "age_band=" in finding["check"]
    }
    return [
        Check(
            "v4 was reverted, and the judge knew for whom it failed",
            young["reason"].startswith("errors") and failing == {"errors[age_band=young]"},
            f"{young['reason'] or 'not reverted'}: {young['message']}; "
            f"of the age bands failed: {', '.join(sorted(failing)) or 'none'}",
        ),
        Check(
            "v5 was reverted for its approvals, though it never failed",
            kpi["reason"].startswith("approvals") and not kpi["failed"],
            f"{kpi['reason'] or 'not reverted'}: {kpi['message']}; {kpi['failed']} failures",
        ),
    ]


def _feedback_checks(found: Mapping[str, Any]) -> list[Check]:
    said = found["labels_said"]
    joined = int(said.get("accepted", 0)) - int(said.get("waiting", 0))
    return [
        Check(
            "pointsman took every approval that it was told of",
            found["approvals_sent"] == found["approvals_accepted"] > 0,
            f"{found['approvals_accepted']:,} of {found['approvals_sent']:,}",
        ),
        Check(
            "every late label found its prediction",
            joined == found["labels_sent"] > 0,
            f"{joined:,} of {found['labels_sent']:,}",
        ),
    ]


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


def is_fair(realised: float, asked: float, customers: int) -> bool:
    """Whether a share over so many customers is what a fair draw gives (4 deviations)."""
    if not customers:
        return False
    deviation = math.sqrt(asked * (1 - asked) / customers)
    return abs(realised - asked) <= _DEVIATIONS * deviation


def sent_back(exchanges: Sequence[Exchange], smaller: str, larger: str) -> int:
    """Customers of the canary in the act with the smaller share who were not in the larger."""
    before = {e.customer for e in exchanges if e.act == smaller and e.decided == "canary"}
    after = {e.customer for e in exchanges if e.act == larger and e.decided == "stable"}
    return len(before & after)
