"""Before the start: what the harm test will be able to see of a release, and how soon.

By simulation of the counts at each look, with the test's own boundary; the random generator is
an argument.  This file loads numpy, so the room's door does not load it.

Customers come at an even rate, each as likely to have the bad event as the other.  Where a few of
them make most of the traffic, it takes longer than said here: ``simulate`` has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec
import numpy as np

from proxy.judge.guardrails import Guardrail, Guardrails
from proxy.judge.rates import effect as effect_of
from proxy.judge.rivals import HarmRule
from proxy.judge.scenario import Step
from proxy.judge.sequential import Direction
from proxy.judge.simulate import CANARY, STABLE, Floats, Ints

HOUR: Final = 3600.0
POWER: Final = 0.8  # the usual one: four of five such releases are found out
_LOOKS: Final = 60  # in each step; more find hardly sooner
_RELEASES: Final = 400
_HEALTHY: Final = 1200  # a false revert is rare, so it takes more releases to see its share
_LONGEST: Final = 90 * 24 * HOUR  # nobody bakes longer
_FACTORS: Final = tuple(float(it) for it in np.geomspace(1.1, 30.0, 12))


class Traffic(msgspec.Struct, frozen=True):
    """Different customers within an hour, and how many there are at all (None: no end of them)."""

    customers_per_hour: float
    customers: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.customers_per_hour < 1e9:
            raise ValueError(
                f"customers per hour {self.customers_per_hour:g}: must be over 0 and under 1e9"
            )
        if self.customers is not None and not self.customers_per_hour <= self.customers:
            raise ValueError(
                f"{self.customers_per_hour:g} customers per hour of {self.customers:g} in all: "
                "at most as many as there are"
            )


class StepOutlook(msgspec.Struct, frozen=True):
    """What is known by the end of one step, the steps before it included.

    ``detectable`` is the effect (canary's rate over stable's) found in four of five releases,
    None when even the largest that was tried is not.  ``doubling`` is the chance that a doubling
    is found (a halving where less is harm), ``doubling_seconds`` the median time to find it if
    this share were kept from the start, None: not within 90 days.
    """

    share: float
    seconds: float
    canary_per_hour: float
    stable_per_hour: float
    canary_customers: float  # different ones, by the end
    detectable: float | None
    doubling: float
    doubling_seconds: float | None


class Outlook(msgspec.Struct, frozen=True):
    """One guardrail over the whole release.

    ``false_revert`` is simulated for this guardrail alone, ``bound`` is its part of alpha; with
    another ``effect`` than a revert, both are of that one.
    """

    guardrail: str
    direction: Direction
    base_rate: float
    needed: float  # e-value
    bound: float
    false_revert: float
    steps: tuple[StepOutlook, ...]
    effect: Literal["revert", "hold", "none"] = "revert"


def outlook(
    traffic: Traffic,
    steps: Sequence[Step],
    rule: Guardrail,
    base_rate: float,
    guardrails: Guardrails,
    random: np.random.Generator,
    progress: Callable[[], object] = lambda: None,
) -> Outlook:
    """What ``rule``, one of ``guardrails``, will see of the events of stable's ``base_rate``: the
    chance that a customer of an hour has one in it.  ValueError for numbers out of range.

    ``progress`` is called ``PARTS`` + one for each step times.
    """
    if not 0.0 < base_rate < 1.0:
        raise ValueError(f"base rate {base_rate:g}: must be over 0 and under 1")
    test = HarmRule.of(rule, guardrails)
    edges, shares, ends = _looks(steps)
    worse = 1.0 if rule.direction == "increase" else -1.0

    def found(factor: float, releases: int) -> Floats:
        effect = min(factor**worse, 1.0 / base_rate)
        shares_found = []
        for _ in range(releases // _RELEASES):  # in portions that fit into memory
            counts = _firsts(traffic, base_rate, effect, edges, shares, _RELEASES, random)
            crossed = np.maximum.accumulate(test.log_e(shares, counts) >= test.needed, axis=1)
            shares_found.append(crossed[:, ends].mean(axis=0))
        progress()
        return np.asarray(np.mean(shares_found, axis=0))

    healthy, doubled = found(1.0, _HEALTHY), found(2.0, _RELEASES)
    powers = np.array([found(factor, _RELEASES) for factor in _FACTORS])
    made = []
    for k, step in enumerate(steps):
        median = _median_time(traffic, base_rate, 2.0**worse, step.share, test, random)
        progress()
        factor = _reaching(powers[:, k])
        made.append(
            StepOutlook(
                step.share,
                step.seconds,
                traffic.customers_per_hour * step.share,
                traffic.customers_per_hour * (1.0 - step.share),
                float(_came(traffic, steps[: k + 1])),
                None if factor is None else factor**worse,
                float(doubled[k]),
                median,
            )
        )
    false_revert = float(healthy[-1])
    bound = 1.0 / test.e_value
    return Outlook(
        rule.name,
        rule.direction,
        base_rate,
        test.e_value,
        bound,
        false_revert,
        tuple(made),
        effect_of(rule),
    )


#: How often ``outlook`` tells of its progress, beside once for each step.
PARTS: Final = 2 + len(_FACTORS)


def _looks(steps: Sequence[Step]) -> tuple[Floats, Floats, Ints]:
    """Edges of the looks in seconds (looks + 1,), each one's share, the last look of each step."""
    edges, shares, ends, begin = [np.zeros(1)], [], [], 0.0
    for step in steps:
        edges.append(begin + np.linspace(0.0, step.seconds, _LOOKS + 1)[1:])
        shares.append(np.full(_LOOKS, step.share))
        ends.append(len(shares) * _LOOKS - 1)
        begin += step.seconds
    return np.concatenate(edges), np.concatenate(shares), np.array(ends)


