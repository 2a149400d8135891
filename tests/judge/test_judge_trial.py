"""A trial: what counts as evidence, what is said of it, and that it survives."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_world import ERRORS, came, line, named, seen, trial

from proxy.judge import Evidence, Guardrail, Guardrails, HarmTest, Source, Trial, hypotheses
from proxy.judge.counting import draw
from proxy.terms import Arm, Verdict

YOUNG, OLD = "age=young", "age=old"


def only(judge):
    return named(judge.findings(0.0), "errors")


def customers(prefix, n):
    return [f"{prefix}{number}" for number in range(n)]


def failing(canary, stable, **more):
    """Observations of so many customers of each arm."""
    return [
        *(seen(it, True, **more) for it in customers("c", canary)),
        *(seen(it, False, **more) for it in customers("s", stable)),
    ]


# ---- findings


def test_nothing_seen_is_not_yet():
    found = only(trial())
    assert found.verdict is Verdict.NOT_YET
    assert found.message == (
        "canary 3: none of its customers and none of stable's failed yet, "
        "so there is nothing to compare"
    )


def test_harm_is_a_fail_with_its_numbers():
    judge = trial()
    judge.add(line(failing(14, 19), requests={"": (100, 900)}))
    found = only(judge)
    log_e = HarmTest(0.0).log_e({0.1: (14, 19)})
    assert found.verdict is Verdict.FAIL
    assert found.effect == "revert"
    assert found.numbers["canary_events"] == 14
    assert found.numbers["stable_events"] == 19
    assert found.numbers["expected"] == pytest.approx(19 / 9)
    assert found.numbers["log_e"] == log_e
    assert found.numbers["e_value"] == pytest.approx(math.exp(log_e))
    assert found.numbers["p"] == pytest.approx(math.exp(-log_e))
    assert found.numbers["needed"] == pytest.approx(20)
    assert found.message == (
        "canary 3: 14 of its customers failed where 2.1 were expected from stable's 19 at a 10 % "
        "share; a healthy canary looks this bad at most once in 14,784 times, once in 20 is enough"
    )
    assert judge.failing(0.0) == (found,)


def test_a_healthy_canary_is_inconclusive_while_little_is_known():
    judge = trial()
    judge.add(line(failing(1, 9)))
    found = only(judge)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert judge.failing(0.0) == ()
    assert "nothing speaks against it so far" in found.message


def test_it_is_a_pass_when_harm_is_excluded():
    judge = trial()
    judge.add(line(newcomers=[came(customers("c", 2000), customers("s", 18_000))]))
    judge.add(line(failing(10, 290)))
    found = only(judge)
    assert found.verdict is Verdict.PASS
    assert found.message.endswith("at a 10 % share; 50 % more than stable is excluded")
    assert found.numbers["canary_customers"] == 2000
    assert found.numbers["canary_rate"] == pytest.approx(0.005)
    assert found.numbers["canary_low"] < 0.005 < found.numbers["canary_high"]
    judge.add(line([seen(f"x{it}", True) for it in range(40)]))
    assert only(judge).verdict is not Verdict.PASS, "the counts show the harm that was excluded"


@pytest.mark.parametrize("known", [0, 500])
def test_no_pass_when_over_a_tenth_was_counted_or_nobody_knows_of_how_many(known):
    judge = trial()
    if known:
        judge.add(line(newcomers=[came(customers("c", known // 10), customers("s", known))]))
    judge.add(line(failing(10, 290)))
    found = only(judge)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "harm cannot be excluded, with over a tenth of the customers counted" in found.message


@pytest.mark.parametrize(
    ("rule", "effect"),
    [
        (ERRORS, "revert"),
        (Guardrail("errors", Source.ERROR, critical=False), "hold"),
        (Guardrail("errors", Source.ERROR, dry_run=True), "none"),
    ],
)
def test_what_follows_from_a_fail(rule, effect):
    judge = trial(rule)
    judge.add(line(failing(14, 19)))
    found = only(judge)
    assert (found.verdict, found.effect) == (Verdict.FAIL, effect)
    assert ("reported only (dry run)" in found.message) == rule.dry_run


def test_fewer_of_what_is_good_is_harm():
    rule = Guardrail("sold", Source.KPI, of="sale", direction="decrease", tolerance=0.05)
    judge = trial(rule)
    judge.add(line(failing(5, 400, source=Source.KPI, name="sale")))
    found = named(judge.findings(0.0), "sold")
    assert found.verdict is Verdict.FAIL
    assert "5 of its customers had the event sale where 44 were expected" in found.message
    assert "(5 % less is tolerated)" in found.message


def test_alpha_is_divided_among_what_is_judged():
    rules = (
        ERRORS,
        Guardrail("slow", Source.SLOW, segments=(YOUNG, OLD)),
        Guardrail("shown", Source.FALLBACK, segments=(YOUNG,), dry_run=True),
        Guardrail("worth", Source.KPI, measure="mean", segments=(YOUNG,)),
    )
    assert hypotheses(Guardrails(rules)) == 5
    assert hypotheses(Guardrails()) == 1
    found = trial(*rules).findings(0.0)
    assert [it.check for it in found] == [
        "errors", "slow", "slow[age=young]", "slow[age=old]", "shown", "shown[age=young]", "worth",
        "sample_ratio",
    ]  # fmt: skip
    assert [it.numbers["needed"] for it in found[:-1]] == pytest.approx([100] * 7)


# ---- what counts


def test_only_the_first_bad_event_of_a_customer_counts():
    judge = trial()
    judge.add(line([seen("a", True, share=0.05)], share=0.05))
    judge.add(line([seen("a", True, share=0.25, at=11), seen("b", False, share=0.25)], share=0.25))
    judge.add(line([seen("b", True, share=0.5, at=12)] * 20, share=0.5))
    found = only(judge)
    assert (found.numbers["canary_events"], found.numbers["stable_events"]) == (1, 1)
    assert found.numbers["log_e"] == HarmTest(0.0).log_e({0.05: (1, 0), 0.25: (0, 1)})
    assert "at shares of 5 to 25 %" in found.message


@given(st.randoms())
def test_who_lists_the_arms_one_after_the_other_decides_nothing(chance):
    events = [seen("a", False, share=0.1, at=10), seen("a", True, share=0.5, at=11)]
    chance.shuffle(events)
    judge = trial()
    judge.add(line(events))
    assert only(judge).numbers["stable_events"] == 1


def test_what_is_no_evidence():
    judge = Trial(Guardrails((ERRORS,)), "m", "3", "1", 100.0)
    judge.add(
        line(
            [
                seen("before", True, at=99.9),
                seen("at none", True, at=101, share=0.0),
                seen("at all", True, at=101, share=1.0),
                msgspec.structs.replace(seen("a copy", True, at=101), arm=Arm.SHADOW),
            ]
        )
    )
    assert only(judge).verdict is Verdict.NOT_YET
    assert judge.ignored == 4
    judge.add(line([seen("x", True, at=101, value=math.nan), seen("x", True, at=101, value=0.0)]))
    assert only(judge).verdict is Verdict.NOT_YET


def test_requests_without_a_customer_count_one_by_one_and_it_is_said():
    judge = trial()
    judge.add(line([seen("", True)] * 3 + [seen("", False)] * 9, requests={"": (100, 900)}))
    found = only(judge)
    assert (found.numbers["canary_events"], found.numbers["stable_events"]) == (3, 9)
    assert found.message.startswith("canary 3: 3 of its requests failed where 1.0 was expected")
    assert found.message.endswith("these are requests without a customer key, judged one by one")
    assert found.numbers["canary_rate"] == pytest.approx(0.03)
    judge.add(line(failing(20, 100)))
    assert "12 of these are requests without a customer key" in only(judge).message


def test_segments_count_by_themselves():
    judge = trial(Guardrail("errors", Source.ERROR, segments=(YOUNG, OLD)))
    judge.add(
        line(
            [
                seen("a", True, at=1, segments=("age=other",)),
                seen("a", True, at=2, segments=(YOUNG, "place=here")),
                seen("a", True, at=3, segments=(YOUNG,)),
                seen("b", False, at=3, segments=(OLD,)),
            ],
            requests={"": (100, 900), YOUNG: (20, 180)},
            newcomers=[came(customers("c", 50), customers("s", 450))],
        )
    )
    found = judge.findings(0.0)
    assert named(found, "errors").numbers["canary_events"] == 1
    young = named(found, "errors[age=young]")
    assert young.numbers["canary_events"] == 1
    assert young.numbers["canary_customers"] == 10
    assert young.message.startswith("canary 3, age=young: 1 of its customers failed")
    assert named(found, "errors[age=old]").numbers["stable_events"] == 1


def test_the_segments_that_stand_out():
    judge = trial(Guardrail("errors", Source.ERROR, segments=(YOUNG, OLD)))
    assert judge.standing_out() == ()
    judge.add(line([*failing(9, 3, segments=(YOUNG,)), *failing(1, 9, segments=(OLD,))]))
    assert judge.standing_out() == ("errors[age=young]",)


def test_each_slo_has_first_events_of_its_own():
    slow = [Guardrail(f"over-{it}", Source.SLOW, over=it) for it in (0.3, 1.0)]
    judge = trial(*slow)
    events = [("a", 0.3, 1), ("a", 0.5, 2), ("a", 2.0, 3), ("b", 0.4, 4)]
    judge.add(line([seen(w, True, source=Source.SLOW, value=v, at=t) for w, v, t in events]))
    found = judge.findings(0.0)
    assert named(found, "over-0.3").numbers["canary_events"] == 2
    assert named(found, "over-1.0").numbers["canary_events"] == 1
    assert "2 of its customers waited over 300 ms" in named(found, "over-0.3").message


def test_values_under_a_bound():
    judge = trial(Guardrail("small", Source.KPI, of="sale", under=5.0))
    judge.add(line([seen("a", True, source=Source.KPI, name="sale", value=it) for it in (9, 4)]))
    judge.add(line([seen("b", True, source=Source.KPI, name="other", value=1.0)]))
    found = named(judge.findings(0.0), "small")
    assert found.numbers["canary_events"] == 1
    assert "had the event sale under 5" in found.message


def test_beside_the_canarys_fallbacks_stand_stables_errors():
    judge = trial(Guardrail("saved", Source.FALLBACK))
    judge.add(line([seen("a", True, source=Source.FALLBACK), *failing(3, 5)]))
    found = named(judge.findings(0.0), "saved")
    assert (found.numbers["canary_events"], found.numbers["stable_events"]) == (1, 5)


def test_what_was_dropped_is_counted():
    judge = trial()
    judge.add(line(dropped=7))
    judge.add(line(dropped=1))
    assert judge.dropped == 8


def test_evidence_of_another_canary_is_refused():
    with pytest.raises(ValueError, match="evidence of m 4 in the trial of m 3"):
        trial().add(Evidence(1.0, "m", "4", "1", 0.1))


@pytest.mark.parametrize(
    ("source", "of", "words"),
    [
        (Source.SLOW, "", "waited too long"),
        (Source.BAD_INPUT, "age", "sent bad inputs (age)"),
        (Source.BAD_OUTPUT, "", "got bad answers"),
        (Source.SIGNAL, "fraud", "set off the alarm fraud"),
        (Source.LABEL, "default", "had a wrong default"),
        (Source.FALLBACK, "", "needed another version's answer"),
    ],
)
def test_the_words_for_each_source(source, of, words):
    judge = trial(Guardrail("it", source, of=of))
    judge.add(line([seen("a", True, source=source, name=of)]))
    assert f"1 of its customers {words} where" in judge.findings(0.0)[0].message


# ---- memory is bounded


def test_what_is_remembered_is_bounded_and_blind_to_the_arm():
    judge = trial(most_counted=1000)
    chance = random.Random(5)
    for number in range(20_000):
        judge.add(line([seen(f"k{number}", chance.random() < 0.1)]))
    least = judge._counted.least
    assert judge._counted.n <= 1000
    assert least >= 4
    found = only(judge)
    assert found.verdict is not Verdict.FAIL
    counted = found.numbers["canary_events"] + found.numbers["stable_events"]
    assert 3000 < counted < 12_000, "what was counted stays counted"
    inside = next(f"new{it}" for it in range(10**6) if not draw(f"new{it}") & ((1 << least) - 1))
    outside = next(f"new{it}" for it in range(10**6) if draw(f"new{it}") & 1)
    for customer, counts in ((inside, 1), (outside, 0), ("k1", 0), (inside, 0)):
        before = only(judge).numbers["stable_events"]
        judge.add(line([seen(customer, False)]))
        assert only(judge).numbers["stable_events"] - before == counts


# ---- between two lives

RULES = (
    Guardrail("errors", Source.ERROR, segments=(YOUNG,)),
    Guardrail("slow", Source.SLOW, over=0.3, tolerance=0.2),
    Guardrail("worth", Source.KPI, of="sale", measure="mean", direction="decrease"),
)
NAMES = [f"n{it}" for it in range(400)]
OBSERVED = st.builds(
    lambda who, canary, share, source, value, at, part: seen(
        who,
        canary,
        share=share,
        source=source,
        value=value,
        at=at,
        name="sale" if source is Source.KPI else "",
        segments=part,
    ),
    st.sampled_from(["", *NAMES[:40]]),
    st.booleans(),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([Source.ERROR, Source.SLOW, Source.KPI]),
    st.floats(-1, 3),
    st.floats(-1, 9),
    st.sampled_from([(), (YOUNG,), (OLD,)]),
)
ARRIVALS = st.builds(
    lambda split, share: [came(NAMES[:split], NAMES[split:], share)],
    st.integers(100, 300),
    st.sampled_from([0.1, 0.5]),
)
LINES = st.lists(
    st.builds(
        lambda observed, arrived, share: line(
            observed, newcomers=arrived, share=share, requests={"": (3, 9), YOUNG: (1, 2)}
        ),
        st.lists(OBSERVED, max_size=12),
        st.one_of(st.just([]), ARRIVALS),
        st.sampled_from([0.1, 0.5]),
    ),
    max_size=8,
)


@given(LINES, st.integers(0, 8), st.booleans())
def test_a_trial_goes_on_as_if_nothing_had_been(lines, cut, looked):
    """Same findings to the last bit, after any cut, and whenever somebody looked."""
    guardrails = Guardrails(RULES)
    whole = Trial(guardrails, "m", "3", "1", 0.0, most_counted=30, most_customers=150)
    for it in lines:
        whole.add(it)
        if looked:
            whole.findings(it.at)
    part = Trial(guardrails, "m", "3", "1", 0.0, most_counted=30, most_customers=150)
    for it in lines[:cut]:
        part.add(it)
    stored = part.snapshot()
    again = Trial.restore(guardrails, stored, most_counted=30, most_customers=150)
    assert again.snapshot() == stored
    assert again.findings(0.0) == part.findings(0.0)
    for it in lines[cut:]:
        again.add(it)
    assert again.findings(0.0) == whole.findings(0.0)
    assert again.snapshot() == whole.snapshot()


def test_a_changed_guardrail_begins_afresh_and_the_others_go_on():
    judge = trial(*RULES)
    judge.add(line([*failing(14, 19), *failing(3, 9, source=Source.SLOW, value=1.0)]))
    changed = (
        msgspec.structs.replace(RULES[0], critical=False, segments=(YOUNG, OLD)),
        msgspec.structs.replace(RULES[1], over=0.5),
        Guardrail("more", Source.FALLBACK),
    )
    found = Trial.restore(Guardrails(changed), judge.snapshot()).findings(0.0)
    assert named(found, "errors").numbers["canary_events"] == 14
    assert named(found, "errors").effect == "hold"
    assert "guardrail was changed" not in named(found, "errors").message
    for check in ("slow", "more", "errors[age=old]"):
        assert named(found, check).numbers["canary_events"] == 0
        assert named(found, check).message.endswith("counted only since the guardrail was changed")


@pytest.mark.parametrize("stored", [b"", b"junk", msgspec.msgpack.encode({"kind": "trial"})])
def test_what_is_no_snapshot(stored):
    with pytest.raises(ValueError, match=f"snapshot of {len(stored)} bytes"):
        Trial.restore(Guardrails(), stored)


def test_a_snapshot_of_another_format():
    kept = msgspec.msgpack.decode(trial().snapshot())
    kept["format"] = 99
    with pytest.raises(ValueError, match="format 99: known is 1"):
        Trial.restore(Guardrails(), msgspec.msgpack.encode(kept))


def test_the_same_findings_until_there_is_news():
    judge = trial()
    judge.add(line(failing(2, 9), requests={"": (10, 90)}))
    first = judge.findings(0.0)
    assert judge.findings(99.0) is first
    judge.add(line(requests={"": (10, 90)}))
    assert judge.findings(0.0)[0].message is first[0].message
    assert judge.findings(0.0)[0].numbers["canary_requests"] == 20
