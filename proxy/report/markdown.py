"""A report as Markdown, for a pull request or a ticket: tables in the place of pictures."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.report.document import Block, Document, Picture, Table, Tone, Words, text_of

_MARKS: dict[Tone, str] = {"good": "PASS", "bad": "FAIL", "unsure": "INCONCLUSIVE", "plain": ""}
#: What Markdown would take for its own.
_SIGNS = str.maketrans({it: f"\\{it}" for it in "\\`*_[]<>#|~!&"})


def markdown(document: Document) -> str:
    """The whole report.  Texts from elsewhere are escaped."""
    verdict = document.verdict
    mark = _MARKS[verdict.tone]
    parts = [f"# {_plain(document.title)}", f"**{mark}.** {_plain(verdict.text)}"]
    parts.append("\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in document.facts))
    for section in document.sections:
        parts.append(f"## {_plain(section.title)}")
        for block in section.blocks:
            parts += _block(block)
    if document.foot:
        parts.append(f"_{_plain(document.foot)}_")
    return "\n\n".join(it for it in parts if it) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Words):
        yield f"> {_plain(block.text)}" if block.tone != "plain" else _plain(block.text)
    elif isinstance(block, Picture):
        if block.table is not None:
            yield from _table(block.table)
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{_plain(table.title)}**"
    if table.rows:
        lines = [_row(table.columns)]
        marks = ["---:" if at in table.right else "---" for at in range(len(table.columns))]
        lines.append(f"| {' | '.join(marks)} |")
        lines += [_row(tuple(map(text_of, row))) for row in table.rows]
        yield "\n".join(lines)
    if table.note:
        yield _plain(table.note)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_plain(it) for it in cells)} |"


def _plain(text: str) -> str:
    shown = "".join(it if it.isprintable() else " " for it in text)
    return shown.translate(_SIGNS).strip()
