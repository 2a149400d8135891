"""The judge's part of ``pointsman status``: guardrails, holds, shifts, validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding

from proxy.cli.show import RED, YELLOW, clock, indented, percent, plain, table
from proxy.steering.status import FindingStatus, ModelStatus, TrialStatus

STYLE = {"fail": RED, "error": "red", "inconclusive": YELLOW, "pass": "green"}
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


def trial(model: ModelStatus) -> Iterator[RenderableType]:
    """What the judge made of the canary: a row for each guardrail and protected segment that saw
    anything, then what does harm as a sentence."""
    found = model.trial
    if found is None:
        return
    yield indented(_head(found))
    quiet = [it for it in model.guardrails if it.verdict == "not_yet" and not _seen(it)]
    seen = [it for it in model.guardrails if it not in quiet]
    if seen:
        yield Padding(_table(seen), (0, 0, 0, 2), expand=False)
    if quiet:
        yield indented(f"not yet, for nothing was seen: {', '.join(_gathered(quiet))}")
    for it in seen:
        if it.verdict in {"fail", "error"} or _suspect(it):
            yield indented(f"{it.check}: {it.message}", _style(it))


def _head(found: TrialStatus) -> str:
    customers = ", ".join(f"{arm} about {n:,}" for arm, n in found.customers.items())
    dropped = f", {found.dropped:,} incidents dropped" if found.dropped else ""
    lasted = f"since {clock(found.began)}"
    if found.ended is not None:
        lasted = f"from {clock(found.began)} to {clock(found.ended)}"
    return (
        f"trial of {found.version} beside {found.stable} {lasted}, alpha "
        f"{found.alpha:g}: customers {customers or 'not known yet'}{dropped}"
    )


def _table(findings: list[FindingStatus]) -> RenderableType:
    numbers = ("canary", "expected", "stable", "e-value", "needed")
    shown = table("guardrail", "verdict", "if it fails", *numbers, right=numbers)
    for it in findings:
        style = _style(it)
        shown.add_row(
            plain(it.check),
            plain(word(it), style),
            _does(it),
            *(_number(it, *names) for names in _COLUMNS),
        )
    return shown


#: Customers with the event, or the means; of the sample ratio those who came.
_COLUMNS = (
    ("canary_events", "canary_mean", "canary_customers"),
    ("expected",),
    ("stable_events", "stable_mean", "stable_customers"),
    ("e_value",),
    ("needed",),
)


def _number(it: FindingStatus, *names: str) -> str:
    found = next((it.numbers[name] for name in names if name in it.numbers), None)
    if found is None:
        return "-"
    return f"{found:,.0f}" if 999.5 <= abs(found) < 1e7 else f"{found:.3g}"


def _seen(it: FindingStatus) -> bool:
    """Events, values, or (of the sample ratio) customers."""
    counted = ("canary_events", "stable_events", "with_values")
    if any(name in it.numbers for name in counted):
        return any(it.numbers.get(name) for name in counted)
    return bool(it.numbers.get("canary_customers") or it.numbers.get("stable_customers"))


def _suspect(it: FindingStatus) -> bool:
    """Not shown yet, but chance alone would seldom look so."""
    return it.verdict == "inconclusive" and it.numbers.get("e_value", 0.0) > _SUSPECT


#: An e-value from which on a person may want to read the sentence.
_SUSPECT = 3.0


def _gathered(findings: list[FindingStatus]) -> Iterator[str]:
    """Names, a guardrail with its segments as one: ``errors (5 segments as well)``."""
    segments = Counter(it.check.partition("[")[0] for it in findings if "[" in it.check)
    for it in findings:
        name, bracket, _ = it.check.partition("[")
        if bracket and any(other.check == name for other in findings):
            continue
        more = segments[name] if not bracket else 0
        many = "segment" if more == 1 else "segments"
        yield f"{it.check} (and {more} {many})" if more else it.check


def word(it: FindingStatus) -> str:
    """The verdict as it is spoken of."""
    return it.verdict.replace("_", " ")


def _does(it: FindingStatus) -> str:
    if it.passed:
        return "cleared by a person"
    return {"none": "told only", "hold": "holds"}.get(it.effect, "reverts")


def _style(it: FindingStatus) -> str:
    return "" if it.effect == "none" or it.passed else STYLE.get(it.verdict, "")
