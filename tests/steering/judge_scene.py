"""What workers tell of single customers: failures, slow answers, newcomers."""

from __future__ import annotations

import random

from desk_scene import Scene, report, settings, tally

from proxy.judge import Observation, Source
from proxy.measure import EndpointState, Report, Tally
from proxy.settings import Settings
from proxy.terms import Arm, Finding, Incident, Newcomers


def judged(
    guardrails: str = "{}", validation: str = "off", more: str = "", **models: str
) -> Settings:
    """Settings whose breakers are off, so that only guardrails judge."""
    return settings("off", guardrails=guardrails, validation=validation, more=more, **models)


def incident(
    customer: str,
    arm: str = "canary",
    outcome: str = "upstream_5xx",
    seconds: float = 0.01,
    *,
    share: float = 0.05,
    version: str = "",
    fallback: bool = False,
    segments: tuple[str, ...] = (),
    model: str = "m",
    at: float = 1_700_000_001.0,
) -> Incident:
    return Incident(
        request_id="r",
        model=model,
        version=version or {"canary": "3", "stable": "1"}[arm],
        arm=arm,
        share=share,
        customer=customer,
        segments=segments,
        at=at,
        outcome=outcome,
        seconds=seconds,
        fallback=fallback,
    )


def told(*incidents: Incident, tallies: tuple[Tally, ...] = (), dropped: int = 0) -> Report:
    made = report(*tallies)
    made.incidents += incidents
    made.incidents_dropped = dropped
    return made


def failing(customers: int, arm: str = "canary", first: int = 0, **more: object) -> list[Incident]:
    """That many customers of one arm fail, each once."""
    return [incident(f"{arm}{n}", arm, **more) for n in range(first, first + customers)]  # type: ignore[arg-type]


def crowd(customers: int, share: float, rng: random.Random) -> Newcomers:
    """Customers of whom ``share`` came to the canary, though 5 % were asked for."""
    arms: dict[bool, list[tuple[str, int]]] = {True: [], False: []}
    for n in range(customers):
        arms[rng.random() < share].append((f"{rng.getrandbits(128):032x}", n % 3))
    return Newcomers("m", "3", 0.05, 0, tuple(arms[True]), tuple(arms[False]))


def found(scene: Scene, check: str, model: str = "m") -> Finding:
    """What the trial says under that name."""
    findings = {it.check: it for it in scene.desk._trials.findings(model)}
    return findings[check]


def dead(version: str, worker: int = 0, ejected: bool = True) -> Report:
    """A worker says how the only endpoint of a version is."""
    made = report()
    place = f"127.0.0.1:800{version}"
    made.endpoints.append(EndpointState("m", version, place, 0, ejected, "refused"))
    return made


def stable_fails(failed: int = 20, ok: int = 0) -> Report:
    return report(tally("1", "stable", ok=ok, failed=failed))


def kpis(
    n: int, name: str, at: float, arm: Arm = Arm.CANARY, share: float = 0.05
) -> list[Observation]:
    """As many customers of one arm have the event."""
    return [Observation(Source.KPI, arm, share, f"k{k}", at, name) for k in range(n)]
