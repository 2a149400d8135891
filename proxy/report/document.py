"""A report before it has a format: sections of sentences, tables and pictures."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Tone = Literal["good", "bad", "unsure", "plain"]


class Words(msgspec.Struct, frozen=True):
    """One paragraph.  ``tone`` other than plain stands out."""

    text: str
    tone: Tone = "plain"


class Cell(msgspec.Struct, frozen=True):
    text: str
    tone: Tone = "plain"


class Table(msgspec.Struct, frozen=True):
    """``right``: columns of numbers, by place.  A cell is a text, or a Cell with a tone."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    right: frozenset[int] = frozenset()
    title: str = ""
    note: str = ""


class Picture(msgspec.Struct, frozen=True):
    """An SVG, and the same in words or numbers for where no picture can be."""

    svg: str
    caption: str
    table: Table | None = None


Block: TypeAlias = Words | Table | Picture


class Section(msgspec.Struct, frozen=True):
    title: str
    blocks: tuple[Block, ...]


class Document(msgspec.Struct, frozen=True):
    """``verdict`` is the first thing that is read, ``facts`` (name, value) what it is about."""

    title: str
    verdict: Words
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    foot: str = ""


def text_of(cell: str | Cell) -> str:
    return cell if isinstance(cell, str) else cell.text
