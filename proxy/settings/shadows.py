"""The part of the schema about shadows: who gets copies, how many, and within which bounds."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from proxy.routing import plan
from proxy.settings import grammar
from proxy.settings.kinds import duration, percent, size, whole
from proxy.settings.serving import Part

_SHADOW: Final = plan.ShadowPlan("", 0, "")
#: Kept by name only: a list to remove must not let them through by leaving them out.
_CREDENTIALS: Final = ", ".join(f"`{name}`" for name in _SHADOW.remove)
Percent = Annotated[float, percent()]


class PathRewrite(Part):
    about = "Replaces the beginning of the copy's path."

    prefix: Annotated[str, grammar.PATH] = Field(description="The beginning that is replaced.")
    by: Annotated[str, grammar.PATH] = Field(description="What stands there instead.")


class JsonRewrite(Part):
    about = "Sets one value in the copy's JSON body."

    pointer: Annotated[str, grammar.POINTER] = Field(description="Where the value stands.")
    value: Annotated[str, grammar.JSON_TEXT] = Field(description="The text that is put there.")


class Rewrite(Part):
    about = "What is changed in a copy, for a server that knows the version by another name."

    path: PathRewrite | None = Field(default=None, description="A change of the path.")
    json_body: JsonRewrite | None = Field(
        default=None, alias="json", description="A change of the JSON body."
    )


class Headers(Part):
    about = "Headers that are changed on a copy."

    add: dict[Annotated[str, grammar.CHANGEABLE_HEADER], Annotated[str, grammar.FIELD_VALUE]] = (
        Field(default={}, max_length=64, description="Headers put on the copy, name to value.")
    )
    remove: tuple[Annotated[str, grammar.CHANGEABLE_HEADER], ...] = Field(
        default=(),
        max_length=64,
        description=f"Headers taken off the copy, beside {_CREDENTIALS}, which always are.",
    )
    keep: tuple[Annotated[str, grammar.CHANGEABLE_HEADER], ...] = Field(
        default=(),
        max_length=64,
        description=f"Those of {_CREDENTIALS} that the shadow needs and may see.",
    )


class Pairs(Part):
    about = "Which answers are kept beside those of stable, for comparison."

    percent: Percent = Field(
        default=_SHADOW.pair_percent,
        description="Share of the copied customers whose pairs are kept, when stable answers them; "
        "what a canary answered is not compared.",
    )
    body: Annotated[int, size("0B", "16MiB")] = Field(
        default=_SHADOW.pair_bytes, description="Most bytes of each answer body that are kept."
    )


class Shadow(Part):
    about = (
        "A version that gets copies of requests. Callers never see its answers, and over a "
        "bound a copy is dropped and counted."
    )

    version: Annotated[str, grammar.NAME] = Field(description="The version that gets copies.")
    percent: Percent = Field(
        default=100.0, description="Share of the customers whose requests are copied."
    )
    in_flight: Annotated[int, whole(1, 100_000)] = Field(
        default=_SHADOW.in_flight, description="Most copies at the same time in one worker."
    )
    queue: Annotated[int, whole(0, 100_000)] = Field(
        default=_SHADOW.queue, description="Most copies that wait for a place in one worker."
    )
    bytes: Annotated[int, size("1KiB", "64GiB")] = Field(
        default=_SHADOW.bytes, description="Most bytes of all its copies together in one worker."
    )
    deadline: Annotated[float, duration("1ms", "1h")] = Field(
        default=_SHADOW.deadline, description="Longest life of a copy, waiting included."
    )
    headers: Headers = Field(default=Headers(), description="Headers added and removed.")
    rewrite: Rewrite = Field(default=Rewrite(), description="Changes of the path or the JSON body.")
    pairs: Pairs = Field(default=Pairs(), description="Which answers are kept for comparison.")
