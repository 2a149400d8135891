"""plan: what the guardrails will be able to see, by hand and from a running desk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from admin_world import Door, report
from typer.testing import Result

from proxy.terms import Incident, Newcomers

Run = Callable[..., Result]
BY_HAND = ("--customers-per-hour", "2000", "--base-rate", "0.01", "--step", "5:6h")


def test_a_plan_by_hand(run: Run, config: Path) -> None:
    result = run("plan", "credit-risk", "-c", config, *BY_HAND)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("errors: statistics alone will not protect: a doubling")
    assert "2,000 customers an hour" in result.stdout
    row = next(line for line in result.stdout.splitlines() if line.strip().startswith("5 %"))
    assert row.split()[2:5] == ["6h00m", "100", "1,900"]
    assert "chance of a false revert: at most 5 %, simulated" in result.stdout


def test_a_plan_says_what_each_guardrail_brings_about(run: Run, config: Path) -> None:
    rules = "{calm: {event: error, critical: false}, told: {event: slow, over: 1s, dry_run: true}}"
    config.write_text(f"{config.read_text()}    guardrails: {{rules: {rules}}}\n")
    said = run("plan", "credit-risk", "-c", config, *BY_HAND).stdout
    assert "holds the share at an e-value of 20" in said
    assert "chance of a false hold" in said
    assert "only tells (dry run) at an e-value of" in said


def test_a_step_without_a_time_is_shown_whole(run: Run, config: Path) -> None:
    result = run("plan", "credit-risk", "-c", config, *BY_HAND[:4], "--step", "5")
    assert (result.exit_code, "'5'" in result.stderr) == (2, True)


def test_a_plan_as_json(run: Run, guarded: Path) -> None:
    words = ("--base-rate", "approvals=0.3", "--customers", "50000", "--json")
    found = json.loads(run("plan", "credit-risk", "-c", guarded, *BY_HAND, *words).stdout)
    assert found["traffic"] == {"customers_per_hour": 2000.0, "customers": 50000.0}
    rates = {it["guardrail"]: it["base_rate"] for it in found["guardrails"]}
    assert rates == {"errors": 0.01, "approvals": 0.3, "wrong": 0.01}
    said = "\n".join(found["warnings"])
    assert "spent: not planned: a mean needs to know" in said
    assert "wrong: each of age_band=young, age_band=old, age_band=other" in said


def test_a_plan_of_a_desk_that_is_not_there(run: Run, config: Path) -> None:
    result = run("plan", "credit-risk", "-c", config, "--admin", "127.0.0.1:1")
    assert result.exit_code == 3
    assert "no pointsman answers" in result.stderr


async def at_desk(door: Door, run: Run, *words: str) -> Result:
    config = str(door.config)
    return await asyncio.to_thread(
        run, "plan", "credit-risk", "-c", config, "--admin", door.url, *words, "--json"
    )


async def test_a_plan_from_the_running_desk(door: Door, run: Run) -> None:
    refused = await at_desk(door, run)
    assert refused.exit_code == 1
    assert "there was no request in the last minute" in refused.stderr
    door.desk.report(1, report())
    result = await at_desk(door, run, "--step", "5:6h")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    (errors,) = found["guardrails"]
    assert found["traffic"]["customers_per_hour"] > 0
    assert 0 < errors["base_rate"] < 1
    assert any("is taken for another customer" in it or "began" in it for it in found["warnings"])


async def test_a_plan_from_the_census_of_the_canary_that_is_judged(door: Door, run: Run) -> None:
    door.clock.now += 1800.0
    came = [
        Newcomers("credit-risk", "2", 0.05, 0, _customers("c", 50), _customers("s", 950)),
    ]
    failed = [
        Incident(
            f"r{k}", "credit-risk", "1", "stable", 0.05, f"s{k:015x}", (), door.clock.now,
            "upstream_5xx", 0.1, False,
        )
        for k in range(19)
    ]  # fmt: skip
    door.desk.report(1, msgspec.structs.replace(report(), newcomers=came, incidents=failed))
    door.desk.tick()
    result = await at_desk(door, run, "--step", "5:6h")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["traffic"]["customers_per_hour"] == pytest.approx(2000.0, rel=0.01)
    assert found["guardrails"][0]["base_rate"] == pytest.approx(19 / 950)
    said = "\n".join(found["warnings"])
    assert "taken for another customer" not in said
    assert "slow: not planned: nothing is known of its rate yet; --base-rate slow=RATE" in said


def _customers(letter: str, n: int) -> tuple[tuple[str, int], ...]:
    return tuple((f"{letter}{k:015x}", 0) for k in range(n))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--customers-per-hour", "10", "--customers", "4"], 2, "10 customers per hour of 4"),
        (["--base-rate", "x=0.1"], 2, "'x' is no guardrail with a rate"),
        (["--bake", "soon"], 2, "'soon': allowed is a duration"),
        (["--customers-per-hour", "0"], 2, "--customers-per-hour"),
    ],
)
def test_a_plan_that_cannot_be(
    run: Run, config: Path, words: list[str], code: int, said: str
) -> None:
    result = run("plan", "credit-risk", "-c", config, "--base-rate", "0.01", *words)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", [["plan", "nobody"], ["simulate", "-m", "nobody"]])
def test_a_model_that_is_not_there(run: Run, config: Path, command: list[str]) -> None:
    result = run(*command, "-c", config)
    assert result.exit_code == 1
    assert "there is no model 'nobody'; there are: credit-risk" in result.stderr


def test_guardrails_without_a_rate(run: Run, config: Path) -> None:
    config.write_text(config.read_text() + "    guardrails: off\n")
    for words in (["plan", "credit-risk"], ["simulate", "-m", "credit-risk"]):
        result = run(*words, "-c", config)
        assert result.exit_code == 1
        assert "credit-risk has no guardrail with a rate" in result.stderr
