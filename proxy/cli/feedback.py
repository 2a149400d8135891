"""Commands that tell a running pointsman what the world said later."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proxy.cli.client import path
from proxy.cli.options import (
    DEFAULT_CONFIG,
    Admin,
    Config,
    Json,
    client,
    complete_model,
    print_json,
)
from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from proxy.cli.rows import Wanted

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="The model's name in the config.",
        metavar="MODEL",
        autocompletion=complete_model,
        show_default=False,
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name", "-n", help="The name of label or KPI.", metavar="NAME", show_default=False
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="When: RFC 3339, or seconds since the epoch; now when left out.",
        metavar="TIME",
        show_default=False,
    ),
]

KINDS: Final = ("label", "kpi")
FORMATS: Final = ("csv", "jsonl", "parquet")


def _one_of(*words: str) -> Any:
    def check(value: str | None) -> str | None:
        if value is not None and value not in words:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(words)}")
        return value

    return check


def _columns(values: list[str]) -> list[str]:
    from proxy.cli.rows import FIELDS

    for value in values:
        field, sign, column = value.partition("=")
        if field not in FIELDS or not sign or not column:
            fields = ", ".join(FIELDS)
            raise typer.BadParameter(f"{value!r} is no FIELD=COLUMN with a FIELD of {fields}")
    return values


def feedback_import(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file of events: .csv with a header, .jsonl, or .parquet.",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            "-t",
            help="What rows without a type are: label or kpi.",
            metavar="TYPE",
            callback=_one_of(*KINDS),
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    name: NameOption = None,
    columns: Annotated[
        list[str],
        typer.Option(
            "--column",
            help="Read FIELD of an event from COLUMN; may be given several times.",
            metavar="FIELD=COLUMN",
            callback=_columns,
            show_default=False,
        ),
    ] = [],  # noqa: B006  # typer copies it
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl or parquet; told by the file's name when left out.",
            metavar="FORMAT",
            callback=_one_of(*FORMATS),
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Send the labels or KPI events of FILE, and tell what became of every row.

    Columns are named as the fields of an event (docs/feedback.md), or mapped to them. Rows that
    are refused go to FILE.rejects.csv (.jsonl for JSON lines), each with its reason. What was
    taken before is a duplicate: an import that was interrupted is simply run again.

    \b
    Exit codes: 0 every row is taken or a duplicate, 1 some were refused.

    \b
    Examples:
      pointsman feedback import labels.csv --name default --column request_id=id
      pointsman feedback import sales.parquet --type kpi --model credit-risk --name sales
    """
    from proxy.cli.importing import Import
    from proxy.cli.rows import KINDS as BY_NAME
    from proxy.cli.rows import Table

    found = form or BY_NAME.get(file.suffix.lower())
    if found is None:
        raise typer.BadParameter(f"--format is needed: {file.name!r} does not tell what it is")
    table = Table(file, found, _wanted(kind, model, name, columns))
    done = Import(client(admin, config), table).run()
    if as_json:
        print_json(done.summary())
    else:
        typer.echo(done.words())
    if done.rejected:
        raise typer.Exit(1)


def _wanted(kind: str | None, model: str | None, name: str | None, columns: list[str]) -> Wanted:
    from proxy.cli.rows import Wanted

    fixed = {"type": kind or "label", "model": model, "name": name}
    mapped = dict(it.split("=", 1) for it in columns)
    return Wanted(mapped, {field: it for field, it in fixed.items() if it is not None})


def feedback_send(
    name: Annotated[
        str, typer.Argument(help="The name of label or KPI.", metavar="NAME", show_default=False)
    ],
    value: Annotated[
        str,
        typer.Argument(
            help="A number, true, false, or a class.", metavar="VALUE", show_default=False
        ),
    ],
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id",
            help="The request whose prediction it is the truth about.",
            metavar="ID",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    customer: Annotated[
        str | None,
        typer.Option("--customer", help="The customer's key.", metavar="KEY", show_default=False),
    ] = None,
    kpi: Annotated[bool, typer.Option("--kpi", help="It is a KPI event, and no label.")] = False,
    at: At = None,
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Send one label or KPI event.

    \b
    Examples:
      pointsman feedback send default 1 --request-id 0a1b2c3d
      pointsman feedback send complaint 1 --kpi --model credit-risk --customer 4711
    """
    from proxy.cli.rows import plain

    event: dict[str, Any] = {"type": KINDS[kpi], "name": name, "value": plain("value", value)}
    event |= {"request_id": request_id, "model": model, "customer": customer}
    event["at"] = plain("at", at) if at is not None else time.time() if kpi else None
    answer = client(admin, config).submit(path("feedback"), _body(event))
    _refuse(answer)
    words = "had it already" if answer["duplicates"] else "taken"
    waits = ", waits for its prediction" if answer["waiting"] else ""
    typer.echo(f"{KINDS[kpi]} {name}: {words}{waits}")


def signal_send(
    summary: Annotated[
        str, typer.Argument(help="What is wrong.", metavar="SUMMARY", show_default=False)
    ],
    source: Annotated[
        str,
        typer.Option(
            "--source", help="Who says so, as `signals` in the config names it.", metavar="NAME"
        ),
    ] = "operator",
    model: ModelOption = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="Whose fault it is; of another version than the canary it is only noted.",
            metavar="VERSION",
            show_default=False,
        ),
    ] = None,
    severity: Annotated[
        str | None,
        typer.Option("--severity", help="How bad.", metavar="TEXT", show_default=False),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option("--link", help="Where to read more.", metavar="URL", show_default=False),
    ] = None,
    alarm: Annotated[
        str | None,
        typer.Option(
            "--alarm",
            help="The alarm's own name, for a source that has several.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="It is over: what it holds is held no more.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Send a downstream alarm, as another system would.

    What it brings about stands in the config: `signals` of the model.

    \b
    Examples:
      pointsman signal send "chargebacks doubled" --source fraud-desk --model credit-risk
      pointsman signal send "chargebacks are normal" --source fraud-desk --resolved
    """
    signal: dict[str, Any] = {"source": source, "summary": summary, "resolved": resolved}
    signal |= {"model": model, "version": version, "severity": severity}
    signal |= {"link": link, "alarm": alarm}
    answer = client(admin, config).submit(path("signals"), _body(signal))
    _refuse(answer)
    typer.echo(f"signal of {source}: {', '.join(answer['effects'])}")


def _body(said: dict[str, Any]) -> bytes:
    return json.dumps({name: it for name, it in said.items() if it is not None}).encode()


def _refuse(answer: Any) -> None:
    if answer["rejected"]:
        raise OperationRefused(answer["rejected"][0]["problem"])
