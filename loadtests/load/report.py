"""What the person sees, and what is kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.places import told
from loadtests.load.acts import Stage
from loadtests.load.job import DIRECT, PROXIED, exchanges
from loadtests.load.measures import QUANTILES, Figures
from loadtests.load.scenarios import WARM_UP

if TYPE_CHECKING:
    from loadtests.load.run import Result

_TELL_EVERY: Final = 5.0


class Follower:
    """Reads a record while it is written, and counts."""

    def __init__(self, lines: TextIO) -> None:
        self.seen: Counter[str] = Counter()
        self._lines = lines
        self._half = ""  # of a line

    def look(self) -> Counter[str]:
        """The counts of everything written so far."""
        whole, _, self._half = (self._half + self._lines.read()).rpartition("\n")
        for one in exchanges(whole.splitlines()):
            self.seen[one.way] += 1
            self.seen["failed"] += bool(one.error) and one.way == PROXIED
        return self.seen


async def progress(stage: Stage, record: Path, out: Console) -> None:
    """Says every few seconds how far it is, until it is cancelled."""
    whole = WARM_UP + stage.seconds
    with record.open() as lines:
        follower = Follower(lines)
        while True:
            await asyncio.sleep(_TELL_EVERY)
            seen, now = follower.look(), min(time.time() - stage.began, whole)
            phase = (stage.marks[-1].phase or "changing") if stage.marks else "warming up"
            out.print(
                f"  [dim]{now:3.0f} of {whole:.0f} s  {phase:<10} {seen[PROXIED]:>6} through the "
                f"proxy ({seen['failed']} failed), {seen[DIRECT]} straight[/]"
            )


def show(result: Result, out: Console) -> None:
    """The budget's rows as a table, and all else that was measured below it."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("row")
    table.add_column("measured", justify="right")
    table.add_column("allowed", justify="right")
    table.add_column("")
    for verdict in result.verdicts:
        word = "[green]kept[/]" if verdict.kept else "[bold red]OVER[/]"
        table.add_row(escape(str(verdict.row)), verdict.told, verdict.row.allowed, word)
    out.print(table)
    _show_latency(result, out)
    kinds = {**result.whole, **{f"direct_{k}": v for k, v in result.direct_errors.items()}}
    met = [f"{name} {value:.2f}" for name, value in kinds.items() if "errors_percent." in name]
    if met:
        out.print(f"  errors met: {', '.join(met)}")
    name = result.order.scenario.name
    page, figures = result.order.out / f"{name}.html", result.order.out / f"{name}.json"
    out.print(f"  [dim]kept: {told(page)} (Locust's report), {told(figures)}[/]")


def _show_latency(result: Result, out: Console) -> None:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(f"ms: {' / '.join(QUANTILES)}")
    for way in ("through the proxy", "straight", "added"):
        table.add_column(way, justify="right")
    for phase, figures in {**result.phases, "whole run": result.whole}.items():
        table.add_row(phase, *_cells(figures, ""))
    if result.order.scenario.stream:
        table.add_row("first event", *_cells(result.whole, "first_event_"))
        table.add_row("gap between events", *_cells(result.whole, "gap_"))
    out.print(table)


def _cells(figures: Figures, what: str) -> list[str]:
    found = []
    for way in ("proxied", "direct", "added"):
        values = [figures.get(f"{way}_{what}{p}_ms") for p in QUANTILES]
        found.append(" / ".join("-" if value is None else f"{value:.2f}" for value in values))
    return found


def keep(result: Result) -> None:
    """The figures as JSON, beside Locust's own report and the record of every request."""
    order = result.order
    content = {
        "scenario": order.scenario.name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "model_servers": "given" if order.target else order.kind,
        "seconds": order.seconds,
        "users_each_way": order.users,
        "rate_each_way": order.rate,
        "kept": result.kept,
        "rows": [
            {**asdict(one.row), "measured": one.measured, "kept": one.kept}
            for one in result.verdicts
        ],
        "whole": result.whole,
        "phases": result.phases,
        "direct_errors": result.direct_errors,
    }
    path = order.out / f"{order.scenario.name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")


def broken(result: Result) -> list[str]:
    """A line for each row over its budget."""
    name = result.order.scenario.name
    return [
        f"{name}: {verdict.row} measured {verdict.told}, allowed {verdict.row.allowed}"
        for verdict in result.verdicts
        if not verdict.kept
    ]


def verdict(wanted: Sequence[str], results: Sequence[Result], out: Console) -> None:
    """The end of it: a word on every scenario, and the rows that broke."""
    words = {
        one.order.scenario.name: "[green]within budget[/]" if one.kept else "[red]over budget[/]"
        for one in results
    }
    for name in wanted:
        out.print(f"  {name:<15} {words.get(name, '[red]not carried out[/]')}")
    for line in (line for one in results for line in broken(one)):
        out.print(f"over budget: {escape(line)}", soft_wrap=True)
