"""The command line, and the orders that come of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from loadtests.load import budget, house, payloads, places, target
from loadtests.load.errors import UsageError
from loadtests.load.run import Order
from loadtests.load.scenarios import SCENARIOS, Needs, Scenario
from loadtests.load.target import Target

QUICK_SECONDS: Final = 6.0
#: Of our own house with real model servers: they share the machine with all the rest, and at
#: their rate a p99 of a phase takes longer to know.
_REAL_SHARE: Final = 0.3
_REAL_QUICK_SECONDS: Final = 2 * QUICK_SECONDS
_SECONDS: Final = (3.0, 3600.0)
_USERS: Final = (1, 2000)
_RATE: Final = (1.0, 5000.0)

_EPILOG: Final = """\
Without --proxy, pointsman and its upstreams are started here.  With it, --direct and --payloads
are needed too, and nothing is started but the callers:

  python -m loadtests.load run steady --proxy http://127.0.0.1:8080 \\
      --direct http://127.0.0.1:8001 --path /v2/models/credit-risk/infer \\
      --payloads requests.jsonl --header X-Customer-Id --budget steady.yaml

Exit: 0 within budget, 1 over budget (or not carried out), 2 wrong usage, 3 an address that was
given does not answer.  docs/load.md says what each row of a budget means.
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m loadtests.load",
        description="Load tests with a budget: what the proxy adds, against the direct way.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="run|list")
    commands.add_parser("list", help="the scenarios, and what each needs")
    run = commands.add_parser(
        "run",
        help="run one scenario, or all",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "scenario", choices=["all", *SCENARIOS], help="%(choices)s", metavar="SCENARIO"
    )
    _add_load(run)
    _add_target(run)
    return top


def _add_load(run: argparse.ArgumentParser) -> None:
    load = run.add_argument_group("load")
    load.add_argument("--seconds", type=float, help="how long, without the warm-up")
    load.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_SECONDS:g} seconds each, twice as long with mlserver",
    )
    load.add_argument("--users", type=int, help="callers on each way")
    load.add_argument("--rate", type=float, help="requests a second on each way")
    load.add_argument("--patience", type=float, default=10.0, help="seconds (default %(default)s)")
    load.add_argument("--budget", type=Path, help="another budget file")
    load.add_argument(
        "--out", type=Path, default=places.HOME, help="folder of the results (default .load)"
    )
    own = run.add_argument_group("our own house")
    own.add_argument("--model", choices=house.KINDS, default="stubs", help="%(choices)s")
    own.add_argument("--workers", type=int, default=1, help="of pointsman (default 1)")


def _add_target(run: argparse.ArgumentParser) -> None:
    given = run.add_argument_group("your own proxy and model")
    given.add_argument("--proxy", metavar="URL", help="where callers connect")
    given.add_argument("--direct", metavar="URL", help="the stable version's server")
    given.add_argument("--path", help="of a request, such as /v2/models/credit-risk/infer")
    given.add_argument("--direct-path", metavar="PATH", help="where it differs from --path")
    given.add_argument("--payloads", type=Path, metavar="FILE", help="requests: .jsonl or .csv")
    given.add_argument(
        "--header", default=house.HEADER, help="of the customer's key (default %(default)s)"
    )
    given.add_argument(
        "--add-header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="sent with every request; may be repeated",
    )
    given.add_argument("--admin", metavar="URL", help="pointsman's admin address (reload-storm)")
    given.add_argument(
        "--last-event",
        default="",
        metavar="TEXT",
        help="a stream without it in its last event was cut off, such as [DONE]",
    )


def orders(given: argparse.Namespace) -> list[Order]:
    """What is to be run.  Raises UsageError, and LoadError for a file that cannot be used."""
    aim = _target(given)
    wanted = list(SCENARIOS.values()) if given.scenario == "all" else [SCENARIOS[given.scenario]]
    if given.scenario == "all":
        if given.budget:
            raise UsageError("--budget: found with all; a budget is one scenario's, so name it")
        if aim is not None:
            wanted = [one for one in wanted if _suits(one, aim) and not one.stream]
    for one in wanted:
        _check(one, aim)
    crowd = payloads.read(given.payloads) if given.payloads else payloads.ours()
    return [_order(one, given, aim, crowd) for one in wanted]


