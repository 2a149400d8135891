"""What operators and the file order, checked: an entry for the history, or OperationRefused.

Pure: nothing is changed here.  Every refusal says what was found and what is allowed.
"""

from __future__ import annotations

import msgspec

from proxy.errors import OperationRefused
from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.steering import planning
from proxy.steering.held import Held
from proxy.steering.rules import canary_words, said
from proxy.store import Entry, Event, Override
from proxy.terms import Latch

#: The reason of a latch that a person made.
MANUAL = "manual"


class Who(msgspec.Struct, frozen=True):
    """Who asks, why, and when (seconds since the epoch)."""

    actor: str
    reason: str
    at: float


def set_split(
    held: Held, model: str, version: str | None, percent: float, who: Who
) -> tuple[Entry, Override]:
    """A canary of ``percent`` in place of the file's; without a version, the one there is."""
    plan = _model(held, model)
    asked = held.asked(model)
    version = version if version is not None else _present(model, asked)
    _may_be_canary(held, plan, version)
    _may_be_share(percent)
    _may_grow(held, model, version, percent)
    override = Override(
        model=model,
        version=version,
        percent=round(percent, 2),
        fingerprint=held.rules.fingerprints[model],
        actor=who.actor,
        reason=who.reason,
        at=who.at,
    )
    now = CanaryPlan(override.version, override.percent)
    entry = Entry(
        event=Event.SPLIT_SET,
        at=who.at,
        actor=who.actor,
        model=model,
        version=version,
        before=canary_words(asked),
        after={**(canary_words(now) or {}), "fingerprint": override.fingerprint},
        reason=who.reason,
        message=f"{said(asked)} -> {said(now)}",
    )
    return entry, override


def _present(model: str, canary: CanaryPlan | None) -> str:
    if canary is None:
        raise OperationRefused(f"{model} has no canary: name the version to make one")
    return canary.version


def _may_be_canary(held: Held, plan: ModelPlan, version: str) -> None:
    if problem := planning.unfit(plan, version):
        raise OperationRefused(problem)
    latch = held.latches.get((plan.name, version))
    if latch is not None:
        raise OperationRefused(
            f"version {version} of {plan.name} was reverted ({latch.reason}: {latch.message}); "
            f"allowed is another version, or this one after "
            f"`pointsman split clear-revert {plan.name} {version}`"
        )


def _may_be_share(percent: float) -> None:
    if not 0 <= percent <= 100 or abs(percent * 100 - round(percent * 100)) > 1e-6:
        raise OperationRefused(f"a share of {percent} %: allowed is 0 to 100 in steps of 0.01")


def _may_grow(held: Held, model: str, version: str, percent: float) -> None:
    shift, hold = held.shifts.get(model), planning.bound_of(held.holds, model, version)
    if shift is not None:
        raise OperationRefused(
            f"everybody of {model} gets version {shift.version} ({shift.message}); allowed is a "
            f"canary after `pointsman split clear-shift {model}`"
        )
    if hold is not None and percent > hold.percent:
        raise OperationRefused(
            f"version {version} of {model} is held at {hold.percent:g} % ({hold.reason}: "
            f"{hold.message}); allowed is at most {hold.percent:g} %, or more after "
            f"`pointsman split clear-hold {model}`"
        )


def clear_hold(held: Held, model: str, who: Who) -> Entry:
    """The canary's share may grow again; of several versions, that of the present canary first.

    Models that left the config are allowed.
    """
    asked = held.asked(model)
    versions = sorted({version for name, version, _ in held.holds if name == model})
    if not versions:
        raise OperationRefused(f"{model} is not held: its share may be raised already")
    version = asked.version if asked is not None and asked.version in versions else versions[0]
    reasons = held.reasons(model, version)
    least = min(held.holds[model, version, reason].percent for reason in reasons)
    return Entry(
        event=Event.HOLD_CLEARED,
        at=who.at,
        actor=who.actor,
        model=model,
        version=version,
        before={"reasons": reasons, "percent": least},
        after=canary_words(asked if asked is not None and asked.version == version else None),
        reason=who.reason,
        message=f"version {version} may grow above {least:g} % again",
    )


