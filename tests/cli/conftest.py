"""A config file and the command, for the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from admin_world import door
from typer.testing import CliRunner, Result

from proxy.cli.root import app

__all__ = ["config", "door", "run"]

CONFIG = """\
models:
  credit-risk:
    match: {path_prefix: /v2/models/credit-risk}
    customer: {header: X-Customer-Id}
    versions:
      "1": {endpoints: [http://127.0.0.1:8001]}
      "2": {endpoints: [http://127.0.0.1:8002]}
      "3": {endpoints: [http://127.0.0.1:8003]}
    split:
      stable: "1"
      canary: {version: "2", percent: 5}
      shadow: [{version: "3", percent: 100}]
"""

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pointsman.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run() -> Run:
    """The command with these words, away from any terminal."""

    def invoke(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="pointsman")

    return invoke


GUARDED = """\
    guardrails:
      rules:
        errors: {event: error}
        approvals: {event: kpi, of: approved, direction: decrease, tolerance: 0.05}
        spent: {event: kpi, of: spent, measure: mean, direction: decrease}
        wrong: {event: label, of: default, segments: [age_band]}
    labels: {default: {threshold: 0.5}}
    predictions: {}
    segments: {age_band: {header: X-Age-Band, values: [young, old]}}
"""


@pytest.fixture
def guarded(config: Path) -> Path:
    config.write_text(config.read_text() + GUARDED)
    return config
