"""The part of the schema about data quality: what inputs and outputs must look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from proxy.quality.deriving import SLACK
from proxy.quality.rules import Single, ValueType
from proxy.settings import grammar, units
from proxy.settings.kinds import Kind, OrOff, choice, real
from proxy.settings.predictions import ColumnName
from proxy.settings.serving import Flag, Part
from proxy.settings.shadows import Percent
from proxy.settings.units import Unfit

_MOST_VALUES: Final = 1_000
Fate = Literal["allowed", "refused"]
_FATE = choice("allowed", "refused")


def _listed(value: object, least: int, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise Unfit
    return value


def _range(value: object) -> tuple[float | None, float | None]:
    low, high = (None if it is None else float(units.number(it)) for it in _listed(value, 2, 2))
    if low is None and high is None:
        raise Unfit("one bound at least")
    if low is not None and high is not None and low > high:
        raise Unfit(f"{units.plain(low)} is above {units.plain(high)}")
    return low, high


def _set(value: object) -> tuple[Single, ...]:
    found = _listed(value, 1, _MOST_VALUES)
    for it in found:
        if isinstance(it, int | float) and not isinstance(it, bool):
            units.number(it)
        elif not isinstance(it, str | bool):
            raise Unfit("numbers, texts, true and false only")
    return tuple(found)


def _shape(value: object) -> tuple[int | None, ...]:
    found = _listed(value, 0, 16)
    for it in found:
        if it is not None and (isinstance(it, bool) or not isinstance(it, int) or it < 0):
            raise Unfit
    return tuple(found)


def _show(values: Sequence[Any]) -> list[Any]:
    return [units.plain(it) if isinstance(it, float) else it for it in values]


_NUMBER_OR_NULL = {"type": ["number", "null"]}
RANGE = Kind(
    "least and most",
    "a list of the least and the most, such as [18, 100]; null in one place for no bound",
    _range,
    {"type": "array", "items": _NUMBER_OR_NULL, "minItems": 2, "maxItems": 2},
    _show,
)
SET = Kind(
    "list of values",
    f"a list of 1 to {_MOST_VALUES} numbers, texts, true and false",
    _set,
    {"type": "array", "items": {"type": ["number", "string", "boolean"]}, "minItems": 1},
    _show,
)
SHAPE = Kind(
    "list of sizes",
    "a list of at most 16 whole numbers, such as [2]; null for any size, [] for a single value",
    _shape,
    {"type": "array", "items": {"type": ["integer", "null"], "minimum": 0}, "maxItems": 16},
    _show,
)


class Column(Part):
    about = (
        "What is asked of one column; of each element where a row holds a vector. What is left "
        "out comes from the profile, where it has the column."
    )

    type: Annotated[ValueType, choice("number", "integer", "text", "boolean")] | None = Field(
        default=None,
        description="What kind of value. A whole float is an integer as well; 0 and 1 are "
        "booleans as well. Left out without a profile, any.",
    )
    missing: Annotated[Fate, _FATE] | None = Field(
        default=None,
        description="Null, or no such column. Left out without a profile, refused.",
    )
    not_finite: Annotated[Fate, _FATE] | None = Field(
        default=None, description="NaN and infinity. Left out without a profile, refused."
    )
    range: Annotated[tuple[float | None, float | None], RANGE] | None = Field(
        default=None, description="The least and the most that a number may be."
    )
    set: Annotated[tuple[Single, ...], SET] | None = Field(
        default=None, description="All values that are allowed."
    )
    shape: Annotated[tuple[int | None, ...], SHAPE] | None = Field(
        default=None,
        description="The sizes of one row's vector, without the rows: [2] are two values, [] is a "
        "single one. Left out, any.",
    )


OptionalColumn = Annotated[Column | None, OrOff("a mapping of rules for this column, or off")]


class Quality(Part):
    about = (
        "Whether inputs and outputs are what they should be, looked at off the hot path on a "
        "sample of customers. Always looked for: bodies that cannot be read, another schema, NaN "
        "and infinity. Left out, nothing is looked at. See [data-quality.md](data-quality.md)."
    )

    percent: Percent = Field(
        default=10.0,
        description="Share of the customers whose exchanges are looked at, whatever their arm; "
        "only what is found in these is evidence for a guardrail.",
    )
    canary: Flag = Field(
        default=True,
        description="Whether all exchanges of the canary's customers are looked at, as far as "
        "there is room: for people, beside the evidence.",
    )
    profile: Annotated[str, grammar.FILE] | None = Field(
        default=None,
        description="A profile of the training data that `pointsman profile` made, taken from the "
        "folder of the config file. It gives each input its rules.",
    )
    slack: Annotated[float, real("0", "100")] = Field(
        default=SLACK,
        description="How much wider than in the profile a range may be, on both sides, as a part "
        "of it.",
    )
    unknown_inputs: Annotated[Fate, _FATE] = Field(
        default="allowed", description="Input columns without a rule."
    )
    show_values: Flag = Field(
        default=False,
        description="Whether operators see the values that broke a rule. They may be customers' "
        "data; else only what is wrong with them is shown.",
    )
    inputs: dict[ColumnName, OptionalColumn] = Field(
        default={},
        max_length=5_000,
        description="Rules of input columns, which override those of the profile; `off` for none.",
    )
    outputs: dict[ColumnName, Column] = Field(
        default={}, max_length=1_000, description="Rules of output columns."
    )
