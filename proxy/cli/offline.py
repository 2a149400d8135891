"""Commands that need no running pointsman: serve one, check a config, explain a decision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.options import DEFAULT_CONFIG, Config, Json, complete_model, print_json
from proxy.errors import OperationRefused, StateError

if TYPE_CHECKING:
    from proxy.routing.plan import Plan
    from proxy.settings import Settings
    from proxy.store import State

HISTORY = "history.jsonl"  # in the state_dir


def serve(config: Config = DEFAULT_CONFIG) -> None:
    """Run the proxy, until SIGTERM or Ctrl-C.

    Starts the workers, which carry the traffic, and the desk, which judges, answers the admin
    address and reverts. Editing the config file or SIGHUP changes the running split; a broken
    edit is refused and the old config goes on. SIGTERM finishes what is in flight.

    \b
    Example:
      pointsman serve --config pointsman.yaml
    """
    from proxy.app import serve as run

    raise typer.Exit(run(config))


def check(config: Config = DEFAULT_CONFIG) -> None:
    """Check a config file without running it.

    Prints OK and what the file says, or every problem on a line of its own: the file, the path
    in it, what was found and what is allowed.

    \b
    Exit codes: 0 it can be served, 1 it would be refused.

    \b
    Example:
      pointsman check --config pointsman.yaml
    """
    from proxy.cli import show
    from proxy.settings import compile_plan, guardrails_by_model, load, thresholds

    settings = load(config)
    plan = compile_plan(settings)
    show.plan(config, plan, thresholds(settings), guardrails_by_model(settings))


def explain(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="The model's name in the config.",
            metavar="MODEL",
            autocompletion=complete_model,
            show_default=False,
        ),
    ],
    customer: Annotated[
        str | None,
        typer.Option(
            "--customer",
            help="The customer key; left out, a request that carries none.",
            metavar="KEY",
            show_default=False,
        ),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Say which version a customer gets, and why.

    Works offline: reads the config file and the history in its state_dir, so that `split set`
    and reverts count. The same answer as the running proxy gives: the customer's point, the
    threshold, arm, version and reason, and whether each shadow gets a copy.

    \b
    Examples:
      pointsman explain --model credit-risk --customer 4711
      pointsman explain -m credit-risk --customer 4711 --json
    """
    import msgspec

    from proxy.cli import show
    from proxy.routing import explain as ask
    from proxy.settings import load

    plan = asked(load(config, secrets=False))
    found = next((it for it in plan.models if it.name == model), None)
    if found is None:
        names = ", ".join(it.name for it in plan.models)
        raise OperationRefused(f"{config}: there is no model {model!r}; there are: {names}")
    answer = ask(found, customer, plan.latches)
    if as_json:
        print_json(msgspec.to_builtins(answer))
    else:
        show.explanation(answer)


def asked(settings: Settings) -> Plan:
    """What is asked by the file, overrides and latches together, as the desk would make it.

    The history is only read: a torn last line stays for the desk to set aside.
    Raises StateError when it cannot be read or was tampered with.
    """
    from proxy.settings import compile_plan, fingerprint
    from proxy.steering import planning

    state = recorded(settings.state_dir / HISTORY)
    file = compile_plan(settings, state.plan_number)
    models = {model.name: model for model in file.models}
    overrides = {
        name: it
        for name, it in state.overrides.items()
        if name in models
        and it.fingerprint == fingerprint(settings, name)
        and not planning.unfit(models[name], it.version)
    }
    orders = planning.Orders(overrides, state.latches, state.holds, state.shifts)
    return planning.asked(file, orders, state.plan_number)


def recorded(path: Path) -> State:
    """What the history file adds up to; nothing when there is none yet."""
    from proxy.store import State
    from proxy.store.state import fold
    from proxy.store.tail import completes, split
    from proxy.store.verify import ChainError, chain

    try:
        lines, torn = split(path.read_bytes())
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}") from error
    if torn and completes(torn, len(lines)):
        lines.append(torn + b"\n")
    state = State()
    try:
        for _, entry in chain(lines):
            fold(state, entry)
    except ChainError as broken:
        raise StateError(f"{path}: line {broken.line} {broken.problem}") from broken
    return state
