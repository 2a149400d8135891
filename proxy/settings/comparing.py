"""``compare`` to what desk and workers do with it: how answers are read and held against each
other, what the gate asks, and who is sent to stable twice.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from proxy.compare.decisions import DecisionRule, Worth
from proxy.compare.differ import Tolerances
from proxy.compare.drift import Reference, reference_of
from proxy.compare.kinds import SCORES, Kind
from proxy.compare.options import Options
from proxy.compare.reading import ReadOptions
from proxy.feedback import LabelRule
from proxy.judge.gate import Criteria, Inferior
from proxy.quality import Profile
from proxy.routing import plan
from proxy.settings.comparison import Compare, GatePart, NotInferior
from proxy.settings.document import Where
from proxy.settings.problems import Problem, show
from proxy.settings.schema import Model, Settings
from proxy.settings.watching import examination

#: What compares nothing with everything asked of it: which score is a loss of which kind.
_SCORES: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.PROBABILITY: ("brier", "log"),
    Kind.NUMBER: ("absolute", "squared"),
    Kind.CLASS: ("zero_one",),
}
#: Copies of noise under way in one worker: stable is never asked for much at once.
_NOISE_IN_FLIGHT: Final = 16
_NOISE_BYTES: Final = 4 * 1024 * 1024
#: What is kept of each answer where no shadow says it.
_BODY: Final = plan.ShadowPlan("", 0.0, "").pair_bytes


class Comparing(msgspec.Struct, frozen=True):
    """One model's ``compare``, in the engines' words.

    ``label`` "" is any label.  ``logged``, 0 to 100: of the customers, those whose shadow
    predictions go to the ledger.  ``cpu``: of one core, 0 to 1.
    """

    options: Options
    criteria: Criteria
    reference: Reference | None = None
    label: str = ""
    logged: float = 0.0
    cpu: float = 0.3


def comparisons(settings: Settings) -> dict[str, Comparing]:
    """Of each model that says how its shadows are compared."""
    return {
        name: _comparing(model, settings.profile(name), settings.reference(name))
        for name, model in settings.models.items()
        if model.compare is not None
    }


def noise_plan(name: str, model: Model) -> plan.ShadowPlan | None:
    """How stable gets some requests once more; None where nobody wants to know.

    It sees what it saw before, with all headers, so nothing is taken off.
    """
    compare, shadows = model.compare, model.split.shadow
    if compare is None or compare.noise <= 0 or not shadows:
        return None
    return plan.ShadowPlan(
        version=model.split.stable,
        percent=compare.noise,
        salt=f"{name}/noise",
        in_flight=_NOISE_IN_FLIGHT,
        queue=_NOISE_IN_FLIGHT,
        bytes=_NOISE_BYTES,
        deadline=max(it.deadline for it in shadows),
        remove=(),
        pair_percent=100.0,
        pair_bytes=max((_BODY, *(it.pairs.body for it in shadows))),
        pair_salt=f"{name}/noise/pairs",
        noise=True,
    )


def _comparing(model: Model, profile: Profile | None, training: Profile | None) -> Comparing:
    compare, logged = model.compare, model.predictions
    assert compare is not None
    assert logged is not None
    kind = Kind(compare.kind)
    label = compare.label or (next(iter(model.labels)) if len(model.labels) == 1 else "")
    rule = model.labels.get(label)
    return Comparing(
        options=Options(
            read=ReadOptions(
                kind=kind,
                bodies=examination(model, profile).options.reading,
                output=logged.output,
                index=logged.index,
                scored=compare.scored,
            ),
            tolerances=_tolerances(compare, logged.threshold if kind in SCORES else None),
            decision=DecisionRule(
                threshold=logged.threshold if kind in SCORES else None,
                positive=compare.positive,
                worth=Worth(**dict(compare.values)) if compare.values else None,
            ),
            label=LabelRule(positive=rule.positive) if rule else LabelRule(),
            show_values=compare.show_values,
        ),
        criteria=_criteria(compare.gate),
        reference=_reference(model, training),
        label=label,
        logged=logged.percent,
        cpu=compare.cpu / 100.0,
    )


def _tolerances(compare: Compare, threshold: float | None) -> Tolerances:
    return Tolerances(**dict(compare.tolerance), ignore=compare.ignore, threshold=threshold)


def _criteria(written: GatePart) -> Criteria:
    fields = dict(written)
    inferior: NotInferior | None = fields.pop("inferior")
    return Criteria(**fields, inferior=Inferior(**dict(inferior)) if inferior else None)


def _column(model: Model) -> str:
    compare, logged = model.compare, model.predictions
    assert compare is not None
    return compare.column or (logged and logged.output) or "predict_proba"


def _reference(model: Model, training: Profile | None) -> Reference | None:
    if training is None:
        return None
    name = _column(model)
    found = next((it for it in training.columns if it.name == name), None)
    return reference_of(found) if found is not None else None


# ---- what no field can know alone


def check(where: Where, model: Model) -> Iterator[Problem]:
    """The faults of one model's ``compare``."""
    compare = model.compare
    if compare is None:
        return
    here = (*where, "compare")
    if model.predictions is None:
        yield Problem(
            here,
            "found compare without predictions, which say how answers are read; "
            f"allowed is compare with models.{where[1]}.predictions",
        )
    yield from _kinds(here, compare)
    if compare.label is not None and model.labels and compare.label not in model.labels:
        known = ", ".join(show(name) for name in model.labels)
        yield Problem(
            (*here, "label"), f"found {show(compare.label)}; allowed is one of labels: {known}"
        )
    if compare.column is not None and compare.profile is None:
        yield Problem(
            (*here, "column"), "found column without profile; allowed is column with profile"
        )
    yield from _protected(here, model, compare)


