"""The part of the schema about predictions: how bodies are read, and what is logged of them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from proxy.payload import PROTOCOLS, Protocol
from proxy.settings import grammar
from proxy.settings.kinds import choice, duration, real, text, whole
from proxy.settings.serving import Part
from proxy.settings.shadows import Percent
from proxy.settings.units import Unfit

#: Seconds that a logged prediction is kept when nobody says otherwise.
RETENTION: Final = 30 * 86_400.0


def _column(value: str) -> str:
    if not value or len(value) > 256 or not value.isprintable():
        raise Unfit
    return value


COLUMN = text("column name", "a text of 1 to 256 printable characters", _column)
ColumnName = Annotated[str, COLUMN]


class Pointers(Part):
    about = "Where the columns stand in a JSON body; for `protocol: custom` only."

    columns: dict[ColumnName, Annotated[str, grammar.POINTER]] = Field(
        min_length=1, max_length=5_000, description="Column to RFC 6901 JSON pointer."
    )
    rows: Annotated[str, grammar.POINTER] | None = Field(
        default=None,
        description="A pointer to a list of rows, each of which the other pointers start from; "
        "left out, the body is one row.",
    )


class Predictions(Part):
    about = (
        "How requests and answers are read, and whose predictions are logged, for labels to find "
        "them. Left out, none is; data quality then reads `open-inference-v2`. "
        "See [data-quality.md](data-quality.md)."
    )

    percent: Percent = Field(
        default=100.0,
        description="Share of the customers whose predictions are logged, whatever their arm.",
    )
    retention: Annotated[float, duration("1m", "3650d")] = Field(
        default=RETENTION, description="How long a logged prediction is kept."
    )
    protocol: Annotated[Protocol, choice(*PROTOCOLS)] = Field(
        default="open-inference-v2", description="What the bodies are written in."
    )
    columns: tuple[ColumnName, ...] = Field(
        default=(),
        max_length=5_000,
        description="Names for the columns of a table that brings none, in its order: of a single "
        "two-dimensional tensor, of a list of lists, of CSV. Left out, those of the profile's "
        "inputs.",
    )
    output: ColumnName | None = Field(
        default=None,
        description="The output that is the prediction; left out, `predict_proba` if the answer "
        "has it, else the first.",
    )
    index: Annotated[int, whole(-10_000, 10_000)] | None = Field(
        default=None,
        description="Which value of an output with several in a row, from 0; -1 is the last. Left "
        "out, the last one of `predict_proba`.",
    )
    threshold: Annotated[float, real("-1000000000", "1000000000")] | None = Field(
        default=None,
        description="From this value on the prediction says yes; for labels that do not say it.",
    )
    request: Pointers | None = Field(
        default=None, description="Where inputs stand, for `protocol: custom`."
    )
    answer: Pointers | None = Field(
        default=None, description="Where outputs stand, for `protocol: custom`."
    )
