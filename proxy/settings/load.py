"""A config file to ``Settings``, or to one error that lists every fault with its line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from proxy.errors import ConfigError
from proxy.quality import Profile
from proxy.settings import document, problems, profiles, testers
from proxy.settings.crosscheck import crosscheck
from proxy.settings.document import Document
from proxy.settings.problems import Problem
from proxy.settings.schema import Settings

#: A Kubernetes ConfigMap holds no more either.
LARGEST: Final = 1024 * 1024


def load(path: Path, *, secrets: bool = True) -> Settings:
    """The checked settings of a file.  Raises ``ConfigError`` with every problem found.

    Without ``secrets`` none is fetched, nor any profile, and no model has testers: for who only
    asks, and may stand where they are not.
    """
    return parse(read(path), path, secrets=secrets)


def read(path: Path) -> bytes:
    """The bytes of a config file, at most ``LARGEST``.  Raises ``ConfigError``."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise _refused(path, "found no such file; allowed is the path of a YAML file") from None
    except IsADirectoryError:
        raise _refused(path, "found a folder; allowed is the path of a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise _refused(path, f"found a file that cannot be read ({reason})") from None
    if len(content) > LARGEST:
        raise _refused(path, f"found more than {LARGEST} bytes; allowed is at most so many")
    return content


def parse(
    content: bytes | str,
    path: Path,
    environment: Mapping[str, str] | None = None,
    *,
    secrets: bool = True,
) -> Settings:
    """Settings from the content of the file at ``path``, which need not exist.

    ``environment`` (default: of the process) holds the secrets that the config points at, which
    are fetched, as are the profiles, when ``secrets`` says so.
    Raises ``ConfigError`` with every problem found.
    """
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    known = written(raw, path)
    found = problems.of_text(known)
    settings: Settings | None = None
    fetched: dict[str, str] = {}
    profiled: dict[str, Profile] = {}
    try:
        settings = Settings.model_validate(known.data)
    except ValidationError as error:
        found += problems.of_validation(known, error)
    if settings is not None:
        found += crosscheck(settings)
    if settings is not None and secrets:
        surroundings = os.environ if environment is None else environment
        folder = path.absolute().parent
        fetched, missing = testers.fetch(settings, folder, surroundings)
        profiled, unfit = profiles.fetch(settings, folder)
        found += [*missing, *unfit]
    if found or settings is None:
        raise ConfigError(str(path), problems.lines(str(path), known, found)) from None
    return settings.came_from(path, hashlib.sha256(raw).hexdigest(), fetched, profiled)


def written(raw: bytes, path: Path) -> Document:
    """What a text says, unjudged.  Raises ``ConfigError`` when it is no YAML mapping."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        mark = document.Mark(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        text = f"found the byte 0x{raw[error.start]:02x}; allowed is UTF-8"
        raise _error(path, Problem((), text, mark)) from None
    try:
        known = document.read(text)
    except document.Unreadable as unreadable:
        raise _error(path, problems.of_unreadable(unreadable)) from None
    if known.data is None and not known.complaints:
        raise _refused(path, "found an empty file; allowed is a mapping with models")
    if not isinstance(known.data, dict) and not known.complaints:
        found = "a list" if isinstance(known.data, list) else "one value"
        raise _refused(path, f"found {found}; allowed is a mapping with models")
    return known


def _refused(path: Path, text: str) -> ConfigError:
    return ConfigError(str(path), [f"{path}: {text}"])


def _error(path: Path, problem: Problem) -> ConfigError:
    return ConfigError(str(path), problems.lines(str(path), None, [problem]))
