"""What the pages say must be so: links, commands, make targets and configs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.settings import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
COMMAND = Path(sys.executable).with_name("pointsman")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What may stand around a command without being part of it.
WRAPPED = re.compile(r"^(?:.*\s)?(?:\.venv/bin/)?pointsman\s+(?=[a-z])(?P<words>.+)$")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page: those of its headings, as forges give them, and its own."""
    text = FENCE.sub("", page.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    return named | {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target)
        ):
            broken.append(link)
    assert not broken


def test_every_test_that_shows_a_promise_is_there() -> None:
    found = re.findall(r"\[`(test_\w+)`\]\((\S+)\)", (ROOT / "README.md").read_text())
    assert found
    missing = [
        f"{path}: {test}"
        for test, path in found
        if not re.search(rf"^\s*(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert not missing


class Said(NamedTuple):
    """A ``pointsman`` command as a page says it."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def shell_lines(page: Path) -> list[str]:
    blocks = [body for kind, body in FENCE.findall(page.read_text()) if kind in ("sh", "console")]
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.removeprefix("$ ").strip() for line in joined.splitlines()]


def said() -> list[Said]:
    found = []
    for page in PAGES:
        for line in shell_lines(page):
            match = WRAPPED.search(line)
            if match and not line.startswith(("make", "#")):
                words = shlex.split(match["words"], comments=True)
                found.append(Said(name(page), tuple(words)))
    return found


@cache
def help_of(*words: str) -> str:
    result = subprocess.run(
        [COMMAND, *words, "--help"],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"pointsman {' '.join(words)}: {result.stderr}"
    return result.stdout


def subcommands(text: str) -> set[str]:
    """The commands that a help page lists."""
    _, found, rest = text.partition("Commands:\n")
    return (
        set(re.findall(r"^  ([a-z-]+)\b", rest.split("\n\n")[0], re.MULTILINE)) if found else set()
    )


def check_command(words: tuple[str, ...]) -> None:
    """Every word up to the first argument is a command; every option is in its help."""
    command: tuple[str, ...] = ()
    while listed := subcommands(help_of(*command)):
        rest = words[len(command) :]
        if not rest or rest[0].startswith("-"):
            break
        assert rest[0] in listed, f"no such command: {' '.join([*command, rest[0]])}"
        command = (*command, rest[0])
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_of(*command)))
    options = {word.split("=")[0] for word in words if word.startswith("-")}
    assert options <= known, f"pointsman {' '.join(command)} knows no {sorted(options - known)}"


@pytest.mark.parametrize("command", said(), ids=str)
def test_every_command_is_one(command: Said) -> None:
    check_command(command.words)


@pytest.mark.parametrize(
    "wrong", ["spilt set m 5", "split sett m 5", "serve --confg x", "split set m 5 --why x"]
)
def test_a_command_that_is_none_is_seen(wrong: str) -> None:
    with pytest.raises(AssertionError, match=r"no such command|knows no"):
        check_command(tuple(wrong.split()))


def test_every_command_is_told_in_the_manual() -> None:
    """The operators' pages show each command at least once."""
    shown = {command.words for command in said()}
    for first in subcommands(help_of()):
        nested = subcommands(help_of(first)) or {""}
        for second in nested:
            wanted = (first, second) if second else (first,)
            assert any(words[: len(wanted)] == wanted for words in shown), " ".join(wanted)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = [line for line in shell_lines(page) if line.startswith("make ")]
    asked = {
        word
        for line in told
        for word in shlex.split(line.split("&&")[0], comments=True)[1:]
        if "=" not in word
    }
    asked |= set(re.findall(r"`make ([a-z-]+)", page.read_text()))
    assert asked <= targets


def test_make_docs_makes_the_pages_that_say_so() -> None:
    made = {
        page.stem: module[1]
        for page in ROOT.glob("docs/*.md")
        if (module := re.search(rf"python -m (\S+) > docs/{page.name}", page.read_text()))
    }
    told = re.findall(r"\b([a-z]+)=(proxy\.[a-z.]+)", (ROOT / "Makefile").read_text())
    assert dict(told) == made


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_whole_config_loads(page: Path, tmp_path: Path) -> None:
    for kind, body in FENCE.findall(page.read_text()):
        if kind == "yaml" and re.search(r"^models:", body, re.MULTILINE):
            path = tmp_path / "pointsman.yaml"
            path.write_text(body)
            assert load(path).models


def test_the_readme_shows_the_smallest_config_as_it_is() -> None:
    written = (ROOT / "config" / "smallest.yaml").read_text()
    config = "".join(line for line in written.splitlines(True) if not line.startswith("#"))
    assert f"```yaml\n{config}```" in (ROOT / "README.md").read_text()
