"""The summary as tables for people: one list of tables, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of text; ``note`` is a sentence to read below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(summary: Summary) -> list[Table]:
    made = [
        _requests(summary),
        _shares(summary),
        _added(summary),
        _shadow(summary),
        _revert(summary),
        _reverts(summary),
        _segments(summary),
        _customers(summary),
        _versions(summary),
    ]
    return [table for table in made if table.rows]


def milliseconds(seconds: float | None, digits: int = 1) -> str:
    return "-" if seconds is None else f"{seconds * 1000:,.{digits}f} ms"


def before_or_after(seconds: float) -> str:
    """``37 ms before``, ``4 ms after``: where something stands to a moment."""
    return f"{abs(seconds) * 1000:.0f} ms {'after' if seconds > 0 else 'before'}"


def percent(ratio: float) -> str:
    return f"{ratio * 100:.1f} %"


def _requests(summary: Summary) -> Table:
    rows = [
        [
            f"{_who(row)}",
            f"{row['requests']:,}",
            f"{row['customers']:,}",
            f"{row['bad']:,}",
            *(milliseconds(row["seconds"][name]) for name in ("p50", "p95", "p99")),
        ]
        for row in summary["requests"]["by_arm"]
    ]
    total = summary["requests"]
    note = (
        f"{total['total']:,} requests at {total['rate_asked']:.0f} a second. Latency as the "
        "callers saw it, from when each request was due to the last byte of its answer."
    )
    return Table("Answers", ["answered by", "requests", "customers", "bad", *_Q], rows, note)


_Q = ["p50", "p95", "p99"]


def _who(row: Mapping[str, Any]) -> str:
    if not row["arm"]:
        return "nobody"
    name = f"v{row['version']} {row['arm']}"
    return f"{name}, for a failed canary" if row["fallback"] else name


def _shares(summary: Summary) -> Table:
    rows = [
        [
            row["act"],
            f"v{row['version']}",
            percent(row["asked"]),
            percent(row["by_customers"]),
            percent(row["by_requests"]),
            f"{row['customers']:,}",
            f"{row['requests']:,}",
        ]
        for row in summary["shares"]
        if row["version"]
    ]
    head = ["act", "canary", "asked", "by customers", "by requests", "customers", "requests"]
    note = (
        "Acts 4, 6 and 7 are counted until the revert. In act 5 the file asks, and the revert "
        "refuses."
    )
    return Table("Share of the canary, asked and realised", head, rows, note)


def _added(summary: Summary) -> Table:
    found = summary["added_latency"]
    rows = [
        [name, *(milliseconds(found[key][quantile], 2) for quantile in _Q)]
        for name, key in (
            ("straight to v1", "direct"),
            ("through pointsman", "through"),
            ("difference", "added"),
        )
        if found["pairs"]
    ]
    note = (
        f"{found['pairs']} requests each way, in turn, one at a time. "
        f"Median of the differences: {milliseconds(found['added_in_the_middle'], 2)}."
    )
    return Table("Latency that pointsman adds", ["", *_Q], rows, note)


def _shadow(summary: Summary) -> Table:
    rows = []
    for version, row in summary["shadow"].items():
        dropped = [f"{n:,} {why.removeprefix('dropped_')}" for why, n in row["dropped"].items()]
        seconds = [milliseconds(row["seconds"].get(name)) for name in _Q]
        rows.append([f"v{version}", f"{row['sent']:,}", ", ".join(dropped) or "none", *seconds])
    note = "Latency as pointsman measured it; no caller waits for a copy."
    return Table("Shadow copies", ["shadow", "sent", "dropped", *_Q], rows, note)


def _revert(summary: Summary) -> Table:
    found = summary["revert"]
    if found is None:
        return Table("Revert", [], [])
    rows = [
        ["version", f"v{found['version']}, by {found['actor']}"],
        ["reason", f"{found['reason']}: {found['message']}"],
        ["numbers", ", ".join(f"{name} {value:g}" for name, value in found["numbers"].items())],
        [
            "v3 served",
            f"{found['canary_requests']} requests, {found['bad_requests']} of them badly",
        ],
        ["first bad answer to the trip", milliseconds(found["first_bad_to_trip"], 0)],
        [
            "first bad answer to the last canary request",
            milliseconds(found["first_bad_to_last"], 0),
        ],
        ["the last canary request came", f"{before_or_after(found['trip_to_last'])} the trip"],
        ["canary requests after the trip", str(found["after_the_trip"])],
    ]
    note = "When requests came is by v3's own account, not by pointsman's."
    return Table("Revert", ["", ""], rows, note)


def _reverts(summary: Summary) -> Table:
    rows = [
        [
            row["act"],
            f"v{row['version']}",
            row["reason"] or "not reverted",
            "-" if row["seconds"] is None else f"{row['seconds']:.1f} s",
            f"{row['customers']:,}",
            f"{row['failed']:,}",
            row["message"],
        ]
        for row in summary["reverts"]
    ]
    head = ["act", "canary", "guardrail", "after", "customers", "failures", "what the judge said"]
    note = "Customers are those whom the canary decided for until then; stable answered failures."
    return Table("What the judge reverted", head, rows, note)


def _segments(summary: Summary) -> Table:
    rows = [
        [
            f"v{row['version']}",
            finding["check"],
            finding["verdict"].replace("_", " "),
            *(_number(finding["numbers"].get(name)) for name in _EVIDENCE),
        ]
        for row in summary["reverts"]
        for finding in row["findings"]
        if "e_value" in finding["numbers"]
    ]
    head = ["canary", "guardrail", "verdict", "in the canary", "in stable", "e-value", "needed"]
    note = (
        "Customers with the event, by arm. A guardrail trips when its e-value reaches what is "
        "needed, however often anyone looks."
    )
    return Table("The guardrails when each canary was reverted", head, rows, note)


_EVIDENCE = ("canary_events", "stable_events", "e_value", "needed")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _customers(summary: Summary) -> Table:
    found = summary["customers"]
    why = ", ".join(f"{n:,} {reason}" for reason, n in found["saved_by_reason"].items())
    rows = [
        ["customers served", f"{found['seen']:,}", f"{summary['requests']['total']:,}", ""],
        ["got a bad answer", f"{found['hurt']:,}", f"{found['hurt_requests']:,}", ""],
        [
            "would have, without the fallback",
            f"{found['saved']:,}",
            f"{found['saved_requests']:,}",
            why,
        ],
    ]
    note = "The model may be repeated safely, so stable answered when a canary failed."
    return Table("Customers", ["", "customers", "requests", "why"], rows, note)


def _versions(summary: Summary) -> Table:
    rows = [
        [
            f"v{name}",
            f"{row['auc']:.3f}",
            f"{row['calibration_error']:.3f}",
            percent(row["mean_score"]),
            percent(row["base_rate"]),
        ]
        for name, row in summary["versions"].items()
    ]
    head = ["version", "AUC", "calibration error", "says", "was"]
    note = "On 9,000 held-out customers: how often it says they default, and how often they did."
    return Table("The models", head, rows, note)


def markdown(summary: Summary) -> str:
    """The whole summary as a page; the picture lies beside it."""
    verdict = "It happened as told." if summary["happened"] else "It did not happen as told."
    lines = ["# The demo's story", "", f"**{verdict}**", ""]
    lines += [
        f"- {'yes' if check['held'] else '**NO**'}: {check['name']} ({check['found']})"
        for check in summary["checks"]
    ]
    lines += ["", "![latency and share over time](picture.png)", ""]
    for table in tables(summary):
        lines += [f"## {table.title}", "", *_rows(table), "", table.note, ""]
    lines += [
        "Data: I-Cheng Yeh, *Default of Credit Card Clients*, UCI Machine Learning Repository",
        "(2009), <https://doi.org/10.24432/C55S3H>, CC BY 4.0.",
        "",
    ]
    return "\n".join(lines)


def _rows(table: Table) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---"] + ["---:" if len(table.head) > 2 else "---"] * (len(table.head) - 1)
    return [line(table.head), line(rule), *(line(row) for row in table.rows)]
