"""The gate: what passes, what fails, and what can never pass."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare import Comparison, DecisionRule, Options, Tolerances
from proxy.compare.agreement import Agreement
from proxy.feedback import Label, Prediction
from proxy.judge.gate import Criteria, Inferior, gate
from proxy.judge.gating import Bound, settled
from proxy.terms import Half, Outcome, Pair, Verdict

AGES = ("young", "middle", "senior")
START = 1_700_000_000.0


def half(version, p, seconds=0.02, status=200):
    body = b'{"outputs":[{"name":"p","datatype":"FP64","shape":[1],"data":[%r]}]}' % p
    outcome = Outcome.OK if status == 200 else Outcome.UPSTREAM_5XX
    return Half(version, outcome, status, seconds, body, len(body))


def world(change, n=2000, seed=1, labels=False, noise=0, slow=1.0, fail=0.0, wobble=0.0):
    """``change``: (p, age) to the shadow's probability; ``wobble``: of both versions."""
    chance = random.Random(seed)

    def drawn(p):
        return min(1.0, max(0.0, p + chance.gauss(0, wobble))) if wobble else p

    made = Comparison(Options(decision=DecisionRule(0.5)), "credit-risk", "3")
    for k in range(n):
        p, age = chance.betavariate(1.2, 4), AGES[k % 3]
        a, b = drawn(p), drawn(change(p, age))
        segments = (f"age_band={age}",)
        shadow = half("3", b, 0.02 * slow, 500 if chance.random() < fail else 200)
        at = START + k * 60
        made.add(Pair(f"r{k}", "m", f"c{k}", segments, at, half("1", a), shadow))
        if labels:
            one, two = (
                Prediction(f"r{k}", "m", v, "stable", 0.0, True, f"c{k}", segments, at, it)
                for v, it in (("1", a), ("3", b))
            )
            made.add_label(one, two, Label(f"e{k}", "d", chance.random() < p, at))
    for k in range(noise):
        p = chance.betavariate(1.2, 4)
        pair = Pair(f"n{k}", "m", "", (), START, half("1", drawn(p)), half("1", drawn(p)))
        made.add_noise(pair)
    return made


def same(p, age):
    return p


def broken_for_the_young(p, age):
    return min(1.0, p + 0.12) if age == "young" else p


def ruined(p, age):
    return p**0.4


def verdicts(made, **criteria):
    found = gate(Criteria(**criteria), made.summary(START))
    return found.verdict, {it.check: it.verdict for it in found.findings}


def test_the_same_version_passes():
    word, checks = verdicts(world(same, 4500), protected=("age_band",), latency=1.5)
    assert word == "pass", checks
    assert "shift[age_band=young]" in checks


def test_a_version_broken_for_one_protected_segment_fails_by_it():
    word, checks = verdicts(
        world(broken_for_the_young, 4000), protected=("age_band",), agreement=None, shift=0.06
    )
    assert word == "fail"
    assert checks["shift"] is Verdict.PASS
    assert checks["shift[age_band=young]"] is Verdict.FAIL
    assert checks["shift[age_band=senior]"] is Verdict.PASS


def test_ruined_calibration_fails_with_labels_and_is_inconclusive_without():
    criteria = {
        "agreement": None, "shift": None, "ece": 0.05, "labelled": 0.5,
        "inferior": Inferior("brier", 0.005),
    }  # fmt: skip
    word, checks = verdicts(world(ruined, labels=True), **criteria)
    assert word == "fail"
    assert checks["calibration"] is checks["inferior"] is Verdict.FAIL
    word, checks = verdicts(world(ruined), **criteria)
    assert word == "inconclusive"
    assert checks["calibration"] is checks["labelled"] is Verdict.NOT_YET
    word, checks = verdicts(world(same, 6000, labels=True), **criteria)
    assert word == "pass", checks


def test_an_identical_but_noisy_version_passes_and_a_worse_one_does_not():
    noisy = world(same, 3000, noise=3000, wobble=0.02)
    assert verdicts(noisy, agreement=0.9)[0] == "pass"
    other = world(lambda p, age: min(1.0, p + 0.15), 3000, noise=3000, wobble=0.02)
    assert verdicts(other, agreement=0.9, shift=None)[0] == "fail"


