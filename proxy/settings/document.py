"""YAML text to plain data that remembers its lines.

Stricter than YAML, so that a file means what it looks like: only the words true and false are
booleans (YAML 1.2: ``off``, ``no`` and ``1:30`` stay text), keys are text and stand once,
there are no tags, and aliases cannot blow a small file up.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

Where = tuple[str | int, ...]
DEEPEST: Final = 32
#: Values after aliases are followed; a thousand models need about a quarter of it.
MOST_VALUES: Final = 200_000

_STR, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_NULL, _BOOL = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_SEQ, _MAP = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"
_QUOTED: Final = re.compile(r"'((?:\\.|[^'\\])*)'")
_SPECIAL_FLOATS: Final = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


class Mark(NamedTuple):
    """A place in the text, both counted from 1."""

    line: int
    column: int


class Complaint(NamedTuple):
    """A fault of the text itself; ``hidden`` path parts are the reader's business."""

    mark: Mark
    where: Where
    text: str


class Document(NamedTuple):
    """The data of one text, and where each part of it was written."""

    data: Any
    marks: dict[Where, Mark]  # of the key for a field, of the item for a list
    raw: dict[Where, str]  # numbers, booleans and nulls as they were written
    complaints: list[Complaint]


class Unreadable(Exception):
    """The text is not YAML at all."""

    def __init__(self, mark: Mark, text: str) -> None:
        super().__init__(text)
        self.mark = mark
        self.text = text


class _Loader(yaml.SafeLoader):
    """Pure Python on purpose: libyaml's composer overflows the C stack on deep nesting."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}


# YAML 1.2.2, chapter 10.3 (core schema), without its hexadecimal and octal numbers.
for _tag, _pattern, _first in (
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_INT, r"[-+]?[0-9]+", "-+0123456789"),
    (_FLOAT, r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    (_FLOAT, r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_MERGE, r"<<", "<"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), list(_first))


def read(text: str) -> Document:
    """Plain data with its lines.  Raises ``Unreadable`` when the text is not YAML."""
    try:
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_mark(error.problem_mark or error.context_mark), _plain(error)) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        found = error.character if isinstance(error.character, int) else ord(error.character)
        raise Unreadable(mark, f"found the character U+{found:04X}") from None
    except RecursionError:
        raise Unreadable(Mark(1, 1), f"nested deeper than {DEEPEST} levels") from None
    except (ValueError, OverflowError):  # PyYAML lets chr() fail on "\U00110000"
        raise Unreadable(Mark(1, 1), "a broken escape or directive") from None
    walk = _Walk()
    data = None if node is None else walk.value(node, ())
    return Document(data, walk.marks, walk.raw, walk.complaints)


def _mark(mark: yaml.Mark | None) -> Mark:
    return Mark(1, 1) if mark is None else Mark(mark.line + 1, mark.column + 1)


def _plain(error: yaml.MarkedYAMLError) -> str:
    """The parser's words; what it quotes of the file might be a secret and is left out."""
    problem = _QUOTED.sub(_masked, error.problem or "broken")
    context = _QUOTED.sub(_masked, error.context or "")
    hint = "; YAML indents with spaces, not tabs" if "\\t" in problem else ""
    return f"{context}, {problem}{hint}" if context else f"{problem}{hint}"


def _masked(quoted: re.Match[str]) -> str:
    """Single characters and the parser's own ``<token>`` names cannot be secrets."""
    inside = quoted[1].removeprefix("\\")
    return quoted[0] if len(inside) <= 1 or inside.startswith("<") else "..."


