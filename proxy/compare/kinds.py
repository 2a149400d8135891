"""What a prediction is: the kinds, and what is taken for the same by default."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What one row of an answer holds."""

    PROBABILITY = "probability"  # a number from 0 to 1
    CLASS = "class"  # a label, or a vector with the score of each class
    NUMBER = "number"
    VECTOR = "vector"  # an embedding: as many numbers in every row
    RANKING = "ranking"  # items, the best first
    TEXT = "text"
    TENSOR = "tensor"  # numbers or texts in any shape
    DOCUMENT = "document"  # the whole JSON answer


#: Kinds whose rows are one number: they have means, histograms and shifts.
SCORES: Final = frozenset({Kind.PROBABILITY, Kind.NUMBER})

#: The distance up to which two rows agree, where the operator writes none.
DEFAULT_TOLERANCE: Final[dict[Kind, float]] = {
    Kind.PROBABILITY: 0.01,
    Kind.CLASS: 0.0,
    Kind.NUMBER: 1e-6,
    Kind.VECTOR: 0.001,
    Kind.RANKING: 0.0,
    Kind.TEXT: 0.0,
    Kind.TENSOR: 1e-6,
    Kind.DOCUMENT: 0.0,
}

#: What a distance of this kind is, for people.
DISTANCE: Final[dict[Kind, str]] = {
    Kind.PROBABILITY: "absolute difference",
    Kind.CLASS: "1 for another class",
    Kind.NUMBER: "absolute difference",
    Kind.VECTOR: "1 minus the cosine",
    Kind.RANKING: "Kendall distance of the top places, 0 to 1",
    Kind.TEXT: "edits per character",
    Kind.TENSOR: "largest absolute difference",
    Kind.DOCUMENT: "share of the values that differ",
}
