"""Reading a secret from where the config says it is kept: a variable or a file.

No word of an ``Unfit`` from here shows a piece of the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from proxy.settings.units import Unfit

_CHARACTERS = {"ascii": "ASCII", "utf-8": "UTF-8"}


class Place(Protocol):
    """One of the two is given."""

    @property
    def env(self) -> str | None: ...

    @property
    def file(self) -> str | None: ...


def read(
    place: Place, folder: Path, environment: Mapping[str, str], longest: int, encoding: str
) -> str:
    """What is kept there, at most ``longest`` characters and those of a line's end; a file is
    taken from ``folder``.  Raises ``Unfit`` when there is nothing, or no text in ``encoding``."""
    if place.env is not None:
        value = environment.get(place.env)
        if value is None:
            raise Unfit("no environment variable of this name")
        return value
    try:
        with (folder / str(place.file)).open("rb") as file:
            content = file.read(longest + 3)
    except OSError as error:
        raise Unfit(f"no file that can be read ({error.strerror})") from None
    try:
        # Editors and `echo` end a file with a newline, which is no part of the secret.
        return content.decode(encoding).removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Unfit(f"a content that is not {_CHARACTERS[encoding]}") from None
