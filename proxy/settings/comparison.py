"""The part of the schema about comparing shadows with stable: how answers are held against each
other, and what a shadow must show."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.compare.differ import Tolerances
from proxy.compare.kinds import Kind
from proxy.judge.gate import Criteria, Inferior
from proxy.settings import grammar
from proxy.settings.feedback import EventName
from proxy.settings.kinds import OrOff, choice, real, whole
from proxy.settings.predictions import ColumnName
from proxy.settings.serving import Flag, Part
from proxy.settings.shadows import Percent

KINDS: Final = tuple(kind.value for kind in Kind)
_TOLERANCES: Final = Tolerances()
_CRITERIA: Final = Criteria()
_INFERIOR: Final = Inferior()
_SHARE: Final = real("0", "1")
_DISTANCE: Final = real("0", "1e12")
_MONEY: Final = real("-1e12", "1e12")
Share = Annotated[float, _SHARE]
MaybeShare = Annotated[Share | None, OrOff("a number from 0 to 1, or off")]


class Tolerance(Part):
    about = "Up to where two predictions agree."

    absolute: Annotated[float, _DISTANCE] | None = Field(
        default=None,
        description="The largest distance. Left out 0.01 of a probability, 0.000001 of a number or "
        "tensor, 0.001 of a vector (1 minus the cosine), and 0 of all else.",
    )
    relative: Annotated[float, _DISTANCE] = Field(
        default=_TOLERANCES.relative,
        description="Added to it, as a part of the larger of two numbers.",
    )
    top: Annotated[int, whole(1, 1_000)] = Field(
        default=_TOLERANCES.top,
        description="Of a class with scores: the first classes that must be the same, in any "
        "order.",
    )
    depth: Annotated[int, whole(1, 10_000)] = Field(
        default=_TOLERANCES.depth, description="Places of a ranking that count."
    )
    unordered: Flag = Field(
        default=_TOLERANCES.unordered, description="Whether lists are compared as sets."
    )


class Values(Part):
    about = "What one decision is worth, by what it said and what came true, in money."

    true_positive: Annotated[float, _MONEY] = Field(
        default=0.0, description="Said yes, and it was so."
    )
    false_positive: Annotated[float, _MONEY] = Field(
        default=0.0, description="Said yes, and it was not."
    )
    true_negative: Annotated[float, _MONEY] = Field(
        default=0.0, description="Said no, and it was not."
    )
    false_negative: Annotated[float, _MONEY] = Field(
        default=0.0, description="Said no, and it was so."
    )


class NotInferior(Part):
    about = (
        "The shadow's mean score (a loss: smaller is better) may be larger than stable's by so "
        "much at most, on the same inputs; of everyone, and of each protected segment."
    )

    score: Annotated[
        Literal["brier", "log", "zero_one", "absolute", "squared"],
        choice("brier", "log", "zero_one", "absolute", "squared"),
    ] = Field(
        default=_INFERIOR.score,
        description="`brier` and `log` of probabilities, `zero_one` of classes, `absolute` and "
        "`squared` of numbers.",
    )
    margin: Annotated[float, real("0", "1e12")] = Field(
        default=_INFERIOR.margin, description="How much larger it may be."
    )


class GatePart(Part):
    about = (
        "What a shadow must show before it may go on. All of it must hold; what cannot be looked "
        "at yet is inconclusive, and so is everything while too many copies or pairs are lost. "
        "Criteria with an interval hold whenever they are looked at."
    )

    pairs: Annotated[int, whole(1, 1_000_000_000)] = Field(
        default=_CRITERIA.pairs, description="Compared pairs, at least."
    )
    days: Annotated[float, real("0", "3650")] = Field(
        default=_CRITERIA.days, description="Days from the first pair to the last, at least."
    )
    labelled: Share = Field(
        default=_CRITERIA.labelled, description="Share of the compared pairs with a label."
    )
    agreement: MaybeShare = Field(
        default=_CRITERIA.agreement,
        description="Share of the predictions that agree, at least. Less is put up with where "
        "stable disagrees with itself as often.",
    )
    shift: Annotated[
        Annotated[float, _DISTANCE] | None, OrOff("a number from 0 to 1000000000000, or off")
    ] = Field(
        default=_CRITERIA.shift,
        description="Of the mean prediction, at most, up or down; of everyone, and of each "
        "protected segment.",
    )
    ece: Share | None = Field(
        default=_CRITERIA.ece,
        description="The shadow's expected calibration error, at most; left out, not asked.",
    )
    inferior: NotInferior | None = Field(
        default=None, description="Whether labels show it to be no worse; left out, not asked."
    )
    protected: Annotated[tuple[Annotated[str, grammar.PROTECTED], ...], Field(max_length=32)] = (
        Field(
            default=(),
            description="Dimensions, all of whose values are looked at by themselves, or segments "
            "as dimension=value.",
        )
    )
    latency: Annotated[float, real("0", "1000", above=True)] | None = Field(
        default=_CRITERIA.latency,
        description="The shadow's 95 % quantile over stable's, at most; left out, not asked.",
    )
    errors: MaybeShare = Field(
        default=_CRITERIA.errors,
        description="Share of the requests that stable answered and the shadow failed, at most.",
    )
    broken: MaybeShare = Field(
        default=_CRITERIA.broken,
        description="Share of its answers that cannot be read, or hold no number, at most.",
    )
    alpha: Annotated[float, real("0", "0.5", above=True)] = Field(
        default=_CRITERIA.alpha,
        description="The chance that any criterion with an interval passes or fails wrongly.",
    )


class Compare(Part):
    about = (
        "How the answers of each shadow are compared with stable's. `predictions` says how bodies "
        "are read. Left out, only statuses and latencies are. See [operations.md](operations.md)."
    )

    kind: Annotated[
        Literal[
            "probability", "class", "number", "vector", "ranking", "text", "tensor", "document"
        ],
        choice(*KINDS),
    ] = Field(default="probability", description="What one prediction is.")
    tolerance: Tolerance = Field(default=Tolerance(), description="Up to where two agree.")
    ignore: tuple[Annotated[str, grammar.POINTER], ...] = Field(
        default=(),
        max_length=1_000,
        description="Places of a document that are not compared, as RFC 6901 JSON pointers.",
    )
    scored: Flag = Field(
        default=False,
        description="Whether a ranking is written as the score of each item, not as the items in "
        "order.",
    )
    positive: tuple[Annotated[str, grammar.SEGMENT_VALUE], ...] = Field(
        default=(),
        max_length=100,
        description="Classes that are a yes, for `kind: class`; of scores, "
        "`predictions.threshold` decides.",
    )
    values: Values | None = Field(
        default=None, description="What a decision is worth; left out, no money is counted."
    )
    label: EventName | None = Field(
        default=None,
        description="The label that is the truth about a prediction; left out, the only one in "
        "`labels`, or any where there are none or several.",
    )
    noise: Percent = Field(
        default=1.0,
        description="Share of the customers whose requests are sent to stable once more, to learn "
        "how often it disagrees with itself; 0 is off. Stable gets them as copies, marked "
        "`x-shadow`, with the caller's headers.",
    )
    cpu: Annotated[float, real("1", "100")] = Field(
        default=30.0,
        description="Percent of one core that comparing may take, of all models together the "
        "largest that any says. Over it, pairs are sampled down, fairly by customer.",
    )
    show_values: Flag = Field(
        default=False,
        description="Whether examples keep what was predicted. It may be customers' data.",
    )
    profile: Annotated[str, grammar.FILE] | None = Field(
        default=None,
        description="A profile of the training data that `pointsman profile` made, taken from the "
        "folder of the config file: predictions are compared with its `column` as well.",
    )
    column: ColumnName | None = Field(
        default=None,
        description="The column of the profile that holds predictions; left out, "
        "`predictions.output`, or `predict_proba`.",
    )
    gate: GatePart = Field(default=GatePart(), description="What a shadow must show.")
