"""The figures of docs/judge-tools.md, at full size: ``python -m loadtests.judge``.

No load at all: releases by chance, a few minutes on one core.  The peeking table comes first,
for until it is right no other figure counts.  The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace

from proxy.judge.policy import DEFAULT
from proxy.judge.rivals import HarmRule, Rule, ThresholdRule, ZTest, peeking
from proxy.judge.scenario import Scenario, Step
from proxy.judge.simulate import Result, run
from proxy.judge.wording import percent

#: Armitage, McPherson & Rowe 1969: looks -> how often a fixed 5 % test fires.
PUBLISHED: Final = {1: 0.050, 2: 0.083, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320}

#: Heavy-tailed customers, five failures in a row, 5 % for two hours, a look every 10 s.
HEALTHY: Final = Scenario(failures=5)

#: (base rate, the canary's) -> about how many canary requests it should take.
DETECTION: Final = {
    (0.01, 0.02): 940,
    (0.01, 0.05): 120,
    (0.001, 0.002): 11_300,
    (0.05, 0.10): 210,
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.judge", description=__doc__)
    parser.add_argument("--releases", type=int, default=2000, help="of each kind (2000)")
    parser.add_argument(
        "--peeking", type=int, default=10_000_000, help="replications of the peeking table"
    )
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    for line in figures(asked.releases, asked.peeking, asked.seed):
        print(line, flush=True)


def figures(releases: int, replications: int, seed: int) -> Iterator[str]:
    """Five tables in Markdown, line by line."""
    seeds = np.random.SeedSequence(seed).spawn(5)
    peeks, healthy, harmful, small, rows = map(np.random.default_rng, seeds)
    yield from _peeking(replications, peeks)
    yield ""
    yield from _false_reverts(releases, healthy)
    yield ""
    yield from _detection(releases, harmful)
    yield ""
    yield from _small_bases(releases, small)
    yield ""
    yield from _rows(releases, rows)


def _peeking(replications: int, random: np.random.Generator) -> Iterator[str]:
    yield f"| looks | published | here ({replications:,} replications) |"
    yield "| ---: | ---: | ---: |"
    for looks, published in PUBLISHED.items():
        found = peeking(looks, replications, random)
        yield f"| {looks} | {percent(published)} | {percent(found, 2)} |"


def _false_reverts(releases: int, random: np.random.Generator) -> Iterator[str]:
    yield f"| {releases:,} healthy releases | rule | reverted by mistake | 95 % interval |"
    yield "| --- | --- | ---: | ---: |"
    kinds = {
        "one failure at a time": replace(HEALTHY, failures=1),
        "five failures in a row": HEALTHY,
        "five in a row, Pareto 1.3": replace(HEALTHY, activity="pareto", spread=1.3),
        "five in a row, base rate tripling": replace(HEALTHY, drift=3.0),
        "five in a row, 1 % to 25 %": replace(
            HEALTHY, steps=(Step(0.01, 2400.0), Step(0.05, 2400.0), Step(0.25, 2400.0))
        ),
    }
    for name, scenario in kinds.items():
        for found in run(scenario, _rules(), releases, random):
            yield f"| {name} | {found.rule} | {percent(found.share, 2)} | {_interval(found)} |"


def _rules() -> list[Rule]:
    assert DEFAULT.error_rate is not None
    return [HarmRule(), ThresholdRule(DEFAULT.error_rate), ZTest()]


def _detection(releases: int, random: np.random.Generator) -> Iterator[str]:
    yield "| base -> canary rate | expected | median canary requests | one in ten, nine in ten |"
    yield "| --- | ---: | ---: | ---: |"
    for (base, bad), expected in DETECTION.items():
        length = expected / 0.05  # seconds, at one request a second of everybody
        scenario = Scenario(
            base_rate=base,
            effect=bad / base,
            customers=None,
            requests_per_second=1.0,
            steps=(Step(0.05, 10 * length),),
            tick=length / 200,
        )
        (found,) = run(scenario, [HarmRule()], releases, random)
        took = found.canary_requests
        assert took is not None
        yield (
            f"| {percent(base)} -> {percent(bad)} | about {expected:,} | {took.p50:,.0f} | "
            f"{took.p10:,.0f}, {took.p90:,.0f} |"
        )


def _small_bases(releases: int, random: np.random.Generator) -> Iterator[str]:
    yield "| customers | a doubling is found within two hours | 95 % interval | customers hurt |"
    yield "| ---: | ---: | ---: | ---: |"
    for customers in (1000, 2000, 5000, 10_000, 50_000):
        scenario = replace(HEALTHY, customers=customers, effect=2.0)
        (found,) = run(scenario, [HarmRule()], releases, random)
        hurt = "-" if found.hurt is None else f"{found.hurt.p50:,.0f}"
        yield f"| {customers:,} | {percent(found.share, 2)} | {_interval(found)} | {hurt} |"


def _rows(releases: int, random: np.random.Generator) -> Iterator[str]:
    """What it costs to count requests in the place of customers: even ones, who fail in rows."""
    yield "| failures in a row | reverted by mistake, by customer | by request |"
    yield "| ---: | ---: | ---: |"
    rules = [HarmRule(), HarmRule(by_request=True)]
    for failures in (1, 2, 5):
        scenario = replace(HEALTHY, activity="even", failures=failures)
        ours, naive = run(scenario, rules, releases, random)
        yield f"| {failures} | {percent(ours.share, 2)} | {percent(naive.share, 2)} |"


def _interval(found: Result) -> str:
    return f"{percent(found.low, 2)} to {percent(found.high, 2)}"


if __name__ == "__main__":
    main(sys.argv[1:])
