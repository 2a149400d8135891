"""The part of the schema about feedback: what labels and downstream signals bring about."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.feedback import LabelRule, Policy
from proxy.settings import grammar
from proxy.settings.kinds import Kind, choice, real
from proxy.settings.serving import Part
from proxy.settings.units import Unfit, number

_RULE: Final = LabelRule()
_MOST: Final = 64

#: As an event names it (proxy/feedback/values.py).
EventName = Annotated[str, grammar.EVENT_NAME]
Effect = Annotated[Literal["revert", "hold", "note"], choice("revert", "hold", "note")]


def _value(value: object) -> float | str | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return value
    if isinstance(value, str):
        raise Unfit
    return float(number(value))


_POSITIVE: Final = Kind(
    "label's value",
    "a number, true, false, or a text of 1 to 200 printable characters",
    _value,
    {"type": ["number", "boolean", "string"]},
)


class LabelPart(Part):
    about = (
        "How labels of one name are held against predictions. `zero_one` is 1 for a wrong "
        "decision, 0 for a right one; `brier`, (p - y)^2, and `log`, -ln of the chance given to "
        "what came, are for probabilities; `absolute` and `squared` are for numbers."
    )

    loss: Annotated[
        Literal["zero_one", "brier", "log", "absolute", "squared"],
        choice("zero_one", "brier", "log", "absolute", "squared"),
    ] = Field(default=_RULE.loss, description="What is made of label and prediction.")
    positive: Annotated[float | str | bool, _POSITIVE] | None = Field(
        default=None,
        description="The label that is the predicted event; left out, true or 1 is, and false or "
        "0 is not.",
    )
    threshold: Annotated[float, real("-1e12", "1e12")] = Field(
        default=_RULE.threshold,
        description="From here on a predicted number decides for the event (`zero_one`).",
    )


def policy(labels: dict[str, LabelPart], signals: dict[str, Effect]) -> Policy:
    """In the desk's words."""
    rules = {
        name: LabelRule(loss=it.loss, positive=it.positive, threshold=it.threshold)
        for name, it in labels.items()
    }
    return Policy(labels=rules, signals=dict(signals))
