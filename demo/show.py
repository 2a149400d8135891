"""What the person sees: steps while things are made, a live board while the story is played.

Without a terminal (in CI, in a pipe) the same is said in plain lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo import places, report
from demo.replay import Exchange
from demo.servers import MODEL, Fleet
from demo.story import ACTS, BAD, RATE, Act, Played
from demo.summary import quantiles, share

_WIDTH_WITHOUT_TERMINAL: Final = 120
#: The callers live in this process: drawing more often would be felt in their latency.
_REFRESH: Final = 0.7


def console() -> Console:
    found = Console(highlight=False)
    if found.is_terminal:
        return found
    return Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


@contextlib.contextmanager
def step(out: Console, doing: str) -> Iterator[None]:
    """Say that something is being done, and how long it took."""
    began = time.monotonic()
    if out.is_terminal:
        with out.status(f"{doing} ..."):
            yield
    else:
        out.print(f"... {doing}")
        yield
    out.print(f"[green]ok[/]  {doing} [dim]({time.monotonic() - began:.1f} s)[/]")


class Board:
    """The acts and their numbers; drawn anew while the story goes on, or told act by act."""

    def __init__(self, out: Console, exchanges: Sequence[Exchange]) -> None:
        self._out = out
        self._exchanges = exchanges
        self._played: dict[str, Played] = {}

    def begin(self, played: Played) -> None:
        """An act begins (and the one before has ended)."""
        self._tell_last()
        self._played[played.act.key] = played
        if not self._out.is_terminal:
            self._out.print(_opening(played))

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """The board is on the terminal while the block runs, and its last state stays."""
        if not self._out.is_terminal:
            yield
            self._tell_last()
            return
        with Live(self._draw(), console=self._out, auto_refresh=False) as live:
            drawing = asyncio.create_task(self._redraw(live), name="board")
            try:
                yield
            finally:
                drawing.cancel()
                live.update(self._draw(), refresh=True)

    async def _redraw(self, live: Live) -> None:
        while True:
            await asyncio.sleep(_REFRESH)
            live.update(self._draw(), refresh=True)

    def _tell_last(self) -> None:
        if self._played and not self._out.is_terminal:
            last = next(reversed(self._played.values()))
            self._out.print("        " + ", ".join(_numbers(last.act, self._exchanges)))

    def _draw(self) -> Group:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
        for name in ("", "act", "what happens"):
            table.add_column(name, no_wrap=True)
        for name in ("requests", "canary", "stable p50/p95 ms", "canary p50/p95 ms", "saved"):
            table.add_column(name, justify="right", no_wrap=True)
        for act in ACTS:
            table.add_row(*self._row(act))
        return Group(table, ProgressBar(total=1.0, completed=self._done(), width=60), self._pulse())

    def _row(self, act: Act) -> list[str]:
        played = self._played.get(act.key)
        if played is None:
            return [" ", f"[dim]{act.key}[/]", f"[dim]{act.title}[/]", *[""] * 5]
        over = bool(played.ended)
        mark = "[green]ok[/]" if over else "[yellow]>>[/]"
        title = act.title if over else f"[bold]{act.title}[/]"
        mine = [exchange for exchange in self._exchanges if exchange.act == act.key]
        told = share(act, mine)
        return [
            mark,
            act.key,
            title,
            f"{len(mine):,}",
            report.percent(told["by_customers"]) if act.canary else "",
            _pair(mine, "stable"),
            _pair(mine, "canary"),
            str(sum(bool(exchange.fallback) for exchange in mine) or ""),
        ]

    def _done(self) -> float:
        """How far the story is, 0 to 1, by the time that its acts are expected to take."""
        done = 0.0
        for played in self._played.values():
            expected = played.act.expected
            gone = (played.ended or time.time()) - played.began
            done += expected if played.ended else min(gone, expected)
        return done / sum(act.expected for act in ACTS)

    def _pulse(self) -> Text:
        bad = sum(not exchange.good for exchange in self._exchanges)
        return Text(
            f"{len(self._exchanges):,} requests, {bad} bad answers; {RATE:.0f} a second asked",
            style="dim",
        )


def _pair(exchanges: Sequence[Exchange], arm: str) -> str:
    found = quantiles(e.seconds for e in exchanges if e.arm == arm and not e.fallback)
    if found["p50"] is None:
        return ""
    return " / ".join(report.milliseconds(found[name])[:-3] for name in ("p50", "p95"))


def _opening(played: Played) -> str:
    said = f"act {played.act.key:<3} {played.act.title} (plan {played.plan}"
    if played.act is ACTS[0]:
        return f"{said})"
    return f"{said}, in every worker {played.change_seconds:.2f} s after the edit)"


def _numbers(act: Act, exchanges: Sequence[Exchange]) -> list[str]:
    mine = [exchange for exchange in exchanges if exchange.act == act.key]
    said = [f"{len(mine):,} requests", f"{sum(not e.good for e in mine)} bad"]
    if act.canary:
        said.append(f"canary {report.percent(share(act, mine)['by_customers'])} of customers")
    for arm in ("stable", "canary"):
        pair = _pair(mine, arm)
        said += [f"{arm} p50 / p95 {pair} ms"] if pair else []
    saved = sum(bool(exchange.fallback) for exchange in mine)
    return said + ([f"{saved} answered by stable for the canary"] if saved else [])


def addresses(out: Console, fleet: Fleet) -> None:
    """Where to look around, and what to try."""
    config = places.told(places.WORKING_CONFIG)
    out.print("\n[bold]Everything stays up; customers keep coming.[/] Ctrl-C ends it.\n")
    out.print(f"  proxy        {fleet.proxy}")
    out.print(f"  admin        {fleet.admin} (/v1/status, /v1/history, /metrics)")
    for version, address in fleet.versions.items():
        out.print(f"  v{version}           {address}")
    out.print(f"  config       {config} (edit it: the split changes)")
    out.print(f"  logs         {places.told(places.LOGS)}\n")
    for said in (
        f"export POINTSMAN_CONFIG={config} PATH=.venv/bin:$PATH",
        "pointsman status --watch",
        f"pointsman explain --model {MODEL} --customer uci-00042",
        f"pointsman split clear-revert {MODEL} {BAD} --reason 'let us see it fail again'",
        f"curl -s {fleet.admin}/metrics | grep pointsman_requests_total",
    ):
        out.print(f"  [cyan]{said}[/]", soft_wrap=True)
    out.print()


def summary(out: Console, found: Mapping[str, Any]) -> None:
    """All the tables."""
    for table in report.tables(found):
        out.print(_table(table))
        out.print(f"[dim]{table.note}[/]\n" if table.note else "")


def verdict(out: Console, found: Mapping[str, Any]) -> None:
    """What held and what did not, and where the rest is."""
    for check in found["checks"]:
        mark = "[green]ok[/]  " if check["held"] else "[bold red]NO[/]  "
        out.print(Text.from_markup(mark) + Text(f"{check['name']}: {check['found']}"))
    folder = places.told(places.OUT)
    out.print(f"\nThe picture, the summary and every request are in [bold]{folder}[/]:")
    out.print("picture.png, summary.md, summary.json, requests.csv")
    if found["happened"]:
        out.print("[bold green]The story happened as told.[/]")
    else:
        out.print("[bold red]The story did not happen as told; see what says NO above.[/]")


def _table(table: report.Table) -> Table:
    drawn = Table(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_header=any(table.head),
        pad_edge=False,
    )
    for index, name in enumerate(table.head):
        right = index > 0 and len(table.head) > 2
        drawn.add_column(name, justify="right" if right else "left")
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn
