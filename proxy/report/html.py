"""A report as one HTML file: no script, no outside request, light and dark, fit for printing."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from proxy.report.document import Block, Cell, Document, Picture, Section, Table, Tone, Words

_WORD: Final[dict[Tone, str]] = {"good": "Pass", "bad": "Fail", "unsure": "Inconclusive",
                                 "plain": "Report"}  # fmt: skip
_STYLE: Final = """
:root{color-scheme:light dark;--back:#fff;--ink:#22313f;--pale:#5c6b78;--line:#dfe5ea;
--soft:#f5f7f9;--good:#007a5a;--bad:#b3261e;--unsure:#8a5a00;--link:#0072b2}
@media (prefers-color-scheme:dark){:root{--back:#14191f;--ink:#e8edf2;--pale:#9fb0bf;
--line:#2b343d;--soft:#1b222a;--good:#2fc79b;--bad:#ff8a80;--unsure:#e6c84a;--link:#56b4e9}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:944px;margin:0 auto;padding:32px 32px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 16px}
h2{font-size:19px;margin:40px 0 12px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:22px 0 6px}
p{margin:8px 0;max-width:78ch}
.verdict{border:1px solid var(--line);border-left:6px solid var(--tone);background:var(--soft);
border-radius:4px;padding:14px 18px;margin:0 0 16px}
.verdict b{display:block;color:var(--tone);font-size:18px}
.note{border-left:4px solid var(--tone);padding:4px 12px;margin:10px 0;background:var(--soft)}
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.unsure{--tone:var(--unsure)}
.plain{--tone:var(--pale)}
td.good,td.bad,td.unsure{color:var(--tone);font-weight:600;white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:0}
dt{color:var(--pale)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:8px 0}
table{border-collapse:collapse;font-size:13.5px;min-width:40%}
th,td{text-align:left;padding:4px 18px 4px 0;border-bottom:1px solid var(--line);
vertical-align:top;overflow-wrap:break-word}
th{color:var(--pale);font-weight:500;border-bottom-color:var(--pale);white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.under,figcaption,footer{color:var(--pale);font-size:13px;max-width:78ch}
figure{margin:14px 0 18px}svg{max-width:100%;height:auto;display:block}
details{margin:4px 0}summary{color:var(--pale);font-size:13px;cursor:pointer}
nav{margin:18px 0 0;font-size:13.5px}nav a{color:var(--link);margin-right:14px;
text-decoration:none;display:inline-block}
footer{margin-top:40px;border-top:1px solid var(--line);padding-top:12px}
@media print{main{max-width:none;padding:0}nav{display:none}details>*{display:block}
figure,tr,.verdict{break-inside:avoid}h2,h3{break-after:avoid}.wide{overflow:visible}}
"""


def html(document: Document) -> str:
    """The whole file.  Texts from elsewhere are escaped; the pictures are ours."""
    verdict = document.verdict
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in document.facts
    )
    links = "".join(
        f'<a href="#s{at}">{escape(it.title)}</a>' for at, it in enumerate(document.sections)
    )
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        # Nothing is loaded and nothing runs, whatever a name in it may say.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
        f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(document.title)}</h1>",
        f'<div class="verdict {verdict.tone}"><b>{_WORD[verdict.tone]}</b>'
        f"{escape(verdict.text)}</div>",
        f"<dl>{facts}</dl><nav>{links}</nav>",
    ]
    for at, section in enumerate(document.sections):
        parts += _section(at, section)
    parts.append(f"<footer>{escape(document.foot)}</footer></main></body></html>\n")
    return "\n".join(parts)


def _section(at: int, section: Section) -> Iterator[str]:
    yield f'<section id="s{at}"><h2>{escape(section.title)}</h2>'
    for block in section.blocks:
        yield from _block(block)
    yield "</section>"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Words):
        look = "" if block.tone == "plain" else f' class="note {block.tone}"'
        yield f"<p{look}>{escape(block.text)}</p>"
    elif isinstance(block, Picture):
        yield f"<figure>{block.svg}<figcaption>{escape(block.caption)}</figcaption></figure>"
        if block.table is not None and block.table.rows:
            yield "<details><summary>The numbers</summary>"
            yield from _table(block.table)
            yield "</details>"
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"<h3>{escape(table.title)}</h3>"
    if table.rows:
        yield '<div class="wide"><table><thead><tr>'
        yield "".join(
            f"<th{_number(at, table)}>{escape(it)}</th>" for at, it in enumerate(table.columns)
        )
        yield "</tr></thead><tbody>"
        for row in table.rows:
            yield f"<tr>{''.join(_cell(at, it, table) for at, it in enumerate(row))}</tr>"
        yield "</tbody></table></div>"
    if table.note:
        yield f'<p class="under">{escape(table.note)}</p>'


def _number(at: int, table: Table) -> str:
    return ' class="n"' if at in table.right else ""


def _cell(at: int, cell: str | Cell, table: Table) -> str:
    if isinstance(cell, str):
        return f"<td{_number(at, table)}>{escape(cell)}</td>"
    return f'<td class="{cell.tone}{" n" if at in table.right else ""}">{escape(cell.text)}</td>'
