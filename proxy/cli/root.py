"""The command tree: what stands under ``pointsman``, and how a failure leaves it.

Errors of the house's tree become one message and one exit code here, for every command.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from proxy import __version__
from proxy.cli import compare, feedback, offline, operate, plan, profiling, replay, simulate
from proxy.errors import ConfigError, PointsmanError, Unreachable

EXIT_REFUSED = 1
EXIT_UNREACHABLE = 3

EPILOG = """\b
Examples:
  pointsman check --config pointsman.yaml
  pointsman serve --config pointsman.yaml
  pointsman status --watch
  pointsman split set credit-risk 10 --reason "two quiet days"
  pointsman revert credit-risk --reason "complaints from support"

\b
Exit codes:
  0  done
  1  refused or failed: a broken config, an operation that is not allowed now
  2  wrong usage: an unknown command or option, a value out of range
  3  not reachable: no pointsman answers at the admin address

\b
Environment:
  POINTSMAN_CONFIG  the config file, in place of --config
  POINTSMAN_ADMIN   the admin address, in place of --admin
  NO_COLOR          no colours, when it is set
"""


class Root(TyperGroup):
    """The one place where an error on purpose becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except PointsmanError as error:
            said = error.problems if isinstance(error, ConfigError) else [str(error)]
            typer.echo("\n".join(said), err=True)
            code = EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_REFUSED
            raise typer.Exit(code) from error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pointsman {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Root,
    help="A sidecar in front of model servers: splits, mirrors, records and reverts.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: the same on a terminal, in a pipe and in docs/cli.md
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """A sidecar in front of model servers: splits, mirrors, records and reverts."""


split = typer.Typer(
    help="Change who gets the canary, or clear what keeps it from its share.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("serve")(offline.serve)
app.command("check")(offline.check)
app.command("explain")(offline.explain)
app.command("profile")(profiling.profile)
app.command("status")(operate.status)
app.add_typer(split, name="split")
split.command("set")(operate.split_set)
split.command("clear")(operate.split_clear)
split.command("clear-revert")(operate.split_clear_revert)
split.command("clear-hold")(operate.split_clear_hold)
split.command("clear-shift")(operate.split_clear_shift)
app.command("revert")(operate.revert)
app.command("compare")(compare.compare)
app.command("plan")(plan.plan)
app.command("replay")(replay.replay)
app.command("simulate")(simulate.simulate)

said_later = typer.Typer(
    help="Tell what came true: labels and KPI events.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
alarms = typer.Typer(
    help="Tell of a downstream alarm.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(said_later, name="feedback")
said_later.command("import")(feedback.feedback_import)
said_later.command("send")(feedback.feedback_send)
app.add_typer(alarms, name="signal")
alarms.command("send")(feedback.signal_send)
