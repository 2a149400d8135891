"""Predictions and quality: what the workers sample, what the desk does with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.payload import Pointers, PredictionOptions, Reading
from proxy.quality import ColumnRule, Gatherer, Percents, profile
from proxy.routing import plan
from proxy.settings import Settings, compile_plan, examinations, load, parse

SMALLEST = (Path(__file__).parents[2] / "config" / "smallest.yaml").read_text()
MODEL = "credit-risk"


def of(lines: str) -> Settings:
    return parse(with_lines(lines), Path("pointsman.yaml"), {})


def with_lines(lines: str) -> str:
    return SMALLEST.replace("    split:\n", f"    {lines}\n    split:\n")


def watched(lines: str) -> plan.WatchPlan | None:
    return compile_plan(of(lines)).models[0].watch


@pytest.mark.parametrize(
    ("lines", "percent", "canary"),
    [
        ("predictions: {}", 100.0, False),
        ("quality: {}", 10.0, True),
        ("predictions: {percent: 5}\n    quality: {percent: 20, canary: false}", 20.0, False),
        ("predictions: {percent: 30}\n    quality: {percent: 20}", 30.0, True),
    ],
)
def test_one_sample_for_both_uses(lines: str, percent: float, canary: bool) -> None:
    found = watched(lines)
    assert found is not None
    assert found.sample == plan.SamplePlan(percent, f"{MODEL}/sample", canary)


@pytest.mark.parametrize(
    "lines", ["", "predictions: {percent: 0}", "quality: {percent: 0, canary: false}"]
)
def test_nothing_to_sample(lines: str) -> None:
    found = watched(lines)
    assert found is None or found.sample is None


def test_defaults_and_everything_said() -> None:
    assert examinations(of("")) == {}
    plain = examinations(of("predictions: {}"))[MODEL]
    assert (plain.percents, plain.rules, plain.retention) == (Percents(100), None, 30 * 86_400)
    assert plain.options.reading == Reading()
    said = examinations(
        of(
            "predictions: {protocol: custom, output: score, index: 1, threshold: 0.5, "
            "retention: 2d, request: {columns: {age: /a}, rows: /r}, "
            "answer: {columns: {score: /s}}}"
        )
    )[MODEL]
    pointers = (Pointers({"age": "/a"}, "/r"), Pointers({"score": "/s"}))
    assert said.options.reading == Reading("custom", (), *pointers)
    assert said.options.prediction == PredictionOptions("score", 1, 0.5)
    assert said.retention == 2 * 86_400


def test_rules_without_a_profile() -> None:
    found = examinations(
        of(
            "quality: {unknown_inputs: refused, show_values: true, "
            "inputs: {age: {type: integer, range: [18, null]}, "
            "job: {set: [a, 1], missing: allowed, not_finite: allowed}, note: off}, "
            "outputs: {p: {shape: [2, null]}}}"
        )
    )[MODEL].rules
    assert found is not None
    assert found.inputs.columns == {
        "age": ColumnRule("integer", low=18.0),
        "job": ColumnRule(missing=True, finite=False, among=("a", 1)),
        "note": ColumnRule(missing=True, finite=False),
    }
    assert (found.inputs.unknown, found.show) == (False, True)
    assert found.outputs.columns == {"p": ColumnRule(shape=(2, None))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    gatherer = Gatherer(labels=["default"])
    ages = list(range(20, 60))
    gatherer.add(40, {"age": ages, "school": ["a", "b"] * 20, "default": [0, 1] * 20})
    (tmp_path / "p.json").write_bytes(profile.encode(gatherer.profile()))
    return tmp_path


def loaded(folder: Path, quality: str) -> Settings:
    path = folder / "pointsman.yaml"
    path.write_text(with_lines(f"quality: {quality}"))
    return load(path)


def test_rules_of_a_profile_and_what_overrides_them(folder: Path) -> None:
    settings = loaded(folder, "{profile: p.json, slack: 1, inputs: {age: {missing: allowed}}}")
    found = examinations(settings)[MODEL]
    assert found.rules is not None
    assert found.rules.inputs.columns == {
        "age": ColumnRule("number", missing=True, low=0.0, high=98.0),
        "school": ColumnRule("text", among=("a", "b")),
    }
    assert found.options.reading.names == ("age", "school")
    known = settings.profile(MODEL)
    assert known is not None
    assert found.profile == known.hash
    other = loaded(folder, "{profile: p.json, inputs: {school: {type: number}, age: off}}")
    rules = examinations(other)[MODEL].rules
    assert rules is not None
    assert rules.inputs.columns["school"] == ColumnRule("number")
    assert rules.inputs.columns["age"] == ColumnRule(missing=True, finite=False)


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        ("{profile: none.json}", ["quality.profile: found no file that can be read"]),
        ("{profile: old.json}", ["found a profile of version 7; allowed is version 1"]),
        ("{profile: broken.json}", ["found no profile; allowed is a file that `profile` made"]),
        (
            "{profile: p.json, inputs: {agee: {range: [1, 2]}}}",
            ['inputs.agee: found "agee", no input of the profile; did you mean age? allowed is'],
        ),
        ("{profile: p.json, inputs: {default: off}}", ["no input of the profile"]),
    ],
)
def test_profiles_that_are_refused(folder: Path, quality: str, words: list[str]) -> None:
    (folder / "old.json").write_text(json.dumps({"profile": 7}))
    (folder / "broken.json").write_text("id,age\n")
    with pytest.raises(ConfigError) as caught:
        loaded(folder, quality)
    for expected, line in zip(words, caught.value.problems, strict=True):
        assert expected in line
        assert line.startswith(f"{folder}/pointsman.yaml:")


def test_who_only_asks_needs_no_profile(folder: Path) -> None:
    (folder / "pointsman.yaml").write_text(with_lines("quality: {profile: none.json}"))
    assert load(folder / "pointsman.yaml", secrets=False).profile(MODEL) is None


@pytest.mark.parametrize(
    "lines",
    [
        "safe_to_repeat: true\n    guardrails: {rules: {a: {event: fallback}}}",
        "quality: {}\n    guardrails: {rules: {a: {event: bad_output, of: unreadable}}}",
        "quality: {inputs: {A: {}}}\n"
        "    guardrails: {rules: {a: {event: bad_input}, b: {event: bad_input, of: A.range}}}",
        "predictions: {}\n    labels: {b: {}}\n    guardrails: {rules: {a: {event: label, of: b}}}",
    ],
)
def test_a_guardrail_that_will_be_told_is_taken(lines: str) -> None:
    assert of(lines).models[MODEL].guardrails.rules
