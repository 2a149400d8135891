"""Whether a shadow may go on: criteria and a comparison's summary in, a verdict with reasons out.

The law of this file: nothing passes for want of data.  A criterion that cannot be looked at is
inconclusive, and so is everything of a comparison whose fidelity is poor.  Where a bound is
statistical, the interval is widened to hold at every look (confidence sequences), so that a gate
may be asked every minute.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from proxy.compare.summary import Summary
from proxy.judge.gating import Bound, as_sequence, percent, settled
from proxy.judge.gating import inferior as inferior_checks
from proxy.judge.gating import shift as shift_checks
from proxy.terms import Finding, Verdict

Word = Literal["pass", "inconclusive", "fail"]
Score = Literal["brier", "log", "zero_one", "absolute", "squared"]
_DAY: Final = 86_400.0
_LEAST_LATENCIES: Final = 100


class Inferior(msgspec.Struct, frozen=True):
    """The shadow's mean ``score`` (a loss) may be larger than stable's by at most ``margin``."""

    score: Score = "brier"
    margin: float = 0.005


class Criteria(msgspec.Struct, frozen=True):
    """What must hold; None is not asked.  Rates and shares run from 0 to 1.

    ``pairs`` and ``days``: at least.  ``labelled``: share of the compared pairs with a label.
    ``agreement``: at least; less is put up with where stable disagrees with itself as often.
    ``shift``: of the mean prediction, at most, either way, of everyone and of each protected
    segment.  ``ece``: the shadow's calibration error, at most.  ``latency``: the shadow's 95 %
    quantile over stable's.  ``errors``: of the shadow, where stable answered.  ``broken``: answers
    of the shadow that are unreadable by its own fault, or hold no number.  ``protected``:
    dimensions, or segments as ``dimension=value``.  ``alpha`` is shared by all criteria that are
    statistical: the chance that any of them passes or fails wrongly, whatever the looking.
    """

    pairs: int = 1_000
    days: float = 0.0
    labelled: float = 0.0
    agreement: float | None = 0.95
    shift: float | None = 0.02
    ece: float | None = None
    inferior: Inferior | None = None
    protected: tuple[str, ...] = ()
    latency: float | None = None
    errors: float | None = 0.01
    broken: float | None = 0.01
    alpha: float = 0.05


class Gate(msgspec.Struct, frozen=True):
    """``findings`` in the order of the criteria; ``sentence`` says the verdict and the first
    reason for it."""

    verdict: Word
    sentence: str
    findings: tuple[Finding, ...]


def gate(criteria: Criteria, summary: Summary) -> Gate:
    """The verdict: fail when any criterion fails, pass when all pass, else inconclusive."""
    bound = Bound(criteria.alpha / _statistical(criteria, summary), max(1, criteria.pairs))
    findings = tuple(_findings(criteria, summary, bound))
    worst = max((it.verdict for it in findings), default=Verdict.INCONCLUSIVE)
    word: Word = "inconclusive"
    if worst is Verdict.PASS:
        word = "pass"
    elif worst is Verdict.FAIL:
        word = "fail"
    return Gate(word, _sentence(word, summary, findings), findings)


def protected_segments(criteria: Criteria, known: Iterable[str]) -> list[str]:
    """The segments that are protected: of a dimension, all that were seen."""
    found = []
    for it in criteria.protected:
        if "=" in it:
            found.append(it)
        else:
            found += [name for name in known if name.startswith(f"{it}=") and " & " not in name]
    return list(dict.fromkeys(found))


def _statistical(criteria: Criteria, summary: Summary) -> int:
    segments = 1 + len(protected_segments(criteria, summary.segment_names()))
    asked = [criteria.agreement, criteria.ece, criteria.errors, criteria.broken]
    by_segment = [criteria.shift, criteria.inferior]
    n = sum(it is not None for it in asked) + segments * sum(it is not None for it in by_segment)
    return max(1, n)


def _findings(criteria: Criteria, summary: Summary, bound: Bound) -> Iterator[Finding]:
    segments = protected_segments(criteria, summary.segment_names())
    yield _fidelity(summary)
    yield _enough("pairs", summary.pairs, criteria.pairs, "compared pairs")
    if criteria.days:
        days = max(0.0, summary.until - summary.since) / _DAY
        yield _enough("days", days, criteria.days, "days from the first pair to the last")
    if criteria.labelled:
        yield _enough("labelled", summary.labelled_share, criteria.labelled, "of pairs labelled")
    if criteria.errors is not None:
        yield _errors(criteria.errors, summary, bound)
    if criteria.broken is not None:
        yield _broken(criteria.broken, summary, bound)
    if criteria.latency is not None:
        yield _latency(criteria.latency, summary)
    if criteria.agreement is not None:
        yield _agreement(criteria.agreement, summary, bound)
    if criteria.shift is not None and summary.has_scores:
        yield from shift_checks(criteria.shift, summary, segments, bound)
    if criteria.ece is not None:
        yield _calibration(criteria.ece, summary, bound)
    if criteria.inferior is not None:
        wanted = criteria.inferior
        yield from inferior_checks(wanted.score, wanted.margin, summary, segments, bound)


def _fidelity(summary: Summary) -> Finding:
    found = summary.fidelity
    numbers = {"pairs": float(found.pairs), "compared": float(found.compared)}
    if found.poor:
        said = "; ".join(found.reasons)
        message = f"the fidelity is poor: {said}"
        return Finding("fidelity", Verdict.INCONCLUSIVE, message, numbers, "none")
    message = f"{found.compared} of {found.pairs} pairs were compared"
    return Finding("fidelity", Verdict.PASS, message, numbers, "none")


def _enough(check: str, found: float, needed: float, what: str) -> Finding:
    numbers = {"found": float(found), "needed": float(needed)}
    said, wanted = (percent(found), percent(needed)) if check == "labelled" else (
        f"{found:.4g}" if check == "days" else f"{found:.0f}", f"{needed:g}"
    )  # fmt: skip
    verdict = Verdict.PASS if found >= needed else Verdict.NOT_YET
    return Finding(check, verdict, f"{said} {what}; needed are {wanted}", numbers, "none")


def _errors(allowed: float, summary: Summary, bound: Bound) -> Finding:
    failed, n = summary.shadow_failed, summary.stable_answered
    return _share("errors", failed, n, allowed, bound, "the shadow failed", "that stable answered")


def _broken(allowed: float, summary: Summary, bound: Bound) -> Finding:
    broken, n = summary.shadow_broken, summary.shadow_answered
    return _share("broken", broken, n, allowed, bound, "the shadow broke", "answers")


def _share(
    check: str, events: int, n: int, allowed: float, bound: Bound, did: str, what: str
) -> Finding:
    numbers = {"events": float(events), "n": float(n), "allowed": allowed}
    if not n:
        return Finding(check, Verdict.NOT_YET, f"no {what} to look at", numbers, "none")
    rate, (low, high) = events / n, bound.rate(events, n)
    numbers |= {"rate": rate, "low": low, "high": high}
    message = (
        f"{did} {events} of {n} {what}: {percent(rate)} ({percent(low)} to {percent(high)}); "
        f"allowed is {percent(allowed)}"
    )
    return Finding(check, settled(low, high, -math.inf, allowed), message, numbers, "none")


def _latency(allowed: float, summary: Summary) -> Finding:
    stable, shadow = summary.stable_latency, summary.shadow_latency
    numbers = {"allowed": allowed, "n": float(min(stable.n, shadow.n))}
    if min(stable.n, shadow.n) < _LEAST_LATENCIES or not stable.p95 or shadow.p95 is None:
        message = f"{numbers['n']:.0f} measured pairs; needed are {_LEAST_LATENCIES}"
        return Finding("latency", Verdict.NOT_YET, message, numbers, "none")
    ratio = shadow.p95 / stable.p95
    numbers |= {"stable_p95": stable.p95, "shadow_p95": shadow.p95, "ratio": ratio}
    message = (
        f"95 % of the shadow's answers within {shadow.p95 * 1000:.3g} ms, of stable's within "
        f"{stable.p95 * 1000:.3g} ms: {ratio:.2f} times; allowed is {allowed:g}"
    )
    verdict = Verdict.PASS if ratio <= allowed else Verdict.FAIL
    return Finding("latency", verdict, message, numbers, "none")


def _agreement(needed: float, summary: Summary, bound: Bound) -> Finding:
    found, noise = summary.agreement, summary.noise
    numbers = {"needed": needed, "pairs": float(found.pairs)}
    if not found.rows:
        return Finding("agreement", Verdict.NOT_YET, "nothing was compared", numbers, "none")
    low, high = bound.around(found.rate, found.error, found.pairs)
    numbers |= {"rate": found.rate, "low": low, "high": high}
    said = f"{percent(found.rate)} agree ({percent(low)} to {percent(high)})"
    message = f"{said}; needed are {percent(needed)}"
    verdict = settled(-high, -low, -math.inf, -needed)
    if verdict is Verdict.PASS:
        return Finding("agreement", verdict, message, numbers, "none")
    if noise.state == "unknown":
        if noise.pairs:  # being learned: a noisy stable is not blamed on the shadow
            verdict = Verdict.INCONCLUSIVE
        message += "; how often stable disagrees with itself is not known"
        return Finding("agreement", verdict, message, numbers, "none")
    assert noise.agreement is not None
    assert noise.error is not None
    more = noise.agreement - found.rate
    error, n = math.hypot(found.error, noise.error), min(found.pairs, noise.pairs)
    low, high = as_sequence(more, error, n, bound)
    numbers |= {"noise": noise.agreement, "excess": more, "excess_low": low, "excess_high": high}
    message = (
        f"{said}; stable agrees with itself in {percent(noise.agreement)}, so the shadow "
        f"disagrees {percent(more)} more ({percent(low)} to {percent(high)}); "
        f"allowed are {percent(1.0 - needed)}"
    )
    verdict = settled(low, high, -math.inf, 1.0 - needed)
    return Finding("agreement", verdict, message, numbers, "none")


def _calibration(allowed: float, summary: Summary, bound: Bound) -> Finding:
    found = summary.shadow_scores
    numbers = {"allowed": allowed, "n": float(found.n if found else 0)}
    if found is None or found.ece is None:
        return Finding("calibration", Verdict.NOT_YET, "no labels yet", numbers, "none")
    chance = found.ece_chance or 0.0
    error = (found.ece.high - found.ece.value) / 1.96
    low, high = as_sequence(found.ece.value, error, found.n, bound)
    numbers |= {"ece": found.ece.value, "low": low, "high": high, "chance": chance}
    message = (
        f"calibration error {found.ece.value:.4f} ({max(0.0, low):.4f} to {high:.4f}) on {found.n} "
        f"labels, of which chance alone makes {chance:.4f}; allowed is {allowed:g}"
    )
    verdict = settled(low - chance, high, -math.inf, allowed)
    return Finding("calibration", verdict, message, numbers, "none")


def _sentence(word: Word, summary: Summary, findings: tuple[Finding, ...]) -> str:
    name = f"{summary.model} {summary.version}".strip()
    fidelity = findings[0]
    if fidelity.verdict is not Verdict.PASS:
        head = {"fail": f"{name} fails", "inconclusive": f"{name} cannot be judged"}[word]
        if word != "fail":
            return f"{head}: {fidelity.message}."
    if word == "pass":
        return f"{name} passes all {len(findings)} criteria against {summary.stable}."
    bad = [it for it in findings if it.verdict is Verdict.FAIL] or [
        it for it in findings if it.verdict is not Verdict.PASS
    ]
    does = "fails" if word == "fail" else "is not settled yet"
    more = f"; also {', '.join(it.check for it in bad[1:4])}" if len(bad) > 1 else ""
    more += f" and {len(bad) - 4} more" if len(bad) > 4 else ""
    return f"{name} {does}: {bad[0].check}: {bad[0].message}{more}."
