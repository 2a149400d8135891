"""The judge's part of ``pointsman status``: guardrails, holds, shifts, validation."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.cli.show import RED, YELLOW, clock, percent
from proxy.steering.status import FindingStatus, ModelStatus

STYLE = {"fail": RED, "error": "red", "inconclusive": YELLOW}
#: (a line, its style)
Line = tuple[str, str]
_GATE = {"pass": "green", "fail": RED}
_RESULT = {"recovered": "green", "not_recovered": RED, "inconclusive": YELLOW}


def bound(model: ModelStatus) -> Iterator[Line]:
    """What keeps the canary from its share, or everybody from stable."""
    if (shift := model.shift) is not None:
        yield (
            f"SHIFTED to {shift.version}, the last resort, at {clock(shift.at)}: {shift.message}; "
            "`split clear-shift` ends it",
            RED,
        )
    if (hold := model.hold) is not None:
        yield (
            f"HELD {hold.version} at {percent(hold.percent)} since {clock(hold.at)}: "
            f"{hold.reason}: {hold.message}; `split clear-hold` ends it",
            RED,
        )
    if (found := model.validation) is None:
        return
    words = f"validation of the revert of {found.version} at {clock(found.at)}"
    if found.result is None:
        yield f"{words}: stable is watched until {clock(found.until)}", ""
    else:
        result = found.result.replace("_", " ").upper()
        yield f"{words}: {result}: {found.message}", _RESULT.get(found.result, "")


def comparisons(model: ModelStatus) -> Iterator[Line]:
    """One line for each shadow that is compared."""
    for version, shadow in model.shadows.items():
        it = shadow.comparison
        if it is None:
            continue
        words = f"compared {version} since {clock(it.since)}: pairs {it.pairs:,}"
        if it.agreement is not None:
            words += f", {it.agreement * 100:.4g} % agree"
        if it.noise is not None:
            words += f" (stable with itself {it.noise * 100:.4g} %)"
        if it.shift is not None:
            words += f", mean shift {it.shift:+.3g}"
        if it.labels:
            words += f", labels {it.labels:,}"
        if it.sampling < 1:
            words += f", sampled {it.sampling * 100:.3g} %"
        yield f"{words}; gate {it.gate.upper()}: {it.sentence}", _GATE.get(it.gate, YELLOW)
        if it.error:
            yield f"COMPARISON CANNOT BE WRITTEN: {it.error}", RED


def guardrails(model: ModelStatus) -> Iterator[Line]:
    """One line for each guardrail and protected segment, under what they all have in common."""
    trial = model.trial
    if trial is None:
        return
    customers = ", ".join(f"{arm} about {n:,}" for arm, n in trial.customers.items())
    dropped = f", {trial.dropped:,} incidents dropped" if trial.dropped else ""
    lasted = f"since {clock(trial.began)}"
    if trial.ended is not None:
        lasted = f"from {clock(trial.began)} to {clock(trial.ended)}"
    yield (
        f"trial of {trial.version} beside {trial.stable} {lasted}, alpha "
        f"{trial.alpha:g}: customers {customers or 'not known yet'}{dropped}",
        "",
    )
    for it in model.guardrails:
        yield f"  {it.check}: {it.verdict}{_does(it)}: {it.message}{_evidence(it)}", _style(it)


def _does(it: FindingStatus) -> str:
    if it.passed:
        return " (cleared by a person)"
    return {"none": " (dry run)", "hold": " (holds)"}.get(it.effect, "")


def _evidence(it: FindingStatus) -> str:
    value, needed = it.numbers.get("e_value"), it.numbers.get("needed")
    if value is None or needed is None or "e-value" in it.message:
        return ""
    return f" [e-value {value:.3g} of {needed:g}]"


def _style(it: FindingStatus) -> str:
    return "" if it.effect == "none" or it.passed else STYLE.get(it.verdict, "")
