"""Which Python the model servers' environment is made with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo import environment, prepare
from demo.errors import DemoError, tail


def test_this_python_serves_when_the_model_server_knows_it() -> None:
    assert [environment.find_python(version) for version in environment.SERVES] == [
        sys.executable
    ] * 2


def test_a_later_python_looks_for_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "python3.11").symlink_to(sys.executable)
    shim = tmp_path / "python3.12"  # as version managers leave one for a Python that is not there
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert environment.find_python((3, 13)) == str(tmp_path / "python3.11")


def test_without_one_it_says_what_was_found_and_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match=r"need Python 3\.11 or 3\.12; this is 3\.13"):
        environment.find_python((3, 13))


def test_two_demos_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare.places, "HOME", tmp_path)
    with prepare.alone(), pytest.raises(DemoError, match="another demo"), prepare.alone():
        pass
    with prepare.alone():
        pass


def test_importing_the_demo_needs_nothing_of_the_second_environment() -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import demo.__main__"],
        cwd=environment.places.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    loaded = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert not loaded & {"numpy", "pandas", "sklearn", "matplotlib", "mlserver", "proxy"}


def test_an_argument_plays_nothing_and_names_what_is_allowed() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "demo", "--help"],
        cwd=environment.places.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert "takes no arguments" in said.stderr
    assert "STAY=1" in said.stderr


def test_the_end_of_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == "    (no log)"