def _kinds(here: Where, compare: Compare) -> Iterator[Problem]:
    kind = Kind(compare.kind)
    only = (
        ("ignore", compare.ignore, Kind.DOCUMENT),
        ("scored", compare.scored, Kind.RANKING),
        ("positive", compare.positive, Kind.CLASS),
    )
    for field, given, fits in only:
        if given and kind is not fits:
            yield Problem(
                (*here, field), f"found it with kind {kind}; allowed is {field} with kind {fits}"
            )
    if compare.values is not None and kind is not Kind.PROBABILITY and not compare.positive:
        yield Problem(
            (*here, "values"),
            f"found values with kind {kind}; allowed are values where there are decisions: kind "
            "probability, or class with positive",
        )
    inferior = compare.gate.inferior
    fitting = _SCORES.get(kind, ())
    if inferior is not None and inferior.score not in fitting:
        allowed = f"one of {', '.join(fitting)}" if fitting else "no inferior"
        yield Problem(
            (*here, "gate", "inferior", "score"),
            f"found {inferior.score} with kind {kind}; allowed is {allowed}",
        )
    if compare.gate.ece is not None and kind is not Kind.PROBABILITY:
        yield Problem(
            (*here, "gate", "ece"),
            f"found ece with kind {kind}; allowed is ece with kind probability",
        )


def _protected(here: Where, model: Model, compare: Compare) -> Iterator[Problem]:
    for at, segment in enumerate(compare.gate.protected):
        dimension, one, value = segment.partition("=")
        declared = model.segments.get(dimension)
        place: Where = (*here, "gate", "protected", at)
        if declared is None:
            known = ", ".join(model.segments) or "(none is declared in segments)"
            yield Problem(place, f"found {show(dimension)}; allowed is one of segments: {known}")
        elif one and value not in (*declared.values, "other", "missing"):
            known = ", ".join((*declared.values, "other", "missing"))
            yield Problem(place, f"found {show(value)}; allowed is one of the values: {known}")
        if segment in compare.gate.protected[:at]:
            yield Problem(place, f"found {show(segment)} a second time; allowed is once")
