"""The circuit breakers: plain bounds on what the canary did in the last seconds.

No statistics: a bound that is crossed with enough requests trips on the next tick.  Too few of
the canary's requests are NOT_YET.  Too few of stable's, where it is what the canary is measured
by, are INCONCLUSIVE.  Neither is ever read as a pass or as a failure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from proxy.judge.policy import STREAK_WINDOW, ErrorRate, Latency, Thresholds
from proxy.judge.wording import apart, duration, named, percent
from proxy.measure import Tally, Window, errors, histogram, requests
from proxy.terms import Finding, Verdict

ERROR_RATE: Final = "error_rate"
LATENCY: Final = "latency"
CONSECUTIVE_FAILURES: Final = "consecutive_failures"

#: Fewer failures say nothing of a ratio: beside a quiet stable arm, one stray error is a lot.
_FEWEST_FOR_RELATIVE: Final = 3


def check(
    thresholds: Thresholds, canary: Window, stable: Window, longest_streak: int, now: float
) -> tuple[Finding, ...]:
    """One finding for each bound of ``thresholds``, in their order; ``now`` is in seconds.

    ``longest_streak`` is the canary's longest run of upstream failures in any one worker, since
    it became canary.  The windows must remember for
    ``thresholds.counts_window`` and ``totals_window``, else ValueError.
    """
    return tuple(_findings(thresholds, canary, stable, longest_streak, now))


def changes_at(thresholds: Thresholds, canary: Window, stable: Window, now: float) -> float:
    """When the findings may be others though nothing was added; inf when they stay.

    What ages out of a window can turn any verdict into any other: with a hundred good answers
    gone, the errors after them are a higher rate; with stable's slow minute gone, the canary is
    too slow beside it; and with too few left there is no verdict.  Between two such moments
    ``check`` gives the same findings, for it sees the time only through the windows.
    """
    moments = [math.inf]
    if thresholds.consecutive_failures is not None:
        moments.append(canary.counts_change_at(STREAK_WINDOW, now))
    if (rate := thresholds.error_rate) is not None:
        moments += [it.counts_change_at(rate.window, now) for it in (canary, stable)]
    for bound in thresholds.latency:
        moments += [it.totals_change_at(bound.window, now) for it in (canary, stable)]
    return min(moments)


def _findings(
    thresholds: Thresholds, canary: Window, stable: Window, longest_streak: int, now: float
) -> Iterator[Finding]:
    limit = thresholds.consecutive_failures
    if limit is not None:
        yield _streak(limit, canary.counts(STREAK_WINDOW, now), longest_streak)
    rate = thresholds.error_rate
    if rate is not None:
        yield from _error_rate(
            rate, canary.counts(rate.window, now), stable.counts(rate.window, now)
        )
    for bound in thresholds.latency:
        yield from _latency(
            bound, canary.totals(bound.window, now), stable.totals(bound.window, now)
        )


def _streak(limit: int, canary: Tally, streak: int) -> Finding:
    numbers = {"streak": float(streak), "bound": float(limit)}
    if streak == 0 and requests(canary) == 0:
        message = f"{named(canary)} has no requests yet; the limit is {limit} failures in a row"
        return Finding(CONSECUTIVE_FAILURES, Verdict.NOT_YET, message, numbers)
    verdict = _verdict(streak >= limit)
    most = "at most " if verdict is Verdict.PASS else ""
    message = f"{named(canary)} failed {most}{streak} requests in a row; the limit is {limit}"
    return Finding(CONSECUTIVE_FAILURES, verdict, message, numbers)


def _error_rate(bound: ErrorRate, canary: Tally, stable: Tally) -> Iterator[Finding]:
    failed, n = errors(canary), requests(canary)
    numbers = {
        "errors": float(failed),
        "requests": float(n),
        "min_requests": float(bound.min_requests),
        "window_seconds": bound.window,
    }
    if n < bound.min_requests:
        message = _too_few(canary, n, bound)
        yield Finding(ERROR_RATE, Verdict.NOT_YET, f"{message} to judge its error rate", numbers)
        return
    numbers["rate"] = failed / n
    seen = f"{named(canary)} failed {failed} of {n} requests"
    if bound.absolute is not None:
        yield _error_rate_absolute(bound, bound.absolute, seen, numbers)
    if bound.relative is not None:
        yield _error_rate_relative(bound, bound.relative, seen, numbers, stable)


def _error_rate_absolute(
    bound: ErrorRate, allowed: float, seen: str, numbers: dict[str, float]
) -> Finding:
    rate = numbers["rate"]
    said, most = apart(percent, rate, allowed, 1)
    message = f"{seen} ({said}) in the last {bound.window:g} s; allowed is {most}"
    return Finding(ERROR_RATE, _verdict(rate > allowed), message, {**numbers, "bound": allowed})


def _error_rate_relative(
    bound: ErrorRate, times: float, seen: str, numbers: dict[str, float], stable: Tally
) -> Finding:
    failed, n = errors(stable), requests(stable)
    numbers = {
        **numbers,
        "relative": times,
        "stable_errors": float(failed),
        "stable_requests": float(n),
    }
    if n < bound.min_requests:
        message = f"{_too_few(stable, n, bound)} to compare the canary's error rate with"
        return Finding(ERROR_RATE, Verdict.INCONCLUSIVE, message, numbers)
    rate, allowed = numbers["rate"], times * (failed + 1) / n
    said, most = apart(percent, rate, allowed, 1)
    message = (
        f"{seen} ({said}) in the last {bound.window:g} s; {named(stable)} failed {failed} of {n} "
        f"({percent(failed / n)}), so allowed is {most}"
    )
    numbers |= {"stable_rate": failed / n, "bound": allowed}
    over = rate > allowed and numbers["errors"] >= _FEWEST_FOR_RELATIVE
    return Finding(ERROR_RATE, _verdict(over), message, numbers)


def _latency(bound: Latency, canary: Tally, stable: Tally) -> Iterator[Finding]:
    n = histogram.count(canary.total)
    numbers = {
        "quantile": bound.quantile,
        "requests": float(n),
        "min_requests": float(bound.min_requests),
        "window_seconds": bound.window,
    }
    if n < bound.min_requests:
        message = f"{_too_few(canary, n, bound, 'answers')} to judge its latency"
        yield Finding(LATENCY, Verdict.NOT_YET, message, numbers)
        return
    numbers["seconds"] = histogram.quantile(canary.total, bound.quantile)
    if bound.absolute is not None:
        yield _latency_absolute(bound, bound.absolute, named(canary), numbers)
    if bound.relative is not None:
        yield _latency_relative(bound, bound.relative, named(canary), numbers, stable)


def _latency_absolute(
    bound: Latency, allowed: float, name: str, numbers: dict[str, float]
) -> Finding:
    seconds, n = numbers["seconds"], numbers["requests"]
    said, most = apart(duration, seconds, allowed, 0)
    message = (
        f"{name} answered {bound.quantile * 100:g} % of {n:.0f} requests within {said} "
        f"in the last {bound.window:g} s; allowed is {most}"
    )
    return Finding(LATENCY, _verdict(seconds > allowed), message, {**numbers, "bound": allowed})


def _latency_relative(
    bound: Latency, times: float, name: str, numbers: dict[str, float], stable: Tally
) -> Finding:
    n = histogram.count(stable.total)
    numbers = {**numbers, "relative": times, "stable_requests": float(n)}
    if n < bound.min_requests:
        message = f"{_too_few(stable, n, bound, 'answers')} to compare the canary's latency with"
        return Finding(LATENCY, Verdict.INCONCLUSIVE, message, numbers)
    seconds, usual = numbers["seconds"], histogram.quantile(stable.total, bound.quantile)
    allowed = times * usual
    said, most = apart(duration, seconds, allowed, 0)
    message = (
        f"{name} answered {bound.quantile * 100:g} % of {numbers['requests']:.0f} requests within "
        f"{said} in the last {bound.window:g} s; {named(stable)} took {duration(usual)}, "
        f"so allowed is {most}"
    )
    numbers |= {"stable_seconds": usual, "bound": allowed}
    return Finding(LATENCY, _verdict(seconds > allowed), message, numbers)


def _too_few(tally: Tally, n: int, bound: ErrorRate | Latency, things: str = "requests") -> str:
    return (
        f"{named(tally)} has {n} of the {bound.min_requests} {things} "
        f"needed in the last {bound.window:g} s"
    )


def _verdict(crossed: bool) -> Verdict:
    return Verdict.FAIL if crossed else Verdict.PASS
