"""``pointsman replay``: recorded evidence through the same judge, with these or other rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.options import DEFAULT_CONFIG, Config, Json, print_json
from proxy.cli.shared import OptionalModel, Plot, bar, judged, write_plot
from proxy.errors import ReplayError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from proxy.judge import Guardrails
    from proxy.judge.replay import Moment, Replay, Replayed
    from proxy.judge.trial import Trial
    from proxy.report import Chart
    from proxy.store.evidence import Header, Reading

_EVERY = 64  # lines between two moves of the progress bar


def replay(
    evidence: Annotated[
        Path,
        typer.Argument(
            help="An evidence file, or one model's folder of them in the state_dir.",
            metavar="FILE|FOLDER",
            show_default=False,
        ),
    ],
    guardrails: Annotated[
        Path | None,
        typer.Option(
            "--guardrails",
            "-g",
            help="Judge by these: a YAML file with what stands under guardrails in a config.",
            metavar="FILE",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    model: OptionalModel = None,
    plot: Plot = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Judge recorded evidence once more.

    Would this rule have fired, and when? The desk writes down what it judges by, in the folder
    evidence of its state_dir. By default it is judged by the guardrails of that time; with
    --guardrails by those of a file, with --model by those of the config. Prints every change of a
    verdict, and what came of it.

    \b
    Examples:
      pointsman replay .pointsman/evidence/credit-risk
      pointsman replay .pointsman/evidence/credit-risk --guardrails looser.yaml
      pointsman replay 0000000012.jsonl -m credit-risk --plot replayed.svg
    """
    if guardrails is not None and model is not None:
        raise typer.BadParameter("--guardrails and --model both say what to judge by: choose one")
    from proxy.store.evidence import read

    rules = _rules(guardrails, config, model)
    with closing(read(evidence)) as reading:
        found = [it.result() for it in _replayed(reading, rules) if it.lines]
    if plot is not None:
        _draw(found, plot)
    if as_json:
        print_json(_document(found, reading.notes))
    else:
        from proxy.cli import show

        out = show.console()
        for line in _told(found, reading.notes):
            out.print(line)


def _rules(file: Path | None, config: Path, model: str | None) -> Guardrails | None:
    """None: those of the record."""
    if file is not None:
        from proxy.settings.alone import load_guardrails

        return load_guardrails(file)
    return judged(config, model).guardrails if model is not None else None


def _replayed(reading: Reading, rules: Guardrails | None) -> list[Replay]:
    """One Replay for each trial in the record."""
    found: list[Replay] = []
    header: Header | None = None
    with bar("replaying", reading.total) as progress:
        for number, line in enumerate(reading):
            if reading.header is not header:
                new = header is None or _trial(reading.header) != _trial(header)
                header = reading.header
                _begin(found, header, rules or header.guardrails, new)
            try:
                found[-1].add(line)
            except ValueError as error:
                raise ReplayError(f"a line does not belong to its file: {error}") from error
            if number % _EVERY == 0:
                progress.at(reading.done)
    return found


def _trial(header: Header) -> tuple[str, str, float]:
    return header.model, header.version, header.began


def _begin(found: list[Replay], header: Header, rules: Guardrails, new: bool) -> None:
    """A new trial, or the same in its next file: from the snapshot where lines are missing, and
    with other guardrails where the desk's were changed."""
    from proxy.judge.replay import Replay
    from proxy.judge.trial import Trial

    if new:
        trial = Trial(rules, header.model, header.version, header.stable, header.began)
        found.append(Replay(trial, header.from_line))
    running = found[-1]
    missing = header.from_line != running.first_line + running.lines
    if header.snapshot is not None and (missing or (new and header.from_line)):
        running.trial = _restored(rules, header.snapshot)
    elif running.trial.guardrails != rules:
        running.trial = Trial.restore(rules, running.trial.snapshot())


def _restored(rules: Guardrails, snapshot: bytes) -> Trial:
    from proxy.judge.trial import Trial

    try:
        return Trial.restore(rules, snapshot)
    except ValueError as error:
        raise ReplayError(f"the snapshot in a header cannot be taken up: {error}") from error