def _order(
    scenario: Scenario,
    given: argparse.Namespace,
    aim: Target | None,
    crowd: list[payloads.Payload],
) -> Order:
    # No MLServer of the demo's streams.
    kind = "stubs" if scenario.stream else given.model
    real = kind == "mlserver"
    share = _REAL_SHARE if real else 1.0
    quick = _REAL_QUICK_SECONDS if real else QUICK_SECONDS
    usual = quick if given.quick else scenario.seconds
    seconds = usual if given.seconds is None else given.seconds
    users = given.users if given.users is not None else max(1, round(scenario.users * share))
    rate = given.rate if given.rate is not None else scenario.rate * share
    return Order(
        scenario=scenario,
        seconds=_within("--seconds", seconds, _SECONDS),
        users=int(_within("--users", users, _USERS)),
        rate=_within("--rate", rate, _RATE),
        rows=budget.read(given.budget or places.BUDGETS / f"{scenario.name}.yaml", scenario),
        out=given.out.resolve(),
        crowd=crowd,
        kind=kind,
        workers=int(_within("--workers", given.workers, (1, 64))),
        patience=_within("--patience", given.patience, (0.1, 600.0)),
        last_event=given.last_event,
        target=aim,
    )


def _within(option: str, value: float, limits: tuple[float, float]) -> float:
    least, most = limits
    if not least <= value <= most:
        raise UsageError(f"{option}: found {value:g}; allowed: {least:g} to {most:g}")
    return value


def _target(given: argparse.Namespace) -> Target | None:
    """Somebody's own, when any of its options was given; all that are needed must be."""
    needed = {name: getattr(given, name) for name in ("proxy", "direct", "path", "payloads")}
    also = ("direct_path", "admin", "last_event", "add_header")
    if not any(needed.values()) and not any(getattr(given, name) for name in also):
        return None
    if missing := [f"--{name}" for name, value in needed.items() if not value]:
        found = [f"--{name}" for name, value in needed.items() if value]
        raise UsageError(
            f"found {', '.join(found) or 'an option of your own proxy'} without "
            f"{', '.join(missing)}; your own proxy needs --proxy, --direct, --path and --payloads"
        )
    if given.model != "stubs":
        raise UsageError("--model: found with --proxy; the model server is the one you give")
    for option, path in (("--path", given.path), ("--direct-path", given.direct_path)):
        if path and not path.startswith("/"):
            raise UsageError(f"{option}: found {path!r}; allowed: a path that begins with /")
    return Target(
        proxy=target.address(given.proxy, "--proxy"),
        direct=target.address(given.direct, "--direct"),
        path=given.path,
        direct_path=given.direct_path or given.path,
        customer_header=given.header,
        headers=dict(_header(text) for text in given.add_header),
        admin=target.address(given.admin, "--admin") if given.admin else "",
    )


def _header(text: str) -> tuple[str, str]:
    name, mark, value = text.partition(":")
    if not mark or not name.strip():
        raise UsageError(f"--add-header: found {text!r}; allowed: NAME:VALUE")
    return name.strip(), value.strip()


def _suits(scenario: Scenario, aim: Target) -> bool:
    return scenario.needs is Needs.NOTHING or (scenario.needs is Needs.ADMIN and bool(aim.admin))


def _check(scenario: Scenario, aim: Target | None) -> None:
    """Raises UsageError when a scenario cannot be run on what was given."""
    if aim is None or _suits(scenario, aim):
        return
    if scenario.needs is Needs.ADMIN:
        raise UsageError(f"{scenario.name} reloads the config of your proxy: give --admin as well")
    free = [one.name for one in SCENARIOS.values() if one.needs is not Needs.HOUSE]
    raise UsageError(
        f"{scenario.name} makes an upstream misbehave, so it runs on its own house only, without "
        f"--proxy; on your own proxy you can run {', '.join(free)}"
    )
