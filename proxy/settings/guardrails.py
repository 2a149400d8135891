"""The part of the schema about guardrails: what a canary must not do more often than stable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from proxy.judge import guardrails as judged
from proxy.judge.evidence import Source
from proxy.settings import grammar, units
from proxy.settings.kinds import Kind, OrOff, choice, duration, flag, real, refusal, whole
from proxy.settings.serving import Part
from proxy.settings.units import Unfit

#: Rules, and the protected segments of each, in all.
MOST_HYPOTHESES: Final = 64
#: Checks of other parts of the desk: a rule of the same name could not be told from them.
TAKEN: Final = ("consecutive_failures", "error_rate", "latency", "manual", "sample_ratio")

_RULE: Final = judged.Guardrail("", Source.ERROR)  # for its defaults
_ALL: Final = judged.DEFAULT
_EVENTS: Final = tuple(source.value for source in Source)
#: Events that have a name of their own, by which a rule may choose them.
_NAMED: Final = (Source.BAD_INPUT, Source.BAD_OUTPUT, Source.SIGNAL, Source.KPI, Source.LABEL)
#: Events that are worth something, and not only seen or not.
_VALUED: Final = (Source.KPI, Source.LABEL)
#: Events that come without the request's segments.
_BARE: Final = (Source.SIGNAL, Source.KPI)
_SLO: Final = duration("1ms", "24h")
_NUMBER: Final = real("-1e12", "1e12")


def _bound(value: object) -> float:
    """A number, or a duration as seconds; which of them is allowed depends on the event."""
    exact = float(units.duration(value))
    if not -1e12 <= exact <= 1e12:
        raise Unfit
    return exact


_BOUND: Final = Kind(
    "duration or number",
    "a duration for the event slow, else a number",
    _bound,
    {"type": ["string", "number"], "examples": ["300ms", 0.5]},
    units.plain,
)


class Rule(Part):
    about = (
        "One bad event (or one quantity) that is compared between the canary's and stable's "
        "customers, who are served at the same time."
    )

    event: Annotated[
        Literal["error", "slow", "fallback", "bad_input", "bad_output", "signal", "kpi", "label"],
        choice(*_EVENTS),
    ] = Field(
        description="What counts: a failure of the version, a slow answer, one that stable "
        "answered in its place, a request or an answer against a data-quality rule, a downstream "
        "alarm, a KPI event, a label."
    )
    of: Annotated[str, grammar.EVENT_NAME] | None = Field(
        default=None,
        description="The name of the KPI or label (needed), of the data-quality rule or of the "
        "signal's source; left out, any.",
    )
    over: Annotated[float, _BOUND] | None = Field(
        default=None,
        description="Counts only what is larger: for `slow` the time that an answer may take "
        "(needed), for `kpi` and `label` a number.",
    )
    under: Annotated[float, _NUMBER] | None = Field(
        default=None, description="Counts only what is smaller; for `kpi` and `label`."
    )
    measure: Annotated[Literal["rate", "mean"], choice("rate", "mean")] = Field(
        default=_RULE.measure,
        description="How many customers have the event at all, or the mean of a customer's total "
        "(for `kpi` and `label`).",
    )
    direction: Annotated[Literal["increase", "decrease"], choice("increase", "decrease")] = Field(
        default=_RULE.direction,
        description="Which way harm lies; `decrease` for `kpi` and `label` only.",
    )
    tolerance: Annotated[float, real("0", "100")] = Field(
        default=_RULE.tolerance,
        description="The harm that is put up with, relative to stable: 0.1 is a tenth.",
    )
    margin: Annotated[float, real("0", "100", above=True)] = Field(
        default=_RULE.margin,
        description="The harm that must be excluded before it is a pass, relative to stable; at "
        "least the tolerance.",
    )
    critical: Annotated[bool, flag()] = Field(
        default=_RULE.critical,
        description="Whether harm reverts the canary. If not, it holds its share.",
    )
    dry_run: Annotated[bool, flag()] = Field(
        default=_RULE.dry_run,
        description="Only reported: neither reverts nor holds, and takes no part of `alpha`.",
    )
    segments: tuple[Annotated[str, grammar.PROTECTED], ...] = Field(
        default=(),
        max_length=32,
        description="Segments that are judged by themselves as well: `age_band` for every value "
        "of the dimension, `other` and `missing`; `age_band=young` for one.",
    )
    planned: Annotated[int, whole(100, 1_000_000_000)] = Field(
        default=_RULE.planned,
        description="For how many customers, of both arms, a `mean` is measured best.",
    )

    @field_validator("over", mode="before")
    @classmethod
    def _fits_the_event(cls, value: Any, info: ValidationInfo) -> Any:
        event = info.data.get("event")
        if value is None or event is None:
            return value
        kind = _SLO if event == Source.SLOW else _NUMBER
        try:
            kind.read(value)
        except Unfit as unfit:
            raise refusal(f"{kind.allowed} (for the event {event})", str(unfit)) from None
        return value


def _default_rules() -> dict[str, Rule]:
    return {rule.name: Rule.model_validate({"event": rule.source.value}) for rule in _ALL.rules}


class Guardrails(Part):
    instead = "off"
    about = (
        "What the canary must not do more often, or less well, than stable, as the sequential "
        "test judges it. `guardrails: off` switches all of it off; the thresholds stay."
    )

    alpha: Annotated[float, real("0", "0.5", above=True)] = Field(
        default=_ALL.alpha,
        description="The chance that a healthy canary is ever reverted or held by any of the "
        "rules, however often anyone looks.",
    )
    sample_ratio: Annotated[
        Annotated[float, real("0", "0.1", above=True)] | None,
        OrOff("a number above 0 and up to 0.1, or off"),
    ] = Field(
        default=_ALL.sample_ratio,
        description="The chance of a false alarm that customers are not split as asked, which "
        "holds the share.",
    )
    rules: dict[Annotated[str, grammar.NAME], Rule] = Field(
        default=_default_rules(),
        max_length=MOST_HYPOTHESES,
        description="The rules, name to what is compared.",
    )


def all_off() -> Guardrails:
    """What ``guardrails: off`` reads as."""
    return Guardrails.model_validate({"rules": {}, "sample_ratio": "off"})


GuardrailsOrOff = Annotated[
    Guardrails, OrOff("a mapping with alpha, sample_ratio, rules, or off", all_off)
]

#: dimension -> its declared values
Dimensions = Mapping[str, tuple[str, ...]]


def compiled(written: Guardrails, dimensions: Dimensions) -> judged.Guardrails:
    """As the judge takes them, with every protected segment written out."""
    return judged.Guardrails(
        rules=tuple(_rule(name, rule, dimensions) for name, rule in written.rules.items()),
        alpha=written.alpha,
        sample_ratio=written.sample_ratio,
    )


def _rule(name: str, rule: Rule, dimensions: Dimensions) -> judged.Guardrail:
    return judged.Guardrail(
        name=name,
        source=Source(rule.event),
        of=rule.of or "",
        over=rule.over,
        under=rule.under,
        measure=rule.measure,
        direction=rule.direction,
        tolerance=rule.tolerance,
        margin=rule.margin,
        critical=rule.critical,
        dry_run=rule.dry_run,
        segments=expanded(rule.segments, dimensions),
        planned=rule.planned,
    )


def expanded(segments: tuple[str, ...], dimensions: Dimensions) -> tuple[str, ...]:
    """``dimension=value`` each, once; a dimension stands for all that it can be counted as."""
    found: dict[str, None] = {}
    for segment in segments:
        dimension, one, value = segment.partition("=")
        values = (value,) if one else _counted(dimensions.get(dimension, ()))
        found.update(dict.fromkeys(f"{dimension}={it}" for it in values))
    return tuple(found)


def _counted(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*values, "other", "missing")))


class Fault(NamedTuple):
    """What no field can know alone: ``tail`` is its path below ``guardrails``."""

    tail: tuple[str | int, ...]
    found: str
    allowed: str


def faults(written: Guardrails, dimensions: Dimensions) -> Iterator[Fault]:
    """Every rule against its event, and all of them against the segments there are."""
    number = 0
    for name, rule in written.rules.items():
        number += 1 + len(expanded(rule.segments, dimensions))
        for fault in (*_event(rule), *_bounds(rule), *_segments(rule, dimensions)):
            yield fault._replace(tail=("rules", name, *fault.tail))
        if name in TAKEN:
            yield Fault(("rules", name), "the name of another check", "another name")
    if number > MOST_HYPOTHESES:
        yield Fault(
            ("rules",),
            f"{number} rules and protected segments in all",
            f"at most {MOST_HYPOTHESES}: each takes its part of alpha",
        )


def _event(rule: Rule) -> Iterator[Fault]:
    event = Source(rule.event)
    valued, named = "the events kpi and label", ", ".join(_NAMED)
    if event in _VALUED and rule.of is None:
        yield Fault((), f"the event {event} without of", f"of: the name of the {event}")
    if event not in _NAMED and rule.of is not None:
        yield Fault(("of",), f"of with the event {event}", f"of with the events {named}")
    if event is Source.SLOW and rule.over is None:
        yield Fault((), "the event slow without over", "over: the time that an answer may take")
    if event not in (*_VALUED, Source.SLOW) and rule.over is not None:
        yield Fault(("over",), f"over with the event {event}", f"over with slow and {valued}")
    if event not in _VALUED:
        if rule.under is not None:
            yield Fault(("under",), f"under with the event {event}", f"under with {valued}")
        if rule.measure == "mean":
            yield Fault(("measure",), f"mean with the event {event}", f"mean with {valued}")
        if rule.direction == "decrease":
            allowed = f"increase, for less of it is no harm; decrease with {valued}"
            yield Fault(("direction",), f"decrease with the event {event}", allowed)


def _bounds(rule: Rule) -> Iterator[Fault]:
    if rule.over is not None and rule.under is not None and rule.over >= rule.under:
        yield Fault(("over",), "a bound that is not below under", "over below under")
    if rule.margin < rule.tolerance:
        found = f"a margin of {rule.margin:g} below the tolerance of {rule.tolerance:g}"
        yield Fault(("margin",) if "margin" in rule.model_fields_set else ("tolerance",), found,
                    "a margin of at least the tolerance")  # fmt: skip
    if rule.direction == "decrease":
        for name, value in (("tolerance", rule.tolerance), ("margin", rule.margin)):
            if value >= 1:
                yield Fault((name,), f"{value:g} with direction decrease", "a number below 1")
    if rule.measure != "mean" and "planned" in rule.model_fields_set:
        yield Fault(("planned",), "planned with measure rate", "planned with measure mean")


def _segments(rule: Rule, dimensions: Dimensions) -> Iterator[Fault]:
    event = Source(rule.event)
    if rule.segments and event in _BARE:
        allowed = f"segments with another event: a {event} says nothing of them"
        yield Fault(("segments",), f"segments with the event {event}", allowed)
        return
    if rule.segments and rule.measure == "mean":
        allowed = "segments with measure rate: how many of a segment had none is not known"
        yield Fault(("segments",), "segments with measure mean", allowed)
    for at, segment in enumerate(rule.segments):
        dimension, one, value = segment.partition("=")
        if dimension not in dimensions:
            known = ", ".join(dimensions) or "(none is declared in segments)"
            yield Fault(("segments", at), f'"{dimension}"', f"one of segments: {known}")
        elif one and value not in _counted(dimensions[dimension]):
            known = ", ".join(_counted(dimensions[dimension]))
            yield Fault(("segments", at), f'"{value}"', f"one of the values: {known}")
        if segment in rule.segments[:at]:
            yield Fault(("segments", at), f'"{segment}" a second time', "once in segments")
