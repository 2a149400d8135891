"""What no field of predictions and quality can know alone.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.settings.document import Where
from proxy.settings.predictions import Predictions
from proxy.settings.problems import Problem, show
from proxy.settings.quality import Column, Quality
from proxy.settings.schema import Model

_ONE = {"text": "a text", "boolean": "true or false", "integer": "an integer", "number": "a number"}


def check(where: Where, model: Model) -> Iterator[Problem]:
    """The faults of one model's predictions and quality."""
    if model.predictions is not None:
        yield from _predictions((*where, "predictions"), model.predictions)
    if model.quality is not None:
        yield from _quality((*where, "quality"), model.quality)
        yield from _custom(where, model)


def _predictions(where: Where, predictions: Predictions) -> Iterator[Problem]:
    custom = predictions.protocol == "custom"
    for side, pointers in (("request", predictions.request), ("answer", predictions.answer)):
        if pointers is not None and not custom:
            yield Problem(
                (*where, side),
                f"found pointers for protocol {predictions.protocol}; "
                "allowed are pointers with protocol: custom",
            )
    if custom and predictions.answer is None:
        yield Problem(
            (*where, "protocol"),
            "found custom without answer; allowed is custom with answer, the pointers of its "
            "outputs",
        )
    for at, name in enumerate(predictions.columns):
        if name in predictions.columns[:at]:
            yield Problem(
                (*where, "columns", at),
                f"found {show(name)} a second time; allowed is once in columns",
            )


def _custom(where: Where, model: Model) -> Iterator[Problem]:
    """Inputs that are asked about must be read from somewhere."""
    predictions, quality = model.predictions, model.quality
    if predictions is None or quality is None or predictions.protocol != "custom":
        return
    if predictions.request is None:
        yield Problem(
            (*where, "predictions", "protocol"),
            "found custom without request, though quality looks at inputs; allowed is custom with "
            "request, the pointers of its inputs",
        )


def _quality(where: Where, quality: Quality) -> Iterator[Problem]:
    if quality.canary and quality.percent == 0:
        yield Problem(
            (*where, "percent"),
            "found 0 with canary: true, which leaves nothing of stable to compare with; "
            "allowed is more than 0, or 0 with canary: false",
        )
    for side, columns in (("inputs", quality.inputs), ("outputs", quality.outputs)):
        for name, column in columns.items():
            if column is not None:
                yield from _column((*where, side, name), column)


def _column(where: Where, column: Column) -> Iterator[Problem]:
    if column.range is not None and column.type in ("text", "boolean"):
        yield Problem(
            (*where, "range"),
            f"found a range for type {column.type}; allowed is a range of number or integer",
        )
    if column.set is None or column.type is None:
        return
    kinds = {"text": str, "boolean": bool, "integer": int, "number": (int, float)}
    for at, value in enumerate(column.set):
        fits = isinstance(value, kinds[column.type])  # type: ignore[arg-type]
        if not fits or (isinstance(value, bool) and column.type != "boolean"):
            yield Problem(
                (*where, "set", at),
                f"found {show(value)} for type {column.type}; allowed is {_ONE[column.type]}",
            )