def clear_shift(held: Held, model: str, who: Who) -> Entry:
    """Everybody gets stable again, in the place of the last resort."""
    shift = held.shifts.get(model)
    if shift is None:
        raise OperationRefused(f"{model} is not shifted: everybody else gets its stable version")
    plan = held.model(model)
    stable = plan.stable if plan is not None else shift.stable
    return Entry(
        event=Event.SHIFT_CLEARED,
        at=who.at,
        actor=who.actor,
        model=model,
        version=shift.version,
        before={"stable": shift.version},
        after={"stable": stable},
        reason=who.reason,
        message=f"stable is {stable} again, in the place of {shift.version}",
    )


def clear_split(held: Held, model: str, who: Who) -> Entry:
    """The file's split again."""
    plan = _model(held, model)
    override = held.overrides.get(model)
    if override is None:
        raise OperationRefused(f"{model} has no override: the file's split is in force already")
    return Entry(
        event=Event.SPLIT_CLEARED,
        at=who.at,
        actor=who.actor,
        model=model,
        version=override.version,
        before=canary_words(held.asked(model)),
        after=canary_words(plan.canary),
        reason=who.reason,
        message=f"{said(held.asked(model))} -> {said(plan.canary)}, as the file says",
    )


def clear_revert(held: Held, model: str, version: str, who: Who) -> Entry:
    """A reverted version may be canary again.  Models that left the config are allowed."""
    latch = held.latches.get((model, version))
    if latch is None:
        known = sorted(name for of, name in held.latches if of == model)
        raise OperationRefused(
            f"version {version} of {model} is not reverted; "
            f"reverted versions of it: {', '.join(known) or '(none)'}"
        )
    asked = held.asked(model)
    again = asked if asked is not None and asked.version == version else None
    return Entry(
        event=Event.REVERT_CLEARED,
        at=who.at,
        actor=who.actor,
        model=model,
        version=version,
        before={"reason": latch.reason, "at": latch.at, "actor": latch.actor},
        after=canary_words(again),
        reason=who.reason,
        message=f"version {version} may be canary again: now {said(again)}",
    )


def revert(held: Held, model: str, who: Who) -> Latch:
    """Takes out the canary that ``model`` has now."""
    _model(held, model)
    canary = held.published().get(model)
    if canary is None:
        asked = held.asked(model)
        if asked is None:
            raise OperationRefused(f"{model} has no canary: everybody gets stable already")
        raise OperationRefused(
            f"version {asked.version} of {model} is reverted already: everybody gets stable"
        )
    return Latch(
        model=model,
        version=canary.version,
        reason=MANUAL,
        message=who.reason or f"reverted by {who.actor}",
        numbers={},
        at=who.at,
        actor=who.actor,
    )


def dropped(held: Held, override: Override, at: float) -> Entry:
    """An override that the file's edit ended."""
    plan = held.model(override.model)
    file = plan.canary if plan is not None else None
    before = CanaryPlan(override.version, override.percent)
    return Entry(
        event=Event.SPLIT_CLEARED,
        at=at,
        actor="file",
        model=override.model,
        version=override.version,
        before=canary_words(before),
        after=canary_words(file),
        message=f"{said(before)} -> {said(file)}: the file's split was edited",
    )


def _model(held: Held, name: str) -> ModelPlan:
    plan = held.model(name)
    if plan is None:
        known = sorted(held.rules.models)
        shown = ", ".join(known[:20]) + (" ..." if len(known) > 20 else "")
        raise OperationRefused(f"there is no model {name!r}; there are: {shown}")
    return plan


def reverted_stables(plan: Plan, held: Held) -> list[str]:
    """One line for each model whose stable version the file now wants to be a reverted one."""
    return [
        f"models.{model.name}.split.stable: found {model.stable!r}, which was reverted "
        f"({latch.reason}: {latch.message}); allowed is another version, or this one after "
        f"`pointsman split clear-revert {model.name} {model.stable}`"
        for model, latch in planning.latched_stables(plan, held.latches)
        if (was := held.model(model.name)) is None or was.stable != model.stable
    ]
