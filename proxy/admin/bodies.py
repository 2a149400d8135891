"""What a write to ``/v1`` may say, and a refusal that lists everything wrong with it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from proxy.admin.problems import Problem

#: One line each in the history file and on a terminal: printable, and not a novel.
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Actor = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Body(BaseModel):
    """What every write may say: why, and who asks (nobody proves it yet)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reason: Text = ""
    actor: Actor = "admin-api"


class SplitBody(Body):
    """``percent`` runs from 0 to 100 in steps of 0.01; no ``version`` keeps the canary's."""

    percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    version: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @field_validator("percent")
    @classmethod
    def in_hundredths(cls, percent: float) -> float:
        if abs(percent * 100 - round(percent * 100)) > 1e-6:
            raise ValueError("percent goes in steps of 0.01")
        return percent


B = TypeVar("B", bound=Body)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice is refused: two readers could take different ones (RFC 8259, 4)."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the field {twice[0]!r} stands there twice")
    return dict(pairs)


def _line(error: Any, allowed: str) -> str:
    """One fault: where, what is wrong, what was found."""
    where = ".".join(str(part) for part in error["loc"]) or "body"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown field; allowed are {allowed}"
    if error["type"] == "missing":
        return f"{where}: missing"
    return f"{where}: {error['msg']}, found {json.dumps(error['input'])[:100]}"


async def read(request: web.Request, kind: type[B]) -> B:
    """The body of ``request`` as ``kind``; an empty body stands for ``{}``.

    Raises Problem 400 when it is not JSON, 413 over the limit, 415 when it is packed, 422 with
    one line per fault.
    """
    if (packed := request.headers.get("Content-Encoding", "identity")).lower() != "identity":
        detail = f"Content-Encoding: found {packed[:50]!r}; a write here comes as it is"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    raw = await request.read()
    try:
        found = json.loads(raw or b"{}", object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}") from error
    allowed = ", ".join(kind.model_fields)
    if not isinstance(found, dict):
        detail = f"The body must be a JSON object with {allowed}, not {type(found).__name__}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        problems = [_line(fault, allowed) for fault in error.errors()]
        detail = f"The body has {len(problems)} fault{'s' if len(problems) > 1 else ''}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems) from error
