"""``pointsman simulate``: what the guardrails would do to releases drawn by chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from proxy.cli.options import DEFAULT_CONFIG, Config, Json, print_json
from proxy.cli.shared import (
    BaseRates,
    OptionalModel,
    Plot,
    Rates,
    Seed,
    Steps,
    bar,
    judged,
    rates,
    seconds,
    steps,
    with_rates,
    write_plot,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from proxy.judge import Guardrail, Guardrails, Thresholds
    from proxy.judge.rivals import Rule
    from proxy.judge.scenario import Scenario
    from proxy.judge.simulate import Quantiles, Result
    from proxy.report import Chart

_BASE_RATE = 0.01
_SHARE = 5.0  # percent
_LENGTH = "2h"


class Simulated(NamedTuple):
    """One guardrail: the same rules on healthy releases, and on harmful ones."""

    rule: Guardrail
    needed: float  # e-value
    healthy: Scenario
    harmful: Scenario
    reverted: tuple[Result, ...]
    detected: tuple[Result, ...]


Effect = Annotated[
    float, typer.Option("--effect", help="The harmful canary's rate over stable's.", min=0.0)
]
Customers = Annotated[
    int,
    typer.Option("--customers", help="Different customers; 0: every request is another's.", min=0),
]
Requests = Annotated[
    float,
    typer.Option("--requests-per-second", help="Of all customers together.", metavar="NUMBER"),
]
ActivityWord = Annotated[
    str,
    typer.Option(
        "--activity",
        help="How requests spread over customers: even, log-normal or pareto.",
        metavar="WORD",
    ),
]
Spread = Annotated[
    float,
    typer.Option("--spread", help="Sigma of log-normal, or shape of pareto.", metavar="NUMBER"),
]
Failures = Annotated[
    int,
    typer.Option("--failures", help="Failed requests in a row whenever a customer fails.", min=1),
]
Drift = Annotated[
    float,
    typer.Option(
        "--drift", help="The base rate at the end over that at the beginning.", metavar="NUMBER"
    ),
]
Tick = Annotated[str, typer.Option("--tick", help="Time between two looks.", metavar="DURATION")]
Releases = Annotated[
    int, typer.Option("--releases", help="How many of each kind.", min=1, max=1_000_000)
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact", help="Tell every single failure to the real judge: the same, but slower."
    ),
]


def simulate(
    model: OptionalModel = None,
    base_rate: BaseRates = [],  # noqa: B006 - typer copies it
    effect: Effect = 2.0,
    customers: Customers = 10_000,
    requests: Requests = 20.0,
    activity: ActivityWord = "log-normal",
    spread: Spread = 1.5,
    failures: Failures = 5,
    drift: Drift = 1.0,
    step: Steps = [],  # noqa: B006
    tick: Tick = "10s",
    releases: Releases = 2000,
    seed: Seed = 1,
    exact: Exact = False,
    plot: Plot = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Try the guardrails on releases drawn by chance.

    Draws healthy releases, and as many whose canary does harm, looks at every tick, and says how
    many each rule would have reverted, how soon, and how many customers had met the canary by
    then: the harm test of the guardrail, the threshold on the error rate, and a z-test that is
    looked at again and again. With --model, guardrails and thresholds are those of the config;
    left out, the defaults.

    \b
    Examples:
      pointsman simulate --base-rate 0.01 --effect 2 --customers 10000 --failures 5
      pointsman simulate -m credit-risk --step 1:2h --step 5:6h --plot simulated.svg
      pointsman simulate --releases 500 --seed 7 --json
    """
    guardrails, thresholds, percent = _asked(config, model)
    wanted = rates(base_rate)
    rules = with_rates(guardrails, wanted, f"{config}: {model}")
    world = {
        "effect": effect,
        "customers": customers or None,
        "requests_per_second": requests,
        "activity": activity,
        "spread": spread,
        "failures": failures,
        "drift": drift,
        "steps": steps(step or [f"{_SHARE if percent is None else percent:g}:{_LENGTH}"]),
        "tick": seconds(tick, "--tick"),
    }
    scenarios = [(rule, _scenario(world, rule, wanted)) for rule in rules]
    found = _simulated(scenarios, guardrails, thresholds, releases, seed, exact)
    if plot is not None:
        _draw(found, releases, plot)
    if as_json:
        print_json(_document(found, guardrails.alpha, seed))
    else:
        from proxy.cli import show

        out = show.console()
        for line in _told(found, guardrails.alpha):
            out.print(line)


def _asked(config: Path, model: str | None) -> tuple[Guardrails, Thresholds, float | None]:
    if model is not None:
        return judged(config, model)
    from proxy.judge import guardrails, policy

    return guardrails.DEFAULT, policy.DEFAULT, None


def _scenario(world: Mapping[str, Any], rule: Guardrail, wanted: Rates) -> Scenario:
    """Where less is harm, a harmful effect of 2 is half.  Usage error for what cannot be."""
    from proxy.judge.scenario import Scenario

    effect = world["effect"]
    if rule.direction == "decrease" and effect > 1.0:
        effect = 1.0 / effect
    changed = {"base_rate": wanted.of(rule.name) or _BASE_RATE, "effect": effect}
    try:
        return Scenario(**{**world, **changed})
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _simulated(
    scenarios: list[tuple[Guardrail, Scenario]],
    guardrails: Guardrails,
    thresholds: Thresholds,
    releases: int,
    seed: int,
    exact: bool,
) -> list[Simulated]:
    import msgspec
    import numpy as np

    from proxy.judge.rehearsal import TrialRule
    from proxy.judge.rivals import HarmRule
    from proxy.judge.simulate import run

    random = np.random.default_rng(seed)
    found = []
    with bar("simulating", 2 * releases * len(scenarios)) as progress:
        for rule, harmful in scenarios:
            test = HarmRule.of(rule, guardrails)
            # The judge's own draws (who fails again) take nothing from those of the releases.
            ours = TrialRule.of(rule, guardrails, np.random.default_rng(seed)) if exact else test
            rules: list[Rule] = [ours, *_rivals(rule, thresholds, guardrails.alpha)]
            healthy = msgspec.structs.replace(harmful, effect=1.0)
            results = [
                run(it, rules, releases, random, lambda _: progress.on())
                for it in (healthy, harmful)
            ]
            found.append(Simulated(rule, test.e_value, healthy, harmful, *results))
    return found


