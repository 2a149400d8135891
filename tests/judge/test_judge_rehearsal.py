"""Simulated releases told to the real judge, and recorded ones told to it again."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from proxy.judge import Evidence, Guardrail, Guardrails, Observation, Source, Trial
from proxy.judge.guardrails import DEFAULT
from proxy.judge.rehearsal import TrialRule, crossing, told
from proxy.judge.replay import Replay, Replayed, thinned
from proxy.judge.rivals import HarmRule
from proxy.judge.scenario import Scenario, Step
from proxy.judge.simulate import CANARY, STABLE, Release, draw
from proxy.terms import Arm

STEPS = (Step(0.02, 600.0), Step(0.1, 600.0), Step(0.3, 600.0))


def release(seed: int, **fields: object) -> Release:
    scenario = msgspec.structs.replace(Scenario(failures=3, steps=STEPS), **fields)
    return draw(scenario, np.random.default_rng(seed))


@pytest.mark.parametrize("customers", [None, 1000, 10_000])
@pytest.mark.parametrize("effect", [1.0, 2.0, 4.0])
def test_the_quick_way_and_the_real_judge_decide_alike(customers, effect):
    """Retries, customers who fail again, and steps that move them to the canary included."""
    for seed in range(6):
        it = release(seed, customers=customers, effect=effect)
        found = crossing(it, DEFAULT, np.random.default_rng(seed))
        quick = HarmRule.of(DEFAULT.rules[0], DEFAULT).crossing(it)
        assert quick == (None if found is None else found[0])
        if found is not None:
            canary, stable = it.firsts[: found[0] + 1].sum(axis=0)
            assert found[1].numbers["canary_events"] == canary
            assert found[1].numbers["stable_events"] == stable


def test_a_part_of_alpha_and_a_tolerance_are_the_same_in_both():
    slow = Guardrail("slow", Source.SLOW, over=0.3, tolerance=0.3, segments=("a=b", "a=c"))
    both = Guardrails((*DEFAULT.rules, slow, Guardrail("shown", Source.KPI, dry_run=True)))
    quick = HarmRule.of(slow, both)
    assert quick.e_value == pytest.approx(4 / 0.05)
    exact = TrialRule.of(slow, both, np.random.default_rng(1))
    ticks = [rule.crossing(release(3, effect=4.0)) for rule in (quick, exact)]
    assert ticks[0] == ticks[1] is not None


def test_what_is_told_is_what_was_drawn():
    it = release(5, customers=300, base_rate=0.05)
    lines = list(told(it, np.random.default_rng(1), began=50.0))
    assert [line.at for line in lines[:2]] == [60.0, 70.0]
    arms: dict[str, set[Arm]] = {}
    for tick, line in enumerate(lines):
        for column, arm in ((CANARY, Arm.CANARY), (STABLE, Arm.STABLE)):
            mine = [seen for seen in line.observations if seen.arm is arm]
            assert len(mine) == it.errors[tick, column]
            assert line.requests[""][column] == it.requests[tick, column]
        for seen in line.observations:
            arms.setdefault(seen.customer, set()).add(seen.arm)
            assert seen.share == it.shares[tick]
    assert it.failed is not None
    assert len(arms) == len(it.failed.customer)
    assert any(len(each) == 2 for each in arms.values())  # the steps moved some to the canary


# Replay.

ALWAYS = Guardrails(
    (
        Guardrail("errors", Source.ERROR),
        Guardrail("slow", Source.SLOW, over=0.5, critical=False),
        Guardrail("shown", Source.ERROR, dry_run=True),
    ),
    sample_ratio=None,
)


def line(tick: int, *seen: tuple[Source, Arm, float]) -> Evidence:
    at = 1000.0 + 10.0 * tick
    observations = tuple(
        Observation(source, arm, 0.5, f"{tick}-{k}", at, value=value)
        for k, (source, arm, value) in enumerate(seen)
    )
    return Evidence(at, "m", "2", "1", 0.5, observations, {"": (50, 50)})


def replayed(guardrails: Guardrails, *lines: Evidence) -> Replayed:
    replay = Replay(Trial(guardrails, "m", "2", "1", 1000.0))
    for it in lines:
        replay.add(it)
    return replay.result()


BAD = (Source.ERROR, Arm.CANARY, 1.0)
SLOW = (Source.SLOW, Arm.CANARY, 0.9)


def test_a_replay_says_when_each_verdict_came():
    quiet = line(1)
    found = replayed(ALWAYS, quiet, line(2, BAD), *(line(k, BAD, BAD, SLOW) for k in range(3, 20)))
    assert found.lines == 19
    assert found.seconds == 190.0
    assert [it.verdict for it in found.timeline if it.check == "errors"] == [
        "not_yet",
        "inconclusive",
        "fail",
    ]
    assert found.reverted is not None
    assert found.held is not None
    assert (found.reverted.check, found.held.check) == ("errors", "slow")
    assert found.reverted.seconds < found.held.seconds
    shown = next(it for it in found.timeline if it.check == "shown" and it.verdict == "fail")
    assert shown.effect == "none"
    assert found.reverted.at == 1000.0 + found.reverted.seconds


def test_its_moment_is_the_live_judge_s():
    lines = [line(k, BAD) for k in range(1, 20)]
    live, at = Trial(ALWAYS, "m", "2", "1", 1000.0), []
    for it in lines:
        live.add(it)
        at += [it.at for finding in live.findings(it.at) if finding.verdict.name == "FAIL"]
    found = replayed(ALWAYS, *lines)
    assert found.reverted is not None
    assert found.reverted.at == at[0]
    assert found.findings == live.findings(0.0)


def test_other_rules_come_to_another_end():
    lines = [line(k, BAD, BAD, BAD, (Source.ERROR, Arm.STABLE, 1.0)) for k in range(1, 30)]
    rules = (Guardrail("errors", Source.ERROR, tolerance=4.0, margin=5.0),)
    assert replayed(ALWAYS, *lines).reverted is not None
    assert replayed(Guardrails(rules), *lines).reverted is None


def test_a_path_is_what_the_findings_said():
    found = replayed(ALWAYS, *(line(k, BAD) for k in range(1, 8)))
    path = found.paths["errors"]
    assert [seconds for seconds, _ in path] == [10.0 * k for k in range(1, 8)]
    assert path[-1][1] == found.findings[0].numbers["log_e"]


def test_thinning_keeps_the_highest_and_the_last():
    path = [(float(k), float(k == 501)) for k in range(1000)]
    fewer = thinned(path)
    assert len(fewer) <= 501
    assert max(fewer, key=lambda it: it[1]) == (501.0, 1.0)
    assert fewer[-1] == path[-1]
    assert fewer == sorted(fewer)


def test_nothing_recorded_is_nothing_found():
    found = replayed(ALWAYS)
    assert (found.lines, found.timeline, found.reverted, found.held) == (0, (), None, None)
