"""How far a prediction was from the truth: one number per label, 0 for none.

Pure.  A class is compared as a text, a number as a number; ``positive`` says which label is the
event that a probability was given for.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

#: The log loss of a prediction that was sure and wrong: -ln of this, 34.5.
LEAST_CHANCE: Final = 1e-15


class LabelRule(msgspec.Struct, frozen=True):
    """How labels of one name are held against predictions.

    ``zero_one``: 1 for a wrong decision.  A number becomes a decision at ``threshold``; a class
    is one already.  ``brier``: (p - y)^2 and ``log``: -ln of the chance that was given to what
    came, both for a probability p and a y of 0 or 1.  ``absolute``: |p - y|, ``squared``:
    (p - y)^2, of two numbers.
    """

    loss: Literal["zero_one", "brier", "log", "absolute", "squared"] = "zero_one"
    positive: float | str | bool | None = None  # left out: true, or 1
    threshold: float = 0.5


class Unfitting(Exception):
    """Label and prediction that the rule cannot hold against each other; says which and why."""


def loss(
    rule: LabelRule,
    label: float | str | bool,
    predicted: float | str | list[float | str] | None,
) -> float:
    """The loss, finite and at least 0.  Raises Unfitting."""
    if isinstance(predicted, list):
        if len(predicted) != 1:
            raise Unfitting(f"a batch of {len(predicted)} predictions has no single truth")
        predicted = predicted[0]
    if predicted is None:
        raise Unfitting("the prediction could not be read")
    match rule.loss:
        case "zero_one":
            return _zero_one(rule, label, predicted)
        case "brier":
            return (_chance(predicted) - event(rule, label)) ** 2
        case "log":
            chance = _chance(predicted) if event(rule, label) else 1.0 - _chance(predicted)
            return -math.log(max(chance, LEAST_CHANCE)) + 0.0  # never -0.0
        case "absolute":
            return _finite(abs(_number("prediction", predicted) - _number("label", label)))
        case "squared":
            apart = _number("prediction", predicted) - _number("label", label)
            return _finite(apart * apart)


def _zero_one(rule: LabelRule, label: float | str | bool, predicted: float | str) -> float:
    if isinstance(predicted, str):
        if rule.positive is None:
            return float(predicted != class_name(label))
        decided = predicted == class_name(rule.positive)
    else:
        decided = _number("prediction", predicted) >= rule.threshold
    return float(decided != bool(event(rule, label)))


def event(rule: LabelRule, label: float | str | bool) -> int:
    """1 when the label is the event that was predicted, else 0."""
    if rule.positive is not None:
        return int(class_name(label) == class_name(rule.positive))
    if isinstance(label, str) or label not in (0, 1):
        found = f"{label:g}" if isinstance(label, float) else repr(label)
        raise Unfitting(f"the label is {found}; without `positive` it must be true, false, 0 or 1")
    return int(label)


def class_name(value: float | str | bool) -> str:
    """As a text, so that 1, 1.0, true and "1" are one class."""
    if isinstance(value, str):
        return {"true": "1", "false": "0"}.get(value, value)
    return f"{float(value):.17g}"


def _chance(predicted: float | str) -> float:
    chance = _number("prediction", predicted)
    if not 0.0 <= chance <= 1.0:
        raise Unfitting(f"the prediction is {chance:g}, no probability from 0 to 1")
    return chance


def _number(what: str, value: float | str | bool) -> float:
    if isinstance(value, str):
        raise Unfitting(f"the {what} is {value!r}, no number")
    number = float(value)
    if not math.isfinite(number):
        raise Unfitting(f"the {what} is {number}, no finite number")
    return number


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Unfitting("label and prediction are too far apart for a number")
    return value
