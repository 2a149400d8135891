"""Single values of an event: what each may be, and the sentence that says so.

Times are seconds since the epoch.  A reader takes what JSON gave and returns what is kept, or
raises ``Unfit`` with what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

#: Seconds that a sender's clock may be ahead of ours.
AHEAD: Final = 300.0
#: 2000-01-01.  What is before it was given in another unit, or not at all.
EARLIEST: Final = 946_684_800.0

LONGEST_ID: Final = 200
LONGEST_NAME: Final = 128
LONGEST_TEXT: Final = 500
LONGEST_LINK: Final = 2000
#: Bytes; a header of the proxy may be longer, but no customer is called so.
LONGEST_KEY: Final = 1024

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")
#: RFC 3339 5.6, with the blank in the place of the T that its note allows.
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)

Reader: TypeAlias = Callable[[Any], Any]


class Unfit(Exception):
    """A value that cannot be taken.  Its text is what is allowed; ``found`` what is said to have
    been found, where showing the value would not help."""

    def __init__(self, allowed: str, found: str = "") -> None:
        super().__init__(allowed)
        self.found = found


def shown(value: object) -> str:
    """A value as an error shows it: short, and as JSON writes it."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def text(longest: int, *, empty: bool = False) -> Reader:
    """A text of printable characters."""
    allowed = f"a text of {0 if empty else 1} to {longest} printable characters"
    fits = _PRINTABLE.fullmatch

    def read(value: Any) -> str:
        if type(value) is not str:
            raise Unfit(allowed)
        if len(value) > longest:
            raise Unfit(allowed, f"{len(value)} characters")
        if fits(value) is None and not (empty and not value):
            raise Unfit(allowed)
        return value

    return read


def number(value: Any) -> float:
    """A finite number; a truth value is none."""
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    raise Unfit("a finite number")


def outcome(value: Any) -> float | str | bool:
    """What a label says: a finite number, true or false, or the name of a class."""
    kind = type(value)
    if kind is bool:
        return bool(value)
    if kind is str and 0 < len(value) <= LONGEST_ID and _PRINTABLE.fullmatch(value):
        return str(value)
    try:
        return number(value)
    except Unfit:
        allowed = f"a finite number, true, false, or a text of 1 to {LONGEST_ID} characters"
        raise Unfit(allowed) from None


def key(value: Any) -> bytes:
    """A customer key as the proxy reads it: the bytes of a text, or the digits of a number."""
    if type(value) is int:
        return b"%d" % value if -(2**63) <= value < 2**64 else _no_key()
    if type(value) is not str or not value:
        return _no_key()
    try:
        found = value.encode()
    except UnicodeEncodeError:
        return _no_key()
    return found if len(found) <= LONGEST_KEY else _no_key(f"{len(found)} bytes")


def _no_key(found: str = "") -> bytes:
    allowed = f"the customer key as the proxy reads it: a text of 1 to {LONGEST_KEY} bytes"
    raise Unfit(f"{allowed}, or a whole number", found)


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Unfit("true or false")
    return value


_WHEN: Final = "a time as RFC 3339 (2026-01-31T12:00:00Z) or in seconds since the epoch"


def times(now: float) -> Reader:
    """A time that is not ahead of ``now`` by more than ``AHEAD``; read to float seconds."""
    latest = now + AHEAD

    def read(value: Any) -> float:
        seconds = _seconds(value)
        if seconds > latest:
            why = f"{_WHEN}, at most {AHEAD / 60:g} minutes in the future"
            thousandth = EARLIEST <= seconds / 1000 <= latest
            found = f"{shown(value)}, which looks like milliseconds" if thousandth else ""
            raise Unfit(why, found)
        if seconds < EARLIEST:
            raise Unfit(f"{_WHEN}, from the year 2000 on")
        return seconds

    return read


def _seconds(value: Any) -> float:
    if type(value) is str:
        if _RFC3339.fullmatch(value) is None:
            raise Unfit(_WHEN)
        try:
            # At most microseconds: what comes after them is no news.
            return datetime.fromisoformat(_in_microseconds(value.upper())).timestamp()
        except (ValueError, OverflowError):
            raise Unfit(_WHEN) from None
    try:
        return number(value)
    except Unfit:
        raise Unfit(_WHEN) from None


def _in_microseconds(value: str) -> str:
    if "." not in value:
        return value
    whole, _, rest = value.partition(".")
    digits = re.match(r"\d+", rest)
    assert digits is not None  # _RFC3339
    return f"{whole}.{digits[0][:6]:0<6}{rest[digits.end() :]}"
