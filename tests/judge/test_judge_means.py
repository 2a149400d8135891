"""Guardrails on means, and the sample ratio, as findings of a trial."""

import math
import random

import pytest
from judge_world import came, line, named, seen, trial

from proxy.judge import Guardrail, Source
from proxy.terms import Verdict

WORTH = Guardrail("worth", Source.KPI, of="sale", measure="mean", direction="decrease", margin=0.2)
LOSS = Guardrail("loss", Source.LABEL, of="default", measure="mean", margin=0.2)


def crowd(canary, stable, share=0.5, at=10.0, prefix=""):
    ours = [f"{prefix}c{it}" for it in range(canary)]
    theirs = [f"{prefix}s{it}" for it in range(stable)]
    return ours, theirs, line(newcomers=[came(ours, theirs, share)], share=share, at=at)


def sales(customers, canary, chance, share=0.5, rate=0.3, worth=5.0, **more):
    return [
        seen(it, canary, share=share, source=Source.KPI, name="sale",
             value=chance.gauss(worth, 2), **more)
        for it in customers if chance.random() < rate
    ]  # fmt: skip


def judged(rule, canary_worth, stable_worth, n=2000, share=0.5):
    judge, chance = trial(rule), random.Random(7)
    ours, theirs, arrival = crowd(n, n, share)
    judge.add(arrival)
    judge.add(line(sales(ours, True, chance, worth=canary_worth), share=share))
    judge.add(line(sales(theirs, False, chance, worth=stable_worth), share=share))
    return judge


def test_a_kpi_that_falls_is_a_fail():
    found = named(judged(WORTH, 3.0, 5.0).findings(0.0), "worth")
    assert found.verdict is Verdict.FAIL
    assert found.effect == "revert"
    assert found.numbers["difference_high"] < 0
    assert found.numbers["canary_mean"] == pytest.approx(0.9, abs=0.15)
    assert found.message.startswith("canary 3: sale of its 2,000 customers is 0.9")
    assert "a healthy canary looks this bad at most" in found.message


def test_one_that_rises_is_none():
    found = named(judged(WORTH, 8.0, 5.0).findings(0.0), "worth")
    assert found.verdict is Verdict.PASS
    assert found.numbers["log_e"] < 0


def test_the_same_is_a_pass_when_there_are_enough():
    found = named(judged(WORTH, 5.0, 5.0, n=12_000).findings(0.0), "worth")
    assert found.verdict is Verdict.PASS
    assert found.message.endswith("20 % less than stable is excluded")


def test_and_inconclusive_when_there_are_not():
    found = named(judged(WORTH, 5.0, 5.0, n=300).findings(0.0), "worth")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.numbers["difference_low"] < 0 < found.numbers["difference_high"]


def test_no_pass_when_the_share_moved_half_of_them():
    judge = judged(WORTH, 5.0, 5.0, n=12_000)
    judge.add(line(share=0.9))
    chance = random.Random(9)
    judge.add(line(sales(["c1"], True, chance, rate=1.0), share=0.9))
    assert named(judge.findings(0.0), "worth").verdict is Verdict.INCONCLUSIVE


def test_losses_that_grow():
    judge, chance = trial(LOSS), random.Random(3)
    ours, theirs, arrival = crowd(1000, 1000)
    judge.add(arrival)
    for arm, rate in ((ours, 0.3), (theirs, 0.15)):
        judge.add(
            line(
                seen(it, arm is ours, share=0.5, source=Source.LABEL, name="default")
                for it in arm if chance.random() < rate
            )
        )  # fmt: skip
    found = named(judge.findings(0.0), "loss")
    assert found.verdict is Verdict.FAIL
    assert found.numbers["difference_low"] > 0


@pytest.mark.parametrize("canary", [5, 99])
def test_too_few_customers_are_not_yet(canary):
    judge, chance = trial(WORTH), random.Random(3)
    ours, theirs, arrival = crowd(canary, 1000)
    judge.add(arrival)
    judge.add(line(sales(theirs, False, chance)))
    assert ours
    found = named(judge.findings(0.0), "worth")
    assert found.verdict is Verdict.NOT_YET
    assert f"with {canary if canary >= 10 else 0} of its customers" in found.message


def test_too_few_values_are_not_yet():
    """A hundred of the canary's, of whom none has bought: nobody knows how normal that is."""
    judge, chance = trial(WORTH), random.Random(3)
    _, theirs, arrival = crowd(100, 900, 0.1)
    judge.add(arrival)
    judge.add(line(sales(theirs[:60], False, chance, rate=1.0, share=0.1)))
    assert named(judge.findings(0.0), "worth").verdict is Verdict.NOT_YET


def test_who_is_not_in_the_census_is_not_in_the_mean():
    judge = trial(WORTH)
    judge.add(line([seen("stranger", True, source=Source.KPI, name="sale", value=9.0)]))
    assert judge.ignored == 1


def test_a_customer_who_changed_the_arm_counts_where_he_came_from():
    judge, chance = trial(WORTH), random.Random(3)
    ours, theirs, arrival = crowd(2000, 2000)
    judge.add(arrival)
    judge.add(line(sales(ours, True, chance) + sales(theirs, True, chance, share=0.9), share=0.9))
    found = named(judge.findings(0.0), "worth")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.numbers["stable_mean"] == pytest.approx(1.5, abs=0.2)


def test_a_sample_ratio_that_is_off_holds_the_release():
    judge = trial()
    judge.add(crowd(400, 9600, 0.05)[2])
    found = named(judge.findings(0.0), "sample_ratio")
    assert (found.verdict, found.effect) == (Verdict.FAIL, "hold")
    assert found.message.startswith(
        "canary 3: 400 of 10,000 new customers came to it, where 500 were expected at a 5 % share: "
        "the shares are not what they should be (chance alone does that at most once in "
    )
    assert judge.failing(0.0) == (found,)


def test_one_that_is_right_passes_once_there_are_enough():
    judge = trial()
    assert named(judge.findings(0.0), "sample_ratio").verdict is Verdict.NOT_YET
    judge.add(crowd(6, 94, 0.05)[2])
    assert named(judge.findings(0.0), "sample_ratio").verdict is Verdict.NOT_YET
    judge.add(crowd(494, 9406, 0.05, prefix="x")[2])
    found = named(judge.findings(0.0), "sample_ratio")
    assert found.verdict is Verdict.PASS
    assert found.message.endswith("at a 5 % share, which is as it should be")


@pytest.mark.parametrize("value", [1e99, -1e99, 1e308, math.inf, math.nan])
def test_absurd_values_break_nothing(value):
    judge = judged(WORTH, 5.0, 5.0, n=300)
    judge.add(line([seen("c1", True, share=0.5, source=Source.KPI, name="sale", value=value)]))
    found = named(judge.findings(0.0), "worth")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert all(math.isfinite(it) for it in found.numbers.values())


def test_a_spread_that_rounding_has_eaten_decides_nothing():
    judge = trial(WORTH)
    ours, theirs, arrival = crowd(500, 500)
    judge.add(arrival)
    for number, it in enumerate(ours + theirs):
        value = 1e9 + (number % 2) - 5.0 * (it in ours)
        judge.add(
            line([seen(it, it in ours, source=Source.KPI, name="sale", value=value, share=0.5)])
        )
    assert named(judge.findings(0.0), "worth").verdict is Verdict.INCONCLUSIVE
