"""From what pydantic found to lines for a person.

``FILE:LINE: path: found X; allowed is Y``.  What may be a secret is never shown.  Pure.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from proxy.settings import shape
from proxy.settings.document import Document, Mark, Unreadable, Where
from proxy.settings.grammar import is_token
from proxy.settings.schema import Settings
from proxy.settings.serving import Part

MOST_LINES: Final = 50
_LONGEST = 60
_PLAIN_STEP = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Problem(NamedTuple):
    """One fault of a config: where it stands in the tree, and what to tell."""

    where: Where
    text: str
    mark: Mark | None = None  # a fault of the text itself knows its place


def lines(source: str, document: Document | None, problems: Iterable[Problem]) -> list[str]:
    """One line per fault, in the order of the file, at most ``MOST_LINES`` and a count."""
    placed: list[tuple[Mark, str]] = []
    for problem in problems:
        mark = problem.mark or (_mark(document, problem.where) if document else None) or Mark(1, 1)
        path = f"{_path(problem.where)}: " if problem.where else ""
        column = f":{mark.column}" if problem.mark else ""
        placed.append((mark, f"{source}:{mark.line}{column}: {path}{problem.text}"))
    ordered = [line for _, line in sorted(dict.fromkeys(placed), key=lambda pair: pair[0])]
    if len(ordered) > MOST_LINES:
        return [*ordered[:MOST_LINES], f"{source}: and {len(ordered) - MOST_LINES} more"]
    return ordered


def of_text(document: Document) -> list[Problem]:
    """The complaints that reading the YAML brought up."""
    return [
        Problem(
            it.where, "found a key that is no text" if _unsayable(it.where) else it.text, it.mark
        )
        for it in document.complaints
    ]


def of_unreadable(error: Unreadable) -> Problem:
    """The text is not YAML: only a place and the parser's words."""
    return Problem((), f"this is not YAML: {error.text}", error.mark)


def of_validation(document: Document, error: ValidationError) -> list[Problem]:
    """What pydantic found, without its echoes of what was complained of before."""
    complained = {it.where for it in document.complaints}
    found = [_translate(document, it) for it in error.errors(include_url=False) if not _echo(it)]
    return [problem for problem in found if problem.where not in complained]


def _echo(detail: Mapping[str, Any]) -> bool:
    """A list of enough items is called too short when some of them are refused."""
    if detail["type"] != "too_short":
        return False
    return len(detail["input"]) >= int(detail["ctx"]["min_length"])


def _translate(document: Document, detail: Mapping[str, Any]) -> Problem:
    where = _where(document.data, detail["loc"])
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "missing":
        return Problem(where, f"is missing; it is needed: {_meaning(where)}")
    if kind == "extra_forbidden":
        return Problem(where, _unknown(where))
    raw, hint = document.raw.get(where), ""
    if kind == "refused":
        allowed, hint = context["allowed"], context["hint"]
        if raw and not isinstance(value, str) and context["quotable"](raw):
            hint = f'quote it: "{raw}"'
    else:
        allowed = _allowed(kind, context, _meant(where), detail["msg"])
    found = context.get("found") or show(value, where, raw)
    if "[key]" in detail["loc"]:
        found = "this name"
    return Problem(where, f"found {found}; allowed is {allowed}" + (f" ({hint})" if hint else ""))


def _allowed(kind: str, context: Mapping[str, Any], part: type[Part] | None, message: str) -> str:
    """What to say for the errors of pydantic's own that this schema can raise."""
    if kind == "too_short":
        return f"at least {context['min_length']}"
    if kind == "too_long":
        return f"at most {context['max_length']} of them"
    if kind in ("tuple_type", "list_type"):
        return "a list"
    if kind in ("dict_type", "model_type"):
        if part is None:
            return "a mapping of names"
        return f"a mapping with {_names(part)}" + (f", or {part.instead}" if part.instead else "")
    return message


def _where(data: Any, loc: tuple[str | int, ...]) -> Where:
    """Pydantic's path as it stands in the file.

    Leaves out the index of the one mapping that was read as a list, and the mark for a name.
    """
    where: list[str | int] = []
    for step in loc:
        if step == "[key]":
            break
        if isinstance(step, int) and isinstance(data, dict):
            continue
        where.append(step)
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(where)


def _mark(document: Document, where: Where) -> Mark | None:
    """The nearest place that was written."""
    for length in range(len(where), -1, -1):
        if (mark := document.marks.get(where[:length])) is not None:
            return mark
    return None


def _meant(where: Where) -> type[Part] | None:
    return shape.part_at(Settings, where)


def _names(part: type[Part] | None) -> str:
    return ", ".join(name for name, _, _ in shape.fields(part)) if part else ""


def _meaning(where: Where) -> str:
    """The description of a field, its first sentence."""
    part = _meant(where[:-1])
    for name, info, _ in shape.fields(part) if part else ():
        if name == where[-1]:
            sentence = (info.description or "").split(". ")[0].rstrip(".")
            return sentence[:1].lower() + sentence[1:]
    return "it has no default"


def _unknown(where: Where) -> str:
    names = [name for name, _, _ in shape.fields(part)] if (part := _meant(where[:-1])) else []
    near = difflib.get_close_matches(str(where[-1]), names, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"unknown field; {guess}allowed here: {', '.join(names)}"


def _guarded(where: Where) -> int | None:
    """From which step on a path may hold a secret: what testers send, what headers carry."""
    if where[:1] != ("models",):
        return None
    if where[2:3] == ("testers",) and where[3:4] != ("header",):
        return 3
    if where[2:4] == ("split", "shadow") and where[5:6] == ("headers",):
        return None if where[6:7] in (("remove",), ("keep",)) else 6
    return None


def _path(where: Where) -> str:
    """``models.credit-risk.split.shadow[0]``; a step that needs it stands in quotes."""
    text = ""
    for at, step in enumerate(where):
        if isinstance(step, int):
            text += f"[{step}]"
        elif _unsayable(where[: at + 1]):
            text += "[...]"
        elif _PLAIN_STEP.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{_quoted(step)}]"
    return text


def _unsayable(where: Where) -> bool:
    """Whether the last step is a name that might be a secret in the wrong place."""
    guarded = _guarded(where)
    if guarded is None or len(where) <= guarded:
        return False
    step = str(where[-1])
    if (part := _meant(where[:-1])) is not None:
        return step not in {name for name, _, _ in shape.fields(part)}
    return not (guarded == 6 and is_token(step))


def show(value: Any, where: Where = (), raw: str | None = None) -> str:
    """A value for an error line: short, printable, and never a secret."""
    if _guarded(where) is not None and not isinstance(value, dict | list):
        return "a value that is not shown"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        # RFC 3986 3.2.1: what stands before the @ may be a password.
        return _quoted(re.sub(r"[^/\s]*@", "***@", value))
    return _cut(raw if raw is not None else json.dumps(value))


def _quoted(text: str) -> str:
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return json.dumps(_cut(printable), ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
