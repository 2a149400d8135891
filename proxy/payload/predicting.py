"""Which of an answer's values is the prediction."""

from __future__ import annotations

import msgspec

from proxy.payload.columns import Columns, Unreadable, Value

#: What scikit-learn's servers call the probabilities of all classes.
_PROBABILITIES = "predict_proba"


class PredictionOptions(msgspec.Struct, frozen=True):
    """Which output of the answer, and which of its values when it has several in a row.

    ``threshold``: from this value on, the prediction says yes; for labels that need a decision.
    """

    output: str | None = None
    index: int | None = None  # from 0; from the end when it is negative
    threshold: float | None = None


DEFAULT = PredictionOptions()


def prediction(options: PredictionOptions, columns: Columns) -> list[Value]:
    """One predicted value for each row, single values only.

    Without ``output`` it is ``predict_proba`` when there is one, else the first.  Without
    ``index``, a vector of ``predict_proba`` gives its last value, the probability of the last
    class.  Raises ``Unreadable`` when the answer has no such value.
    """
    name = options.output
    if name is None:
        name = (
            _PROBABILITIES if _PROBABILITIES in columns.columns else next(iter(columns.columns), "")
        )
    values = columns.columns.get(name)
    if values is None:
        known = ", ".join(list(columns.columns)[:5])[:80] or "none"
        raise Unreadable("schema", f"found no output {name!r}; there are: {known}")
    index = options.index
    if index is None and name == _PROBABILITIES:
        index = -1
    return [_one(value, index) for value in values]


def _one(value: Value, index: int | None) -> Value:
    if not isinstance(value, list):
        return value
    if index is None:
        raise Unreadable(
            "schema", f"found {len(value)} values in a row; predictions.index says which one it is"
        )
    if not -len(value) <= index < len(value):
        raise Unreadable(
            "schema", f"found {len(value)} values in a row; index {index} is asked for"
        )
    chosen = value[index]
    if isinstance(chosen, list):
        raise Unreadable("schema", "found a table in a row; a prediction is one value")
    return chosen
