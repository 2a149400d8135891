"""Help, usage and exit codes: what docs/cli.md promises."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from proxy import __version__
from proxy.cli.document import document
from proxy.cli.options import DEFAULT_ADMIN, models_in
from proxy.settings import load

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


def process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, away from the environment of the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN")}
    return subprocess.run(
        [sys.executable, "-m", "proxy", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env=kept | environment,
    )


def test_the_document_is_what_help_says() -> None:
    written = (ROOT / "docs" / "cli.md").read_text()
    assert written == document(), "run: python -m proxy.cli.document > docs/cli.md"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["serve"],
        ["check"],
        ["explain"],
        ["profile"],
        ["status"],
        ["split"],
        ["split", "set"],
        ["split", "clear"],
        ["split", "clear-revert"],
        ["split", "clear-hold"],
        ["split", "clear-shift"],
        ["revert"],
        ["plan"],
        ["replay"],
        ["simulate"],
    ],
)
def test_every_command_explains_itself(run: Run, words: list[str]) -> None:
    result = run(*words, "--help")
    assert result.exit_code == 0
    if words != ["split"]:
        assert "Example" in result.stdout


def test_the_exit_codes_stand_in_the_help(run: Run) -> None:
    told = run("--help").stdout
    for words in ("0  done", "1  refused or failed", "2  wrong usage", "3  not reachable"):
        assert words in told


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"pointsman {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["check", "--frobnicate"],
        ["revert"],
        ["explain", "--customer", "1"],
        ["split", "set", "credit-risk"],
        ["split", "set", "credit-risk", "101"],
        ["split", "set", "credit-risk", "-1"],
        ["split", "set", "credit-risk", "0.001"],
        ["split", "set", "credit-risk", "nan"],
        ["split", "set", "credit-risk", "five"],
        ["status", "--admin", "localhost"],
        ["status", "--json", "--watch", "--admin", "127.0.0.1:1"],
    ],
)
def test_wrong_usage_is_2(run: Run, words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["status", "--watch"],
        ["split", "set", "credit-risk", "5"],
        ["split", "clear", "credit-risk"],
        ["split", "clear-revert", "credit-risk", "2"],
        ["split", "clear-hold", "credit-risk"],
        ["split", "clear-shift", "credit-risk"],
        ["revert", "credit-risk"],
    ],
)
def test_nobody_there_is_3_and_names_the_address(run: Run, words: list[str]) -> None:
    result = run(*words, "--admin", "127.0.0.1:1")
    assert result.exit_code == 3, result.output
    assert "http://127.0.0.1:1" in result.stderr
    assert result.stdout == ""


def test_the_admin_address_is_the_configs(run: Run, config: Path) -> None:
    config.write_text("admin: 127.0.0.1:1\n" + config.read_text())
    assert "http://127.0.0.1:1:" in run("status", "-c", config).stderr


def test_status_needs_no_whole_config(run: Run, config: Path) -> None:
    config.write_text("admin: 0.0.0.0:1\nmodels: {}\nfrobnicate: yes\n")
    result = run("status", "-c", config)
    assert result.exit_code == 3
    assert "http://127.0.0.1:1:" in result.stderr


def test_without_config_and_address_status_says_what_to_give(run: Run, tmp_path: Path) -> None:
    result = run("status", "-c", tmp_path / "absent.yaml")
    assert result.exit_code == 1
    assert "--admin HOST:PORT" in result.stderr


def test_the_default_address_is_the_schemas(config: Path) -> None:
    assert str(load(config).admin) == DEFAULT_ADMIN


def test_models_are_completed_from_the_config(config: Path) -> None:
    assert models_in(config) == {"credit-risk": ["1", "2", "3"]}
    assert models_in(config.parent / "absent.yaml") == {}
    config.write_text("models: [1, 2")
    assert models_in(config) == {}


def test_the_shell_completes_models(config: Path) -> None:
    answer = process(
        _POINTSMAN_COMPLETE="complete_zsh",
        _TYPER_COMPLETE_ARGS="pointsman revert cr",
        POINTSMAN_CONFIG=str(config),
    )
    assert "credit-risk" in answer.stdout, answer.stderr


def test_a_pipe_gets_no_colour_and_no_frames(config: Path) -> None:
    answer = process("check", "--config", str(config))
    assert answer.returncode == 0
    assert answer.stdout.isascii()


def test_help_loads_nothing_heavy() -> None:
    heavy = ["aiohttp", "pydantic", "prometheus_client", "rich.console", "yaml"]
    code = (
        "import sys\n"
        "from proxy.cli.root import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"sys.exit(', '.join(name for name in {heavy} if name in sys.modules) or 0)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert answer.returncode == 0, answer.stderr
