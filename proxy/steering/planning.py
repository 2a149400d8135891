"""What is asked and what is latched, made into the next Plan.  Pure.

The file says what is wanted, an override says it instead for one model, a hold bounds the
canary's share, a shift gives everybody the version of last resort, and a latch takes the canary
out whoever wants it.  Nobody else builds a Plan for publishing, so the rule that a latched
version is never a canary, and a held one never grows, is kept in this file alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.store import Hold, Override, Shift
from proxy.terms import Latch

#: Latches by (model, version).
Latches = Mapping[tuple[str, str], Latch]


#: Holds by (model, version, reason).
Holds = Mapping[tuple[str, str, str], Hold]


class Orders(msgspec.Struct, frozen=True):
    """What stands beside the file; overrides and shifts by model."""

    overrides: Mapping[str, Override] = {}
    latches: Latches = {}
    holds: Holds = {}
    shifts: Mapping[str, Shift] = {}


def build(file: Plan, orders: Orders, number: int) -> Plan:
    """The Plan to publish: what is asked, without any latched canary."""
    plan = asked(file, orders, number)
    models = tuple(_without_latched(model, orders.latches) for model in plan.models)
    return replace(plan, models=models)


def asked(file: Plan, orders: Orders, number: int) -> Plan:
    """The same Plan with latched canaries left in: what is wanted, for explaining it."""
    latches = orders.latches
    return replace(
        file,
        number=number,
        models=tuple(_ordered(model, orders) for model in file.models),
        latches=tuple(latches[key] for key in sorted(latches)),
    )


def _ordered(model: ModelPlan, orders: Orders) -> ModelPlan:
    name = model.name
    bounded = held_back(overridden(model, orders.overrides.get(name)), orders.holds)
    return shifted(bounded, orders.shifts.get(name))


def held_back(model: ModelPlan, holds: Holds) -> ModelPlan:
    """The model with no larger share for its canary than it had when it was held."""
    canary = model.canary
    if canary is None or not holds:
        return model
    bound = bound_of(holds, model.name, canary.version)
    if bound is None or canary.percent <= bound.percent:
        return model
    return replace(model, canary=CanaryPlan(canary.version, bound.percent))


def bound_of(holds: Holds, model: str, version: str) -> Hold | None:
    """The hold that allows the version least; None when it is not held."""
    found = [it for (name, held, _), it in holds.items() if (name, held) == (model, version)]
    return min(found, key=lambda it: (it.percent, it.at), default=None)


def shifted(model: ModelPlan, shift: Shift | None) -> ModelPlan:
    """The model with the version of last resort for everybody, when there was need of it."""
    if shift is None or shift.version not in {it.name for it in model.versions}:
        return model
    shadows = tuple(it for it in model.shadows if it.version != shift.version)
    return replace(model, stable=shift.version, canary=None, shadows=shadows, noise=None)


def overridden(model: ModelPlan, override: Override | None) -> ModelPlan:
    """The model with the override's canary in place of the file's.

    A salt that was only the default one names the file's canary, so it changes with it: another
    version tries other customers.
    """
    if override is None:
        return model
    salt = model.salt
    if has_default_salt(model):
        salt = _default_salt(model.name, override.version)
    return replace(model, canary=CanaryPlan(override.version, override.percent), salt=salt)


def has_default_salt(model: ModelPlan) -> bool:
    """Nobody chose the salt: it follows from the names."""
    canary = model.canary.version if model.canary else ""
    return model.salt in ("", _default_salt(model.name, canary))


def _default_salt(model: str, version: str) -> str:
    return f"{model}/split/{version}"


def _without_latched(model: ModelPlan, latches: Latches) -> ModelPlan:
    if model.canary is not None and (model.name, model.canary.version) in latches:
        return replace(model, canary=None)
    return model


def unfit(model: ModelPlan | None, version: str) -> str:
    """Why ``version`` cannot be the canary of ``model``; empty when it can."""
    if model is None:
        return "the model is not in the config"
    names = [known.name for known in model.versions]
    if version not in names:
        allowed = [name for name in names if name != model.stable]
        return (
            f"there is no version {version!r} of {model.name}; "
            f"allowed are {', '.join(allowed) or '(none: it has only its stable one)'}"
        )
    if version == model.stable:
        return f"version {version} of {model.name} is the stable one already"
    if model.customer is None:
        return f"{model.name} has no `customer`, and a canary is given by customer"
    return ""


def gives(before: CanaryPlan | None, after: CanaryPlan | None) -> bool:
    """Whether the change gives a canary customers that it did not have.

    What only takes customers away never waits for the disk; what gives some must be written
    down first.
    """
    if after is None:
        return False
    return before is None or before.version != after.version or after.percent > before.percent


def latched_stables(plan: Plan, latches: Latches) -> Iterable[tuple[ModelPlan, Latch]]:
    """Models whose stable version is itself a reverted one."""
    for model in plan.models:
        latch = latches.get((model.name, model.stable))
        if latch is not None:
            yield model, latch
