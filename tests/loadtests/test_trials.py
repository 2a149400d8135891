"""The judge's costs are measured on what they are said to be of."""

from __future__ import annotations

import pytest

from loadtests import trials


def test_every_hypothesis_has_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MODELS", 1)
    world = trials.World()
    before = world.trials[0].findings(0.0)
    assert len(before) == 6 * 9 + 1
    world.add(world.news(0.1))
    for was, now in zip(before, world.trials[0].findings(0.0), strict=True):
        assert was.message != now.message
    assert world.failing() == 0


def test_it_prints_its_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "MODELS", 1)
    monkeypatch.setattr(trials, "ROUNDS", 1)
    trials.main()
    printed = capsys.readouterr().out
    assert printed.startswith("One tick over 1 models, 54 hypotheses, CPU")
    assert printed.count(" ms |\n") == 4
