"""The schema seen as a tree: which field stands where, and what it holds.

Read from the annotations, so that nobody keeps a second list.  Pure.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from proxy.settings.kinds import Kind
from proxy.settings.serving import Part


class Held(NamedTuple):
    """What a field holds: ``many`` is "" for one, "list" or "mapping" for several."""

    many: str
    part: type[Part] | None
    kind: Kind | None
    key: Kind | None = None  # of a mapping's names
    optional: bool = False


def held(annotation: Any, metadata: tuple[Any, ...] = ()) -> Held:
    """Takes ``Annotated``, ``X | None``, ``tuple[X, ...]`` and ``dict[K, X]`` apart."""
    for extra in metadata:
        if isinstance(extra, Kind):
            return Held("", None, extra)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return held(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not type(None))
        return held(inner)._replace(optional=True)
    if origin is tuple:
        return held(arguments[0])._replace(many="list")
    if origin is dict:
        return held(arguments[1])._replace(many="mapping", key=held(arguments[0]).kind)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return Held("", annotation, None)
    raise TypeError(f"the schema holds {annotation!r}, which shape.py does not know")


def fields(part: type[Part]) -> Iterator[tuple[str, FieldInfo, Held]]:
    """Each field by the name it has in the file, in the order of the schema."""
    for name, info in part.model_fields.items():
        yield info.alias or name, info, held(info.annotation, tuple(info.metadata))


def part_at(root: type[Part], where: tuple[str | int, ...]) -> type[Part] | None:
    """The mapping that stands at a path of the file, or None when no schema part does."""
    part: type[Part] | None = root
    inside = False  # between a field that holds many and one of them
    for step in where:
        if inside:
            inside = False
            continue
        found = next((it for name, _, it in fields(part) if name == step), None) if part else None
        if found is None:
            return None
        part, inside = found.part, found.many != ""
    return None if inside else part
