"""One sampled exchange to a prediction and the rules that it breaks; never raises."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from proxy.feedback import Prediction
from proxy.payload import (
    OUR_LIMITS,
    Columns,
    PredictionOptions,
    Reading,
    Unreadable,
    Value,
    prediction,
    read_answer,
    read_request,
)
from proxy.quality.checking import check
from proxy.quality.rules import Broken, QualityRules
from proxy.quality.sampling import Percents
from proxy.terms import Sample

Side = Literal["request", "answer"]
#: A batch's predictions that are logged; labels are about single decisions.
MOST_PREDICTED: Final = 1_000


class Options(msgspec.Struct, frozen=True):
    """How the bodies of one model are read, and which value is its prediction."""

    reading: Reading = Reading()
    prediction: PredictionOptions = PredictionOptions()


class Examination(msgspec.Struct, frozen=True):
    """What is done with the samples of one model.

    ``rules`` None: nothing is checked.  ``retention`` in seconds: how long a logged prediction is
    kept; 0: none is logged.  ``profile`` is the hash of the one that the rules come from, or "".
    """

    percents: Percents = Percents()
    options: Options = Options()
    rules: QualityRules | None = None
    retention: float = 0.0
    profile: str = ""


class Unread(msgspec.Struct, frozen=True):
    """A body that was not read, and why: one of ``payload.Reason``, or ``empty``."""

    side: Side
    reason: str
    text: str


class Examined(msgspec.Struct, frozen=True):
    """What one exchange showed.  Of each rule only its first breach."""

    prediction: Prediction
    bad_input: tuple[Broken, ...] = ()
    bad_output: tuple[Broken, ...] = ()
    unread: tuple[Unread, ...] = ()
    rows: int = 0  # of inputs, that were checked
    missing: dict[str, int] = {}  # rows without a value, of the columns that may be missing


def examine(sample: Sample, rules: QualityRules | None, options: Options) -> Examined:
    """Reads an exchange and checks it; without ``rules`` only for its prediction.

    An answer that is none (no 2xx, a version that failed) has no outputs to check: its failure
    is counted where it happened.  A body that was cut, or that is in no form read here, breaks no
    rule.
    """
    unread: list[Unread] = []
    bad_input: tuple[Broken, ...] = ()
    bad_output: tuple[Broken, ...] = ()
    rows, missing = 0, dict[str, int]()
    if not sample.request_bytes:
        # A question about the model (GET .../ready), not a request to it.
        unread.append(Unread("request", "empty", "found no body"))
        return Examined(_logged(sample, None, "no request body"), unread=tuple(unread))
    if rules is not None:
        asked = _request(sample, options)
        if isinstance(asked, Unread):
            unread.append(asked)
        else:
            rows, missing = asked.rows, _missing(asked, rules)
        bad_input = _broken(asked, rules, inputs=True)
    problem = _no_answer(sample)
    if problem:
        logged = _logged(sample, None, problem)
        return Examined(logged, bad_input, (), tuple(unread), rows, missing)
    answered = _answer(sample, options)
    if isinstance(answered, Unread):
        unread.append(answered)
    if rules is not None:
        bad_output = _broken(answered, rules, inputs=False)
    value, problem = _predicted(answered, options.prediction)
    logged = _logged(sample, value, problem)
    return Examined(logged, bad_input, bad_output, tuple(unread), rows, missing)


def _request(sample: Sample, options: Options) -> Columns | Unread:
    if len(sample.request) < sample.request_bytes:
        return _cut("request", len(sample.request), sample.request_bytes)
    try:
        return read_request(
            options.reading, sample.request, sample.request_type, sample.request_encoding
        )
    except Unreadable as error:
        return Unread("request", error.reason, str(error))


def _answer(sample: Sample, options: Options) -> Columns | Unread:
    half = sample.answer
    if len(half.body) < half.body_bytes:
        return _cut("answer", len(half.body), half.body_bytes)
    try:
        return read_answer(options.reading, half.body, half.content_type, half.content_encoding)
    except Unreadable as error:
        return Unread("answer", error.reason, str(error))


def _cut(side: Side, kept: int, whole: int) -> Unread:
    return Unread(side, "cut", f"kept {kept} of {whole} bytes")


def _no_answer(sample: Sample) -> str:
    """Why there are no outputs to look at, or ""."""
    status = sample.answer.status
    if status == 0:
        return f"no answer: {sample.answer.outcome}"
    if not 200 <= status < 300 or status == 204:
        return f"status {status}"
    return "" if sample.answer.outcome == "ok" else f"broken answer: {sample.answer.outcome}"


def _broken(read: Columns | Unread, rules: QualityRules, *, inputs: bool) -> tuple[Broken, ...]:
    if isinstance(read, Unread):
        if read.reason in OUR_LIMITS:
            return ()
        return (Broken("unreadable", "", 0, f"{read.reason}: {read.text}"),)
    side = rules.inputs if inputs else rules.outputs
    return tuple(check(side, read, show=rules.show))


def _missing(asked: Columns, rules: QualityRules) -> dict[str, int]:
    """Where values are missing that may be: how often is for the casebook to tell."""
    found: dict[str, int] = {}
    for name, rule in rules.inputs.columns.items():
        if rule.missing_share is not None:
            values = asked.columns.get(name)
            count = asked.rows if values is None else values.count(None)
            if count:
                found[name] = count
    return found


def _predicted(
    answered: Columns | Unread, options: PredictionOptions
) -> tuple[float | str | list[float | str] | None, str]:
    """The prediction, and why there is none."""
    if isinstance(answered, Unread):
        return None, f"{answered.reason}: {answered.text}"
    try:
        values = [_scalar(it) for it in prediction(options, answered)]
    except Unreadable as error:
        return None, str(error)
    if len(values) == 1:
        return values[0], "" if values[0] is not None else "found null or NaN"
    if len(values) > MOST_PREDICTED:
        return None, f"found {len(values)} rows; kept are at most {MOST_PREDICTED}"
    known = [it for it in values if it is not None]
    if len(known) != len(values) or not values:
        return None, "found null or NaN in a batch" if values else "found no rows"
    return known, ""


def _scalar(value: Value) -> float | str | None:
    """A value as it is logged: truth values as 1 and 0; None for what is no number at all."""
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _logged(
    sample: Sample, value: float | str | list[float | str] | None, problem: str
) -> Prediction:
    return Prediction(
        request_id=sample.request_id,
        model=sample.model,
        version=sample.answer.version,
        arm=sample.arm,
        share=sample.share,
        drawn=sample.drawn,
        customer=sample.customer,
        segments=sample.segments,
        at=sample.at,
        value=value,
        problem=problem,
    )
