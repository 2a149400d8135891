"""What a reload cannot change: those fields hold from the start of the process.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.settings import shape
from proxy.settings.schema import RESTART, Settings
from proxy.settings.serving import Part


def needs_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """The paths of changed fields that only a restart brings into force, in schema order."""
    return tuple(_changed(Settings, old, new, ""))


def _changed(part: type[Part], old: Part | None, new: Part | None, path: str) -> Iterator[str]:
    for (name, info, held), attribute in zip(shape.fields(part), part.model_fields, strict=True):
        before, after = getattr(old, attribute, None), getattr(new, attribute, None)
        if before == after:
            continue
        if info.json_schema_extra == RESTART:
            yield path + name
        elif held.part and not held.many:
            yield from _changed(held.part, before, after, f"{path}{name}.")