class _Walk:
    """From the parser's nodes to plain data; faults are collected, not raised."""

    def __init__(self) -> None:
        self.marks: dict[Where, Mark] = {}
        self.raw: dict[Where, str] = {}
        self.complaints: list[Complaint] = []
        self._open: set[int] = set()  # nodes above this one: an alias to them never ends
        self._values = 0

    def value(self, node: yaml.Node, where: Where) -> Any:
        self.marks.setdefault(where, _mark(node.start_mark))
        self._values += 1
        if self._values > MOST_VALUES:
            self._once(node, (), f"more than {MOST_VALUES} values, aliases followed")
            return None
        if id(node) in self._open:
            return self._complain(node, where, "an alias inside what it stands for")
        if len(where) > DEEPEST:
            return self._complain(node, where, f"nested deeper than {DEEPEST} levels")
        self._open.add(id(node))
        try:
            return self._kind_of(node, where)
        finally:
            self._open.discard(id(node))

    def _kind_of(self, node: yaml.Node, where: Where) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            return [self.value(item, (*where, at)) for at, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, where)
        return self._complain(node, where, "a YAML tag (!...); none is allowed here")

    def _scalar(self, node: yaml.ScalarNode, where: Where) -> Any:
        text: str = node.value
        try:
            text.encode()
        except UnicodeEncodeError:
            return self._complain(node, where, "half a character (a lone surrogate)")
        if node.tag in (_STR, _MERGE):
            return text
        if node.tag not in (_NULL, _BOOL, _INT, _FLOAT):
            return self._complain(
                node, where, 'a YAML tag (!...); quote a text that begins with "!"'
            )
        self.raw.setdefault(where, text)
        try:
            return _constant(node.tag, text)
        except ValueError:
            return self._complain(node, where, "a number that is too long or has a wrong tag")

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, Mark] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.append(value_node)
                continue
            key = self._key(key_node, where)
            if key is None:
                continue
            mark = _mark(key_node.start_mark)
            if key in first:
                twice = f"this key stands twice (first in line {first[key].line}); keep one"
                self.complaints.append(Complaint(mark, (*where, key), twice))
                continue
            first[key] = mark
            self.marks.setdefault((*where, key), mark)
            result[key] = self.value(value_node, (*where, key))
        for value_node in merged:
            for key, value in self._merge(value_node, where):
                result.setdefault(key, value)
        return result

    def _merge(self, node: yaml.Node, where: Where) -> Iterator[tuple[str, Any]]:
        """What ``<<: *base`` or ``<<: [*a, *b]`` brings in; keys of its own win."""
        many = isinstance(node, yaml.SequenceNode)
        for source in node.value if many else [node]:
            if not isinstance(source, yaml.MappingNode):
                self._complain(source, where, "<< takes a mapping, or a list of mappings")
                continue
            if id(source) in self._open:
                self._complain(source, where, "an alias inside what it stands for")
                continue
            value = self.value(source, where)
            yield from value.items() if isinstance(value, dict) else ()

    def _key(self, node: yaml.Node, where: Where) -> str | None:
        """The key's text; a number is complained of and then read as the text it looks like."""
        if not isinstance(node, yaml.ScalarNode):
            self._complain(node, where, "a key that is a list or mapping; keys are text")
            return None
        text: str = node.value
        try:
            text.encode()
        except UnicodeEncodeError:
            self._complain(node, where, "a key with half a character (a lone surrogate)")
            return None
        if node.tag != _STR:
            self.marks.setdefault((*where, text), _mark(node.start_mark))
            found = "nothing" if node.tag == _NULL else text
            advice = f'found {found} as a key; a key is a text: quote it: "{text}"'
            if node.tag not in (_NULL, _BOOL, _INT, _FLOAT):
                advice = "found a key with a YAML tag (!...); none is allowed here"
            self.complaints.append(Complaint(_mark(node.start_mark), (*where, text), advice))
        return text

    def _complain(self, node: yaml.Node, where: Where, found: str) -> None:
        self.complaints.append(Complaint(_mark(node.start_mark), where, f"found {found}"))

    def _once(self, node: yaml.Node, where: Where, found: str) -> None:
        if self._values == MOST_VALUES + 1:
            self._complain(node, where, found)


def _constant(tag: str, text: str) -> Any:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if tag == _INT:
        if not re.fullmatch(r"[-+]?[0-9]+", text):
            raise ValueError(text)
        return int(text)
    return float(_SPECIAL_FLOATS.get(text.lower(), text))
