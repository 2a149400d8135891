"""The locks: hash-pinned, agreeing with pyproject.toml and each other, naming no address."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

#: Folders that hold what was made, not what was written.
MADE = {"__pycache__", "build", "dist", "node_modules"}
#: Where packages and images come from is the machine's affair, not the project's: no option that
#: names an index, no path of one, no image with its registry.
HOSTS = re.compile(
    r"--(?:extra-)?index-url[ =]\S|--(?:find-links|registry)[ =]\S|https?://[^/\s]+/(?:simple|packages)\b"
    r"|(?:image: |FROM )[\w-]+(?:\.[\w-]+)+/"
)
MACHINES = re.compile(r"(?<![\w.~])/(?:home|Users|root)/\w")


def entries(lock: Path) -> list[tuple[Requirement, list[str]]]:
    """Each pinned requirement of ``lock`` with its hashes."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    found = []
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, *hashes = entry.split(" --hash=")
        if name.strip():
            found.append((Requirement(name.strip()), [digest.strip() for digest in hashes]))
    return found


def pins(lock: str) -> dict[str, set[str]]:
    """Name to pinned versions; more than one where they differ by Python."""
    found: dict[str, set[str]] = {}
    for requirement, _ in entries(ROOT / "requirements" / lock):
        name = canonicalize_name(requirement.name)
        found.setdefault(name, set()).add(str(requirement.specifier).removeprefix("=="))
    return found


def written_files() -> list[Path]:
    """Every file of the project, as git sees it, or all but what was made when there is no git."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(
            part in MADE or part.startswith(".") or part.endswith(".egg-info")
            for part in path.relative_to(ROOT).parts[:-1]
        )
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_with_hashes(lock: Path) -> None:
    found = entries(lock)
    assert found
    for requirement, hashes in found:
        assert [clause.operator for clause in requirement.specifier] == ["=="], requirement
        assert requirement.url is None, requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_an_index_or_an_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    options = set(re.findall(r"^\s*(-{1,2}[a-z-]+)", text, re.MULTILINE))
    assert options == {"--hash"}


def test_the_runtime_lock_holds_what_the_package_asks_for() -> None:
    locked = pins("runtime.txt")
    for text in PROJECT["project"]["dependencies"]:
        wanted = Requirement(text)
        versions = locked[canonicalize_name(wanted.name)]
        assert all(wanted.specifier.contains(version) for version in versions), text


def test_the_development_lock_holds_what_its_groups_ask_for() -> None:
    locked = pins("dev.txt")
    groups = PROJECT["dependency-groups"]
    for group in (included["include-group"] for included in groups["dev"]):
        for text in groups[group]:
            wanted = Requirement(text)
            versions = locked[canonicalize_name(wanted.name)]
            assert all(wanted.specifier.contains(version) for version in versions), text


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    development = pins("dev.txt")
    assert {name: development[name] for name in pins("runtime.txt")} == pins("runtime.txt")
    assert pins("build.txt")["setuptools"] == development["setuptools"]


def test_the_build_asks_for_the_same_setuptools_everywhere() -> None:
    assert PROJECT["build-system"]["requires"] == PROJECT["dependency-groups"]["build"]


def test_the_tree_names_no_machine_and_no_registry() -> None:
    here = re.escape(str(ROOT)) + r"(?![\w-])" if len(ROOT.parts) > 2 else r"(?!)"
    found = []
    for path in written_files():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if HOSTS.search(line) or MACHINES.search(line) or re.search(here, line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
