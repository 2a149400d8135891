"""How long harm goes on: no longer than docs/judge.md and the published figures say."""

import math
import random
import re
import statistics
from pathlib import Path

import pytest
from judge_world import line, seen, trial

from proxy.judge import HarmTest, Running
from proxy.judge.census import MOST_CUSTOMERS
from proxy.judge.counting import MOST_COUNTED
from proxy.judge.rates import MOST_COUNTED as MOST_OF_AN_ARM
from proxy.measure.confidence import BURN_IN
from proxy.terms import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "judge.md").read_text(encoding="utf-8")
SHARE = 0.05
#: (base rate, the canary's rate) -> median requests of the canary at 5 %, one hypothesis.
PUBLISHED = {(0.01, 0.02): 940, (0.01, 0.05): 120, (0.001, 0.002): 11_300, (0.05, 0.10): 210}


def canary_requests(base: float, bad: float, seed: int) -> float:
    """Until harm is found; event by event, with the requests in between drawn at once."""
    chance, test = random.Random(seed), Running(HarmTest(0.0))
    rate = SHARE * bad + (1 - SHARE) * base
    requests = 0
    while not test.reaches(math.log(20)):
        requests += math.ceil(math.log(1 - chance.random()) / math.log(1 - rate))
        test.add(SHARE, chance.random() < SHARE * bad / rate)
    return requests * SHARE


@pytest.mark.parametrize(("base", "bad"), PUBLISHED)
def test_harm_is_found_as_fast_as_published(base, bad):
    median = statistics.median(canary_requests(base, bad, seed) for seed in range(201))
    assert median < PUBLISHED[base, bad] * 1.3
    row = rf"\| {base * 100:g} % -> {bad * 100:g} % \| ([\d,]+) \|"
    said = int(re.search(row, PAGE)[1].replace(",", ""))
    assert 1 / 1.3 < median / said < 1.3


def test_the_page_quotes_a_real_finding():
    judge = trial()
    judge.add(
        line(seen(f"{who}{it}", who == "c") for who, n in (("c", 14), ("s", 19)) for it in range(n))
    )
    (found,) = judge.failing(0.0)
    assert found.message in " ".join(PAGE.split())
    for number in found.numbers:
        stem = number.replace("stable_", "canary_")
        assert f"`{number}`" in PAGE or f"`{stem}`" in PAGE or number.endswith("_requests")


@pytest.mark.parametrize("verdict", [it for it in Verdict if it is not Verdict.ERROR])
def test_every_verdict_is_explained(verdict):
    assert re.search(rf"^\| {verdict.name.lower().replace('_', ' ')} \|", PAGE, re.MULTILINE)


def test_the_bounds_are_the_codes():
    assert MOST_COUNTED == MOST_CUSTOMERS == 50_000
    assert "50,000 counted customers" in PAGE
    assert "a sample of at most 50,000" in PAGE
    assert MOST_OF_AN_ARM == 0.1
    assert f"begins with {BURN_IN} customers of each arm" in PAGE
