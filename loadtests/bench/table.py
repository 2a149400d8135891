"""The results for people: one table for each row, then what is reached.

A cell shows the median and, in brackets, the interval around it.  ``~`` marks a comparison that
the spread does not resolve: see ``spread`` for the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from loadtests.bench import alone
from loadtests.bench.reach import ELSEWHERE, Judged
from loadtests.bench.rounds import LOUD, Results, Values
from loadtests.bench.spread import Spread, Verdict, differences, quantile, ratios, spread
from loadtests.bench.works import DIRECT, OURS, SPLIT, Contender, Group, Kind, Measure, Work

NOISE: Final = "~"
_COLOUR: Final = {
    Verdict.HOLDS: "green",
    Verdict.MISSED: "red",
    Verdict.NOISE: "yellow",
    Verdict.NOT_MEASURED: "dim",
}
#: pointsman against itself, measured apart from the groups.
_CUSTOMERS: Final = Group(
    alone.CUSTOMERS_ROW,
    "Customers",
    (Measure(alone.CUSTOMERS_ROW, Kind.CLOSED, SPLIT.title),),
    tuple(Contender(label, OURS, Work()) for label in (alone.FEW_LABEL, alone.MANY_LABEL)),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A figure in a table.  ``added``: less what it is without a proxy; ``ratio``: compared."""

    title: str
    figure: str
    decimals: int = 0
    added: bool = False
    ratio: bool = False
    bare: bool = False  # the median alone


_CPU: Final = Column("CPU µs", "cpu_us", 1)
_CPU_RATIO: Final = Column("CPU ratio", "cpu_us", ratio=True)
_MEMORY: Final = Column("RSS MB", "rss_mb", bare=True)
COLUMNS: Final = {
    Kind.CLOSED: (_CPU, _CPU_RATIO, Column("requests/s", "per_s"),
                  Column("copies %", "copies_percent", bare=True),
                  Column("desk ms/s", "beside_ms_per_s", bare=True), _MEMORY),
    Kind.STEADY: (Column("p50 µs", "p50_us", bare=True), Column("added", "p50_us", added=True),
                  Column("ratio", "p50_us", ratio=True),
                  Column("p99 µs", "p99_us", bare=True), Column("added", "p99_us", added=True),
                  Column("ratio", "p99_us", ratio=True), _CPU),
    Kind.UPLOAD: (_CPU, _CPU_RATIO, Column("per s", "per_s"), _MEMORY),
    Kind.ANSWER: (_CPU, _CPU_RATIO, Column("per s", "per_s"), _MEMORY),
    Kind.EVENTS: (Column("CPU µs/event", "cpu_us", 1), _CPU_RATIO,
                  Column("first byte µs", "first_byte_us"),
                  Column("ratio", "first_byte_us", ratio=True)),
}  # fmt: skip


def told(found: Spread | None, decimals: int = 0) -> str:
    """``20.1 (19.8-20.9)``; a dash when nothing was measured."""
    if found is None:
        return "-"
    low, high = f"{found.low:,.{decimals}f}", f"{found.high:,.{decimals}f}"
    middle = f"{found.median:,.{decimals}f}"
    return middle if low == high else f"{middle} ({low}-{high})"


def told_ratio(found: Spread | None) -> str:
    """The same of a ratio, with the mark when it may as well be 1."""
    if found is None:
        return "-"
    return told(found, 2) + ("" if found.resolved_from(1.0) else f" {NOISE}")


def ratio_of(group: Group, label: str, ours: Values, theirs: Values) -> Spread | None:
    """pointsman over a peer; of pointsman against itself, this over the first."""
    if label == group.contenders[0].label or label == DIRECT:
        return None
    peers = group.contenders[0].label == OURS
    return ratios(ours, theirs) if peers else ratios(theirs, ours)


def cell(group: Group, row: str, label: str, column: Column, results: Results) -> str:
    """What a table shows of a contender."""
    values = results.values(row, label, column.figure)
    if column.ratio:
        base = results.values(row, group.contenders[0].label, column.figure)
        return told_ratio(ratio_of(group, label, base, values))
    if column.added:
        straight = results.values(row, DIRECT, column.figure)
        return told(spread(differences(values, straight).values())) if label != DIRECT else "-"
    found = spread(values.values())
    if found is not None and column.bare:
        return f"{found.median:,.{column.decimals}f}"
    return told(found, column.decimals)


