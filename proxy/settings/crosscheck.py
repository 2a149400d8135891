"""What no field can know alone: names that exist, roles that differ, models that collide.

Pure: settings in, problems out, each with the path where the operator must look.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from proxy.routing import place
from proxy.settings import qualitycheck, unheard
from proxy.settings.compile import compile_model
from proxy.settings.document import Where
from proxy.settings.grammar import Address
from proxy.settings.guardrails import faults
from proxy.settings.problems import Problem, show
from proxy.settings.schema import Model, Settings


def crosscheck(settings: Settings) -> list[Problem]:
    """Every fault that takes more than one field to see."""
    return [*_addresses(settings), *_matches(settings), *_all_models(settings)]


def _addresses(settings: Settings) -> Iterator[Problem]:
    if _collide(settings.listen, settings.admin):
        yield Problem(
            ("admin",),
            f"found {settings.admin}, which collides with listen {settings.listen}; "
            "allowed is another port",
        )


def _collide(one: Address, other: Address) -> bool:
    everywhere = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    same_host = one.host == other.host or one.host in everywhere or other.host in everywhere
    return one.port == other.port and same_host


def _matches(settings: Settings) -> Iterator[Problem]:
    """Paths are compared as the data plane compares them: %2D and - are the same."""
    first: dict[tuple[bytes, bytes | None], str] = {}
    for name in settings.models:
        match = place(compile_model(settings, name))
        if match in first:
            yield Problem(
                ("models", name, "match"),
                f"found the same match as models.{first[match]}; "
                "allowed is another path_prefix or host for each model",
            )
        first.setdefault(match, name)


def _all_models(settings: Settings) -> Iterator[Problem]:
    for name, model in settings.models.items():
        where: Where = ("models", name)
        yield from _versions(where, model)
        yield from _roles(where, model)
        yield from _fallback(where, model)
        yield from _lists(where, model)
        yield from _guardrails(where, model)
        yield from _last_resort(where, model)
        yield from qualitycheck.check(where, model)
        yield from unheard.check(where, model)


def _guardrails(where: Where, model: Model) -> Iterator[Problem]:
    values = {name: segment.values for name, segment in model.segments.items()}
    for fault in faults(model.guardrails, values):
        yield Problem(
            (*where, "guardrails", *fault.tail), f"found {fault.found}; allowed is {fault.allowed}"
        )


def _last_resort(where: Where, model: Model) -> Iterator[Problem]:
    """It must be there when it is needed, and be neither of those that it is needed for."""
    found, split = model.last_resort, model.split
    if found is None:
        return
    others = [it for it in model.versions if it != split.stable]
    if found not in others or (split.canary and found == split.canary.version):
        allowed = [it for it in others if split.canary is None or it != split.canary.version]
        known = ", ".join(show(it) for it in allowed) or "(none: there is no other version)"
        yield Problem(
            (*where, "last_resort"),
            f"found {show(found)}; allowed is a version that is neither stable nor canary: {known}",
        )


def _versions(where: Where, model: Model) -> Iterator[Problem]:
    """The split names only versions that exist."""
    split = model.split
    named: list[tuple[Where, str]] = [(("stable",), split.stable)]
    if split.canary:
        named.append((("canary", "version"), split.canary.version))
    named += [(("shadow", at, "version"), it.version) for at, it in enumerate(split.shadow)]
    for tail, version in named:
        if version not in model.versions:
            known = ", ".join(show(name) for name in model.versions)
            yield Problem(
                (*where, "split", *tail),
                f"found {show(version)}; allowed is one of versions: {known}",
            )


def _roles(where: Where, model: Model) -> Iterator[Problem]:
    """A version is tried against stable, so it cannot be stable itself."""
    split = model.split
    if split.canary and split.canary.version == split.stable:
        yield Problem(
            (*where, "split", "canary", "version"),
            f"found {show(split.stable)}, which is stable; allowed is another version",
        )
    if split.canary and model.customer is None:
        yield Problem(
            (*where, "split", "canary"),
            "found a canary, but no customer key to decide by; "
            f"allowed is a canary with models.{where[1]}.customer",
        )
    for at, shadow in enumerate(split.shadow):
        if shadow.version == split.stable:
            yield Problem(
                (*where, "split", "shadow", at, "version"),
                f"found {show(split.stable)}, which is stable; allowed is another version",
            )
    for (_, one), (at, other) in combinations(enumerate(split.shadow), 2):
        if one.version == other.version:
            yield Problem(
                (*where, "split", "shadow", at, "version"),
                f"found {show(other.version)} a second time; allowed is once in shadow",
            )


def _fallback(where: Where, model: Model) -> Iterator[Problem]:
    if model.fallback is None:
        return
    if not model.safe_to_repeat:
        yield Problem(
            (*where, "fallback"),
            "found fallback without safe_to_repeat; allowed is fallback with safe_to_repeat: true",
        )
    first_byte = model.fallback.first_byte
    if first_byte is not None and first_byte > model.deadlines.first_byte:
        yield Problem(
            (*where, "fallback", "first_byte"),
            "found a deadline that is looser than deadlines.first_byte; "
            "allowed is one that is no longer",
        )


def _lists(where: Where, model: Model) -> Iterator[Problem]:
    """Things that must not stand twice, and bounds that must stand in order."""
    for name, version in model.versions.items():
        here = (*where, "versions", name)
        for at, endpoint in enumerate(version.endpoints):
            if endpoint in version.endpoints[:at]:
                yield Problem(
                    (*here, "endpoints", at),
                    f"found {show(str(endpoint))} a second time; allowed is once in a version",
                )
        if version.ejection.shortest > version.ejection.longest:
            yield Problem(
                (*here, "ejection", "shortest"),
                "found a time that is longer than longest; allowed is one that is no longer",
            )
    for name, segment in model.segments.items():
        for at, value in enumerate(segment.values):
            if value in segment.values[:at]:
                yield Problem(
                    (*where, "segments", name, "values", at),
                    f"found {show(value)} a second time; allowed is once in values",
                )
