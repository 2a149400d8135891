"""``pointsman compare``: two versions' answers to the same requests, held against each other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.options import DEFAULT_CONFIG, Admin, Config, Json, client, print_json
from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.compare import Comparison, Options, Summary
    from proxy.judge.gate import Criteria, Gate

_KINDS = ("probability", "class", "number", "vector", "ranking", "text", "tensor", "document")
_DIFFERENT = 1


def _kind(value: str) -> str:
    if value not in _KINDS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(_KINDS)}")
    return value


def _protocol(value: str) -> str:
    from proxy.payload import PROTOCOLS

    allowed = [it for it in PROTOCOLS if it != "custom"]
    if value and value not in allowed:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _pointers(values: list[str]) -> list[str]:
    for value in values:
        if not value.startswith("/"):
            raise typer.BadParameter(f"{value!r} is no JSON pointer: it begins with /")
    return values


def compare(
    model: Annotated[
        str,
        typer.Argument(
            help="The model's name; left out, with recorded answers only, it is model.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = "",
    offline: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--offline",
            help="Two files of recorded answers, JSON lines: stable's and the shadow's.",
            metavar="STABLE SHADOW",
            show_default=False,
        ),
    ] = None,
    shadow: Annotated[
        str,
        typer.Option(
            "--shadow",
            help="The shadow's version; left out, the only one, or the name of its file.",
            metavar="VERSION",
            show_default=False,
        ),
    ] = "",
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help=f"What a prediction is: {', '.join(_KINDS)}.",
            metavar="KIND",
            callback=_kind,
        ),
    ] = "probability",
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            help="What the answers are written in: open-inference-v2 when left out.",
            metavar="PROTOCOL",
            callback=_protocol,
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", help="The output that is the prediction.", metavar="NAME",
            show_default=False,
        ),
    ] = None,
    index: Annotated[
        int | None,
        typer.Option(
            "--index", help="Which value of several in a row, from 0; -1 is the last.",
            metavar="N", show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance", help="Up to which distance two predictions agree.", min=0.0,
            metavar="X", show_default=False,
        ),
    ] = None,
    relative: Annotated[
        float,
        typer.Option(
            "--relative", help="Added to it, as a share of the larger number.", min=0.0,
            metavar="SHARE",
        ),
    ] = 0.0,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", help="From this score on the decision is yes.", metavar="X",
            show_default=False,
        ),
    ] = None,
    ignore: Annotated[
        list[str],
        typer.Option(
            "--ignore", help="A JSON pointer of a document that is not compared; * is any step.",
            metavar="POINTER", callback=_pointers, show_default=False,
        ),
    ] = [],  # noqa: B006
    noise: Annotated[
        Path | None,
        typer.Option(
            "--noise", help="Stable's answers to the same requests once more, to learn its noise.",
            metavar="FILE", show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="What came true: CSV, JSON lines or Parquet with request_id, label.",
            metavar="FILE", show_default=False,
        ),
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option(
            "--gate", help="YAML of the criteria; see docs/comparison.md.", metavar="FILE",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        bool, typer.Option("--show-values", help="Show predicted values in examples.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Write the report into this file.", metavar="FILE",
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown", help="Write it as Markdown.", metavar="FILE", show_default=False
        ),
    ] = None,
    as_json: Json = False,
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:  # fmt: skip
    """Say whether a shadow is better, where, and how surely.

    Of a running pointsman, shows what it has found of the shadows of MODEL until now; the config
    says how they are compared, and what the gate asks.

    With --offline, reads recorded answers instead: one JSON object a line, with request_id and
    one of prediction, predictions (rows), answer (JSON), body (text), body_base64 or error;
    besides status, seconds, segments, customer, at, content_type, content_encoding where they are
    known. Lines are joined by request_id, in any order. Without --gate the criteria are 100
    pairs, 95 % agreement, and at most 5 % of errors and of broken answers.

    \b
    Exit codes: 0 the shadow passes; 1 it fails, it is inconclusive, or a file cannot be read;
    2 wrong usage; 3 no pointsman answers.

    \b
    Examples:
      pointsman compare credit-risk
      pointsman compare credit-risk --shadow 3 --html credit-risk-3.html
      pointsman compare --offline stable.jsonl shadow.jsonl
      pointsman compare credit-risk --offline a.jsonl b.jsonl --labels truth.csv --html out.html
      pointsman compare --offline a.jsonl b.jsonl --kind document --ignore /id --markdown out.md
    """
    for path in (html, markdown):
        if path is not None and not path.absolute().parent.is_dir():
            raise OperationRefused(f"{path}: cannot be written: there is no such folder")
    if offline is None:
        given = {"--kind": kind != "probability", "--protocol": protocol != "",
                 "--output": output is not None, "--index": index is not None,
                 "--tolerance": tolerance is not None, "--relative": relative != 0.0,
                 "--threshold": threshold is not None, "--ignore": bool(ignore),
                 "--noise": noise is not None, "--labels": labels is not None,
                 "--gate": gate is not None, "--show-values": values}  # fmt: skip
        _online(model, shadow, given, (admin, config), html, markdown, as_json=as_json)
        return
    from proxy.cli.comparing import Asked, compared, criteria

    wanted = criteria(gate)
    asked = Asked(model or "model", *offline, shadow or offline[1].stem, protocol, noise, labels)
    options = _options(kind, output, index, tolerance, relative, threshold, ignore, values)
    made = compared(asked, options)
    _told(made, wanted, html, markdown, as_json=as_json)


def _online(
    model: str,
    shadow: str,
    given: Mapping[str, bool],
    where: tuple[str | None, Path],
    html: Path | None,
    markdown: Path | None,
    *,
    as_json: bool,
) -> None:
    """What a running pointsman says.  ``given`` are the options that its config has instead."""
    if not model:
        raise typer.BadParameter("name a model, or give --offline STABLE SHADOW")
    for name, is_given in given.items():
        if is_given:
            raise typer.BadParameter(
                "is for --offline; a running pointsman has it in its config", param_hint=name
            )
    from proxy.cli.compared import comparisons

    found = comparisons(client(*where), model, shadow)
    if len(found) > 1 and (html or markdown or as_json):
        names = ", ".join(it.view.version for it in found)
        raise typer.BadParameter(f"choose one of {names}", param_hint="--shadow")
    for it in found:
        if not as_json:
            typer.echo(it.running())
        _tell(it.summary, it.gate, html, markdown, as_json=as_json, beside=it.beside())
    if any(it.gate.verdict != "pass" for it in found):
        raise typer.Exit(_DIFFERENT)


def _options(
    kind: str,
    output: str | None,
    index: int | None,
    tolerance: float | None,
    relative: float,
    threshold: float | None,
    ignore: list[str],
    values: bool,
) -> Options:
    from proxy.compare import DecisionRule, Kind, Options, ReadOptions, Tolerances

    return Options(
        read=ReadOptions(Kind(kind), output=output, index=index),
        tolerances=Tolerances(tolerance, relative, ignore=tuple(ignore)),
        decision=DecisionRule(threshold),
        show_values=values,
    )


def _told(
    made: Comparison,
    wanted: Criteria,
    html: Path | None,
    markdown: Path | None,
    *,
    as_json: bool,
) -> None:
    from proxy.judge.gate import gate

    summary = made.summary(time.time())
    verdict = gate(wanted, summary)
    _tell(summary, verdict, html, markdown, as_json=as_json)
    if verdict.verdict != "pass":
        raise typer.Exit(_DIFFERENT)


def _tell(
    summary: Summary,
    verdict: Gate,
    html: Path | None,
    markdown: Path | None,
    *,
    as_json: bool,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """``beside``: what a running pointsman knows besides, for JSON."""
    from proxy.cli.shared import write_plot
    from proxy.report.comparison import document
    from proxy.report.html import html as to_html
    from proxy.report.markdown import markdown as to_markdown

    if html is not None:
        write_plot(html, to_html(document(summary, verdict)))
    if markdown is not None:
        write_plot(markdown, to_markdown(document(summary, verdict)))
    if as_json:
        print_json({**(beside or {}), **_json(summary, verdict)})
    else:
        _show(summary, verdict, [it for it in (html, markdown) if it is not None])


def _json(summary: Summary, verdict: Gate) -> Any:
    import msgspec

    # Through its encoder, which writes what is no number as null.
    found = msgspec.json.decode(msgspec.json.encode({"gate": verdict, "summary": summary}))
    for finding, said in zip(verdict.findings, found["gate"]["findings"], strict=True):
        said["verdict"] = finding.verdict.name.lower()
    return found


def _show(summary: Summary, verdict: Gate, written: list[Path]) -> None:
    from proxy.cli import show
    from proxy.report.numbers import paired, percent

    out = show.console()
    look = {"pass": "green", "fail": show.RED}.get(verdict.verdict, show.YELLOW)
    out.print(show.plain(f"{verdict.verdict.upper()}: {verdict.sentence}", look))
    table = show.table("criterion", "verdict", "what was found")
    for it in verdict.findings:
        word = it.verdict.name.lower().replace("_", " ")
        table.add_row(show.plain(it.check), show.plain(word), show.plain(it.message))
    out.print(table)
    for note in summary.fidelity.notes:
        out.print(show.plain(note))
    rows = [it for it in summary.segments.rows if len(it.segments) == 1][:20]
    if rows:
        table = show.table("segment", "rows", "agree", "shift", "regret",
                           right=("rows", "agree", "shift", "regret"))  # fmt: skip
        for row in rows:
            found = row.figures
            table.add_row(
                show.plain(row.name), f"{found.pairs:,}",
                percent(found.agreement.value if found.agreement else None),
                paired(found.shift), paired(found.regret),
            )  # fmt: skip
        out.print(table)
    for path in written:
        out.print(show.plain(f"written to {path}"))