def _document(found: list[Replayed], notes: list[str]) -> Any:
    import msgspec

    trials = []
    for it in found:
        trial = msgspec.to_builtins(it)
        for finding, said in zip(it.findings, trial["findings"], strict=True):
            said["verdict"] = finding.verdict.name.lower()
        del trial["paths"]  # for drawing
        trials.append(trial)
    return {"trials": trials, "notes": notes}


def _told(found: list[Replayed], notes: list[str]) -> Iterator[RenderableType]:
    from rich.text import Text

    from proxy.cli.show import YELLOW, clock, duration, plain

    for note in notes:
        yield plain(note, YELLOW)
    for it in found:
        yield Text.assemble(
            plain(f"{it.model} {it.version}", "bold cyan"),
            plain(
                f"  against {it.stable}, began {clock(it.began)}, {it.lines:,} lines over "
                f"{duration(it.seconds)}"
            ),
        )
        if it.timeline:
            yield _table(it)
        yield from _came_of_it(it)
        yield Text()
    if not found:
        yield "no evidence in it: nothing was judged"


def _table(found: Replayed) -> RenderableType:
    from proxy.cli.show import RED, clock, duration, plain, table

    right = ("after", "e-value", "canary", "stable")
    shown = table("after", "at", "check", "verdict", "e-value", "canary", "stable", right=right)
    for it in found.timeline:
        shown.add_row(
            duration(it.seconds),
            clock(it.at),
            plain(it.check),
            plain(_verdict(it), RED if it.verdict == "fail" else ""),
            _e_value(it.numbers),
            _number(it.numbers, "canary_events"),
            _number(it.numbers, "stable_events"),
        )
    return shown


def _verdict(moment: Moment) -> str:
    """``FAIL: revert``; whatever else needs no shouting."""
    words = moment.verdict.replace("_", " ")
    if moment.verdict != "fail":
        return words
    return f"FAIL: {'reported only' if moment.effect == 'none' else moment.effect}"


def _came_of_it(found: Replayed) -> Iterator[RenderableType]:
    from proxy.cli.show import RED, YELLOW, duration, plain

    for moment, what, style in ((found.reverted, "REVERTED", RED), (found.held, "HELD", YELLOW)):
        if moment is not None:
            when = f"{duration(moment.seconds)} after it began"
            yield plain(f"{what} by {moment.check} {when}: {moment.message}", style)
    if found.reverted is None and found.held is None:
        yield "nothing would have reverted or held it"
        for it in found.findings:
            yield plain(f"  {it.check}: {it.message}")


def _e_value(numbers: dict[str, float]) -> str:
    if "e_value" not in numbers:
        return "-"
    return f"{numbers['e_value']:,.3g} of {numbers.get('needed', float('nan')):,.4g}"


def _number(numbers: dict[str, float], name: str) -> str:
    return f"{numbers[name]:,.0f}" if name in numbers else "-"


def _draw(found: list[Replayed], path: Path) -> None:
    from proxy.report import draw

    charts = [chart for it in found for chart in _charts(it)]
    said = [
        f"{it.model} {it.version}: "
        + (f"reverted by {it.reverted.check}" if it.reverted else "not reverted")
        for it in found
    ]
    write_plot(path, draw(charts, "Evidence of harm, replayed", "; ".join(said)))


def _charts(found: Replayed) -> Iterator[Chart]:
    """One for each bound: tests that share alpha need the same."""
    from math import log

    from proxy.report import Axis, Bound, Chart, Line

    bounds = {it.check: it.numbers.get("needed", 0.0) for it in found.findings}
    moved = {it: path for it, path in found.paths.items() if len({e for _, e in path}) > 1}
    paths = moved or found.paths  # what never moved tells nothing beside what did
    for needed in dict.fromkeys(bounds.values()):
        lines = tuple(
            Line(check, (*path, (found.seconds, path[-1][1])), steps=True)
            for check, path in paths.items()
            if bounds.get(check) == needed
        )
        if lines:
            yield Chart(
                f"{found.model} {found.version} against {found.stable}",
                Axis("time since the canary began", "duration", 0.0, max(found.seconds, 1.0)),
                Axis("log of the e-value"),
                lines,
                (Bound(f"acts at {log(needed):.3g} (1 to {needed:,.4g})", log(needed)),),
            )
