"""The published figures can be made again, each table with its rows."""

from __future__ import annotations

import pytest

from loadtests.judge import DETECTION, PUBLISHED, figures, main


def test_every_table_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--releases", "3", "--peeking", "2000", "--seed", "7"])
    made = capsys.readouterr().out
    assert made.splitlines() == list(figures(3, 2000, 7))
    tables = [table.splitlines() for table in made.split("\n\n")]
    assert [len(table) - 2 for table in tables] == [len(PUBLISHED), 15, len(DETECTION), 5, 3]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
