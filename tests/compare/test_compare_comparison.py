"""A whole comparison: what is caught, what passes, what is counted, and that it merges."""

from __future__ import annotations

import gzip
import random

import msgspec
import pytest
from compare_answers import START, chance_pair, half, pair, scores, v2

from proxy.compare import Comparison, Options, OtherOptions
from proxy.compare.decisions import DecisionRule, Worth
from proxy.compare.differ import Tolerances
from proxy.compare.drift import Reference
from proxy.compare.kinds import Kind
from proxy.compare.reading import ReadOptions
from proxy.feedback import Label, Prediction
from proxy.payload import Pointers
from proxy.payload import Reading as Bodies
from proxy.terms import Outcome

RULE = DecisionRule(0.5, worth=Worth(true_positive=100, false_positive=-500))
OPTIONS = Options(decision=RULE, show_values=True, small=20)
AGES = ("young", "middle", "senior")


def compared(pairs, options=OPTIONS, noise=()):
    found = Comparison(options, "credit-risk", "3")
    for it in pairs:
        found.add(it)
    for it in noise:
        found.add_noise(it)
    return found


def summary(pairs, options=OPTIONS, noise=()):
    return compared(pairs, options, noise).summary(START)


def shifted(n=600, seed=3):
    """The shadow gives the young a tenth more."""
    for k, (p, _, age) in enumerate(scores(seed, n)):
        q = min(1.0, p + (0.1 if age == "young" else 0.0))
        yield chance_pair(p, q, k, (f"age_band={age}",))


def test_identical_answers_agree():
    found = summary(chance_pair(p, p, k) for k, (p, *_) in enumerate(scores(1, 50)))
    assert (found.pairs, found.rows, found.agreement.rate) == (50, 50, 1.0)
    assert found.agreement.distance_p99 == 0
    assert found.farthest == ()
    assert not found.fidelity.poor


def test_a_broken_segment_is_seen_before_any_label():
    found = summary(shifted(3000))
    young = found.segment("age_band=young").shift
    assert young.low > 0.07
    assert found.segment("age_band=senior").shift.high < 0.05
    worst = found.segments.rows[found.segments.worst_shift[0]]
    assert worst.segments == ("age_band=young",)
    assert worst.shift_stands_out


def test_examples_are_the_farthest_and_hold_what_is_allowed():
    pairs = list(shifted())
    shown, hidden = summary(pairs), summary(pairs, Options())
    assert len(shown.farthest) == len(shown.fair) == 10
    assert shown.farthest[0].distance == pytest.approx(0.1)
    assert float(shown.farthest[0].shadow) - float(shown.farthest[0].stable) == pytest.approx(0.1)
    assert {it.stable + it.shadow for it in (*hidden.farthest, *hidden.fair)} == {""}


def noisy(seed, n, spread=0.02):
    chance = random.Random(seed)
    for k, (p, *_) in enumerate(scores(seed, n)):
        a, b = (min(1.0, max(0.0, p + chance.gauss(0, spread))) for _ in range(2))
        yield chance_pair(a, b, k)


def test_an_identical_but_noisy_version_does_not_disagree_more_than_stable_with_itself():
    found = summary(noisy(1, 1000), noise=noisy(2, 400))
    assert found.agreement.rate < 0.5
    assert found.noise.state == "noisy"
    assert found.noise.excess_low < 0 < found.noise.excess_high
    worse = summary(noisy(1, 1000, 0.1), noise=noisy(2, 400))
    assert worse.noise.excess_low > 0.1


def test_batches_are_matched_row_by_row():
    live, shadow = half("1", v2(0.1, 0.2, 0.9)), half("3", v2(0.1, 0.25, 0.9))
    found = summary([pair(live, shadow)])
    assert (found.pairs, found.rows) == (1, 3)
    assert found.agreement.rate == pytest.approx(2 / 3)
    assert found.farthest[0].row == 1


