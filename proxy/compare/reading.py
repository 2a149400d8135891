"""One answer to its predictions, a row each; or to why there are none."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from proxy import payload
from proxy.compare.kinds import SCORES, Kind
from proxy.measure import ANSWERED
from proxy.payload import Columns, Unreadable, Value
from proxy.terms import Half

#: Why an answer gives no predictions; the payload's reasons, and ours.
Problem = Literal[
    "",
    "missing",  # no whole answer came: the outcome says why
    "status",  # an answer, but no 2xx
    "cut",  # longer than what was kept of it
    "unsupported",
    "too_large",
    "encoding",
    "syntax",
    "schema",
    "truncated",  # a stream without its end
    "empty",  # no rows
    "shape",  # not what the kind is: a vector where a number is expected
    "range",  # a probability that is not from 0 to 1
    "fault",  # found a fault of ours
]
#: Problems that are a limit of ours, and say nothing about the version.
OURS: Final = frozenset({"cut", "unsupported", "too_large", "fault"})
#: The outputs that are looked for by name when the operator names none.
_USUAL: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.PROBABILITY: ("predict_proba",),
    Kind.CLASS: ("predict", "label", "predict_proba"),
    Kind.VECTOR: ("embedding",),
    Kind.TEXT: ("text",),
}
_MOST_NESTED: Final = 16
_LONGEST_CLASS: Final = 200


class ReadOptions(msgspec.Struct, frozen=True):
    """How predictions are read from an answer.

    ``output`` and ``index`` choose as in ``payload.PredictionOptions``.  ``scored``: a ranking's
    row holds the score of each item, not the items in order.  ``most_rows``: an answer with more
    is ``too_large``.
    """

    kind: Kind = Kind.PROBABILITY
    bodies: payload.Reading = payload.Reading()
    output: str | None = None
    index: int | None = None
    scored: bool = False
    most_rows: int = 4_096


class Reading(msgspec.Struct, frozen=True):
    """The rows of one answer in their order; none when there is a ``problem``.

    A probability or number is a float, perhaps NaN (null is NaN as well).  ``text`` says what was
    found in the place of a prediction, never a value.
    """

    kind: Kind
    rows: tuple[Value, ...] = ()
    problem: Problem = ""
    text: str = ""


def read(half: Half, options: ReadOptions) -> Reading:
    """The predictions of one answer.  Never raises: whatever is wrong is the ``problem``."""
    kind = options.kind
    if half.outcome not in ANSWERED:
        return Reading(kind, (), "missing", f"no answer: {half.outcome}")
    if not 200 <= half.status < 300:
        return Reading(kind, (), "status", f"answered {half.status}")
    if half.body_bytes > len(half.body):
        return Reading(
            kind, (), "cut", f"kept {len(half.body)} of {half.body_bytes} bytes of the answer"
        )
    try:
        rows = _rows(half, options)
    except Unreadable as error:
        return Reading(kind, (), error.reason, str(error))
    except _Unfit as error:
        return Reading(kind, (), error.problem, str(error))
    except Exception as error:  # a body that finds a fault of ours ends no comparison
        return Reading(kind, (), "fault", f"could not be read ({type(error).__name__})")
    if not rows:
        return Reading(kind, (), "empty", "found no rows")
    return Reading(kind, tuple(rows))


def rows_of(columns: Columns, options: ReadOptions) -> list[Value]:
    """The rows of columns that were read already.  Raises Unreadable, or ValueError for values
    that are not of the kind."""
    kind = options.kind
    if columns.rows > options.most_rows:
        raise _Unfit(
            "too_large", f"found {columns.rows} rows; read are at most {options.most_rows}"
        )
    output = options.output or _usual(columns, kind)
    if kind in SCORES:
        wanted = payload.PredictionOptions(output, options.index)
        return [_number(it, kind) for it in payload.prediction(wanted, columns)]
    values = columns.columns.get(output)
    if values is None:
        known = ", ".join(list(columns.columns)[:5])[:80] or "none"
        raise Unreadable("schema", f"found no output {output!r}; there are: {known}")
    if options.index is not None:
        wanted = payload.PredictionOptions(output, options.index)
        values = payload.prediction(wanted, columns)
    return [_row(it, options) for it in values]


class _Unfit(ValueError):
    def __init__(self, problem: Problem, text: str) -> None:
        super().__init__(text)
        self.problem: Problem = problem


def _rows(half: Half, options: ReadOptions) -> list[Value]:
    given = half.body, half.content_type, half.content_encoding
    if options.kind is Kind.DOCUMENT:
        return [payload.read_document(options.bodies, *given)]
    return rows_of(payload.read_answer(options.bodies, *given), options)


def _usual(columns: Columns, kind: Kind) -> str:
    for name in _USUAL.get(kind, ()):
        if name in columns.columns:
            return name
    return next(iter(columns.columns), "")


def _number(value: Value, kind: Kind) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str | list):
        raise _Unfit("shape", f"found {payload.kind_of(value)}; a {kind} is a number")
    number = float(value)
    # Rounding in 32 bits makes a sure prediction 1.0000001.
    if kind is Kind.PROBABILITY and not -1e-6 <= number <= 1.000001 and number == number:
        raise _Unfit("range", "found a number outside of 0 to 1; a probability is within")
    return min(max(number, 0.0), 1.0) if kind is Kind.PROBABILITY and number == number else number


def _row(value: Value, options: ReadOptions) -> Value:
    kind = options.kind
    if kind is Kind.TEXT:
        if value is not None and not isinstance(value, str):
            raise _Unfit("shape", f"found {payload.kind_of(value)}; a text is expected")
        return value or ""
    if kind is Kind.CLASS:
        return _class(value)
    if kind is Kind.VECTOR:
        return _vector(value, kind)
    if kind is Kind.RANKING:
        if options.scored:
            return _by_score(_vector(value, kind))
        return _items(value)
    _must_be_shallow(value)
    return value


def _class(value: Value) -> Value:
    if isinstance(value, list):
        return _vector(value, Kind.CLASS) if _all_numbers(value) else _items(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and len(value) > _LONGEST_CLASS:
        # Names of classes are kept and counted.
        raise _Unfit("shape", f"found {len(value)} characters; a class has {_LONGEST_CLASS}")
    if isinstance(value, float) and value.is_integer():
        return int(value)  # scikit-learn's 1.0 and 1 are one class
    return value


def _vector(value: Value, kind: Kind) -> list[Value]:
    if not isinstance(value, list) or not _all_numbers(value):
        raise _Unfit("shape", f"found {payload.kind_of(value)}; a {kind} is a list of numbers")
    return [math.nan if it is None else float(it) for it in value]  # type: ignore[arg-type]


def _all_numbers(values: list[Value]) -> bool:
    return all(it is None or isinstance(it, int | float) for it in values)


def _items(value: Value) -> list[Value]:
    if not isinstance(value, list) or any(isinstance(it, list) for it in value):
        raise _Unfit("shape", f"found {payload.kind_of(value)}; a ranking is a list of items")
    if value and isinstance(value[0], str) and len(value[0]) > _LONGEST_CLASS:
        raise _Unfit("shape", f"found {len(value[0])} characters; an item has {_LONGEST_CLASS}")
    return list(dict.fromkeys(value))


def _by_score(scores: list[Value]) -> list[Value]:
    """The places of the scores, the largest first; NaN comes last."""

    def order(place: int) -> tuple[bool, float]:
        score = scores[place]
        assert isinstance(score, float)
        return score != score, -score

    places: list[int] = sorted(range(len(scores)), key=order)
    return [*places]


def _must_be_shallow(value: Value, depth: int = 0) -> None:
    if depth > _MOST_NESTED:
        raise _Unfit("shape", f"found lists nested deeper than {_MOST_NESTED}")
    for it in value if isinstance(value, list) else ():
        if isinstance(it, list):
            _must_be_shallow(it, depth + 1)
