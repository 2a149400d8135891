"""Healthy canaries, looked at on every tick: reverted at most with chance alpha (promise 7).

Seeded, so that the figures are the same in every run.  With requests counted instead of
customers, the same data revert healthy canaries far too often: the trap is real, and the
simulation shows it.
"""

from __future__ import annotations

import random

from judge_world import Customers, came, line, seen, trial
from scipy.stats import binomtest

from proxy.judge import Guardrail, Source, Trial
from proxy.terms import Verdict

ALPHA = 0.05
TICKS = 40
SHARES = (0.05, 0.25, 0.5)


def healthy_release(seed: int, retries: int = 5):
    """Failures by tick as (customer, canary, share): ``retries`` in a row for each customer who
    fails at all, the heavy users most likely; what fails has nothing to do with the arm, and the
    share grows while it goes on."""
    chance = random.Random(seed)
    arms = Customers(chance)
    ticks = [[] for _ in range(TICKS)]
    for number in range(600):
        activity = chance.lognormvariate(0.0, 1.5)
        if chance.random() < 1.0 - 0.97**activity:
            start = chance.randrange(TICKS)
            for retry in range(retries):
                tick = min(TICKS - 1, start + retry // 2)
                share = SHARES[tick * len(SHARES) // TICKS]
                ticks[tick].append((f"{number}", arms.canary(f"{number}", share), share))
    return ticks


def reverted(judge: Trial, ticks, known: bool) -> bool:
    for at, failures in enumerate(ticks):
        judge.add(
            line(
                (seen(who if known else "", canary, share=share, at=at)
                 for who, canary, share in failures),
                share=SHARES[at * len(SHARES) // TICKS], at=at,
            )
        )  # fmt: skip
        if judge.failing(at):
            return True
    return False


def test_healthy_canaries_are_reverted_at_most_with_chance_alpha():
    releases = [healthy_release(seed) for seed in range(300)]
    by_customer = sum(reverted(trial(), ticks, known=True) for ticks in releases)
    assert binomtest(by_customer, 300).proportion_ci(0.95).low <= ALPHA
    assert by_customer <= 300 * ALPHA
    by_request = sum(reverted(trial(), ticks, known=False) for ticks in releases)
    assert by_request > 300 * ALPHA * 4


def test_harmful_canaries_are_reverted():
    """The same, but that for each customer who fails in the canary two more do."""
    caught = 0
    for seed in range(40):
        ticks = [
            [
                (f"{who}/{more}", canary, share)
                for who, canary, share in tick
                for more in range(3 if canary else 1)
            ]
            for tick in healthy_release(seed)
        ]
        caught += reverted(trial(), ticks, known=True)
    assert caught >= 30


def test_healthy_means_are_called_harmful_at_most_with_chance_alpha():
    """Heavy-tailed totals that go on growing after their customer was counted, at every tick."""
    rule = Guardrail("worth", Source.KPI, of="sale", measure="mean", direction="decrease")
    wrong = 0
    for seed in range(120):
        chance, judge = random.Random(seed), trial(rule)
        everyone = [(f"{number}", chance.random() < 0.2) for number in range(900)]
        for tick in range(18):
            new = everyone[tick * 50 : (tick + 1) * 50]
            here = everyone[: (tick + 1) * 50]
            arrived = came([w for w, c in new if c], [w for w, c in new if not c], 0.2)
            buying = (it for it in here if chance.random() < 0.05)
            judge.add(
                line(
                    [
                        seen(who, canary, share=0.2, source=Source.KPI, name="sale",
                             value=chance.lognormvariate(1.0, 1.0))
                        for who, canary in buying
                    ],
                    share=0.2, newcomers=[arrived], at=tick,
                )
            )  # fmt: skip
            if any(it.check == "worth" for it in judge.failing(tick)):
                wrong += 1
                break
    assert wrong <= 120 * ALPHA


def test_a_canary_at_the_margin_is_certified_at_most_with_chance_alpha():
    """Half as many failures again as stable, in the requests of heavy-tailed customers, most of
    whom fail in the end: late events look ever better, and deceive whoever counts them."""
    certified = counted = 0
    for seed in range(100):
        chance, judge = random.Random(seed), trial()
        everyone = [(f"{number}", chance.random() < 0.2) for number in range(1000)]
        judge.add(
            line(
                share=0.2,
                newcomers=[
                    came([w for w, c in everyone if c], [w for w, c in everyone if not c], 0.2)
                ],
            )
        )
        first = []
        for who, canary in everyone:
            rate = chance.lognormvariate(0.0, 1.5) * (1.5 if canary else 1.0)
            first.append((chance.expovariate(rate), who, canary))
        first = sorted(it for it in first if it[0] < 2.0)
        for begin in range(0, len(first), 20):
            some = first[begin : begin + 20]
            counted += len(some)
            judge.add(line([seen(who, canary, share=0.2, at=at) for at, who, canary in some]))
            if judge.findings(0.0)[0].verdict is Verdict.PASS:
                certified += 1
                break
    assert counted > 100 * 100
    assert certified <= 100 * ALPHA