TROUBLE = [
    (half("3", b"", 0, outcome=Outcome.UPSTREAM_TIMEOUT), "shadow:missing", 1, 0),
    (half("3", {"error": "x"}, 422), "shadow:status", 1, 0),
    (half("3", {"error": "x"}, 500), "shadow:status", 1, 0),
    (half("3", b"{"), "shadow:syntax", 0, 1),
    (half("3", v2(0.5, 0.5)), "shadow:shape", 0, 1),
    (half("3", v2(shape=[0, 2])), "shadow:empty", 0, 1),
    (half("3", v2(0.5), size=2_000_000), "shadow:cut", 0, 0),
    (half("3", gzip.compress(b" " * 2_000_000), encoding="gzip"), "shadow:too_large", 0, 0),
]


@pytest.mark.parametrize(("shadow", "name", "failed", "broken"), TROUBLE)
def test_trouble_is_counted_with_an_example_and_breaks_nothing(shadow, name, failed, broken):
    good = chance_pair(0.3, 0.3, 1)
    found = summary([pair(half("1", v2(0.5)), shadow), good])
    assert found.fidelity.problems == {name: 1}
    assert found.unread[name][0].request_id == "r0"
    assert found.unread[name][0].text
    assert (found.shadow_failed, found.shadow_broken) == (failed, broken)
    assert found.pairs == 1


def test_nan_disagrees_and_is_the_shadows_fault():
    nan = half("3", b'{"predictions": [NaN]}')
    options = Options(read=ReadOptions(bodies=Bodies("kserve-v1")))
    found = summary([pair(half("1", {"predictions": [0.5]}), nan)], options)
    assert found.agreement.rate == 0
    assert found.shadow_broken == 1
    assert found.farthest[0].distance is None
    assert found.everyone.shift.refused == 1


def test_what_both_refuse_is_no_loss():
    refused = pair(half("1", {"error": "x"}, 422), half("3", {"error": "x"}, 422))
    found = summary([refused, *(chance_pair(0.5, 0.5, k) for k in range(5))])
    assert found.fidelity.refused == 1
    assert found.fidelity.readable == 1.0
    assert not found.fidelity.poor
    assert found.shadow_failed == 0


def test_what_the_proxy_lost_is_not_the_shadows_fault():
    lost = half("3", b"", 0, outcome=Outcome.PROXY_OVERLOAD)
    found = summary([pair(half("1", v2(0.5)), lost)])
    assert (found.stable_answered, found.shadow_failed) == (0, 0)
    assert found.fidelity.poor


def test_lost_pairs_of_one_segment_make_the_fidelity_poor():
    lost = half("3", b"", 0, outcome=Outcome.UPSTREAM_TIMEOUT)
    pairs = [chance_pair(0.3, 0.3, k, (f"age_band={AGES[k % 3]}",)) for k in range(900)]
    pairs += [pair(half("1", v2(0.5)), lost, k, ("age_band=young",)) for k in range(900, 940)]
    found = summary(pairs).fidelity
    assert found.poor
    assert "age_band=young" in found.reasons[0]


def test_pairs_with_two_stable_versions_are_not_trusted():
    mixed = [pair(half(v, v2(0.3)), half("3", v2(0.3)), k) for k, v in enumerate("112")]
    found = summary(mixed)
    assert found.stable == "1"
    assert found.fidelity.reasons == (
        "stable was not one version: pairs with 1 (2) and 2 (1) are mixed",
    )


def test_pairs_that_a_canary_answered_are_left_out():
    made = Comparison(OPTIONS, "credit-risk", "3", stable="1")
    for k, version in enumerate("1121"):
        made.add(pair(half(version, v2(0.3)), half("3", v2(0.3)), k))
    again = Comparison.restore(OPTIONS, made.snapshot())
    for it in (made, again):
        found = it.summary(START)
        assert (found.stable, found.pairs, found.fidelity.poor) == ("1", 3, False)
        assert "answered by a canary" in found.fidelity.notes[0]


