"""How answers look: on a terminal with colour, in a pipe as plain aligned columns.

``NO_COLOR`` is obeyed by rich.  What comes from elsewhere (names, reasons, messages) is only
ever put into ``Text``: it is neither markup nor an escape sequence for the terminal.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from proxy.judge.guardrails import Guardrails
    from proxy.judge.policy import Thresholds
    from proxy.routing.explain import Explanation, ShadowExplanation
    from proxy.routing.plan import ModelPlan, Plan

RED = "bold red"
YELLOW = "yellow"
POINTS = 2**64
ROOMY = 90  # columns of a terminal
PIPE_WIDTH = 200  # columns; a pipe has no width of its own, and a cut table helps nobody


def console() -> Console:
    """Standard output as it is now: a terminal, or not."""
    wide = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, width=wide)


def plain(words: object, style: str = "") -> Text:
    """Words from elsewhere, with what a terminal would obey made visible."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(words)), style)


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """A light table; its ``right`` columns hold numbers.  In a pipe it has no lines at all."""
    out = console()
    gap = 2 if not out.is_terminal else 1 if out.width >= ROOMY else 0
    made = Table(
        box=box.SIMPLE_HEAD if out.is_terminal else None, padding=(0, gap, 0, 0), pad_edge=False
    )
    numbers = set(right)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            min_width=max(map(len, column.split())),
        )
    return made


def indented(words: object, style: str = "") -> RenderableType:
    """A line under a heading; where it is wrapped, it stays in."""
    return Padding(plain(words, style), (0, 0, 0, 2), expand=False)


@contextmanager
def refreshed() -> Iterator[Callable[[RenderableType], None]]:
    """Shows one frame in the place of the last; in a pipe, one below the other.

    A terminal keeps the last frame when it ends.
    """
    out = console()
    if not out.is_terminal:
        yield out.print
        return
    shown: list[RenderableType] = [""]

    def show(frame: RenderableType) -> None:
        shown[0] = frame
        screen.update(frame, refresh=True)

    try:
        with Live("", console=out, auto_refresh=False, screen=True) as screen:
            yield show
    finally:
        out.print(shown[0])


def percent(value: float) -> str:
    """``5 %``, ``0.01 %``: as an operator writes it."""
    return f"{value:.10g} %"


def share(ratio: float) -> str:
    """A ratio from 0 to 1 as a percentage of two decimals at most."""
    return f"{round(100 * ratio, 2):g} %"


def duration(seconds: float | None) -> str:
    """Three figures and a unit that suits: ``4.21ms``, ``1.30s``, ``2h05m``."""
    if seconds is None:
        return "-"
    if seconds >= 3600:
        return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60):02d}m"
    if seconds >= 60:
        return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"
    return f"{seconds:.2f}s" if seconds >= 0.9995 else f"{1000 * seconds:.3g}ms"


def clock(at: float) -> str:
    """A moment, in UTC; one that no calendar has (of a damaged file) as the number it is."""
    try:
        moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{at:g} s"
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def plan(
    config: Path,
    plan: Plan,
    thresholds: Mapping[str, Thresholds],
    guardrails: Mapping[str, Guardrails],
) -> None:
    """OK, and what the config says of each model, in a line."""
    out = console()
    out.print(Text.assemble(("OK", "bold green"), "  ", plain(config)))
    shown = table("model", "match", "customer", "stable", "canary", "shadows", "reverts on")
    for model in plan.models:
        shown.add_row(
            plain(model.name),
            plain((model.host or "") + model.path_prefix),
            plain(_customer(model)),
            plain(model.stable),
            plain(f"{model.canary.version} at {percent(model.canary.percent)}")
            if model.canary
            else "-",
            plain(", ".join(f"{s.version} at {percent(s.percent)}" for s in model.shadows) or "-"),
            plain(_checks(thresholds.get(model.name), guardrails.get(model.name))),
        )
    out.print(shown)


def _customer(model: ModelPlan) -> str:
    if model.customer is None:
        return f"none ({model.missing})"
    return f"{model.customer.kind} {model.customer.name}, else {model.missing}"


def _checks(found: Thresholds | None, guardrails: Guardrails | None) -> str:
    names: list[str] = []
    if found is not None:
        names += ["error_rate"] if found.error_rate else []
        names += [f"p{100 * latency.quantile:g}" for latency in found.latency]
        names += ["consecutive_failures"] if found.consecutive_failures else []
    if guardrails is not None:
        names += [it.name for it in guardrails.rules if it.critical and not it.dry_run]
    return ", ".join(names) or "nothing"


def explanation(found: Explanation) -> None:
    """A decision as sentences and numbers."""
    out = console()
    shown = Table.grid(padding=(0, 2))
    shown.add_row("model", plain(found.model))
    shown.add_row("arm", plain(found.arm or "by chance", "bold"))
    shown.add_row("version", plain(found.version or "by chance", "bold"))
    shown.add_row("point", _point(found.point))
    shown.add_row("threshold", f"{found.threshold} of 2^64 ({percent(found.percent)})")
    shown.add_row("why", plain(found.why))
    for shadow in found.shadows:
        shown.add_row(plain(f"shadow {shadow.version}"), plain(_copied(shadow)))
    out.print(shown)


def _point(point: int | None) -> str:
    return "none: no customer key" if point is None else f"{point} ({100 * point / POINTS:.4f} %)"


def _copied(shadow: ShadowExplanation) -> str:
    """Whether a copy is made; chance decides without a key."""
    share = f"{percent(shadow.percent)} of the customers"
    if shadow.copied is None:
        return f"by chance: {share}"
    if not shadow.copied:
        return f"no copy: {share}, point {shadow.point} is not below {shadow.threshold}"
    pairs = {True: "compared with stable", False: "not compared", None: "compared by chance"}
    return f"copied: {share}; {pairs[shadow.paired]}"
