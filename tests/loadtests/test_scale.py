"""The tables of docs/scale.md can be made again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtests import scale

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def test_it_prints_the_tables_that_the_page_quotes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["scale", "--models", "1,2", "--requests", "3"])
    scale.main()
    printed = capsys.readouterr().out
    heads = re.findall(r"^\| models.*$", printed, re.MULTILINE)
    assert len(heads) == 3
    for head in heads:
        assert head in PAGE.read_text()
    for models in ("1", "2"):
        assert len(re.findall(rf"^\| {models} \|", printed, re.MULTILINE)) == 3


def test_a_reverted_plan_differs_in_one_model() -> None:
    whole = scale.plan(scale.SHADOWS, scale.SEGMENTS, 3)
    after = scale.reverted(whole)
    assert after.number == whole.number + 1
    differing = [
        new.name for old, new in zip(whole.models, after.models, strict=True) if old != new
    ]
    assert differing == ["model-1"]
