"""``pointsman plan``: before the start, what the guardrails will be able to see, and how soon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from proxy.cli.client import path
from proxy.cli.options import DEFAULT_CONFIG, Admin, Config, Json, Model, client, print_json
from proxy.cli.shared import (
    BaseRates,
    Rates,
    Seed,
    Steps,
    bar,
    judged,
    rates,
    seconds,
    steps,
    with_rates,
)
from proxy.errors import OperationRefused

if TYPE_CHECKING:
    from rich.console import RenderableType

    from proxy.judge import Guardrail, Guardrails
    from proxy.judge.power import Outlook, Traffic
    from proxy.judge.scenario import Step
    from proxy.steering.status import ModelStatus, Status

SHARES = (1, 5, 25, 50)  # percent; what is planned when nothing is said
YOUNG = 600.0  # seconds; before, customers come who had been there before, all at once
_MINUTE = 60.0  # seconds; what the arms of a status are counted over


class Known(NamedTuple):
    """What is known of the traffic, and what was assumed on the way."""

    customers_per_hour: float
    rates: dict[str, float]  # guardrail -> stable's rate
    notes: list[str]


CustomersPerHour = Annotated[
    float | None,
    typer.Option(
        "--customers-per-hour",
        help="Different customers within an hour; the running desk's when left out.",
        metavar="NUMBER",
        min=0.001,
        show_default=False,
    ),
]
Customers = Annotated[
    float | None,
    typer.Option(
        "--customers",
        help="How many customers there are in all; left out, new ones keep coming.",
        metavar="NUMBER",
        min=1,
        show_default=False,
    ),
]
Bake = Annotated[
    str,
    typer.Option(
        "--bake", help="How long each step lasts when --step is left out.", metavar="DURATION"
    ),
]


def plan(
    model: Model,
    customers_per_hour: CustomersPerHour = None,
    customers: Customers = None,
    base_rate: BaseRates = [],  # noqa: B006 - typer copies it
    step: Steps = [],  # noqa: B006
    bake: Bake = "24h",
    seed: Seed = 1,
    config: Config = DEFAULT_CONFIG,
    admin: Admin = None,
    as_json: Json = False,
) -> None:
    """Say what the guardrails will find, and how soon.

    For a canary that is to start. For each step of the release: customers by arm, the smallest
    effect that is found in four of five releases, the chance to find a doubling by the end of the
    step, and the median time to find it at this share. Warnings come first. Customers and rates
    are those of the running pointsman; with --customers-per-hour and --base-rate for every
    guardrail it is not asked.

    A base rate is the chance that a customer of an hour has the bad event within it.

    \b
    Examples:
      pointsman plan credit-risk
      pointsman plan credit-risk --step 1:2h --step 5:6h --step 25:24h
      pointsman plan credit-risk --customers-per-hour 4000 --base-rate 0.01
    """
    from proxy.judge.power import Traffic, warnings

    guardrails = judged(config, model).guardrails
    given = rates(base_rate)
    rules = with_rates(guardrails, given, f"{config}: {model}")
    seconds(bake, "--bake")
    wanted = steps(step or [f"{share}:{bake}" for share in SHARES])
    if customers_per_hour is not None and all(given.of(rule.name) for rule in rules):
        known = Known(customers_per_hour, {it.name: given.of(it.name) or 0.0 for it in rules}, [])
    else:
        known = _asked(_status(admin, config, model), model, rules, given, customers_per_hour)
    try:
        traffic = Traffic(known.customers_per_hour, customers)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    found = _outlooks(traffic, wanted, guardrails, known, seed)
    said = [*warnings(found), *known.notes, *_left_out(guardrails)]
    if as_json:
        print_json(_document(model, traffic, found, said, guardrails.alpha))
    else:
        from proxy.cli import show

        out = show.console()
        for part in _told(model, traffic, found, said, guardrails.alpha):
            out.print(part)


def _status(admin: str | None, config: Path, model: str) -> Status:
    """Raises Unreachable (exit code 3) when no pointsman runs there."""
    from proxy.cli import board

    status = board.read(client(admin, config).get(path("status")))
    if model not in status.models:
        names = ", ".join(status.models) or "none"
        raise OperationRefused(f"the running pointsman has no model {model!r}; it has: {names}")
    return status


def _asked(
    status: Status, model: str, rules: list[Guardrail], given: Rates, customers: float | None
) -> Known:
    """From the running desk, but for what was given by hand."""
    notes: list[str] = []
    now = status.models[model]
    if customers is None:
        customers = _customers(now, status.now, notes)
    numbers = {it.check: it.numbers for it in now.guardrails}
    found = {}
    for rule in rules:
        rate = given.of(rule.name) or _rate(rule, now, numbers.get(rule.name, {}))
        if rate is None:
            notes.append(
                f"{rule.name}: not planned: nothing is known of its rate yet; "
                f"--base-rate {rule.name}=RATE says it"
            )
        else:
            found[rule.name] = rate
    if not found:
        raise OperationRefused("\n".join(notes))
    return Known(customers, found, notes)


def _customers(model: ModelStatus, now: float, notes: list[str]) -> float:
    """Within an hour: by the census of a canary that is judged, else by requests."""
    if model.trial is not None and any(model.trial.customers.values()):
        seconds = max((model.trial.ended or now) - model.trial.began, 1.0)
        if seconds < YOUNG:
            notes.append(
                f"the canary that customers were counted for began {seconds:.0f} s ago: too short "
                "a time to know how many come within an hour"
            )
        return sum(model.trial.customers.values()) * 3600 / seconds
    requests = sum(arm.requests for name, arm in model.arms.items() if ":" not in name)
    if not requests:
        raise OperationRefused(
            "there was no request in the last minute to plan from; allowed is "
            "--customers-per-hour NUMBER with --base-rate RATE"
        )
    per_hour = requests * 3600 / _MINUTE
    notes.append(
        f"customers are not counted while no canary is judged: each of the {per_hour:,.0f} "
        "requests an hour is taken for another customer, so all of it will take longer; "
        "--customers-per-hour says how many there are"
    )
    return per_hour


def _rate(rule: Guardrail, status: ModelStatus, numbers: dict[str, float]) -> float | None:
    """Stable's, as the judge counted it; for errors also by requests of the last minute."""
    from proxy.judge import Source

    rate = numbers.get("stable_rate")
    stable = status.arms.get("stable")
    if not rate and rule.source is Source.ERROR and stable is not None and stable.requests:
        # None seen is no rate of nought: half of one, as a coin that was never seen to fall.
        rate = max(stable.errors, 0.5) / stable.requests
    return rate if rate and 0.0 < rate < 1.0 else None


