"""One group of pairs, with and without labels, of each kind."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare import Group, GroupFigures, GroupOptions, GroupSnapshot
from proxy.compare.group import LOSSES

KINDS = list(LOSSES)
value = {
    "probability": st.floats(0.0, 1.0),
    "number": st.floats(-1e6, 1e6),
    "class": st.sampled_from("abc"),
}
label = {"probability": st.sampled_from([0, 1]), "number": st.floats(-1e6, 1e6),
         "class": st.sampled_from("abc")}  # fmt: skip


def fed(group, rows):
    for stable, shadow, truth, agree in rows:
        group.add_pair(stable, shadow, agree)
        if truth is not None:
            group.add_label(stable, shadow, truth)
    return group


def rows_of(of):
    agree = st.sampled_from([True, False, None])
    row = st.tuples(value[of], value[of], st.one_of(st.none(), label[of]), agree)
    return st.lists(row, max_size=60)


@pytest.mark.parametrize("of", KINDS)
@given(st.data())
def test_merging_and_keeping(of, data):
    rows = data.draw(rows_of(of))
    cut = data.draw(st.integers(0, len(rows)))
    options = GroupOptions(of=of, bins=760, labelled_bins=200)
    whole = fed(Group(options), rows)
    merged = fed(Group(options), rows[:cut])
    merged.merge(fed(Group(options), rows[cut:]))
    one, two = whole.figures(), merged.figures()
    assert (one.pairs, one.labelled, one.agreement, one.drift, one.stable, one.shadow) == (
        two.pairs, two.labelled, two.agreement, two.drift, two.stable, two.shadow)  # fmt: skip
    for mine, theirs in ((one.shift, two.shift), (one.regret, two.regret)):
        assert (mine and (mine.n, mine.mean)) == (theirs and (theirs.n, theirs.mean))
    kept = msgspec.msgpack.encode(merged.snapshot())
    again = Group.restore(msgspec.msgpack.decode(kept, type=GroupSnapshot))
    assert msgspec.msgpack.encode(again.snapshot()) == kept
    assert again.figures() == two
    json = msgspec.json.encode(two)
    assert msgspec.json.encode(msgspec.json.decode(json, type=GroupFigures)) == json


def test_a_version_that_is_better_has_a_regret_under_nought():
    chance, group = random.Random(1), Group()
    for _ in range(4_000):
        truth = chance.random()
        positive = chance.random() < truth
        stable = min(1.0, max(0.0, truth + chance.gauss(0, 0.25)))
        group.add_pair(stable, truth)
        group.add_label(stable, truth, positive)
    found = group.figures()
    assert found.regret.high < 0.0
    assert found.loss == "brier"
    assert found.shadow.brier.value < found.stable.brier.value
    assert found.regret.mean == pytest.approx(found.shadow.brier.value - found.stable.brier.value)
    assert found.shift.mean == pytest.approx(found.shadow_mean - found.stable_mean)


def test_losses_of_numbers_and_classes():
    absolute, squared = Group(GroupOptions("number")), Group(GroupOptions("number", loss="squared"))
    for group in (absolute, squared):
        group.add_label(10.0, 7.0, 8.0)
        group.add_label(10.0, 20.0, 8.0)
    assert absolute.figures().regret.mean == (-1.0 + 10.0) / 2
    assert squared.figures().regret.mean == (1 - 4 + 144 - 4) / 2
    classes = Group(GroupOptions("class"))
    classes.add_pair("a", "b", False)
    classes.add_label("a", "b", "a")
    found = classes.figures()
    assert (found.regret.mean, found.shift, found.agreement.value) == (1.0, None, 0.0)


def test_a_log_loss_regret_is_bounded():
    group = Group(GroupOptions(loss="log"))
    group.add_label(1.0, 0.0, True)
    assert group.figures().regret.mean == pytest.approx(math.log(0.999) - math.log(0.001))
    assert group.figures().regret.refused == 0


def test_what_is_no_probability_is_in_no_difference():
    group = Group()
    for stable, shadow in ((1.2, 0.7), (math.nan, 0.5), (0.5, 0.5)):
        group.add_pair(stable, shadow)
        group.add_label(stable, shadow, 1)
    found = group.figures()
    assert (found.pairs, found.shift.n, found.shift.refused) == (3, 1, 2)
    assert (found.regret.n, found.regret.refused, found.stable.refused) == (1, 2, 2)


def test_numbers_that_are_no_floats_are_refused():
    group = Group(GroupOptions("number"))
    for huge in (10**400, math.inf, math.nan, 1e200):
        group.add_pair(huge, 0.5)
        group.add_label(0.5, 0.5, huge)
        group.add_label(huge, 0.5, 0.5)
    found = group.figures()
    assert (found.pairs, found.shift.n, found.shift.refused) == (4, 0, 4)
    assert (found.regret.n, found.regret.refused, found.stable.refused) == (0, 8, 8)


def test_nothing_is_not_known():
    found = Group().figures()
    assert found.pairs == found.labelled == 0
    assert found.drift is found.stable is found.regret is found.agreement is None


def test_what_cannot_be():
    with pytest.raises(ValueError, match="loss absolute of a probability: must be brier or log"):
        Group(GroupOptions(loss="absolute"))
    with pytest.raises(ValueError, match="found a text, must be a number"):
        Group().add_pair("good", 0.5)
    with pytest.raises(ValueError, match="label 2 of a probability: must be 0 or 1"):
        Group().add_label(0.5, 0.5, 2)
    with pytest.raises(ValueError, match="found a text"):
        Group().add_label(0.5, 0.5, "yes")
    with pytest.raises(ValueError, match="different options"):
        Group().merge(Group(GroupOptions(bins=200)))
    refused = Group()
    with pytest.raises(ValueError, match="found a text"):
        refused.add_pair(0.5, "bad")
    assert refused.pairs == 0
