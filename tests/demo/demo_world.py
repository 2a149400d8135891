"""Small made-up runs for the demo's pure parts."""

from __future__ import annotations

from typing import Any

from demo.desk import Counted
from demo.replay import Exchange
from demo.story import ACTS, Played, Told
from demo.summary import Seen
from demo.truth import Imported

START = 1000.0
TRIP = START + 430.0


def exchange(act: str, customer: int, **given: Any) -> Exchange:
    """A good answer of stable in the middle of its act, unless ``given`` says otherwise."""
    index = [one.key for one in ACTS].index(act)
    given = {"at": START + index * 100 + 10, "status": 200, "arm": "stable", "version": "1"} | given
    given = {"fallback": "", "seconds": 0.004} | given
    return Exchange(act=act, customer=f"uci-{customer:05d}", **given)


def canary(act: str, customer: int, version: str = "2", **given: Any) -> Exchange:
    return exchange(act, customer, **({"arm": "canary", "version": version} | given))


def latch(version: str, reason: str, at: float) -> dict[str, Any]:
    return {
        "version": version,
        "reason": reason,
        "message": f"canary {version} failed 5 customers",
        "numbers": {"canary_events": 5.0, "e_value": 160.0, "needed": 100.0},
        "actor": "pointsman",
        "at": at,
    }


def finding(check: str, verdict: str) -> dict[str, Any]:
    numbers = {"canary_events": 5.0, "stable_events": 1.0, "e_value": 160.0, "needed": 100.0}
    return {"check": check, "verdict": verdict, "message": "", "numbers": numbers}


def told(**given: Any) -> Told:
    """Every act took a hundred seconds; three versions were reverted in the middle of theirs."""
    played = [
        Played(act, START + index * 100, START + index * 100 + 99, 0.2, index + 1)
        for index, act in enumerate(ACTS)
    ]
    known = {
        "played": played,
        "latches": {
            "3": latch("3", "errors", TRIP),
            "4": latch("4", "errors", START + 650),
            "5": latch("5", "approvals", START + 750),
        },
        "findings": {
            "4": [
                finding("errors", "fail"),
                finding("errors[age_band=young]", "fail"),
                finding("errors[age_band=senior]", "not_yet"),
            ],
        },
        "labels": Imported(400, {"accepted": 400, "waiting": 0}),
        "approvals": (900, 900),
    }
    return Told(**(known | given))


def good_run() -> Seen:
    """A run in which everything happened as told."""
    exchanges = [exchange(act, customer) for act in ("1", "2", "5") for customer in range(200)]
    exchanges += [(canary if n < 10 else exchange)("3a", n) for n in range(200)]
    exchanges += [(canary if n < 20 else exchange)("3b", n) for n in range(200)]
    exchanges += [
        canary("4", n, "3", at=START + 420) if n >= 180 else exchange("4", n) for n in range(199)
    ]
    exchanges.append(exchange("4", 199, at=TRIP - 1, fallback="3; status_500"))
    for act, version in (("6", "4"), ("7", "5")):
        exchanges += [(canary(act, n, version) if n < 40 else exchange(act, n)) for n in range(200)]
    counts = {
        "stable 1": {"ok": 1470},
        "canary 2": {"ok": 30},
        "canary 3": {"ok": 19, "bad": 1},
        "canary 4": {"ok": 40},
        "canary 5": {"ok": 40},
    }
    witness = [{"at": START + 420 + n / 10, "fate": "good"} for n in range(19)]
    witness.append({"at": TRIP - 1, "fate": "error"})
    return Seen(
        exchanges=exchanges,
        told=told(counted=Counted(counts, {"2": {"sent": 200, "dropped_queue": 3}})),
        witness=witness,
        pairs=[(0.001, 0.0012), (0.002, 0.0025), (0.003, 0.0031)],
        versions={
            "1": {"auc": 0.71, "calibration_error": 0.05, "mean_score": 0.2, "base_rate": 0.2}
        },
    )
