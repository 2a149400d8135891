"""Rules from a reference profile: the documented defaults, which explicit rules override.

type      the column's own; ``integer`` is asked for only where the values are categories
missing   allowed when any was missing in the training data; its share is kept, and the
          casebook says where more is missing now
finite    asked for unless the training data itself had NaN or infinity
range     from the least to the most, widened on both sides by ``slack`` of their distance;
          one that begins at or above 0 is not widened below it
set       the categories of a text or boolean column, where the profile has them
"""

from __future__ import annotations

from typing import Final

from proxy.quality.profile import ColumnProfile, Profile
from proxy.quality.rules import ColumnRule, ValueType

SLACK: Final = 0.1
_TYPES: Final[dict[str, ValueType]] = {
    "number": "number",
    "integer": "number",
    "text": "text",
    "boolean": "boolean",
}


def derive(profile: Profile, slack: float = SLACK) -> dict[str, ColumnRule]:
    """A rule for each input column of the profile, in its order."""
    return {column.name: _rule(column, slack) for column in profile.inputs()}


def _rule(column: ColumnProfile, slack: float) -> ColumnRule:
    low = high = None
    if column.least is not None and column.most is not None:
        wider = slack * (column.most - column.least)
        low, high = column.least - wider, column.most + wider
        low = max(0.0, low) if column.least >= 0 else low
    coded = column.categories is not None
    among = None
    if column.type in ("text", "boolean") and column.categories is not None:
        among = tuple(value for value, _ in column.categories)
    return ColumnRule(
        type="integer" if column.type == "integer" and coded else _TYPES.get(column.type),
        missing=column.missing > 0 or column.type == "empty",
        missing_share=column.missing_share if column.missing else None,
        finite=column.not_finite == 0,
        low=low,
        high=high,
        among=among,
    )