def _outlooks(
    traffic: Traffic, wanted: tuple[Step, ...], guardrails: Guardrails, known: Known, seed: int
) -> list[Outlook]:
    import numpy as np

    from proxy.judge.power import PARTS, outlook

    random = np.random.default_rng(seed)
    rules = [rule for rule in guardrails.rules if rule.name in known.rates]
    with bar("planning", len(rules) * (PARTS + len(wanted))) as progress:
        return [
            outlook(traffic, wanted, rule, known.rates[rule.name], guardrails, random, progress.on)
            for rule in rules
        ]


def _left_out(guardrails: Guardrails) -> Iterator[str]:
    for rule in guardrails.rules:
        if rule.measure != "rate":
            yield f"{rule.name}: not planned: a mean needs to know how customers' totals spread"
        elif rule.segments:
            said = ", ".join(rule.segments)
            yield f"{rule.name}: each of {said} has fewer customers, and takes longer than said"


def _document(
    model: str, traffic: Traffic, found: list[Outlook], said: list[str], alpha: float
) -> Any:
    import msgspec

    return {
        "model": model,
        "warnings": said,
        "alpha": alpha,
        "traffic": msgspec.to_builtins(traffic),
        "guardrails": msgspec.to_builtins(found),
    }


def _told(
    model: str, traffic: Traffic, found: list[Outlook], said: list[str], alpha: float
) -> Iterator[RenderableType]:
    from rich.text import Text

    from proxy.cli.show import YELLOW, plain, share

    for warning in said:
        yield plain(warning, YELLOW)
    if said:
        yield Text()
    of = "" if traffic.customers is None else f" of {traffic.customers:,.0f}"
    yield Text.assemble(
        plain(model, "bold cyan"), f"  {traffic.customers_per_hour:,.0f} customers an hour{of}"
    )
    yield f"a healthy canary is reverted with a chance of at most {share(alpha)}, by any guardrail"
    for it in found:
        yield Text()
        yield Text.assemble(
            plain(it.guardrail, "bold"),
            f"  {share(it.base_rate)} of stable's customers an hour, {_DOES[it.effect]} at an "
            f"e-value of {it.needed:.10g}",
        )
        yield _table(it)
        yield (
            f"chance of a false {_FALSE[it.effect]}: at most {share(it.bound)}, simulated "
            f"{share(it.false_revert)}"
        )


#: What comes of it, by the effect of a finding.
_DOES = {"revert": "reverts", "hold": "holds the share", "none": "only tells (dry run)"}
_FALSE = {"revert": "revert", "hold": "hold", "none": "alarm"}


def _table(found: Outlook) -> RenderableType:
    from proxy.cli.show import duration, percent, share, table

    twice = "a doubling" if found.direction == "increase" else "a halving"
    columns = (
        "share", "lasts", "canary/h", "stable/h", "canary customers", "found in 4 of 5",
        f"{twice} by then", "at this share after",
    )  # fmt: skip
    shown = table(*columns, right=columns)
    for it in found.steps:
        shown.add_row(
            percent(100 * it.share),
            duration(it.seconds),
            f"{it.canary_per_hour:,.0f}",
            f"{it.stable_per_hour:,.0f}",
            f"{it.canary_customers:,.0f}",
            "nothing" if it.detectable is None else f"{it.detectable:.2f} times",
            share(it.doubling),
            "over 90 days" if it.doubling_seconds is None else _roughly(it.doubling_seconds),
        )
    return shown


def _roughly(seconds: float) -> str:
    """Two digits, for a median of a few hundred simulated releases has no more."""
    for least, length, unit in ((172_800, 86_400, "days"), (3600, 3600, "h"), (60, 60, "min")):
        if seconds >= least:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} s"
