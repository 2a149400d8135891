"""The part of the schema about the database of predictions and feedback, and where its URL is kept.

The URL holds a password, so it never stands in the config, and no error shows a piece of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, JsonValue, model_validator

from proxy.settings import grammar, secrets
from proxy.settings.kinds import duration, exactly_one
from proxy.settings.serving import Part
from proxy.settings.units import Unfit

#: Under this name the URL is kept among the fetched secrets; no model can have it.
SECRET: Final = ":database"  # noqa: S105 - a name, no secret
LONGEST: Final = 4096
_RESTART: Final[dict[str, JsonValue]] = {"needs_restart": True}  # schema.RESTART
ALLOWED: Final = "a URL such as postgresql://user:password@host:5432/name, at most 4096 characters"


class UrlPlace(Part):
    about = (
        "Where the URL `postgresql://user:password@host:5432/name` is kept; exactly one of the "
        "two. It never stands in here. It may end with `?sslmode=require` or "
        "`?sslmode=verify-full`."
    )

    env: Annotated[str, grammar.VARIABLE] | None = Field(
        default=None, description="In this environment variable.", json_schema_extra=_RESTART
    )
    file: Annotated[str, grammar.FILE] | None = Field(
        default=None,
        description="In this file, taken from the folder of the config file.",
        json_schema_extra=_RESTART,
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> UrlPlace:
        exactly_one({"env": self.env, "file": self.file})
        return self


class Database(Part):
    about = (
        "Where predictions, labels and KPI events are kept. See "
        "[operations.md](operations.md#predictions-and-feedback)."
    )

    postgresql: UrlPlace | None = Field(
        default=None,
        description="A PostgreSQL database; left out, `ledger.sqlite3` in `state_dir`.",
        json_schema_extra=_RESTART,
    )
    feedback_retention: Annotated[float, duration("1m", "3650d")] = Field(
        default=90 * 86_400.0,
        description="How long labels and KPI events are kept after they came.",
    )


def fetch(database: Database, folder: Path, environment: Mapping[str, str]) -> str | None:
    """The URL, or None for SQLite.  Raises ``Unfit``."""
    place = database.postgresql
    if place is None:
        return None
    return _fit(secrets.read(place, folder, environment, LONGEST, "utf-8"))


def _fit(value: str) -> str:
    try:
        url = urlsplit(value)
        whole = len(value) <= LONGEST and value.isprintable() and _names_a_database(url)
    except ValueError:  # a port that is no number, a broken IPv6 address
        whole = False
    if not whole:
        raise Unfit("a content that does not fit")
    return value


def _names_a_database(url: SplitResult) -> bool:
    """A host, or a folder with a socket in ``?host=``; and the database's name."""
    known = url.scheme in ("postgresql", "postgres") and url.port != 0
    return known and bool(url.hostname or "host=/" in url.query) and len(url.path) > 1
