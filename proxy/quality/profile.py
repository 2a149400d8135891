"""A reference profile: what the columns of the training data looked like, as plain data.

It holds no rows.  A column's single values are in it only when they are categories.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

VERSION: Final = 1
ColumnType = Literal["number", "integer", "text", "boolean", "vector", "mixed", "empty"]
Role = Literal["input", "label"]


class ColumnProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column.  ``count`` rows have a value; ``missing`` have none.

    Quantiles (linear between the values around them, as numpy's) and the histogram come from
    ``sampled`` values, an even sample of the rows; they are exact when it is all finite numbers.
    ``edges`` are one more than ``bins``: [a, b), the last one closed.  ``categories`` are all
    values with their counts, or None when there are too many to be categories.
    """

    name: str
    type: ColumnType
    count: int
    missing: int
    role: Role = "input"
    not_finite: int = 0  # NaN, infinity and what is beyond 1e150; part of ``count``
    least: float | None = None
    most: float | None = None
    mean: float | None = None
    deviation: float | None = None  # of the population
    sampled: int = 0
    quantiles: dict[str, float] = {}
    edges: list[float] = []
    bins: list[int] = []
    categories: list[tuple[float | int | str | bool, int]] | None = None

    @property
    def missing_share(self) -> float:
        rows = self.count + self.missing
        return self.missing / rows if rows else 0.0


class Profile(msgspec.Struct, frozen=True):
    """A table's profile.  ``hash`` is that of everything else, so that a change is seen."""

    profile: int
    rows: int
    columns: tuple[ColumnProfile, ...]
    hash: str = ""

    def inputs(self) -> tuple[ColumnProfile, ...]:
        return tuple(column for column in self.columns if column.role == "input")


class BadProfile(Exception):
    """The text is not a profile of this version; the message says what was found."""


def sealed(rows: int, columns: tuple[ColumnProfile, ...]) -> Profile:
    """The profile with its hash."""
    bare = Profile(VERSION, rows, columns)
    return msgspec.structs.replace(bare, hash=_hash(bare))


def encode(profile: Profile) -> bytes:
    """JSON for people and programs, a line for each field."""
    return msgspec.json.format(msgspec.json.encode(profile), indent=1) + b"\n"


def decode(content: bytes) -> Profile:
    """The profile again.  Raises ``BadProfile``."""
    try:
        version = msgspec.json.decode(content, type=_Version).profile
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadProfile("found no profile; allowed is a file that `profile` made") from None
    if version != VERSION:
        raise BadProfile(f"found a profile of version {version}; allowed is version {VERSION}")
    try:
        profile = msgspec.json.decode(content, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadProfile(f"found a broken profile: {str(error)[:120]}") from None
    if profile.hash != _hash(profile):
        raise BadProfile("found a profile that was changed after it was made: its hash differs")
    return profile


class _Version(msgspec.Struct):
    profile: int


def _hash(profile: Profile) -> str:
    bare = msgspec.structs.replace(profile, hash="")
    return "sha256:" + hashlib.sha256(msgspec.json.encode(bare)).hexdigest()
