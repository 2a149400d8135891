"""What the config file says, in the desk's words: one value, swapped whole at a reload."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy.judge import Guardrails, Thresholds
from proxy.judge.recovery import Validation
from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.settings import (
    Settings,
    compile_plan,
    fingerprint,
    guardrails_by_model,
    last_resorts,
    thresholds,
    validations,
)
from proxy.steering import planning

#: Under this name stands what belongs to no model.
HOUSE = ""

#: What is said of the judge, as the words name it.
JUDGED = ("thresholds", "guardrails", "validation", "last_resort")


class Rules(msgspec.Struct, frozen=True):
    """The file's word on everything, by model name.

    ``words`` is what goes into the history: stable, canary, shadows, thresholds, guardrails,
    validation and last resort in full, and a hash over all other settings of the model, secrets
    excepted.
    """

    path: str
    plan: Plan  # number 0, as the file says it
    models: dict[str, ModelPlan]
    thresholds: dict[str, Thresholds]
    guardrails: dict[str, Guardrails]
    validations: dict[str, Validation]  # of the models that have it
    last_resorts: dict[str, str]
    fingerprints: dict[str, str]
    words: dict[str, dict[str, Any]]


def rules(settings: Settings) -> Rules:
    """Settings in the desk's words."""
    plan = compile_plan(settings)
    limits, rails = thresholds(settings), guardrails_by_model(settings)
    watched, resorts = validations(settings), last_resorts(settings)
    judged: tuple[Mapping[str, object], ...] = (limits, rails, watched, resorts)
    words = {
        model.name: _words(
            model, {k: it.get(model.name) for k, it in zip(JUDGED, judged, strict=True)}
        )
        for model in plan.models
    }
    words[HOUSE] = {"digest": _digest(replace(plan, models=()))}
    return Rules(
        path=str(settings.path),
        plan=plan,
        models={model.name: model for model in plan.models},
        thresholds=limits,
        guardrails=rails,
        validations=watched,
        last_resorts=resorts,
        fingerprints={model.name: fingerprint(settings, model.name) for model in plan.models},
        words=words,
    )


def canary_words(canary: CanaryPlan | None) -> dict[str, Any] | None:
    """A canary as it stands in the history."""
    return None if canary is None else {"version": canary.version, "percent": canary.percent}


def said(canary: CanaryPlan | None) -> str:
    """A canary as people say it."""
    return "no canary" if canary is None else f"canary {canary.version} at {canary.percent:g} %"


def _words(model: ModelPlan, judged: dict[str, object]) -> dict[str, Any]:
    rest = replace(
        model,
        stable="",
        canary=None,
        shadows=(),
        salt="" if planning.has_default_salt(model) else model.salt,
        testers=model.testers and replace(model.testers, secret=""),
    )
    words = {
        "stable": model.stable,
        "canary": canary_words(model.canary),
        "shadows": {shadow.version: shadow.percent for shadow in model.shadows},
        **judged,
        "digest": _digest((rest, [replace(shadow, percent=0.0) for shadow in model.shadows])),
    }
    # As it will be read back from the history: else a restart would find it changed.
    return msgspec.json.decode(msgspec.json.encode(words), type=dict[str, Any])


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]


class Change(msgspec.Struct, frozen=True):
    """The file says another thing about ``model`` (HOUSE: about no single one) than before."""

    model: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    message: str


def changes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[Change]:
    """What differs between two ``words``, by name."""
    names = sorted(before.keys() | after.keys())
    return [
        Change(name, before.get(name), after.get(name), _told(before.get(name), after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _told(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if after is None:
        return "taken out of the file"
    if before is None:
        return f"first seen in the file: {'; '.join(_split_told(after))}".removesuffix(": ")
    told = [
        f"{name}: {_plain(before.get(name))} -> {_plain(after.get(name))}"
        for name in ("stable", "canary", "shadows", *JUDGED)
        if before.get(name) != after.get(name)
    ]
    if before.get("digest") != after.get("digest"):
        told.append("other settings")  # of a shadow, too: only shares stand in full above
    return "; ".join(told)


def _split_told(words: dict[str, Any]) -> Iterator[str]:
    for name in ("stable", "canary", "shadows"):
        if words.get(name):
            yield f"{name} {_plain(words[name])}"


def _plain(value: object) -> str:
    match value:
        case None:
            return "none"
        case {"version": version, "percent": percent}:
            return f"{version} at {percent:g} %"
        case dict() if all(isinstance(share, int | float) for share in value.values()):
            return ", ".join(f"{name} at {share:g} %" for name, share in value.items()) or "none"
        case str():
            return value
    return msgspec.json.encode(value).decode()
