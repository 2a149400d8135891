"""The house's own scripts: the choice of a Python, make's help, and no skips in CI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIND_PYTHON = ROOT / "scripts" / "find_python.sh"

SKIPS = """
import pytest
def test_runs(): pass
def test_skips(): pytest.skip("the reason")
@pytest.mark.skipif(True, reason="the condition")
def test_is_skipped(): pass
@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_known(): assert False
"""


def shim(folder: Path, name: str, body: str) -> str:
    """A program called ``name`` that stands in for a Python of some kind."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


def find_python(*args: str, path: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(FIND_PYTHON), *args],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_python_that_was_asked_for_is_taken() -> None:
    result = find_python(sys.executable, path="/usr/bin:/bin")
    assert (result.returncode, result.stdout.strip()) == (0, sys.executable)


def test_a_shim_that_refuses_to_run_and_an_old_python_are_passed_over(tmp_path: Path) -> None:
    shim(tmp_path, "python3", "exit 127")
    shim(tmp_path, "python3.13", "echo 3.10.1")
    shim(tmp_path, "python3.12", f'exec "{sys.executable}" "$@"')
    result = find_python(path=tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, str(tmp_path / "python3.12"))


def test_the_refusal_says_what_was_found_and_what_is_allowed(tmp_path: Path) -> None:
    old = shim(tmp_path, "old", "echo 3.10.1")
    result = find_python(old, path="/usr/bin:/bin")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert f"{old} is 3.10.1" in result.stderr


def test_a_python_without_venv_names_the_package_to_install(tmp_path: Path) -> None:
    bare = shim(tmp_path, "bare", 'case "$2" in *ensurepip*) exit 1 ;; *) echo 3.11.2 ;; esac')
    result = find_python(bare, path="/usr/bin:/bin")
    assert result.returncode == 1
    assert "python3-venv" in result.stderr


def test_make_alone_names_every_target() -> None:
    result = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert re.findall(r"make ([a-z-]+)", result.stdout)[: len(phony[1].split())] == phony[1].split()


@pytest.mark.parametrize(("ci", "expected"), [("true", {"passed": 1}), ("", {"skipped": 2})])
def test_a_skip_fails_in_ci_only(tmp_path: Path, ci: str, expected: dict[str, int]) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_skips.py").write_text(SKIPS)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--asyncio-mode=auto", "."],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode != 0) is bool(ci), result.stdout
    assert ("In CI a skipped test is a failed one" in result.stdout) is bool(ci)
    for word, count in expected.items():
        assert f"{count} {word}" in result.stdout.splitlines()[-1]