def table(group: Group, measure: Measure, results: Results) -> Table | None:
    """One row of the benchmark; None when nothing of it was measured."""
    labels = [*([DIRECT] if group.direct else []), *(each.label for each in group.contenders)]
    labels = [label for label in labels if (measure.row, label) in results.figures]
    if not labels:
        return None
    title = group.title if len(group.measures) == 1 else f"{group.title}: {measure.title}"
    shown = [
        column
        for column in COLUMNS[measure.kind]
        if any(cell(group, measure.row, label, column, results) != "-" for label in labels)
    ]
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column("")
    for column in shown:
        made.add_column(column.title, justify="right")
    for label in labels:
        cells = [cell(group, measure.row, label, column, results) for column in shown]
        made.add_row(label, *cells)
    return made


def show(console: Console, groups: Iterable[Group], results: Results) -> None:
    """Every table of what was measured."""
    for group in (*groups, _CUSTOMERS):
        for measure in group.measures:
            made = table(group, measure, results)
            if made is not None:
                console.print(made)
    console.print(
        "Medians of the rounds; in brackets the interval of the median. A ratio is pointsman "
        "over the peer (of pointsman alone: this over the first), round by round; "
        f"{NOISE} = the spread does not tell it from 1. Memory is of the processes that carry "
        "traffic.",
        style="dim",
    )
    beside = spread(results.values(SPLIT.row, OURS, "beside_ms_per_s").values())
    if beside is not None:
        console.print(
            f"Not in pointsman's CPU per request: its desk and parent, {told(beside, 1)} ms of CPU "
            "a second in all with one model; the column desk ms/s has it for each."
        )
    others = sorted(results.all("others_cores"))
    if others:
        console.print(
            f"Other programs took {quantile(others, 0.5):.2f} of a core while we measured "
            f"(at worst {others[-1]:.2f}); {results.retaken} measures were taken again for that.",
            style="yellow" if quantile(others, 0.5) > LOUD else None,
        )
    late = spread(results.values("steady", DIRECT, "late_p99_us").values())
    if late is not None:
        console.print(
            "The generator's own lateness, which is in all the times alike: "
            f"p50 {told(spread(results.values('steady', DIRECT, 'late_p50_us').values()))} µs, "
            f"p99 {told(late)} µs."
        )


def show_reach(console: Console, judged: list[Judged], notes: Iterable[str]) -> None:
    """What of the aims holds, what does not, and what is noise.  Never a pass or a fail."""
    made = Table(title="What to reach", title_justify="left", title_style="bold")
    for title in ("figure", "found", "reach", "", "stretch", ""):
        made.add_column(title, justify="left" if title in ("figure", "") else "right")
    for each in judged:
        aim = each.aim
        made.add_row(
            aim.text,
            told(each.found, 2 if aim.against else 0),
            aim.told(aim.reach),
            _verdict(each.reach),
            "" if aim.same else aim.told(aim.stretch),
            _verdict(each.stretch),
        )
    console.print(made)
    count = {v: sum(v in (each.reach, each.stretch) for each in judged) for v in Verdict}
    console.print(
        f"{count[Verdict.HOLDS]} rows hold a bound, {count[Verdict.MISSED]} miss one, "
        f"{count[Verdict.NOISE]} are noise: more rounds, or a quieter machine, must decide."
    )
    for note in (*notes, ELSEWHERE):
        console.print(f"- {note}", style="dim")


def plane(found: Mapping[str, Any]) -> Table:
    """What ``python -m loadtests.plane --json`` says, beside another revision or not."""
    title = "The data plane alone, in memory: CPU µs per request, the least of its rounds"
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column("")
    made.add_column("here", justify="right")
    there, compared = found.get("there", {}), found.get("ratios", {})
    if there:
        made.add_column(str(found["revision"])[:9], justify="right")
        made.add_column("ratio", justify="right")
    for name, here in found["rows"].items():
        beside = []
        if name in there:
            beside = [f"{there[name]:.2f}", told_ratio(Spread(**compared[name]))]
        made.add_row(name, f"{here:.2f}", *beside)
    return made


def _verdict(verdict: Verdict | None) -> str:
    return f"[{_COLOUR[verdict]}]{verdict}[/]" if verdict else ""
