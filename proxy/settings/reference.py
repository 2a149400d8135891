"""Writes docs/config.md from the schema: ``python -m proxy.settings.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from proxy.settings import shape
from proxy.settings.kinds import OrOff
from proxy.settings.schema import RESTART, Settings
from proxy.settings.serving import Part
from proxy.settings.shape import Held

_HEAD = """\
# Config reference

<!-- Generated: python -m proxy.settings.reference > docs/config.md -->

Every field of the config file, with its type, its default and what it means. The smallest file
that serves is [config/smallest.yaml](../config/smallest.yaml); every field stands in
[config/full.yaml](../config/full.yaml). `pointsman check --config FILE` checks a file and changes
nothing.

## How values are written

| type | written as |
| --- | --- |
| duration | `400us`, `250ms`, `3s`, `5m`, `1h`, `30d`, or a number of seconds |
| size | `64KiB`, `1MiB`, `2GiB` (powers of 1024), or a number of bytes |
| percent | a number from 0 to 100 in steps of 0.01, without a sign |
| name | 1 to 63 letters, digits, `.`, `_` or `-`; a letter or digit first |
| path of a file or folder | absolute, or taken from the folder of the config file |

- The file is YAML in UTF-8, at most 1 MiB. Only `true` and `false` are booleans; `on`, `off`,
  `yes` and `no` are text.
- **Quote the names of versions**: `"1"`, `"1.10"`. A bare `1.10` is the number 1.1, so it is
  refused.
- A key that stands twice, an unknown field and a YAML tag are refused. Anchors, aliases and `<<`
  work.
- A config with a fault is refused whole, with every fault on a line: file, line, path in the file,
  what was found and what is allowed. A running proxy keeps the config it has.
- The file is followed while the proxy runs: save it, and the new split is in force. Better than
  writing into it is to write another file and rename it over. Fields marked *restart* are read at
  the start only. Secrets are read again with each new content of the file, and on SIGHUP.
"""


class _Section(NamedTuple):
    path: str  # as it is written: models.<model>.split
    part: type[Part]


def reference() -> str:
    """The manual page, Markdown."""
    sections = list(_sections("", Settings))
    listed = "\n".join(f"- [{_title(path)}](#{_anchor(path)})" for path, _ in sections)
    bodies = "\n".join(_body(section) for section in sections)
    return f"{_HEAD}\n## Contents\n\n{listed}\n\n{bodies}"


def _sections(path: str, part: type[Part]) -> Iterator[_Section]:
    yield _Section(path, part)
    for name, _, held in shape.fields(part):
        if held.part:
            yield from _sections(_below(path, name, held), held.part)


def _below(path: str, name: str, held: Held) -> str:
    one = {"": "", "list": "[]", "mapping": f".<{name.removesuffix('s')}>"}[held.many]
    return f"{path}.{name}{one}" if path else f"{name}{one}"


def _title(path: str) -> str:
    return f"`{path}`" if path else "The top of the file"


def _anchor(path: str) -> str:
    plain = path.replace("[]", "").replace("<", "").replace(">", "")
    return plain.replace(".", "-").replace("_", "-") or "top"


def _body(section: _Section) -> str:
    path, part = section
    rows = "\n".join(_row(path, *field) for field in shape.fields(part))
    return (
        f'## {_title(path)}\n\n<a id="{_anchor(path)}"></a>\n{part.about}\n\n'
        f"| field | type | default | meaning |\n| --- | --- | --- | --- |\n{rows}\n"
    )


def _row(path: str, name: str, info: FieldInfo, held: Held) -> str:
    anchor = f"{_anchor(path)}-{name.replace('_', '-')}" if path else name.replace("_", "-")
    meaning = info.description or ""
    if info.json_schema_extra == RESTART:
        meaning += " *(restart)*"
    switched = any(isinstance(extra, OrOff) for extra in info.metadata)
    cells = (
        f'<a id="field-{anchor}"></a>`{name}`',
        _type(_below(path, name, held), held) + (", or off" if switched else ""),
        _default(info, held),
        meaning,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(path: str, held: Held) -> str:
    if held.part:
        word = {"": "mapping", "list": "list of mappings", "mapping": "mapping of names"}
        return f"[{word[held.many]}](#{_anchor(path)})"
    kind = held.kind
    one = (kind.brief or kind.name) if kind else ""
    if held.many == "mapping":
        return f"mapping, {held.key.name if held.key else 'name'} to {one}"
    return f"list of {one}" if held.many else one


def _default(info: FieldInfo, held: Held) -> str:
    if info.is_required():
        return "**needed**"
    value: Any = info.default
    if value is None and held.optional | (held.kind is None):
        return "none"
    if isinstance(value, Part):
        given = _given(value)
        return f"`{_flow(given)}`" if given else "its own"
    if held.many == "list":
        return f"`{_flow([held.kind.show(item) if held.kind else item for item in value])}`"
    if held.many == "mapping":
        shown = {k: _given(it) if isinstance(it, Part) else it for k, it in value.items()}
        return f"`{_flow(shown)}`"
    shown = held.kind.show(value) if held.kind else value
    return f"`{_flow(shown)}`"


def _given(part: Part) -> Any:
    """What was written of it."""
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def _flow(value: Any) -> str:
    """A value as YAML would write it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(it)}" for name, it in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(it) for it in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(reference())