def _firsts(
    traffic: Traffic,
    base_rate: float,
    effect: float,
    edges: Floats,
    shares: Floats,
    releases: int,
    random: np.random.Generator,
) -> Ints:
    """(releases, looks, arms) customers with their first bad event."""
    hours = np.diff(edges) / HOUR
    found = np.zeros((releases, len(hours), 2), np.int64)
    if traffic.customers is None:
        mean = traffic.customers_per_hour * base_rate * hours
        found[..., CANARY] = random.poisson(mean * shares * effect, (releases, len(hours)))
        found[..., STABLE] = random.poisson(mean * (1.0 - shares), (releases, len(hours)))
        return found
    pace = traffic.customers_per_hour / traffic.customers * base_rate * hours
    for start, part in _groups(shares):
        left = np.full(releases, round(traffic.customers * part), np.int64)
        for look in range(len(hours)):
            arm = CANARY if look >= start else STABLE
            speed = effect if arm == CANARY else 1.0
            hit = random.binomial(left, -math.expm1(-float(pace[look]) * speed))
            found[:, look, arm] += hit
            left -= hit
    return found


def _groups(shares: Floats) -> Iterator[tuple[int, float]]:
    """Who becomes the canary's at the same look: the look, and their part of all customers."""
    distinct, starts = np.unique(shares, return_index=True)
    before = 0.0
    for share, start in zip(distinct, starts, strict=True):
        yield int(start), float(share) - before
        before = float(share)
    yield len(shares), 1.0 - before


def _median_time(
    traffic: Traffic,
    base_rate: float,
    effect: float,
    share: float,
    test: HarmRule,
    random: np.random.Generator,
) -> float | None:
    """Seconds until half of the releases are found out at this share; None: not in 90 days."""
    edges = np.concatenate([[0.0], np.geomspace(60.0, _LONGEST, 200)])
    shares = np.full(200, share)
    effect = min(effect, 1.0 / base_rate)
    counts = _firsts(traffic, base_rate, effect, edges, shares, _RELEASES, random)
    crossed = np.maximum.accumulate(test.log_e(shares, counts) >= test.needed, axis=1)
    half = np.flatnonzero(crossed.mean(axis=0) >= 0.5)
    return float(edges[half[0] + 1]) if len(half) else None


def _reaching(powers: Floats) -> float | None:
    """The smallest factor with the wanted power, between the tried ones by its logarithm."""
    powers = np.maximum.accumulate(powers)
    if powers[-1] < POWER:
        return None
    k = int(np.argmax(powers >= POWER))
    if k == 0:
        return _FACTORS[0]
    part = (POWER - powers[k - 1]) / (powers[k] - powers[k - 1])
    low, high = math.log(_FACTORS[k - 1]), math.log(_FACTORS[k])
    return math.exp(low + float(part) * (high - low))


def _came(traffic: Traffic, steps: Sequence[Step]) -> float:
    """How many different customers have asked the canary by the end of the last step."""
    if traffic.customers is None:
        return sum(traffic.customers_per_hour * it.share * it.seconds / HOUR for it in steps)
    pace = traffic.customers_per_hour / traffic.customers / HOUR
    end, begin, before, found = sum(it.seconds for it in steps), 0.0, 0.0, 0.0
    for step in steps:
        part = -math.expm1(-pace * (end - begin))
        found += traffic.customers * (step.share - before) * part
        begin, before = begin + step.seconds, step.share
    return found


#: Fewer customers in the canary say little of any rate.
FEW: Final = 100


def warnings(outlooks: Sequence[Outlook]) -> Iterator[str]:
    """Where statistics alone will not protect, one sentence each, for a tired operator."""
    if outlooks and (met := outlooks[0].steps[-1].canary_customers) < FEW:
        yield (
            f"the canary will have met about {met:.0f} customers by the end of the last step: too "
            "few for any comparison; what protects are the thresholds and people"
        )
    for it in outlooks:
        chance = it.steps[-1].doubling
        if chance >= POWER:
            continue
        what = "a doubling" if it.direction == "increase" else "a halving"
        least = it.steps[-1].detectable
        seen = "no effect at all" if least is None else f"only {least:.2g} times stable's rate"
        yield (
            f"{it.guardrail}: statistics alone will not protect: {what} is found in "
            f"{100 * chance:.0f} % of such releases by the end, {seen} in four of five; longer "
            "steps or larger shares help, thresholds and people cover the rest"
        )
