"""Releases by chance: who asks when, who fails, and when each rule would have reverted.

Monte Carlo of one guardrail.  The random generator is an argument, so a seed gives the same
releases again.  This file loads numpy, which is why the room's door does not load this file.

A release is drawn exactly, though no request is drawn by itself: a customer's failures are a
Poisson process, so the first one comes where an exponential draw meets the cumulated hazard,
those after it are one Poisson draw for all who failed before, and good requests are another.
Ten thousand customers over a thousand looks take about a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from proxy.judge.scenario import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CANARY: Final = 0  # columns of every array by arm
STABLE: Final = 1


@dataclass(frozen=True, slots=True)
class Failed:
    """Who failed at all, in the order of the first time; arrays of one length.

    ``customer`` is a number, ``tick`` the look at which he is first seen to fail, ``join`` the
    tick from which on he is the canary's (the number of ticks: never), ``activity`` his requests
    per tick.
    """

    customer: Ints
    tick: Ints
    join: Ints
    activity: Floats


@dataclass(frozen=True, slots=True)
class Release:
    """One release as the proxy would see it; arrays are (ticks,) or (ticks, arms).

    ``firsts`` are first bad events of customers, ``errors`` all failed requests, ``requests``
    all there were.  ``customers`` is each step's (activities of those whom it makes the
    canary's), empty where every request is another customer's.
    """

    scenario: Scenario
    shares: Floats
    firsts: Ints
    requests: Ints
    errors: Ints
    joined: tuple[Floats, ...] = ()
    failed: Failed | None = None

    def exposed(self, ticks: int) -> float:
        """How many customers had asked the canary by the end of so many ticks, as expected."""
        if not self.joined:
            return float(self.requests[:ticks, CANARY].sum())
        begin, found = 0, 0.0
        for length, activity in zip(self.scenario.lengths, self.joined, strict=True):
            if ticks > begin:
                found += float(-np.expm1(-activity * (ticks - begin)).sum())
            begin += length
        return found


class Rule(Protocol):
    """Something that looks at every tick, and says when it would have reverted."""

    @property
    def name(self) -> str: ...

    def crossing(self, release: Release) -> int | None:
        """The tick (from 0) after which it reverts; None: never."""


def draw(scenario: Scenario, random: np.random.Generator) -> Release:
    """One release by chance."""
    shares = np.repeat([step.share for step in scenario.steps], scenario.lengths)
    hazard = scenario.base_rate * scenario.drift ** np.linspace(0.0, 1.0, scenario.ticks)
    if scenario.customers is None:
        return _draw_strangers(scenario, shares, hazard, random)
    return _draw_customers(scenario, shares, hazard, scenario.customers, random)


def _draw_strangers(
    scenario: Scenario, shares: Floats, hazard: Floats, random: np.random.Generator
) -> Release:
    """Every request is another customer's, so every failure is a first one."""
    load = scenario.per_tick * np.column_stack([shares, 1.0 - shares])
    chance = np.column_stack([np.minimum(hazard * scenario.effect, 1.0), hazard])
    firsts = random.poisson(load * chance)
    errors = firsts * scenario.failures
    requests = errors + random.poisson(load * (1.0 - chance))
    return Release(scenario, shares, firsts, requests, errors)


def _draw_customers(
    scenario: Scenario, shares: Floats, hazard: Floats, n: int, random: np.random.Generator
) -> Release:
    activity = _activity(scenario, n, random) * (scenario.per_tick / n)
    starts = np.concatenate([[0], np.cumsum(scenario.lengths)])  # of each step; last: the end
    step = np.searchsorted([it.share for it in scenario.steps], random.random(n), side="right")
    total = np.concatenate([[0.0], np.cumsum(hazard)])  # cumulated, at the edges of ticks
    failed, spare = _first_failures(scenario, activity, starts[step], total, random)
    chance = np.column_stack([np.minimum(hazard * scenario.effect, 1.0), hazard])
    ticks = len(hazard)
    firsts = np.column_stack(
        [
            np.bincount(failed.tick[mine], minlength=ticks)
            for mine in (failed.tick >= failed.join, failed.tick < failed.join)
        ]
    )
    again = random.poisson(_failed_activity(failed, spare, starts, ticks) * chance)
    errors = (firsts + again) * scenario.failures
    load = _by_arm([np.full(ticks, activity[step == k].sum()) for k in range(len(starts))], starts)
    requests = errors + random.poisson(load * (1.0 - chance))
    joined = tuple(activity[step == k] for k in range(len(scenario.steps)))
    return Release(scenario, shares, firsts, requests, errors, joined, failed)


def _activity(scenario: Scenario, n: int, random: np.random.Generator) -> Floats:
    """Customers' requests relative to the mean, which is 1 by the law of the distribution."""
    if scenario.activity == "even" or scenario.spread == 0.0:
        return np.ones(n)
    spread = scenario.spread
    if scenario.activity == "log-normal":
        return random.lognormal(-0.5 * spread * spread, spread, n)
    return (1.0 + random.pareto(spread, n)) * (spread - 1.0) / spread


