"""What an operator reads when a config is broken, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_golden import BASE, CASES, GOLDEN, Case, page, told

from proxy.errors import ConfigError
from proxy.settings import parse


def _written() -> dict[str, str]:
    blocks = GOLDEN.read_text().removeprefix("# ").split("\n# ")
    return dict(block.rstrip("\n").split("\n", 1) for block in blocks)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_told(case: Case) -> None:
    assert told(case) == _written()[case.name]


def test_the_page_holds_these_cases_and_no_others() -> None:
    assert GOLDEN.read_text() == page()


def test_every_case_is_refused_with_file_and_line() -> None:
    for text in _written().values():
        for line in text.splitlines():
            assert line.startswith("pointsman.yaml:")


def test_the_base_is_good() -> None:
    assert parse(BASE, Path("pointsman.yaml")).models


def test_the_error_itself_names_the_file_first() -> None:
    with pytest.raises(ConfigError, match=r"^a\.yaml: the config was refused\na\.yaml:1: "):
        parse("a: 1", Path("a.yaml"))
