"""Fetching the secrets, of testers and of the database, from where the config says they are kept.

No line of an error shows a secret, nor a name that might be one written in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from proxy.settings import database
from proxy.settings.document import Where
from proxy.settings.problems import Problem
from proxy.settings.schema import Secret, Settings
from proxy.settings.secrets import read
from proxy.settings.units import Unfit

#: Shorter ones can be guessed over the network.
SHORTEST: Final = 16
LONGEST: Final = 1024
_SECRET = re.compile(rf"[\x21-\x7e]{{{SHORTEST},{LONGEST}}}")
_ALLOWED = f"a secret of {SHORTEST} to {LONGEST} visible ASCII characters without spaces"


def fetch(
    settings: Settings, folder: Path, environment: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """Testers' secrets by model, the database's URL by its own name, and what is wrong with the
    others."""
    secrets: dict[str, str] = {}
    problems: list[Problem] = []
    for name, model in settings.models.items():
        if model.testers is None:
            continue
        secret = model.testers.secret
        where: Where = ("models", name, "testers", "secret", "env" if secret.env else "file")
        try:
            secrets[name] = _fetch(secret, folder, environment)
        except Unfit as unfit:
            problems.append(Problem(where, f"found {unfit}; allowed is {_ALLOWED}"))
    problems += _database(settings, folder, environment, secrets)
    return secrets, problems


def _database(
    settings: Settings, folder: Path, environment: Mapping[str, str], secrets: dict[str, str]
) -> list[Problem]:
    place = settings.database.postgresql
    if place is None:
        return []
    try:
        url = database.fetch(settings.database, folder, environment)
    except Unfit as unfit:
        where: Where = ("database", "postgresql", "env" if place.env else "file")
        return [Problem(where, f"found {unfit}; allowed is {database.ALLOWED}")]
    if url is not None:
        secrets[database.SECRET] = url
    return []


def _fetch(secret: Secret, folder: Path, environment: Mapping[str, str]) -> str:
    return _fit(read(secret, folder, environment, LONGEST, "ascii"))


def _fit(value: str) -> str:
    if not _SECRET.fullmatch(value):
        raise Unfit("a content that does not fit")
    return value
