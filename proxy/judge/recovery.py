"""Whether stable is well again after a revert: what it does now beside what it did before.

One look, at the end of a fixed time, so nothing here needs to hold under peeking.  A quantity is
worse when the whole interval now lies beyond the whole interval before (three standard errors
each) and the tolerance; it is well when its plain value is within two standard errors of before
and the tolerance; between the two it is open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from proxy.judge.wording import apart, duration, percent
from proxy.measure import Tally, errors, histogram, requests
from proxy.terms import Finding, Verdict

Result = Literal["recovered", "not_recovered", "inconclusive"]
Interval = tuple[float, float]  # low, high

QUANTILES: Final = (0.50, 0.95)
_SURE: Final = 3.0  # standard errors; with hundreds of segments two would cry wolf
_USUAL: Final = 2.0


class Validation(msgspec.Struct, frozen=True):
    """How stable is watched.  Times are seconds, tolerances relative: 0.2 is a fifth more."""

    after: float = 600.0
    baseline: float = 900.0
    min_requests: int = 200
    tolerance: float = 0.2
    latency_tolerance: float = 0.5


class Measured(msgspec.Struct, frozen=True):
    """What one series did: judged requests, failures, and quantiles of the answered ones.

    A quantile is given as five times in seconds: three and two standard errors below, itself,
    two and three above.
    """

    requests: int
    errors: int
    answers: int = 0
    quantiles: dict[str, tuple[float, float, float, float, float]] = {}


class Figures(msgspec.Struct, frozen=True):
    """What stable did in ``seconds``: by segment ("" is everyone), and its KPI events by name."""

    seconds: float
    segments: dict[str, Measured] = {}
    kpis: dict[str, int] = {}


def measured(tally: Tally) -> Measured:
    """The figures of one series."""
    n = histogram.count(tally.total)
    quantiles = {}
    for q in QUANTILES if n else ():
        error = math.sqrt(q * (1.0 - q) / n)
        steps = (-_SURE, -_USUAL, 0.0, _USUAL, _SURE)
        places = [min(max(q + step * error, 0.0), 1.0) for step in steps]
        found = histogram.quantiles(tally.total, places)
        quantiles[f"p{q * 100:g}"] = (found[0], found[1], found[2], found[3], found[4])
    return Measured(requests(tally), errors(tally), n, quantiles)


def compare(
    policy: Validation,
    before: Figures | None,
    now: Figures,
    directions: Mapping[str, str],
) -> tuple[Finding, ...]:
    """One finding for each quantity of ``now``.

    ``directions`` maps the KPI events to look at to the way in which harm lies (increase or
    decrease).  FAIL is worse than before, PASS well again, INCONCLUSIVE in between, NOT_YET too
    few requests in either time.
    """
    before = before or Figures(0.0)
    found = [
        *_series(policy, "", before.segments, now.segments),
        *_kpis(policy, before, now, directions),
    ]
    for segment in sorted(now.segments.keys() - {""}):
        found += _series(policy, segment, before.segments, now.segments)
    return tuple(found)


def result(findings: tuple[Finding, ...]) -> Result:
    """What the findings come to.

    One that is worse is enough for ``not_recovered``.  ``recovered`` needs everybody's error rate
    to be well, and nothing open but what had too few requests.
    """
    verdicts = [it.verdict for it in findings]
    if Verdict.FAIL in verdicts:
        return "not_recovered"
    well = any(it.check == "error_rate" and it.verdict is Verdict.PASS for it in findings)
    return "recovered" if well and Verdict.INCONCLUSIVE not in verdicts else "inconclusive"


def _series(
    policy: Validation,
    segment: str,
    before: Mapping[str, Measured],
    now: Mapping[str, Measured],
) -> Iterator[Finding]:
    then, here = before.get(segment, Measured(0, 0)), now.get(segment, Measured(0, 0))
    tail, of = (f"[{segment}]", f" of {segment}") if segment else ("", "")
    least = min(then.requests, here.requests)
    if least < policy.min_requests:
        message = (
            f"stable had {here.requests} requests{of} since the revert and {then.requests} before "
            f"the canary; {policy.min_requests} of each are needed to compare its error rate"
        )
        numbers = {"requests": float(here.requests), "requests_before": float(then.requests)}
        yield Finding(f"error_rate{tail}", Verdict.NOT_YET, message, numbers, "none")
    else:
        yield _error_rate(policy, f"error_rate{tail}", of, then, here)
    if min(then.answers, here.answers) >= policy.min_requests:
        for name in here.quantiles:
            if name in then.quantiles:
                yield _latency(policy, name, tail, of, then, here)


def _error_rate(policy: Validation, check: str, of: str, then: Measured, here: Measured) -> Finding:
    rate, usual = here.errors / here.requests, then.errors / then.requests
    verdict, allowed = _judged(
        rate,
        wilson(here.errors, here.requests, _SURE),
        wilson(then.errors, then.requests, _USUAL),
        wilson(then.errors, then.requests, _SURE),
        1.0 + policy.tolerance,
    )
    said, most = apart(percent, rate, allowed, 2)
    message = (
        f"stable failed {here.errors} of {here.requests} requests{of} since the revert ({said}), "
        f"{then.errors} of {then.requests} ({percent(usual, 2)}) before the canary; within the "
        f"tolerance is {most}"
    )
    numbers = {
        "errors": float(here.errors),
        "requests": float(here.requests),
        "rate": rate,
        "errors_before": float(then.errors),
        "requests_before": float(then.requests),
        "rate_before": usual,
        "bound": allowed,
    }
    return Finding(check, verdict, message, numbers, "none")


def _latency(
    policy: Validation, name: str, tail: str, of: str, then: Measured, here: Measured
) -> Finding:
    mine, theirs = here.quantiles[name], then.quantiles[name]
    verdict, allowed = _judged(
        mine[2],
        (mine[0], mine[4]),
        (theirs[1], theirs[3]),
        (theirs[0], theirs[4]),
        1.0 + policy.latency_tolerance,
    )
    said, most = apart(duration, mine[2], allowed, 0)
    message = (
        f"stable answered {name.removeprefix('p')} % of {here.answers} requests{of} within {said} "
        f"since the revert, within {duration(theirs[2])} before the canary; within the tolerance "
        f"is {most}"
    )
    numbers = {
        "seconds": mine[2],
        "answers": float(here.answers),
        "seconds_before": theirs[2],
        "answers_before": float(then.answers),
        "bound": allowed,
    }
    return Finding(f"latency_{name}{tail}", verdict, message, numbers, "none")


def _kpis(
    policy: Validation, before: Figures, now: Figures, directions: Mapping[str, str]
) -> Iterator[Finding]:
    then_n = before.segments.get("", Measured(0, 0)).requests
    here_n = now.segments.get("", Measured(0, 0)).requests
    for name, direction in sorted(directions.items()):
        then, here = before.kpis.get(name, 0), now.kpis.get(name, 0)
        if not then and not here:
            continue
        check = f"kpi:{name}"
        numbers = {
            "events": float(here),
            "requests": float(here_n),
            "events_before": float(then),
            "requests_before": float(then_n),
        }
        if min(then_n, here_n) < policy.min_requests:
            message = (
                f"there were {here_n} requests since the revert and {then_n} before the canary; "
                f"{policy.min_requests} of each are needed to compare {name}"
            )
            yield Finding(check, Verdict.NOT_YET, message, numbers, "none")
            continue
        verdict, allowed = _judged_kpi(policy, direction, (here, here_n), (then, then_n))
        message = (
            f"{name} came {here} times in {here_n} requests to stable since the revert, {then} in "
            f"{then_n} before the canary; within the tolerance is a rate of {percent(allowed, 2)} "
            f"or {'less' if direction == 'increase' else 'more'}"
        )
        yield Finding(check, verdict, message, {**numbers, "bound": allowed}, "none")


def _judged_kpi(
    policy: Validation, direction: str, here: tuple[int, int], then: tuple[int, int]
) -> tuple[Verdict, float]:
    rate, mine = here[0] / here[1], poisson(*here, _SURE)
    usual, sure = poisson(*then, _USUAL), poisson(*then, _SURE)
    if direction == "increase":
        return _judged(rate, mine, usual, sure, 1.0 + policy.tolerance)
    times = max(0.0, 1.0 - policy.tolerance)
    verdict, allowed = _judged(-rate, _turned(mine), _turned(usual), _turned(sure), times)
    return verdict, -allowed


def _turned(interval: Interval) -> Interval:
    return -interval[1], -interval[0]


def _judged(
    value: float, mine: Interval, usual: Interval, sure: Interval, times: float
) -> tuple[Verdict, float]:
    """Where more is worse: the verdict, and the largest value that is well."""
    allowed = usual[1] * times
    if mine[0] > sure[1] * times:
        return Verdict.FAIL, allowed
    return (Verdict.PASS if value <= allowed else Verdict.INCONCLUSIVE), allowed


def wilson(events: int, n: int, z: float) -> Interval:
    """Interval of a rate, ``z`` standard errors wide (Wilson 1927); (0, 1) without data."""
    if not n:
        return 0.0, 1.0
    middle = events + z * z / 2.0
    around = z * math.sqrt(events * (n - events) / n + z * z / 4.0)
    return max(0.0, (middle - around) / (n + z * z)), min(1.0, (middle + around) / (n + z * z))


def poisson(events: int, n: int, z: float) -> Interval:
    """Interval of events per request (the score interval), which may be over 1."""
    middle, around = events + z * z / 2.0, z * math.sqrt(events + z * z / 4.0)
    return max(0.0, (middle - around) / n), (middle + around) / n
