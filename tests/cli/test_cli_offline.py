"""check and explain: what they print, and what a script may rely on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from proxy.routing import explain
from proxy.settings import compile_plan, fingerprint, load
from proxy.store import Entry, Event, History

Run = Callable[..., Result]


def history(config: Path) -> History:
    return History(config.parent / ".pointsman" / "history.jsonl")


def override(config: Path, percent: float, version: str = "2", mark: str | None = None) -> Entry:
    mark = mark or fingerprint(load(config), "credit-risk")
    return Entry(
        event=Event.SPLIT_SET,
        at=1.0,
        actor="ada",
        model="credit-risk",
        version=version,
        after={"percent": percent, "fingerprint": mark},
    )


REVERTED = Entry(
    event=Event.REVERTED,
    at=2.0,
    actor="pointsman",
    model="credit-risk",
    version="2",
    reason="error_rate",
    message="12 of 100 requests failed.",
)


def explained(run: Run, config: Path, *more: str) -> dict[str, object]:
    result = run("explain", "-c", config, "-m", "credit-risk", "--json", *more)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_check_says_ok_and_what_the_file_says(run: Run, config: Path) -> None:
    result = run("check", "--config", config)
    assert result.exit_code == 0
    assert result.stdout.startswith("OK")
    for words in ("credit-risk", "/v2/models/credit-risk", "2 at 5 %", "3 at 100 %", "error_rate"):
        assert words in result.stdout
    assert result.stderr == ""


def test_check_lists_every_problem_on_a_line_of_its_own(run: Run, config: Path) -> None:
    config.write_text(config.read_text().replace("percent: 5", "percent: 500, colour: red"))
    result = run("check", "--config", config)
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(str(config)) for line in lines)
    assert "models.credit-risk.split.canary.percent: found 500" in result.stderr


def test_check_of_no_file_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    result = run("check", "--config", tmp_path / "absent.yaml")
    assert result.exit_code == 1
    assert str(tmp_path / "absent.yaml") in result.stderr


def test_the_config_may_be_named_by_the_environment(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_CONFIG", str(config))
    assert run("check").exit_code == 0


def test_explain_gives_the_proxys_own_answer(run: Run, config: Path) -> None:
    (model,) = compile_plan(load(config)).models
    for key in map(str, range(200)):
        mine = explain(model, key)
        told = explained(run, config, "--customer", key)
        assert (told["arm"], told["version"], told["point"]) == (mine.arm, mine.version, mine.point)


def test_explain_for_people_names_point_arm_and_why(run: Run, config: Path) -> None:
    result = run("explain", "-c", config, "-m", "credit-risk", "--customer", "4711")
    assert result.exit_code == 0
    for words in ("point", "threshold", "stable", "why", "shadow 3"):
        assert words in result.stdout


def test_explain_needs_no_secret(run: Run, config: Path) -> None:
    testers = "    testers: {secret: {env: NOT_IN_THIS_TERMINAL}}\n"
    config.write_text(config.read_text() + testers)
    assert run("check", "-c", config).exit_code == 1
    assert explained(run, config, "--customer", "4711")["arm"] == "stable"


def test_explain_without_a_key(run: Run, config: Path) -> None:
    told = explained(run, config)
    assert told["point"] is None
    assert told["version"] == "1"


def test_explain_counts_an_override(run: Run, config: Path) -> None:
    history(config).append(override(config, 100))
    assert explained(run, config, "--customer", "4711")["version"] == "2"


def test_an_override_ends_when_the_files_split_is_edited(run: Run, config: Path) -> None:
    history(config).append(override(config, 100, mark="of another split"))
    assert explained(run, config, "--customer", "4711")["version"] == "1"


def test_explain_counts_a_latched_revert(run: Run, config: Path) -> None:
    store = history(config)
    store.append(override(config, 100))
    store.append(REVERTED)
    told = explained(run, config, "--customer", "4711")
    assert told["version"] == "1"
    assert "reverted" in str(told["why"])
    assert "12 of 100 requests failed." in str(told["why"])


def test_explain_only_reads(run: Run, config: Path) -> None:
    explained(run, config)
    assert not (config.parent / ".pointsman").exists()
    store = history(config)
    store.append(override(config, 100))
    with store.path.open("ab") as file:
        file.write(b'{"event": "rever')
    before = store.path.read_bytes()
    assert explained(run, config, "--customer", "4711")["version"] == "2"
    assert store.path.read_bytes() == before
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_explain_does_not_trust_a_changed_history(run: Run, config: Path) -> None:
    store = history(config)
    store.append(override(config, 100))
    store.append(REVERTED)
    store.path.write_bytes(store.path.read_bytes().replace(b"100", b"1.0", 1))
    result = run("explain", "-c", config, "-m", "credit-risk", "--customer", "4711")
    assert result.exit_code == 1
    assert "line 2" in result.stderr


def test_an_unknown_model_is_refused_with_the_known_ones(run: Run, config: Path) -> None:
    result = run("explain", "-c", config, "-m", "credit", "--customer", "1")
    assert result.exit_code == 1
    assert "there are: credit-risk" in result.stderr
