"""Who was counted, who came, what each was worth: bounded, merged exactly, blind to the arm."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.judge.census import Census, Member
from proxy.judge.counting import Counted, draw, pack, unpack
from proxy.judge.totals import Totals, contrast, customers, kept_apart, means
from proxy.terms import Newcomers

DRAWS = st.integers(0, 2**64 - 1)


def test_first_is_said_once_for_each_series():
    counted = Counted()
    counted.begin("errors")
    counted.begin("slow")
    asked = [counted.first(series, 8) for series in ("errors", "errors", "slow", "slow")]
    assert asked == [True, False, True, False]


@given(st.lists(DRAWS, max_size=80), st.integers(1, 20))
def test_what_is_remembered_is_bounded_and_nobody_counts_twice(draws, most):
    counted, seen = Counted(most), set()
    counted.begin("errors")
    for drawn in draws:
        first = counted.first("errors", drawn)
        assert not (first and drawn in seen)
        if first:
            seen.add(drawn)
        assert counted.n == len(counted.series["errors"]) <= most
    inside = {it for it in seen if counted.counts(it)}
    assert counted.series["errors"] == inside


@given(st.sets(DRAWS, max_size=30))
def test_packed_draws(draws):
    assert set(unpack(pack(draws))) == draws
    assert len(pack(draws)) == 8 * len(draws)


def test_what_was_not_packed():
    with pytest.raises(ValueError, match="9 bytes of packed customers"):
        unpack(b"123456789")


def test_the_sample_knows_nothing_of_the_order_of_names():
    inside = sum(not draw(f"customer-{it}") & 1 for it in range(4000))
    assert 1850 < inside < 2150


# ---- the census

PEOPLE = st.dictionaries(
    st.integers(0, 300).map(lambda it: f"{it:x}"), st.tuples(st.booleans(), st.integers(0, 5)),
    max_size=60,
)  # fmt: skip


def told(people, least):
    """What a worker with this sample has to tell."""
    arms = {True: [], False: []}
    for customer, (canary, level) in people.items():
        if level >= least:
            arms[canary].append((customer, level))
    return Newcomers("m", "3", 0.1, least, tuple(arms[True]), tuple(arms[False]))


@given(PEOPLE, st.lists(st.tuples(st.integers(0, 3), st.randoms()), max_size=6), st.randoms())
def test_workers_and_restarts_merge_exactly(people, workers, chance):
    """Any number of workers, each with a part and a sample of its own, told in any order, some
    twice: the same as one worker that saw everyone with the highest ``least``."""
    parts = []
    for least, taste in workers:
        part = {who: it for who, it in people.items() if taste.random() < 0.7}
        parts += [told(part, least)] * taste.choice([1, 2])
    chance.shuffle(parts)
    merged, level = Census(), max((least for least, _ in workers), default=0)
    for part in parts:
        merged.add(part)
    everyone = {who for part in parts for arm in (part.canary, part.stable) for who, _ in arm}
    alone = Census()
    alone.add(told({who: people[who] for who in everyone}, level))
    assert merged.members == alone.members
    assert merged.least == (level if parts else 0)
    assert merged.customers() == alone.customers() or not parts


def test_a_customer_stays_where_he_was_first_seen():
    census = Census()
    census.add(Newcomers("m", "3", 0.1, 0, (), (("a", 0),)))
    census.add(Newcomers("m", "3", 0.5, 0, (("a", 0), ("b", 1)), ()))
    assert census.members == {"a": Member(0.1, False, 0), "b": Member(0.5, True, 1)}
    assert census.came == {0.1: (0, 1), 0.5: (1, 0)}


def test_a_smaller_sample_stands_for_as_many():
    census = Census(most=100)
    gone = census.add(told({f"{it}": (it % 10 == 0, it % 8) for it in range(400)}, 0))
    assert len(census.members) <= 100
    assert len(gone) == 400 - len(census.members)
    assert not set(gone) & set(census.members)
    canary, stable = census.customers()
    assert canary + stable == len(census.members) << census.least
    assert census.came == {0.1: (40, 360)}, "arrivals are not taken back"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_who_was_not_drawn_is_not_counted(share):
    census = Census()
    census.add(Newcomers("m", "3", share, 0, (("a", 0),), ()))
    assert census.members == {}


# ---- totals

EVENTS = st.lists(
    st.tuples(st.integers(0, 59), st.floats(-10, 10, allow_subnormal=False)), max_size=60
)


@given(EVENTS)
def test_totals_are_those_of_a_table(events):
    members = {f"{it}": Member(0.1 if it < 30 else 0.5, it % 2 == 0, 0) for it in range(60)}
    totals, table = Totals(), dict.fromkeys(members, 0.0)
    for who, value in events:
        totals.add(f"{who}", members[f"{who}"], value)
        table[f"{who}"] += value
    strata = totals.strata({0.1: (15, 15), 0.5: (15, 15), 0.9: (3, 900)})
    assert customers(strata) == (30, 30)
    for share, arms in strata.items():
        for canary, found in zip((True, False), arms, strict=True):
            values = [table[w] for w, it in members.items() if it[:2] == (share, canary)]
            assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-9)
            assert found.variance == pytest.approx(statistics.pvariance(values), abs=1e-6)


def test_who_came_early_is_compared_with_who_came_early():
    """Simpson's trap: early customers have added up more, and fewer of them are the canary's."""
    totals, census = Totals(), {0.1: (100, 900), 0.5: (500, 500)}
    for share, worth in ((0.1, 10.0), (0.5, 1.0)):
        for number in range(sum(census[share])):
            member = Member(share, number < census[share][0], 0)
            totals.add(f"{share}/{number}", member, worth)
    strata = totals.strata(census)
    assert means(strata) == pytest.approx((5.5, 5.5))
    assert contrast(strata, 1.0).value == pytest.approx(0.0)


def test_a_small_arm_without_the_rare_value_is_not_sure_of_itself():
    totals = Totals()
    for number in range(50):
        totals.add(f"s{number}", Member(0.1, False, 0), 1.0)
    found = contrast(totals.strata({0.1: (100, 900)}), 1.0)
    assert found.value == pytest.approx(-50 / 900)
    assert found.error > 0.02


def test_who_left_the_sample_adds_no_more():
    totals = Totals()
    totals.add("a", Member(0.1, True, 0), 2.0)
    totals.forget("a")
    totals.forget("nobody")
    assert totals.sums[0.1][0] == (2.0, 4.0, 1)
    assert totals.of == {}


@pytest.mark.parametrize(
    ("share", "low", "high", "left"),
    [(0.1, 0.1, 0.1, 1.0), (0.1, 0.1, 0.55, 0.5), (0.5, 0.25, 0.5, 0.5), (0.5, 0.0, 1.0, 0.0)],
)
def test_how_much_of_a_difference_a_change_of_the_share_leaves(share, low, high, left):
    assert kept_apart(share, low, high) == pytest.approx(left)
