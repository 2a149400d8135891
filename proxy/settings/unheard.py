"""Guardrails that would never see an event, whatever the canary does.

Who writes one thinks that the canary is watched, and it is not: so it is refused, with what is
missing.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.judge.evidence import Source
from proxy.quality.rules import BODY_WORDS, COLUMN_WORDS
from proxy.settings.document import Where
from proxy.settings.guardrails import Rule
from proxy.settings.problems import Problem, show
from proxy.settings.quality import Quality
from proxy.settings.schema import Model


def check(where: Where, model: Model) -> Iterator[Problem]:
    """A problem for each rule that cannot be told anything."""
    for name, rule in model.guardrails.rules.items():
        here = (*where, "guardrails", "rules", name)
        event = Source(rule.event)
        if event is Source.FALLBACK and not model.safe_to_repeat:
            yield _alone(here, rule, "safe_to_repeat: true, or no fallback is ever used")
        elif event in (Source.BAD_INPUT, Source.BAD_OUTPUT):
            yield from _quality(here, rule, model.quality, event is Source.BAD_INPUT)
        elif event is Source.LABEL:
            yield from _label(here, rule, model)


def _alone(here: Where, rule: Rule, needed: str) -> Problem:
    return Problem(
        (*here, "event"), f"found {rule.event} without what tells of it; allowed is {needed}"
    )


def _label(here: Where, rule: Rule, model: Model) -> Iterator[Problem]:
    if model.predictions is None:
        yield _alone(here, rule, "predictions beside it, for a label to find the one it is about")
    if rule.of is not None and rule.of not in model.labels:
        known = ", ".join(show(it) for it in model.labels) or "(none: labels has no rule)"
        yield Problem(
            (*here, "of"),
            f"found {show(rule.of)}, for which labels has no rule; allowed is one of: {known}",
        )


def _quality(here: Where, rule: Rule, quality: Quality | None, asked: bool) -> Iterator[Problem]:
    """``asked``: of requests, else of answers."""
    if quality is None:
        yield _alone(here, rule, "quality beside it, which looks at requests and answers")
        return
    side = quality.inputs if asked else quality.outputs
    if rule.of is None or rule.of in BODY_WORDS:
        return
    column, _, word = rule.of.rpartition(".")
    profiled = asked and quality.profile is not None
    if word in COLUMN_WORDS and (side.get(column) is not None or (profiled and column not in side)):
        return
    columns = ", ".join(name for name, it in side.items() if it is not None)
    more = " or of the profile" if profiled else ""
    yield Problem(
        (*here, "of"),
        f"found {show(rule.of)}; allowed is {', '.join(BODY_WORDS)}, or a column"
        f"{more} with one of {', '.join(COLUMN_WORDS)}, such as AGE.range; "
        f"columns: {columns or '(none)'}",
    )