def _first_failures(
    scenario: Scenario,
    activity: Floats,
    join: Ints,
    total: Floats,
    random: np.random.Generator,
) -> tuple[Failed, Floats]:
    """Who fails within the release, and the part of that tick that is left after it.

    In stable's time, where one unit is one expected failure of somebody who asks once a tick, the
    first failure comes after an exponential draw; the canary's time runs ``effect`` times as fast.
    """
    needed = random.exponential(size=len(activity)) / activity
    before = total[join]  # what he goes through in stable, inf much for who never joins
    before[join == len(total) - 1] = np.inf
    late = needed > before
    with np.errstate(divide="ignore", invalid="ignore"):
        needed[late] = before[late] + (needed[late] - before[late]) / scenario.effect
    who = np.flatnonzero(needed < total[-1])
    at = needed[who]
    order = np.argsort(at, kind="stable")
    who, at = who[order], at[order]
    tick = np.searchsorted(total, at, side="right") - 1
    spare = (total[tick + 1] - at) / (total[tick + 1] - total[tick])
    return Failed(who, tick, join[who], activity[who]), spare


def _failed_activity(failed: Failed, spare: Floats, starts: Ints, ticks: int) -> Floats:
    """(ticks, arms): requests to be expected of those who failed before."""
    groups: list[Floats] = []
    for start in starts:
        mine = failed.join == start
        tick, activity = failed.tick[mine], failed.activity[mine]
        whole = np.bincount(tick, activity, minlength=ticks).astype(float)
        part = np.bincount(tick, activity * (1.0 - spare[mine]), minlength=ticks)
        groups.append(np.cumsum(whole) - part)
    return _by_arm(groups, starts)


def _by_arm(groups: Sequence[Floats], starts: Ints) -> Floats:
    """(ticks, arms) of what the groups do, each of which is the canary's from its start on."""
    made = np.zeros((len(groups[0]), 2))
    for group, start in zip(groups, starts, strict=True):
        made[start:, CANARY] += group[start:]
        made[:start, STABLE] += group[:start]
    return np.maximum(made, 0.0)  # a difference of equal sums may miss nought by a hair


class Quantiles(msgspec.Struct, frozen=True):
    """Of the releases that were reverted: one in ten, half and nine in ten were below."""

    p10: float
    p50: float
    p90: float


class Result(msgspec.Struct, frozen=True):
    """What a rule did to all releases; ``low`` and ``high``: 95 % interval of the share.

    Of those reverted, at that moment: ``seconds`` since the start, ``canary_requests``,
    customers ``exposed`` to the canary and ``hurt`` (had the bad event there).  ``curve``: the
    share of releases that were reverted by so many seconds.
    """

    rule: str
    releases: int
    reverted: int
    share: float
    low: float
    high: float
    seconds: Quantiles | None
    canary_requests: Quantiles | None
    exposed: Quantiles | None
    hurt: Quantiles | None
    curve: tuple[tuple[float, float], ...]


def run(
    scenario: Scenario,
    rules: Sequence[Rule],
    releases: int,
    random: np.random.Generator,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[Result, ...]:
    """The same releases under each rule.  ``progress`` is told how many are done."""
    seen: list[list[tuple[float, ...]]] = [[] for _ in rules]
    for done in range(1, releases + 1):
        release = draw(scenario, random)
        for rule, reverts in zip(rules, seen, strict=True):
            tick = rule.crossing(release)
            if tick is not None:
                reverts.append(_moment(release, tick + 1))
        progress(done)
    return tuple(
        _result(scenario, rule.name, releases, reverts)
        for rule, reverts in zip(rules, seen, strict=True)
    )


def _moment(release: Release, ticks: int) -> tuple[float, ...]:
    return (
        ticks * release.scenario.tick,
        float(release.requests[:ticks, CANARY].sum()),
        release.exposed(ticks),
        float(release.firsts[:ticks, CANARY].sum()),
    )


def _result(
    scenario: Scenario, rule: str, releases: int, reverts: list[tuple[float, ...]]
) -> Result:
    low, high = interval(len(reverts), releases)
    columns = list(zip(*reverts, strict=True)) or [()] * 4
    seconds, requests, exposed, hurt = (_quantiles(column) for column in columns)
    end = scenario.ticks * scenario.tick
    times = sorted(columns[0])
    curve = [(0.0, 0.0), *((time, (k + 1) / releases) for k, time in enumerate(times))]
    curve.append((end, len(reverts) / releases))
    return Result(
        rule=rule,
        releases=releases,
        reverted=len(reverts),
        share=len(reverts) / releases,
        low=low,
        high=high,
        seconds=seconds,
        canary_requests=requests,
        exposed=exposed,
        hurt=hurt,
        curve=_thinned(curve),
    )


def _quantiles(values: Sequence[float]) -> Quantiles | None:
    if not values:
        return None
    p10, p50, p90 = (float(it) for it in np.quantile(values, (0.1, 0.5, 0.9)))
    return Quantiles(p10, p50, p90)


def _thinned(curve: list[tuple[float, float]], most: int = 200) -> tuple[tuple[float, float], ...]:
    """At most so many points, the first and the last among them."""
    if len(curve) <= most:
        return tuple(curve)
    kept = np.unique(np.linspace(0, len(curve) - 1, most).round().astype(int))
    return tuple(curve[k] for k in kept)


def interval(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a share (1927): 95 %, and honest at 0 and 1."""
    if trials <= 0:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z * ((share * (1 - share) + spread / 4) / trials) ** 0.5 / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