def test_told_copies_and_requests():
    made = compared([chance_pair(0.3, 0.3, k, ("age_band=young",)) for k in range(10)])
    made.tell({"sent": 90, "dropped_queue": 10}, {"": 100, "age_band=young": 60}, late=2)
    made.tell(requests={"age_band=senior": 40})
    found = made.summary(START).fidelity
    assert found.realised == 0.9
    assert found.late == 2
    assert "dropped_queue" in found.reasons[0]
    assert any("age_band=senior" in it for it in found.reasons)


def test_the_sample_is_by_customer_nested_and_reported():
    pairs = [chance_pair(0.5, 0.5, k, customer=f"c{k % 200}") for k in range(1000)]
    made = Comparison(OPTIONS, "credit-risk", "3")
    made.rate = 0.2
    taken = {it.customer for it in pairs if made.add(it)}
    found = made.summary(START).fidelity
    assert found.sampled == pytest.approx(0.2, abs=0.08)
    assert found.pairs + found.passed_over == 1000
    assert all(made.takes(it) == (it.customer in taken) for it in pairs)
    made.rate = 0.5
    assert taken < {it.customer for it in pairs if made.takes(it)}


def prediction(version, value, segments=()):
    return Prediction("r", "credit-risk", version, "stable", 0.0, True, "c", segments, 0.0, value)


def labelled(n=800):
    made = Comparison(OPTIONS, "credit-risk", "3")
    for k, (p, came, age) in enumerate(scores(5, n)):
        segments = (f"age_band={age}",)
        q = p**0.4  # the same order, ruined calibration
        made.add(chance_pair(p, q, k, segments))
        label = Label(f"e{k}", "default", came, 0.0, f"r{k}")
        made.add_label(prediction("1", p, segments), prediction("3", [q], segments), label)
    return made


def test_ruined_calibration_is_seen_as_labels_come():
    found = labelled().summary(START)
    assert found.labels == 800
    assert found.labelled_share == 1.0
    assert found.shadow_scores.ece.low > found.stable_scores.ece.high
    assert found.shadow_scores.auc.value == pytest.approx(found.stable_scores.auc.value, abs=1e-3)
    assert found.everyone.regret.low > 0
    assert found.decisions[0].to_yes > 0
    assert found.decisions[0].gain_total < 0


def test_labels_that_do_not_fit_are_counted():
    made = Comparison(OPTIONS, "credit-risk", "3")
    for value, label in ((0.5, "unknown"), (None, True), ([0.1, 0.2], True), (float("nan"), 1)):
        made.add_label(prediction("1", value), prediction("3", 0.5), Label("e", "d", label, 0.0))
    assert (made.counts.labels, made.counts.labels_unfit) == (0, 4)


def test_classes_and_numbers_have_labels_too():
    options = Options(read=ReadOptions(Kind.CLASS, Bodies("kserve-v1")))
    made = Comparison(options, "m", "3")
    made.add(pair(half("1", {"predictions": ["a"]}), half("3", {"predictions": ["b"]})))
    made.add_label(prediction("1", "a"), prediction("3", "b"), Label("e", "l", "b", 0.0))
    found = made.summary(START)
    assert found.classes == {"a": (1, 0), "b": (0, 1)}
    assert found.everyone.shadow.accuracy.value == 1.0
    assert found.everyone.regret.mean == -1.0
    numbers = Comparison(Options(read=ReadOptions(Kind.NUMBER)), "m", "3")
    for _ in range(2):
        numbers.add_label(prediction("1", 3.0), prediction("3", 4.0), Label("e", "l", 5, 0.0))
    assert numbers.summary(START).everyone.shadow.mae.value == 1.0


