"""Fetching the reference profiles from where the config says they are kept."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from proxy.quality import BadProfile, Profile
from proxy.quality.profile import decode
from proxy.settings.document import Where
from proxy.settings.problems import Problem, show
from proxy.settings.quality import Quality
from proxy.settings.schema import Settings, reference_key

#: A profile of 5,000 columns takes about a fifth of it.
LARGEST: Final = 64 * 1024 * 1024
_ALLOWED = "allowed is a profile that `pointsman profile` made"


def fetch(settings: Settings, folder: Path) -> tuple[dict[str, Profile], list[Problem]]:
    """Profiles by model, and what is wrong with the others."""
    profiles: dict[str, Profile] = {}
    problems: list[Problem] = []
    for name, model in settings.models.items():
        problems += _training(settings, name, folder, profiles)
        if model.quality is None or model.quality.profile is None:
            continue
        where: Where = ("models", name, "quality")
        try:
            profiles[name] = read(folder / model.quality.profile)
        except BadProfile as error:
            problems.append(Problem((*where, "profile"), str(error)))
            continue
        problems += _strangers(where, model.quality, profiles[name])
    return profiles, problems


def _training(
    settings: Settings, name: str, folder: Path, profiles: dict[str, Profile]
) -> list[Problem]:
    """The profile that predictions are compared with."""
    model = settings.models[name]
    if model.compare is None or model.compare.profile is None or model.predictions is None:
        return []
    where: Where = ("models", name, "compare")
    try:
        found = profiles[reference_key(name)] = read(folder / model.compare.profile)
    except BadProfile as error:
        return [Problem((*where, "profile"), str(error))]
    wanted = model.compare.column or model.predictions.output or "predict_proba"
    numbers = [it.name for it in found.columns if it.edges]
    if wanted in numbers:
        return []
    listed = ", ".join(numbers[:10]) + (", ..." if len(numbers) > 10 else "")
    text = f"found {show(wanted)}; allowed is a column of numbers of the profile: {listed}"
    return [Problem((*where, "column"), text)]


def read(path: Path) -> Profile:
    """A profile from its file.  Raises ``BadProfile`` with what was found."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise BadProfile(f"found no file that can be read ({reason}); {_ALLOWED}") from None
    if len(content) > LARGEST:
        raise BadProfile(f"found more than {LARGEST} bytes; {_ALLOWED}")
    return decode(content)


def _strangers(where: Where, quality: Quality, profile: Profile) -> list[Problem]:
    """Rules for columns that the training data did not have: nearly always a slip of the pen."""
    names = [column.name for column in profile.inputs()]
    known = set(names)
    problems = []
    for name in quality.inputs:
        if name not in known:
            near = difflib.get_close_matches(name, names, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            text = f"found {show(name)}, no input of the profile; {guess}allowed is one of {listed}"
            problems.append(Problem((*where, "inputs", name), text))
    return problems
