"""Predictions and quality to what workers and desk do with them: who is sampled, how read, what
asked.  Pure."""

from __future__ import annotations

import msgspec

from proxy import payload
from proxy.quality import (
    ColumnRule,
    Examination,
    Options,
    Percents,
    Profile,
    QualityRules,
    SideRules,
    derive,
)
from proxy.routing import plan
from proxy.settings.predictions import Pointers, Predictions
from proxy.settings.quality import Column, Quality
from proxy.settings.schema import Model, Settings


def watch_plan(
    name: str, model: Model, watched: plan.WatchPlan | None = None
) -> plan.WatchPlan | None:
    """What the workers tell of this model: ``watched`` by others, and the sample that is needed.

    One sample for both uses, the wider of their percents; the desk takes each one's own part of
    it (``quality.takes``).
    """
    wanted = percents(model)
    canary = wanted.canary and model.split.canary is not None
    if wanted.widest <= 0 and not canary:
        return watched
    sample = plan.SamplePlan(percent=wanted.widest, salt=f"{name}/sample", canary=wanted.canary)
    return msgspec.structs.replace(watched or plan.WatchPlan(), sample=sample)


def percents(model: Model) -> Percents:
    """Of which customers predictions are logged, and whose data is looked at."""
    logged, checked = model.predictions, model.quality
    return Percents(
        predictions=logged.percent if logged else 0.0,
        quality=checked.percent if checked else 0.0,
        canary=checked is not None and checked.canary,
    )


def examinations(settings: Settings) -> dict[str, Examination]:
    """What the desk does with the samples of each model that has any."""
    return {
        name: examination(model, settings.profile(name))
        for name, model in settings.models.items()
        if model.predictions is not None or model.quality is not None
    }


def examination(model: Model, profile: Profile | None) -> Examination:
    """How the samples of one model are read, checked and kept."""
    logged = model.predictions
    written = logged or Predictions()
    names = written.columns
    if not names and profile is not None:
        names = tuple(column.name for column in profile.inputs())
    reading = payload.Reading(
        written.protocol, names, _pointers(written.request), _pointers(written.answer)
    )
    picked = payload.PredictionOptions(written.output, written.index, written.threshold)
    return Examination(
        percents=percents(model),
        options=Options(reading, picked),
        rules=_rules(model.quality, profile) if model.quality else None,
        retention=logged.retention if logged else 0.0,
        profile=profile.hash if profile else "",
    )


def _pointers(written: Pointers | None) -> payload.Pointers | None:
    return payload.Pointers(dict(written.columns), written.rows) if written else None


def _rules(quality: Quality, profile: Profile | None) -> QualityRules:
    inputs = derive(profile, quality.slack) if profile else {}
    for name, column in quality.inputs.items():
        if column is None:
            inputs.pop(name, None)
        else:
            inputs[name] = _rule(column, inputs.get(name, ColumnRule()))
    # A column that is switched off is known all the same, and may hold what it likes.
    known = {name: _ANYTHING for name, column in quality.inputs.items() if column is None}
    outputs = {name: _rule(column, ColumnRule()) for name, column in quality.outputs.items()}
    return QualityRules(
        SideRules({**inputs, **known}, unknown=quality.unknown_inputs == "allowed"),
        SideRules(outputs),
        show=quality.show_values,
    )


_ANYTHING = ColumnRule(missing=True, finite=False)


def _rule(column: Column, base: ColumnRule) -> ColumnRule:
    """What is written, over what the profile says.

    A type of another kind than the profile's leaves nothing of its range and set.
    """
    given = column.model_fields_set
    if "type" in given and column.type != base.type and {column.type, base.type} != _NUMBERS:
        base = ColumnRule(missing=base.missing, finite=base.finite)
    changes: dict[str, object] = {}
    if column.type is not None:
        changes["type"] = column.type
    if column.missing is not None:
        changes["missing"] = column.missing == "allowed"
        if column.missing == "refused":
            changes["missing_share"] = None
    if column.not_finite is not None:
        changes["finite"] = column.not_finite == "refused"
    if column.range is not None:
        changes["low"], changes["high"] = column.range
    if column.set is not None:
        changes["among"] = column.set
    if column.shape is not None:
        changes["shape"] = column.shape
    return msgspec.structs.replace(base, **changes)


_NUMBERS = {"number", "integer"}
