"""How a gate's bounds are held against what is known: intervals that hold at every look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from proxy.compare.paired import PairedFigures
from proxy.compare.summary import Summary
from proxy.measure.confidence import BURN_IN, Interval, mean_radius
from proxy.terms import Finding, Verdict

#: How a loss is called in sentences.
LOSS_WORDS: Final = {
    "brier": "Brier score",
    "log": "log loss",
    "zero_one": "error rate",
    "absolute": "absolute error",
    "squared": "squared error",
}


class Bound(NamedTuple):
    """``alpha`` of one criterion; ``planned``: the pairs for which a bound is tightest."""

    alpha: float
    planned: int

    def around(self, rate: float, error: float, n: int) -> Interval:
        """The sequence around a rate with this standard error, from ``n`` pairs, within 0 to 1."""
        low, high = as_sequence(rate, error, n, self)
        return Interval(max(0.0, low), min(1.0, high))

    def rate(self, events: int, n: int) -> Interval:
        """Of independent events.  The error is never nought: two events of either sort are added
        (Agresti and Coull, The American Statistician 1998)."""
        rate = (events + 2.0) / (n + 4.0)
        return self.around(events / n, math.sqrt(rate * (1.0 - rate) / (n + 4.0)), n)


def as_sequence(value: float, error: float, n: int, bound: Bound) -> Interval:
    """value plus and minus the radius of the asymptotic sequence (measure/confidence.py), which
    is not to be trusted under ``BURN_IN`` pairs: there it is everything."""
    if n < BURN_IN:
        return Interval(-math.inf, math.inf)
    radius = mean_radius(error, n, bound.alpha, bound.planned)
    return Interval(value - radius, value + radius)


def settled(low: float, high: float, least: float, most: float) -> Verdict:
    """What an interval says of an allowed range: within, outside, or across its edge."""
    if least <= low and high <= most:
        return Verdict.PASS
    if low > most or high < least:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE


def shift(
    allowed: float, summary: Summary, segments: Sequence[str], bound: Bound
) -> Iterator[Finding]:
    """The mean prediction's shift of everyone, and of each protected segment."""
    yield _shift("shift", allowed, summary.everyone.shift, "everyone", bound)
    for name in segments:
        found = summary.segment(name)
        yield _shift(f"shift[{name}]", allowed, found.shift if found else None, name, bound)


def _shift(
    check: str, allowed: float, found: PairedFigures | None, who: str, bound: Bound
) -> Finding:
    numbers = {"allowed": allowed, "n": float(found.n if found else 0)}
    if found is None or found.mean is None or found.low is None or found.high is None:
        return Finding(check, Verdict.NOT_YET, f"too few pairs of {who}", numbers, "none")
    low, high = _at_alpha(found, bound)
    numbers |= {"mean": found.mean, "low": low, "high": high}
    moved = round(found.mean, 4) + 0.0  # never -0.0
    message = (
        f"the mean prediction of {who} moves by {moved:+.4f} ({low:+.4f} to {high:+.4f}) on "
        f"{found.n} rows; allowed are {allowed:g} either way"
    )
    return Finding(check, settled(low, high, -allowed, allowed), message, numbers, "none")


def inferior(
    score: str, margin: float, summary: Summary, segments: Sequence[str], bound: Bound
) -> Iterator[Finding]:
    """The paired regret of everyone, and of each protected segment."""
    everyone = summary.everyone
    yield _inferior("inferior", score, margin, everyone.regret, everyone.loss, "everyone", bound)
    for name in segments:
        found = summary.segment(name)
        regret, loss = (found.regret, found.loss) if found else (None, "")
        yield _inferior(f"inferior[{name}]", score, margin, regret, loss, name, bound)


def _inferior(
    check: str, score: str, margin: float, found: PairedFigures | None, loss: str, who: str,
    bound: Bound,
) -> Finding:  # fmt: skip
    numbers = {"margin": margin, "n": float(found.n if found else 0)}
    if found is None or found.mean is None or found.low is None or found.high is None:
        return Finding(check, Verdict.NOT_YET, f"too few labels of {who}", numbers, "none")
    if loss != score:
        asked, found_loss = (LOSS_WORDS.get(it, it) for it in (score, loss))
        message = f"asked is the {asked}; compared is the {found_loss}"
        return Finding(check, Verdict.INCONCLUSIVE, message, numbers, "none")
    low, high = _at_alpha(found, bound)
    numbers |= {"mean": found.mean, "low": low, "high": high}
    message = (
        f"the shadow's {LOSS_WORDS[score]} minus stable's, of {who}, is {found.mean:+.5f} "
        f"({low:+.5f} to {high:+.5f}) on {found.n} labels; allowed is {margin:g}"
    )
    return Finding(check, settled(low, high, -math.inf, margin), message, numbers, "none")


def _at_alpha(found: PairedFigures, bound: Bound) -> Interval:
    """The figures' own sequence, at the alpha of this criterion: its radius grows with about the
    root of ln(1/alpha), or with it where the bound is of one jump; the larger is taken."""
    assert found.mean is not None
    assert found.low is not None
    assert found.high is not None
    if bound.alpha >= found.alpha:
        return Interval(found.low, found.high)
    wider = math.log(2.0 / bound.alpha) / math.log(2.0 / found.alpha)
    return Interval(
        found.mean - (found.mean - found.low) * wider,
        found.mean + (found.high - found.mean) * wider,
    )


def percent(share: float) -> str:
    return f"{share * 100:.4g} %"
