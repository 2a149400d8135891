"""What is asked of inputs and outputs.  Plain data: no default here is guessed from traffic."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

ValueType = Literal["number", "integer", "text", "boolean"]
Single = float | int | str | bool

#: What a column's rule may be broken by, in the order in which a value is looked at.
COLUMN_WORDS: Final = ("missing", "shape", "type", "finite", "range", "set")
#: What a whole body may be broken by; ``finite`` here is of a column without a rule.
BODY_WORDS: Final = ("unreadable", "schema", "unknown", "finite")


class ColumnRule(msgspec.Struct, frozen=True):
    """What is asked of one column; of each element, where a row holds a vector.

    ``shape`` is that of one row: () a single value, (2,) two of them, None for any length.
    """

    type: ValueType | None = None  # a whole float counts as an integer; 0 and 1 as booleans
    missing: bool = False  # whether null, or no such column, is allowed
    missing_share: float | None = None  # of the rows of the training data; None: not known
    finite: bool = True  # refuses NaN and infinity
    low: float | None = None
    high: float | None = None
    among: tuple[Single, ...] | None = None
    shape: tuple[int | None, ...] | None = None


class SideRules(msgspec.Struct, frozen=True):
    """What is asked of all requests, or of all answers."""

    columns: dict[str, ColumnRule] = {}
    unknown: bool = True  # whether a column without a rule is allowed
    finite: bool = True  # refuses NaN and infinity in columns without a rule


class QualityRules(msgspec.Struct, frozen=True):
    """The data-quality rules of one model.  ``show`` lets found values be seen by operators."""

    inputs: SideRules = SideRules()
    outputs: SideRules = SideRules()
    show: bool = False


class Broken(msgspec.Struct, frozen=True):
    """One rule that a body breaks, where first.  ``row`` counts from 0.

    ``rule`` is one of ``BODY_WORDS``, or a column and one of ``COLUMN_WORDS``: ``AGE.range``; it
    comes from the rules, never from the body.
    """

    rule: str
    column: str
    row: int
    found: str


def rule_names(side: SideRules) -> tuple[str, ...]:
    """Every name that a broken rule of this side can have: what a guardrail may be about."""
    named = (f"{column}.{word}" for column in side.columns for word in COLUMN_WORDS)
    return (*BODY_WORDS, *named)