@pytest.mark.parametrize(
    ("kind", "protocol", "a", "b"),
    [
        (Kind.TEXT, "openai", {"choices": [{"text": "abcd"}]}, {"choices": [{"text": "abcx"}]}),
        (Kind.VECTOR, "custom", {"a": [1, 0]}, {"a": [1, 1]}),
        (Kind.RANKING, "kserve-v1", {"predictions": [[1, 2]]}, {"predictions": [[2, 1]]}),
        (Kind.TENSOR, "kserve-v1", {"predictions": [[[1]]]}, {"predictions": [[[2]]]}),
        (Kind.DOCUMENT, "custom", {"id": 1, "x": [1]}, {"id": 2, "x": [2]}),
    ],
)  # fmt: skip
def test_every_other_kind_agrees_or_not(kind, protocol, a, b):
    options = Options(
        read=ReadOptions(kind, Bodies(protocol, answer=Pointers({"x": "/a"}))),
        tolerances=Tolerances(ignore=("/id",)),
    )
    pairs = [pair(half("1", a), half("3", b)), pair(half("1", a), half("3", a), 1)]
    found = summary(pairs, options, noise=[pair(half("1", a), half("1", a))])
    assert found.agreement.rate == 0.5
    assert found.everyone.shift is None
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
    if kind is Kind.DOCUMENT:
        assert [it.pointer for it in found.paths] == ["/x/*"]


def test_a_merge_of_parts_is_the_whole():
    pairs, floor = list(shifted(300)), list(noisy(2, 120))
    whole = compared(pairs, noise=floor)
    one, two = compared(pairs[::2], noise=floor[:50]), compared(pairs[1::2], noise=floor[50:])
    one.merge(two)
    a, b = one.summary(START), whole.summary(START)
    # Only the always-valid intervals depend on the order (paired.py).
    for name in ("agreement", "noise", "fidelity", "statuses", "decisions", "timeline", "farthest",
                 "fair", "distances", "distribution", "stable_latency"):  # fmt: skip
        assert getattr(a, name) == getattr(b, name), name
    assert a.everyone.shift.mean == b.everyone.shift.mean
    assert a.everyone.drift == b.everyone.drift


def test_a_restored_comparison_is_the_same_and_goes_on_the_same():
    made, more = labelled(200), list(shifted(50, seed=9))
    again = Comparison.restore(OPTIONS, made.snapshot())
    assert again.summary(START) == made.summary(START)
    for it in more:
        made.add(it)
        again.add(it)
    assert again.snapshot() == made.snapshot()


def test_what_other_options_counted_is_not_continued():
    made = compared([chance_pair(0.5, 0.5)])
    other = Options(tolerances=Tolerances(absolute=0.5))
    with pytest.raises(OtherOptions, match="other options"):
        Comparison.restore(other, made.snapshot())
    with pytest.raises(OtherOptions, match="no comparison"):
        Comparison.restore(OPTIONS, b"torn")
    with pytest.raises(OtherOptions):
        made.merge(Comparison(other, "credit-risk", "3"))
    # What only says how results are shown may change.
    shown = msgspec.structs.replace(OPTIONS, small=5)
    assert Comparison.restore(shown, made.snapshot()).summary(START).pairs == 1


def test_training_is_held_against_either_version():
    reference = Reference((0.0, 0.25, 0.5, 1.0), (700, 200, 100), 0.23, 0.19, 1000)
    made = Comparison(OPTIONS, "credit-risk", "3", reference)
    for it in shifted(400):
        made.add(it)
    found = made.summary(START)
    assert found.training_shadow.psi > found.training_stable.psi


def test_state_is_bounded_whatever_comes():
    options = Options(read=ReadOptions(Kind.DOCUMENT))
    made = Comparison(options, "m", "3")
    for k in range(600):
        a, b = {f"p{k}-{n}": n for n in range(5)}, {f"p{k}-{n}": n + 1 for n in range(5)}
        segments = tuple(f"d{n}={k}" for n in range(4))
        made.add(pair(half("1", a), half("3", b), k, segments, at=START + 7200 * k))
    assert len(made.counts.shadow.paths) <= 201
    assert len(made.counts.timeline.steps) <= 168
    assert len(made.counts.fidelity.segments) <= 200
    assert len(made.snapshot()) < 400_000