def test_while_the_noise_is_being_learned_nobody_is_blamed():
    word, checks = verdicts(world(same, noise=20, wobble=0.02), shift=None)
    assert (word, checks["agreement"]) == ("inconclusive", Verdict.INCONCLUSIVE)
    word, checks = verdicts(world(same, wobble=0.02), shift=None)
    assert (word, checks["agreement"]) == ("fail", Verdict.FAIL)


def test_a_slow_or_failing_shadow_fails():
    assert verdicts(world(same, slow=3.0), latency=1.5)[1]["latency"] is Verdict.FAIL
    word, checks = verdicts(world(same, fail=0.2))
    assert word == "fail"
    assert checks["errors"] is Verdict.FAIL
    assert checks["fidelity"] is Verdict.INCONCLUSIVE


def test_too_few_pairs_or_days_are_no_pass():
    word, checks = verdicts(world(same, 150))
    assert (word, checks["pairs"]) == ("inconclusive", Verdict.NOT_YET)
    word, checks = verdicts(world(same), days=3.0)
    assert (word, checks["days"]) == ("inconclusive", Verdict.NOT_YET)


def test_poor_fidelity_never_passes_and_says_so_first():
    made = world(same)
    made.tell({"sent": 80, "dropped_queue": 20})
    found = gate(Criteria(), made.summary(START))
    assert found.verdict == "inconclusive"
    assert "fidelity is poor" in found.sentence
    assert "dropped_queue" in found.sentence
    # Nothing at all is no pass either.
    empty = Comparison(Options(), "m", "3").summary(START)
    assert gate(Criteria(pairs=0), empty).verdict == "inconclusive"
    none_asked = Criteria(0, agreement=None, shift=None, errors=None, broken=None)
    assert gate(none_asked, empty).verdict == "inconclusive"


SUMMARIES = [
    world(same, 1500).summary(START),
    world(ruined, 1500, labels=True).summary(START),
    world(broken_for_the_young, 300).summary(START),
    Comparison(Options(), "m", "3").summary(START),
    Comparison(Options(tolerances=Tolerances(0.5)), "m", "3").summary(START),
]


@given(
    st.sampled_from(SUMMARIES),
    st.builds(
        Criteria,
        pairs=st.integers(0, 3000),
        days=st.floats(0, 3),
        labelled=st.floats(0, 1),
        agreement=st.none() | st.floats(0, 1),
        shift=st.none() | st.floats(0, 1),
        ece=st.none() | st.floats(0, 1),
        inferior=st.none() | st.builds(Inferior, st.just("brier"), st.floats(0, 1)),
        protected=st.sampled_from([(), ("age_band",), ("age_band=young", "no=such")]),
        latency=st.none() | st.floats(0, 10),
    ),
)
def test_a_pass_is_only_where_every_criterion_passes(summary, criteria):
    found = gate(criteria, summary)
    everything = {it.verdict for it in found.findings}
    assert (found.verdict == "pass") == (everything == {Verdict.PASS})
    assert (found.verdict == "fail") == (Verdict.FAIL in everything)
    if summary.fidelity.poor or summary.pairs < criteria.pairs:
        assert found.verdict != "pass"
    assert all(it.effect == "none" for it in found.findings)
    assert found.sentence.endswith(".")
    assert msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1, 1, Verdict.PASS),
        (-1, 3, Verdict.INCONCLUSIVE),
        (3, 4, Verdict.FAIL),
        (-5, 5, Verdict.INCONCLUSIVE),
        (-9, -5, Verdict.FAIL),
    ],
)
def test_an_interval_settles_it_or_not(low, high, expected):
    assert settled(low, high, -2, 2) is expected


def test_at_the_edge_a_gate_that_is_asked_often_is_seldom_wrong():
    """Exactly as good as is needed: neither a pass nor a fail is right, whenever it is asked."""
    chance, wrong, bound = random.Random(2), 0, Bound(0.05, 1000)
    for _ in range(120):
        found = Agreement()
        for k in range(1, 2001):
            found.add(1, int(chance.random() < 0.95))
            if k % 50 == 0:
                low, high = bound.around(found.rate, found.error, found.pairs)
                if settled(low, high, 0.95, 1.0) is not Verdict.INCONCLUSIVE:
                    wrong += 1
                    break
    assert wrong <= 12  # of 120; 6 at most are expected


def test_another_loss_than_the_one_compared_is_no_pass():
    made = world(same, 500, labels=True)
    word, checks = verdicts(made, inferior=Inferior("log", 1.0), shift=None)
    assert word == "inconclusive"
    assert checks["inferior"] is Verdict.INCONCLUSIVE
