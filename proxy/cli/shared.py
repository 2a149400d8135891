"""What ``plan``, ``replay`` and ``simulate`` share: guardrails, base rates, steps, progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from proxy.cli.options import complete_model
from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from proxy.judge import Guardrail, Guardrails, Thresholds
    from proxy.judge.scenario import Step


class Judged(NamedTuple):
    """What a config says of one model's canary; ``percent`` is None without one."""

    guardrails: Guardrails
    thresholds: Thresholds
    percent: float | None


def judged(config: Path, model: str) -> Judged:
    """Raises ConfigError for a broken config, OperationRefused when it has no such model."""
    from proxy.settings import guardrails_by_model, load, thresholds

    settings = load(config, secrets=False)
    if model not in settings.models:
        names = ", ".join(settings.models)
        raise OperationRefused(f"{config}: there is no model {model!r}; there are: {names}")
    canary = settings.models[model].split.canary
    percent = canary.percent if canary is not None else None
    return Judged(guardrails_by_model(settings)[model], thresholds(settings)[model], percent)


class Rates(NamedTuple):
    """``--base-rate`` as given: one for every guardrail that has none of its own."""

    every: float | None
    own: dict[str, float]

    def of(self, guardrail: str) -> float | None:
        return self.own.get(guardrail, self.every)


def rates(values: Sequence[str]) -> Rates:
    every: float | None = None
    own: dict[str, float] = {}
    for value in values:
        name, given, number = value.rpartition("=")
        try:
            rate = float(number)
        except ValueError:
            rate = -1.0
        if not 0.0 < rate < 1.0 or (given and not name):
            raise typer.BadParameter(
                f"{value!r}: allowed is a share above 0 and below 1, such as 0.01, or that of one "
                "guardrail, such as errors=0.01",
                param_hint="--base-rate",
            )
        if given:
            own[name] = rate
        else:
            every = rate
    return Rates(every, own)


def steps(values: Sequence[str]) -> tuple[Step, ...]:
    """``5:2h`` each: the canary's percentage, and how long it has it."""
    from proxy.judge.scenario import Step

    found = []
    for value in values:
        percent, _, length = value.partition(":")
        try:
            share = float(percent) / 100
        except ValueError:
            share = -1.0
        if not 0.0 < share < 1.0 or not length:
            raise typer.BadParameter(
                f"{value!r}: allowed is a percentage above 0 and below 100, a colon and a "
                "duration, such as 5:2h",
                param_hint="--step",
            )
        found.append(Step(share, seconds(length, "--step")))
    if [it.share for it in found] != sorted(it.share for it in found):
        raise typer.BadParameter(
            f"{', '.join(values)}: each share must be at least the one before it",
            param_hint="--step",
        )
    return tuple(found)


def seconds(text: str, option: str) -> float:
    """A duration above 0 as an operator writes it."""
    from proxy.settings.units import Unfit, duration

    try:
        length = float(duration(text))
    except Unfit:
        length = 0.0
    if length <= 0.0:
        raise typer.BadParameter(
            f"{text!r}: allowed is a duration such as 30s, 10m or 24h", param_hint=option
        )
    return length


def with_rates(guardrails: Guardrails, wanted: Rates, whose: str) -> list[Guardrail]:
    """Those that compare how many customers have the event at all.

    Raises OperationRefused when there is none, a usage error when ``wanted`` names another.
    """
    found = [rule for rule in guardrails.rules if rule.measure == "rate"]
    if not found:
        raise OperationRefused(f"{whose} has no guardrail with a rate")
    names = [rule.name for rule in found]
    for name in wanted.own:
        if name not in names:
            raise typer.BadParameter(
                f"{name!r} is no guardrail with a rate; there are: {', '.join(names)}",
                param_hint="--base-rate",
            )
    return found


class Bar:
    """A progress bar on standard error, when that is a terminal; else nothing."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def on(self, by: float = 1) -> None:
        self._progress.advance(self._task, by)

    def at(self, done: float) -> None:
        self._progress.update(self._task, completed=done)


@contextmanager
def bar(words: str, total: float) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        yield Bar(progress, progress.add_task(words, total=total))


def write_plot(path: Path, picture: str) -> None:
    """Raises OperationRefused when it cannot be written."""
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise OperationRefused(f"{path}: cannot be written: {error.strerror or error}") from error


BaseRates = Annotated[
    list[str],
    typer.Option(
        "--base-rate",
        help="Stable's rate of the bad event, 0.01 for 1 %; NAME=RATE for one guardrail.",
        metavar="[NAME=]RATE",
        show_default=False,
    ),
]
Steps = Annotated[
    list[str],
    typer.Option(
        "--step",
        help="A share of the canary and how long it lasts, such as 5:2h; may be repeated.",
        metavar="PERCENT:DURATION",
        show_default=False,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        help="Draw it into this SVG file.",
        metavar="FILE",
        dir_okay=False,
        show_default=False,
    ),
]
OptionalModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Take the guardrails and thresholds of this model in the config.",
        metavar="MODEL",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", help="Of the random numbers: the same gives the same.", min=0)
]