def _rivals(rule: Guardrail, thresholds: Thresholds, alpha: float) -> Iterator[Rule]:
    """The threshold knows only errors; a z-test can be made of any rate."""
    from proxy.judge import Source
    from proxy.judge.rivals import ThresholdRule, ZTest

    if rule.source is Source.ERROR and thresholds.error_rate is not None:
        yield ThresholdRule(thresholds.error_rate)
    yield ZTest(alpha, rule.direction)


def _document(found: list[Simulated], alpha: float, seed: int) -> Any:
    import msgspec

    return {
        "alpha": alpha,
        "seed": seed,
        "guardrails": [
            {
                "guardrail": one.rule.name,
                "needed": one.needed,
                "scenario": msgspec.to_builtins(one.harmful),
                "healthy": msgspec.to_builtins(one.reverted),
                "harmful": msgspec.to_builtins(one.detected),
            }
            for one in found
        ],
    }


def _told(found: list[Simulated], alpha: float) -> Iterator[RenderableType]:
    from rich.text import Text

    from proxy.cli.show import plain, share

    for one in found:
        part = f"reverts at an e-value of {one.needed:.10g} (alpha {share(alpha)}"
        tests = round(one.needed * alpha)
        shared = f" over {tests} tests)" if tests > 1 else ")"
        yield Text.assemble(plain(one.rule.name, "bold cyan"), "  ", part + shared)
        yield plain(_world(one.harmful))
        yield Text()
        yield plain(f"{one.reverted[0].releases:,} healthy releases", "bold")
        yield _table(one.reverted, "reverted by mistake")
        yield Text()
        worse = f"its rate is {one.harmful.effect:.3g} times stable's"
        yield plain(f"{one.detected[0].releases:,} releases with a harmful canary: {worse}", "bold")
        yield _table(one.detected, "reverted")
        yield Text()


def _world(scenario: Scenario) -> str:
    from proxy.cli.show import duration, share

    who = "every request another customer's"
    if scenario.customers is not None:
        spread = "" if scenario.activity == "even" else f" {scenario.spread:g}"
        who = f"{scenario.customers:,} customers ({scenario.activity}{spread})"
    said = ", ".join(f"{share(it.share)} for {duration(it.seconds)}" for it in scenario.steps)
    in_a_row = f", {scenario.failures} in a row" if scenario.failures > 1 else ""
    drift = f", drifting to {scenario.drift:g} times it" if scenario.drift != 1.0 else ""
    return (
        f"{who}, {scenario.requests_per_second:g} requests/s, base rate "
        f"{share(scenario.base_rate)}{in_a_row}{drift}, canary {said}, a look every "
        f"{duration(scenario.tick)}"
    )


def _table(results: tuple[Result, ...], what: str) -> RenderableType:
    from proxy.cli.show import duration, share, table

    columns = (what, "95 % interval", "after", "canary requests", "customers exposed", "hurt")
    shown = table("rule", *columns, right=columns)
    for it in results:
        shown.add_row(
            it.rule,
            share(it.share),
            f"{share(it.low)} to {share(it.high)}",
            _median(it.seconds, duration),
            *(_median(each, _count) for each in (it.canary_requests, it.exposed, it.hurt)),
        )
    return shown


def _median(found: Quantiles | None, say: Any) -> str:
    """``4m10s (1m20s to 9m50s)``: the median, and one in ten on either side."""
    if found is None:
        return "-"
    return f"{say(found.p50)} ({say(found.p10)} to {say(found.p90)})"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _draw(found: list[Simulated], releases: int, path: Path) -> None:
    from proxy.report import draw

    title = f"{releases:,} healthy and {releases:,} harmful releases, each looked at every tick"
    charts = [chart for one in found for chart in _charts(one)]
    write_plot(path, draw(charts, title, _described(found)))


def _charts(one: Simulated) -> Iterator[Chart]:
    from proxy.report import Axis, Bound, Chart, Line

    x = Axis("time since the canary began", "duration", 0.0)
    y = Axis("share of the releases reverted by then", "percent", 0.0, 1.0)
    kinds = (
        (one.reverted, "healthy canaries"),
        (one.detected, f"canaries with {one.harmful.effect:.3g} times stable's rate"),
    )
    for results, what in kinds:
        lines = tuple(Line(it.rule, it.curve, steps=True) for it in results)
        part = (Bound(f"at most {100 / one.needed:.3g} %", 1 / one.needed),)
        bounds = part if results is one.reverted else ()
        yield Chart(f"{one.rule.name}: {what}", x, y, lines, bounds)


def _described(found: list[Simulated]) -> str:
    from proxy.cli.show import share

    return " ".join(
        f"{one.rule.name}: {kind} releases reverted by the "
        + ", by the ".join(f"{it.rule} {share(it.share)}" for it in results)
        + "."
        for one in found
        for kind, results in (("healthy", one.reverted), ("harmful", one.detected))
    )
