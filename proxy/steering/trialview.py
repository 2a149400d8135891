"""The judge's part of the status: trials, holds, shifts, validations.  Only reads."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from proxy.steering import status as s
from proxy.steering.evidence import Course, Trials
from proxy.steering.held import Held
from proxy.steering.validating import Validating
from proxy.store import Entry
from proxy.terms import Arm, Finding


class EvidenceView(msgspec.Struct):
    """``GET /v1/models/{model}/evidence``: what the judge has seen, and what it makes of it."""

    model: str
    trial: s.TrialStatus | None
    findings: list[s.FindingStatus]
    hold: s.HoldStatus | None
    folder: str | None  # of the evidence files


def finding(found: Finding, passed: bool = False) -> s.FindingStatus:
    return s.FindingStatus(
        check=found.check,
        verdict=found.verdict.name.lower(),
        message=found.message,
        numbers=found.numbers,
        effect=found.effect,
        passed=passed,
    )


def guardrails(held: Held, model: str) -> list[s.FindingStatus]:
    """What the trial of the canary in force has found."""
    course = held.trials.course(model)
    if course is None:
        return []
    return [
        finding(it, held.has_passed(model, course.version, it.check, course.began))
        for it in course.findings
    ]


def trial(held: Held, model: str) -> s.TrialStatus | None:
    course = held.trials.course(model)
    if course is None:
        return None
    rules = course.guardrails
    return s.TrialStatus(
        version=course.version,
        stable=course.stable,
        began=course.began,
        recovered=course.recovered,
        guardrails=sum(1 + len(it.segments) for it in rules.rules),
        alpha=rules.alpha,
        customers=_customers(course),
        observations=dict(course.seen),
        dropped=course.trial.dropped + course.dropped,
    )


def _customers(course: Course) -> dict[str, int]:
    """As the findings know them: all rules count the same customers."""
    for it in course.findings:
        canary = it.numbers.get("canary_customers")
        stable = it.numbers.get("stable_customers")
        if canary is not None and stable is not None:
            return {str(Arm.STABLE): round(stable), str(Arm.CANARY): round(canary)}
    return {}


def evidence(trials: Trials) -> s.EvidenceFilesStatus | None:
    if trials.writer is None:
        return None
    now = trials.writer.status()
    return s.EvidenceFilesStatus(
        path=str(trials.writer.folder),
        written=now.written,
        lost=now.lost,
        pending=now.pending,
        error=now.error,
    )


def hold(held: Held, model: str) -> s.HoldStatus | None:
    found = held.hold_of(model)
    if found is None:
        return None
    return s.HoldStatus(
        version=found.version,
        percent=found.percent,
        reason=found.reason,
        message=found.message,
        numbers=found.numbers,
        at=found.at,
        actor=found.actor,
    )


def shift(held: Held, model: str) -> s.ShiftStatus | None:
    found = held.shifts.get(model)
    if found is None:
        return None
    return s.ShiftStatus(found.version, found.stable, found.message, found.at, found.actor)


def warnings(held: Held, model: str) -> Iterable[str]:
    """What a person should act on, beside holds and latches."""
    down = held.stable_down.get(model)
    if down is not None and down.waiting is not None:
        yield (
            f"the revert of {down.waiting.version} ({down.waiting.reason}) waits, because "
            f"{down.why}, and the canary answers"
        )
    elif down is not None:
        yield f"everybody gets stable, but {down.why}; there is no last resort"


def validation(validating: Validating, model: str) -> s.ValidationStatus | None:
    """The one that runs, else the last one."""
    watch, closed = validating.watches.get(model), validating.closed.get(model)
    if watch is not None:
        return s.ValidationStatus(
            version=watch.version,
            at=watch.at,
            until=watch.until,
            result=None,
            message="stable is watched",
            findings=[],
        )
    return None if closed is None else _closed(closed)


def _closed(entry: Entry) -> s.ValidationStatus:
    before, after = entry.before or {}, entry.after or {}
    return s.ValidationStatus(
        version=entry.version,
        at=float(before.get("reverted_at", entry.at)),
        until=float(before.get("until", entry.at)),
        result=entry.reason,
        message=entry.message,
        findings=[
            s.FindingStatus(
                check=str(it.get("check")),
                verdict=str(it.get("verdict")),
                message=str(it.get("message")),
                numbers=it.get("numbers") or {},
                effect="none",
            )
            for it in after.get("findings", [])
        ],
    )


def view(held: Held, model: str) -> EvidenceView:
    """The trial of one model in full."""
    writer = held.trials.writer
    return EvidenceView(
        model=model,
        trial=trial(held, model),
        findings=guardrails(held, model),
        hold=hold(held, model),
        folder=None if writer is None else str(writer.folder / model),
    )
