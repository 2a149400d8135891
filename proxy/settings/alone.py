"""The guardrails of one model in a file of their own, for ``pointsman replay``.

The file holds what stands under ``guardrails:`` in a config, with or without that word.  It is
judged as a part of the smallest config, so that every fault is told as it would be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from proxy.errors import ConfigError
from proxy.judge import Guardrails
from proxy.settings import problems
from proxy.settings.compile import model_guardrails
from proxy.settings.crosscheck import crosscheck
from proxy.settings.document import Document, Where
from proxy.settings.guardrails import Dimensions
from proxy.settings.load import read, written
from proxy.settings.problems import Problem
from proxy.settings.schema import Settings

_MODEL: Final = "m"
_WORD: Final = "guardrails"
_ROOT: Final[Where] = ("models", _MODEL, _WORD)


def load_guardrails(path: Path, dimensions: Dimensions | None = None) -> Guardrails:
    """Raises ``ConfigError`` with every problem found.

    ``dimensions`` are the segments that a config declares; left out, those written in the file
    as ``dimension=value``.
    """
    known = written(read(path), path)
    inner: Where = (_WORD,) if set(known.data) == {_WORD} else ()
    part = known.data[_WORD] if inner else known.data
    whole = _whole(part, _written_out(part) if dimensions is None else dimensions)
    moved = _moved(known, inner, whole)
    found, settings = problems.of_text(moved), None
    try:
        settings = Settings.model_validate(whole)
    except ValidationError as error:
        found += problems.of_validation(moved, error)
    if settings is not None:
        found += crosscheck(settings)
    if found or settings is None:
        back = [_back(it, inner) for it in found]
        raise ConfigError(str(path), problems.lines(str(path), known, back))
    return model_guardrails(settings.models[_MODEL])


def _whole(part: Any, dimensions: Dimensions) -> dict[str, Any]:
    segments = {
        name: {"header": f"X-{at}", "values": list(values)}
        for at, (name, values) in enumerate(dimensions.items())
    }
    model = {
        "match": {"path_prefix": "/m"},
        "customer": {"header": "X-Customer-Id"},
        "segments": segments,
        "versions": {"1": {"endpoints": ["http://127.0.0.1:1"]}},
        "split": {"stable": "1"},
        _WORD: part,
    }
    return {"models": {_MODEL: model}}


def _written_out(part: Any) -> dict[str, tuple[str, ...]]:
    """The segments that rules name with their value; whatever is no rule is judged later."""
    found: dict[str, dict[str, None]] = {}
    rules = part.get("rules") if isinstance(part, dict) else None
    for rule in rules.values() if isinstance(rules, dict) else ():
        segments = rule.get("segments") if isinstance(rule, Mapping) else None
        for segment in segments if isinstance(segments, list) else ():
            dimension, one, value = str(segment).partition("=")
            if one and value not in ("", "other", "missing"):
                found.setdefault(dimension, {})[value] = None
    return {dimension: tuple(values) for dimension, values in found.items()}


def _moved(known: Document, inner: Where, whole: Any) -> Document:
    """The same places, as they would be called in a config."""
    cut = len(inner)
    return Document(
        whole,
        {_ROOT + where[cut:]: mark for where, mark in known.marks.items()},
        {_ROOT + where[cut:]: raw for where, raw in known.raw.items()},
        [it._replace(where=_ROOT + it.where[cut:]) for it in known.complaints],
    )


def _back(problem: Problem, inner: Where) -> Problem:
    return problem._replace(where=inner + problem.where[len(_ROOT) :])
