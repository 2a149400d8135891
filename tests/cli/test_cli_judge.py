"""plan, replay and simulate: what they say, and what they answer to nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from typer.testing import Result

from proxy.judge import Trial
from proxy.judge.guardrails import DEFAULT
from proxy.judge.rehearsal import told
from proxy.judge.rivals import HarmRule
from proxy.judge.scenario import Scenario, Step
from proxy.judge.simulate import draw
from proxy.store.evidence import EvidenceWriter, Head, Limits

Run = Callable[..., Result]
BEGAN = 1_790_000_000.0
SCENARIO = Scenario(effect=4.0, steps=(Step(0.05, 1800.0),), customers=3000)
# replay


def record(
    folder: Path, version: str = "3", seed: int = 1, effect: float = 4.0, **limits: Any
) -> tuple[Path, int | None]:
    """A release as the desk would write it down; the tick after which it is to be reverted."""
    rules = DEFAULT
    trial = Trial(rules, "credit-risk", version, "1", BEGAN)
    writer = EvidenceWriter(
        folder,
        lambda _model, _version: Head(trial.snapshot(), rules, BEGAN),
        Limits(**limits),
        clock=lambda: BEGAN + seed,
    )
    release = draw(msgspec.structs.replace(SCENARIO, effect=effect), np.random.default_rng(seed))
    try:
        for line in told(release, np.random.default_rng(seed), BEGAN):
            mine = msgspec.structs.replace(line, model="credit-risk", version=version)
            writer.add(mine)
            trial.add(mine)
    finally:
        writer.close()
    return folder / "credit-risk", HarmRule.of(rules.rules[0], rules).crossing(release)


def test_a_replay_reverts_when_the_judge_did(run: Run, tmp_path: Path) -> None:
    folder, tick = record(tmp_path)
    assert tick is not None
    result = run("replay", folder, "--json")
    assert result.exit_code == 0, result.output
    (trial,) = json.loads(result.stdout)["trials"]
    assert trial["reverted"]["at"] == BEGAN + 10.0 * (tick + 1)
    assert trial["reverted"]["check"] == "errors"
    assert (trial["model"], trial["version"], trial["lines"]) == ("credit-risk", "3", 180)
    assert [it["verdict"] for it in trial["findings"]] == ["fail", "not_yet"]
    said = run("replay", folder).stdout
    assert f"REVERTED by errors {int((tick + 1) // 6)}m" in said
    assert "20 is enough" in " ".join(said.split())


def test_one_file_and_a_rotated_folder_say_the_same(run: Run, tmp_path: Path) -> None:
    whole, _ = record(tmp_path / "whole")
    parts, _ = record(tmp_path / "parts", file=20_000, gzip=False)
    assert len(list(parts.iterdir())) > 3
    (file,) = whole.iterdir()
    one, other = (json.loads(run("replay", it, "--json").stdout) for it in (file, parts))
    assert one["trials"] == other["trials"]


def test_what_is_gone_is_in_the_snapshot(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path, file=20_000, gzip=False)
    before = json.loads(run("replay", folder, "--json").stdout)["trials"][0]
    first, *_ = sorted(folder.iterdir())
    first.unlink()
    after = json.loads(run("replay", folder, "--json").stdout)
    assert after["trials"][0]["findings"] == before["findings"]
    assert "only in its snapshot" in after["notes"][0]


def test_lines_that_were_lost_in_between_are_in_the_snapshot(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path, file=20_000, gzip=False)
    before = json.loads(run("replay", folder, "--json").stdout)["trials"][0]
    sorted(folder.iterdir())[1].unlink()
    after = json.loads(run("replay", folder, "--json").stdout)
    assert after["trials"][0]["findings"] == before["findings"]
    assert after["trials"][0]["lines"] < before["lines"]
    assert "lost" in after["notes"][0]


def test_damaged_evidence_is_said(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    (file,) = folder.iterdir()
    whole = file.read_text()
    for damaged, said in (
        (whole.replace('"version":"3"', '"version":"9"', 2), "a line does not belong to its file"),
        (whole.replace('"at":', '"at":x', 1), "line 2 is no evidence"),
    ):
        file.write_text(damaged)
        result = run("replay", folder)
        assert result.exit_code == 1, result.output
        assert said in result.stderr


def test_guardrails_that_changed_on_the_way_change_in_the_replay(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path, file=20_000, gzip=False)
    before = json.loads(run("replay", folder, "--json").stdout)["trials"][0]
    for file in sorted(folder.iterdir())[2:]:
        old, new = '"tolerance":0.0', '"tolerance":8.0'
        header, lines = file.read_text().split("\n", 1)
        assert old in header
        changed = header.replace(old, new).replace('"margin":0.5', '"margin":9.0')
        file.write_text(f"{changed}\n{lines}")
    (trial,) = json.loads(run("replay", folder, "--json").stdout)["trials"]
    assert before["reverted"] is not None
    assert trial["lines"] == before["lines"]
    assert "since the guardrail was changed" in trial["findings"][0]["message"]


def test_two_canaries_in_one_folder_are_two_trials(run: Run, tmp_path: Path) -> None:
    record(tmp_path, "3", seed=1)
    folder, _ = record(tmp_path, "4", seed=2, effect=1.0)
    trials = json.loads(run("replay", folder, "--json").stdout)["trials"]
    assert [(it["version"], it["reverted"] is not None) for it in trials] == [
        ("3", True),
        ("4", False),
    ]
    said = run("replay", folder).stdout
    assert "nothing would have reverted or held it" in said
    assert "credit-risk 4" in said


def test_other_guardrails_from_a_file(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path / "evidence")
    rules = tmp_path / "rules.yaml"
    rules.write_text("guardrails:\n  rules:\n    errors: {event: error, critical: false}\n")
    (trial,) = json.loads(run("replay", folder, "-g", rules, "--json").stdout)["trials"]
    assert trial["reverted"] is None
    assert trial["held"]["check"] == "errors"
    rules.write_text("rules:\n  calm: {event: error, tolerance: 9, margin: 10}\n")
    said = run("replay", folder, "--guardrails", rules).stdout
    assert "nothing would have reverted or held it" in said
    assert "calm: " in said
    assert "changed" not in said  # the record is whole: it is judged from its beginning


def test_the_guardrails_of_the_config(run: Run, tmp_path: Path, guarded: Path) -> None:
    folder, _ = record(tmp_path / "evidence")
    result = run("replay", folder, "--config", guarded, "--model", "credit-risk", "--json")
    (trial,) = json.loads(result.stdout)["trials"]
    checks = [it["check"] for it in trial["findings"]]
    assert checks[:3] == ["errors", "approvals", "spent"]
    assert "wrong[age_band=young]" in checks
    errors = trial["findings"][0]["numbers"]
    assert errors["needed"] == pytest.approx(20 * (len(checks) - 1))


def test_a_replay_is_drawn(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path / "evidence")
    picture = tmp_path / "replayed.svg"
    assert run("replay", folder, "--plot", picture).exit_code == 0
    svg = ElementTree.fromstring(picture.read_text())
    texts = [it.text for it in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "errors" in texts
    assert "acts at 3 (1 to 20)" in texts


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("rules:\n  errors: {evnt: error}\n", "rules.yaml:2: rules.errors.evnt"),
        ("guardrails:\n  alpha: 2\n", "rules.yaml:2: guardrails.alpha: found 2; allowed is"),
        ("rules:\n  slow: {event: slow}\n", "the event slow without over"),
        ("rules:\n  e: {event: error, segments: [age]}\n", "rules.e.segments"),
        ("- 1\n", "allowed is a mapping"),
        ("a: [\n", "this is not YAML"),
    ],
)
def test_guardrails_that_are_none(run: Run, tmp_path: Path, rules: str, said: str) -> None:
    folder, _ = record(tmp_path / "evidence")
    file = tmp_path / "rules.yaml"
    file.write_text(rules)
    result = run("replay", folder, "--guardrails", file)
    assert result.exit_code == 1
    assert said in result.stderr


def test_segments_of_a_file_need_their_values(run: Run, tmp_path: Path) -> None:
    folder, _ = record(tmp_path / "evidence")
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  e: {event: error, segments: [age=young, age=old]}\n")
    (trial,) = json.loads(run("replay", folder, "-g", file, "--json").stdout)["trials"]
    checks = [it["check"] for it in trial["findings"]]
    assert checks == ["e", "e[age=young]", "e[age=old]", "sample_ratio"]


def test_evidence_that_is_none(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello\n")
    for path, said in (
        (tmp_path / "none", "found nothing there; allowed is an evidence file"),
        (tmp_path, "found a folder without evidence"),
        (other, "other.txt: line 1 is no header"),
    ):
        result = run("replay", path)
        assert result.exit_code == 1
        assert said in result.stderr


def test_two_sources_of_guardrails_are_one_too_many(run: Run, config: Path) -> None:
    result = run("replay", "x", "--guardrails", config, "--model", "credit-risk")
    assert result.exit_code == 2
    assert "choose one" in result.stderr


# simulate

SMALL = ("--releases", "40", "--step", "5:30m", "--customers", "2000")


def test_a_simulation_is_the_same_again(run: Run) -> None:
    first = json.loads(run("simulate", *SMALL, "--json").stdout)
    assert first == json.loads(run("simulate", *SMALL, "--json").stdout)
    assert first != json.loads(run("simulate", *SMALL, "--seed", "2", "--json").stdout)
    few = ("--step", "5:30m", "--customers", "2000", "--releases", "10", "--effect", "4", "--json")
    quick, exact = (json.loads(run("simulate", *few, *it).stdout) for it in ([], ["--exact"]))
    assert exact == quick
    assert quick["guardrails"][0]["harmful"][0]["reverted"] > 0


def test_a_simulation_tells_the_three_rules(run: Run) -> None:
    result = run("simulate", *SMALL, "--effect", "5", "--base-rate", "0.02")
    assert result.exit_code == 0, result.output
    healthy, harmful = result.stdout.split("40 releases with a harmful canary")
    for part in (healthy, harmful):
        rules = [line.split("  ")[0] for line in part.splitlines()]
        assert {"harm test", "threshold", "repeated z-test"} <= set(rules)
    assert "its rate is 5 times stable's" in harmful
    assert "reverts at an e-value of 20 (alpha 5 %)" in healthy


def test_a_simulation_of_the_config_s_guardrails(run: Run, guarded: Path, tmp_path: Path) -> None:
    picture = tmp_path / "simulated.svg"
    words = ("-c", guarded, "-m", "credit-risk", "--base-rate", "approvals=0.2")
    result = run(
        "simulate", *words, "--releases", "10", "--step", "5:10m", "--json", "--plot", picture
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    made = {it["guardrail"]: it for it in found["guardrails"]}
    assert list(made) == ["errors", "approvals", "wrong"]
    assert made["approvals"]["scenario"]["base_rate"] == 0.2
    assert made["approvals"]["scenario"]["effect"] == 0.5
    assert [it["rule"] for it in made["errors"]["healthy"]][1] == "threshold"
    assert [it["rule"] for it in made["wrong"]["healthy"]] == ["harm test", "repeated z-test"]
    assert len({it["needed"] for it in made.values()}) == 1
    assert ElementTree.fromstring(picture.read_text()).tag.endswith("svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base-rate", "2"], "'2': allowed is a share above 0 and below 1"),
        (["--base-rate", "slow=0.1"], "'slow' is no guardrail with a rate; there are: errors"),
        (["--base-rate", "0.6"], "base_rate x effect x drift is 1.2"),
        (["--activity", "odd"], "must be one of even, log-normal, pareto"),
        (["--customers", "1"], "customers 1: must be from 2"),
        (["--step", "5"], "'5': allowed is a percentage above 0 and below 100, a colon"),
        (["--step", "x:1h"], "'x:1h': allowed is a percentage above 0 and below 100"),
        (["--step", "20:1h", "--step", "10:1h"], "each share must be at least the one before"),
        (["--tick", "0s"], "'0s': allowed is a duration"),
        (["--releases", "0"], "--releases"),
    ],
)
def test_a_simulation_that_cannot_be(run: Run, words: list[str], said: str) -> None:
    result = run("simulate", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("\u2502", "").split())


def test_a_plot_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "no" / "plot.svg"
    result = run("simulate", "--releases", "1", "--step", "5:1m", "--plot", path)
    assert result.exit_code == 1
    assert f"{path}: cannot be written: No such file or directory" in result.stderr
