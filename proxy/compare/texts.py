"""How far two texts are apart: the least number of characters to insert, delete or replace."""

from __future__ import annotations

from typing import Final

#: Characters of a text that are looked at; what comes after is compared as same or not.
MOST: Final = 2_048


def edits(a: str, b: str) -> int:
    """The Levenshtein distance.

    Myers, "A fast bit-vector algorithm for approximate string matching", JACM 1999, in the form of
    Hyyro 2003: one step for each character of ``b``, on integers with a bit for each of ``a``.
    """
    a, b = _without_ends(a, b)
    if not a or not b:
        return len(a) or len(b)
    if len(a) < len(b):
        a, b = b, a  # fewer steps on longer integers
    places: dict[str, int] = {}
    for at, sign in enumerate(a):
        places[sign] = places.get(sign, 0) | 1 << at
    full = (1 << len(a)) - 1
    last = 1 << (len(a) - 1)
    up, down, distance = full, 0, len(a)
    for sign in b:
        match = places.get(sign, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right = down | (full & ~(diagonal | up))
        left = diagonal & up
        if right & last:
            distance += 1
        elif left & last:
            distance -= 1
        right = (right << 1 | 1) & full
        left = (left << 1) & full
        up = left | (full & ~(diagonal | right))
        down = right & diagonal
    return distance


def distance(a: str, b: str) -> float:
    """Edits per character of the longer text, 0 to 1; beyond ``MOST`` characters, at least the
    smallest distance there is when the rest differs."""
    if a == b:
        return 0.0
    length = max(len(a), len(b))
    found = edits(a[:MOST], b[:MOST])
    if length > MOST and a[MOST:] != b[MOST:]:
        found += max(1, abs(len(a) - len(b)) - abs(len(a[:MOST]) - len(b[:MOST])))
    return min(1.0, found / length)


def _without_ends(a: str, b: str) -> tuple[str, str]:
    """Both without what they begin and end with in common: it never costs an edit."""
    least = min(len(a), len(b))
    start = 0
    while start < least and a[start] == b[start]:
        start += 1
    end = 0
    while end < least - start and a[-1 - end] == b[-1 - end]:
        end += 1
    return a[start : len(a) - end], b[start : len(b) - end]
