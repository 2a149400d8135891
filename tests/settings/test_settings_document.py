"""YAML is read strictly, and every part remembers its line."""

from __future__ import annotations

import pytest

from proxy.settings.document import DEEPEST, Mark, Unreadable, read


def complaints(text: str) -> list[str]:
    return [complaint.text for complaint in read(text).complaints]


def test_only_true_and_false_are_booleans() -> None:
    text = "[true, False, off, no, yes, on, 1:30, 2024-01-01, 0x10, 1_000, 010]"
    written = [True, False, "off", "no", "yes", "on", "1:30", "2024-01-01", "0x10", "1_000", 10]
    assert read(text).data == written


def test_numbers_and_nulls() -> None:
    text = "[1, -2, 1.5, .5, 1e3, .inf, ~, null, '', '1']"
    assert read(text).data == [1, -2, 1.5, 0.5, 1000.0, float("inf"), None, None, "", "1"]


def test_every_part_knows_its_place() -> None:
    document = read("a:\n  b: [x,\n    y]\n")
    assert document.marks[("a", "b")] == Mark(2, 3)
    assert document.marks[("a", "b", 1)] == Mark(3, 5)


def test_a_key_stands_once() -> None:
    document = read("a: 1\nb: 2\na: 3\n")
    assert document.data == {"a": 1, "b": 2}
    assert [(it.mark, it.where) for it in document.complaints] == [(Mark(3, 1), ("a",))]


def test_the_same_key_in_another_spelling_stands_once() -> None:
    assert complaints('"a": 1\na: 2\n') == ["this key stands twice (first in line 1); keep one"]


@pytest.mark.parametrize("key", ["1", "1.10", "true", "~", ".inf"])
def test_a_key_is_text(key: str) -> None:
    assert f'quote it: "{key}"' in complaints(f"{key}: x")[0]


def test_aliases_and_merges_work_and_own_keys_win() -> None:
    document = read("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b\n")
    assert document.data["one"] == {"x": 1, "y": 3}
    assert document.data["two"] == {"x": 1, "y": 2}
    assert document.marks[("one", "y")] == Mark(2, 15)
    assert not document.complaints


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {<<: *a}", "a: &a {b: {c: *a}}"])
def test_an_alias_to_what_it_stands_in_ends(text: str) -> None:
    assert complaints(text) == ["found an alias inside what it stands for"]


def test_aliases_cannot_blow_a_file_up() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    assert "aliases followed" in complaints(f"l0: &l0 [1]\n{levels}\n")[0]


def test_nesting_has_an_end() -> None:
    assert "deeper" in complaints("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))[0]
    with pytest.raises(Unreadable, match="deeper"):
        read("[" * 5_000)


@pytest.mark.parametrize(
    "text", ["!secret a", "!!python/name:os.system x", "!!binary aGk=", "!!set {a}"]
)
def test_tags_are_refused(text: str) -> None:
    assert "YAML tag" in complaints(f"a: {text}")[0]


@pytest.mark.parametrize(
    "text",
    ["a: *hunter2", 'a: "\\qhunter2"', "a: !hunter2!x y", "a: 'hunter2", "&hunter2 &hunter3 a"],
)
def test_what_the_parser_quotes_is_left_out(text: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert "hunter" not in refused.value.text


@pytest.mark.parametrize(
    ("text", "mark"),
    [("a: [", Mark(1, 5)), ("a:\n\tb: 1", Mark(2, 1)), ("a: 1\nb: \x01", Mark(2, 4))],
)
def test_what_is_not_yaml_has_a_place(text: str, mark: Mark) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert refused.value.mark == mark
