"""Commands that talk to a running pointsman: look, change the split, revert, clear."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from proxy.cli.client import AdminClient, path
from proxy.cli.options import (
    DEFAULT_CONFIG,
    Actor,
    Admin,
    Config,
    Json,
    Model,
    Reason,
    actor_or_user,
    client,
    complete_version,
    print_json,
)
from proxy.errors import Unreachable

Version = Annotated[
    str,
    typer.Argument(
        help="The version that was reverted.",
        metavar="VERSION",
        autocompletion=complete_version,
        show_default=False,
    ),
]


def _percent(value: float) -> float:
    if not 0 <= value <= 100 or abs(value * 100 - round(value * 100)) > 1e-6:
        raise typer.BadParameter(f"{value:g} is not from 0 to 100 in steps of 0.01")
    return value


def status(
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it anew every second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show how every model's versions do, and what was reverted.

    A table for each model: the arms with their requests, errors and latency over the last
    minute; the share asked and the share realised; shadow copies; latched reverts with their
    reason; what each guardrail makes of the canary; endpoints taken out; the workers. A config
    that was refused, a disk or a database that is not written, and workers that do not hear the
    desk are shown on top.

    \b
    Examples:
      pointsman status
      pointsman status --watch
      pointsman status --json | jq '.models["credit-risk"].share'
      pointsman status --admin 10.0.0.7:9901
    """
    if watch and as_json:
        raise typer.BadParameter("--watch is for people, --json for scripts: choose one")
    api = client(admin, config)
    if watch:
        _watch(api)
    elif as_json:
        print_json(api.get(path("status")))
    else:
        from proxy.cli import board, show

        show.console().print(board.frame(board.read(api.get(path("status")))))


def _watch(api: AdminClient) -> None:
    """Fails at once when nothing answers at first; later on, it says so and keeps trying."""
    from proxy.cli import board, show

    try:
        frame = board.frame(board.read(api.get(path("status"))))
        with show.refreshed() as refresh:
            refresh(frame)
            while True:
                time.sleep(1.0)
                try:
                    frame = board.frame(board.read(api.get(path("status"))))
                    refresh(frame)
                except Unreachable as error:
                    refresh(board.stale(frame, str(error)))
    except KeyboardInterrupt:
        return


def split_set(
    model: Model,
    percent: Annotated[
        float,
        typer.Argument(
            help="The canary's share of the customers: 0 to 100, in steps of 0.01.",
            metavar="PERCENT",
            callback=_percent,
            show_default=False,
        ),
    ],
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="The version to make canary; the present canary when left out.",
            metavar="VERSION",
            autocompletion=complete_version,
            show_default=False,
        ),
    ] = None,
    reason: Reason = "",
    actor: Actor = "",
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Give the canary PERCENT of the customers.

    Takes the place of what the file says of MODEL, until `split clear` or until the file's split
    of MODEL is edited; a restart does not end it. A customer that has the canary keeps it when
    the share is raised. A version that was reverted stays out: see `split clear-revert`.

    \b
    Examples:
      pointsman split set credit-risk 10 --reason "two quiet days"
      pointsman split set credit-risk 1 --version 3
      pointsman split set credit-risk 0          # everybody to stable, no latch
    """
    body = _who_and_why(actor, reason) | {"percent": percent}
    if version is not None:
        body["version"] = version
    _say_split(client(admin, config).put(path("models", model, "split"), body))


def split_clear(
    model: Model,
    reason: Reason = "",
    actor: Actor = "",
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Let the file's split of MODEL count again.

    Ends what `split set` did.

    \b
    Example:
      pointsman split clear credit-risk
    """
    body = _who_and_why(actor, reason)
    _say_split(client(admin, config).delete(path("models", model, "split"), body))


def split_clear_revert(
    model: Model,
    version: Version,
    reason: Reason = "",
    actor: Actor = "",
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Let a reverted VERSION be canary again.

    A reverted version gets no customers, whatever the config says, until a person does this.
    It gets the share that the config or `split set` names at once.

    \b
    Example:
      pointsman split clear-revert credit-risk 3 --reason "its timeout was set wrong; fixed"
    """
    body = _who_and_why(actor, reason)
    _say_split(client(admin, config).delete(path("models", model, "reverts", version), body))


def split_clear_hold(
    model: Model,
    reason: Reason = "",
    actor: Actor = "",
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Let the share of a held canary of MODEL grow again.

    A canary is held when a guardrail that is not critical fails, or when its customers are not
    split as asked: its share may be lowered but not raised. It gets the share that the config
    or `split set` names at once. What it was held for does not hold it again while it is canary.

    \b
    Example:
      pointsman split clear-hold credit-risk --reason "two ids were tests of our own"
    """
    body = _who_and_why(actor, reason)
    _say_split(client(admin, config).delete(path("models", model, "hold"), body))


def split_clear_shift(
    model: Model,
    reason: Reason = "",
    actor: Actor = "",
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Give the customers of MODEL back to its stable version.

    When stable does not answer at the moment of a revert, everybody gets the version that
    `last_resort` names, until a person does this.

    \b
    Example:
      pointsman split clear-shift credit-risk --reason "version 1 is up again"
    """
    body = _who_and_why(actor, reason)
    _say_split(client(admin, config).delete(path("models", model, "shift"), body))


def revert(
    model: Model,
    reason: Reason = "",
    actor: Actor = "",
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
) -> None:
    """Send everybody of MODEL back to its stable version, now.

    Takes effect in every worker within a tenth of a second and latches: the canary stays out
    across restarts and edits of its share, until `split clear-revert`.

    \b
    Example:
      pointsman revert credit-risk --reason "complaints from support"
    """
    body = _who_and_why(actor, reason)
    _say_split(client(admin, config).post(path("models", model, "revert"), body))


def _who_and_why(actor: str, reason: str) -> dict[str, Any]:
    return {"actor": actor_or_user(actor), "reason": reason}


def _say_split(answer: Any) -> None:
    """What a write left behind, in a line."""
    canary, stable = answer["canary"], answer["stable"]
    now = f"canary {canary['version']} at {canary['percent']:.10g} %" if canary else "no canary"
    split = f"stable {stable}, {now}" if stable else "not in the config"
    typer.echo(f"{answer['model']}: {split} (plan {answer['plan_number']})")
