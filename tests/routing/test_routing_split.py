"""The split: sticky, monotone, exact at the ends, near what was asked, independent by salt."""

from __future__ import annotations

from itertools import pairwise

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import Share, log_share, pairs_share, point, sampled, split_share, threshold
from proxy.routing.plan import AccessLog, CanaryPlan, Endpoint, ModelPlan, ShadowPlan, VersionPlan
from proxy.routing.split import POINTS, copies_share, latched
from proxy.terms import Latch

percents = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
salts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
keys = st.binary(max_size=40)

# The 99.9 % point of chi-square with one degree of freedom, and with nine.
CHI_SQUARE_1 = 10.83
CHI_SQUARE_9 = 27.88


def model(salt: str = "", percent: float = 5.0) -> ModelPlan:
    versions = tuple(VersionPlan(name, (Endpoint("127.0.0.1", 8001),)) for name in "12")
    return ModelPlan("credit", "/", "1", versions, salt=salt, canary=CanaryPlan("2", percent))


def latch(model_name: str, version: str) -> Latch:
    return Latch(model_name, version, "manual", "It was slow.", {}, 0.0, "ada")


@given(salts, keys)
def test_a_point_is_in_range_and_always_the_same(salt: str, key: bytes) -> None:
    where = point(salt.encode(), key)
    assert 0 <= where < POINTS
    assert point(salt.encode(), bytes(bytearray(key))) == where


@pytest.mark.parametrize(
    ("salt", "key", "where"),
    [
        (b"credit-risk/split/2", b"customer-1", 0xB2361E9E92AFA6A3),
        (b"credit-risk/shadow/3", b"customer-1", 0xB859E0B9408684C3),
        (b"", b"\xc3\xa9", 0x40823691323E8C8A),
    ],
)
def test_points_never_move(salt: bytes, key: bytes, where: int) -> None:
    """Written down once: another number here moves every customer of every release."""
    assert point(salt, key) == where


def test_the_hash_is_the_published_one() -> None:
    assert xxhash.xxh3_64_intdigest(b"") == 0x2D06800538D394C2


def test_salt_and_key_are_kept_apart() -> None:
    assert point(b"ab", b"c") != point(b"a", b"bc")


@given(salts, keys, percents, percents)
def test_raising_the_share_never_sends_a_customer_back(
    salt: str, key: bytes, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    if Share(salt, low).takes(key):
        assert Share(salt, high).takes(key)


@given(salts, keys, percents)
def test_all_three_ways_of_asking_agree(salt: str, key: bytes, percent: float) -> None:
    direct = point(salt.encode(), key) < threshold(percent)
    assert Share(salt, percent).takes(key) is direct
    assert sampled(salt.encode(), percent, key) is direct


@given(salts, keys)
def test_nothing_takes_nobody_and_everything_takes_everyone(salt: str, key: bytes) -> None:
    assert threshold(0) == 0
    assert threshold(100) == POINTS
    assert not Share(salt, 0).takes(key)
    assert Share(salt, 100).takes(key)
    assert not sampled(salt.encode(), 0, key)
    assert sampled(salt.encode(), 100, key)


def test_every_hundredth_is_a_step_of_its_own() -> None:
    steps = [threshold(hundredths / 100) for hundredths in range(10_001)]
    assert all(low < high for low, high in pairwise(steps))
    for hundredths, step in enumerate(steps):
        assert step == hundredths * 2**64 // 10_000


@pytest.mark.parametrize("percent", [-0.01, 100.01, float("nan"), float("inf")])
def test_no_share_outside_0_to_100(percent: float) -> None:
    with pytest.raises(ValueError, match="allowed is 0 to 100"):
        threshold(percent)


@pytest.mark.parametrize("percent", [0.01, 0.5, 1, 5, 10, 33.33, 50, 90, 99.99])
def test_the_realised_share_is_near_the_one_asked(percent: float) -> None:
    many = 200_000
    share = Share("credit/split/2", percent)
    taken = sum(share.takes(b"customer-%d" % number) for number in range(many))
    expected = percent / 100
    four_sigma = 4 * (expected * (1 - expected) * many) ** 0.5
    assert abs(taken - expected * many) <= four_sigma


SALTS = ["credit/split/2", "credit/shadow/3", "credit/pairs/3", "access-log", "credit/split/3"]


@pytest.mark.parametrize("one", SALTS)
@pytest.mark.parametrize("other", SALTS)
@pytest.mark.parametrize("percent", [1, 10, 50])
def test_decisions_with_different_salts_are_independent(
    one: str, other: str, percent: float
) -> None:
    if one >= other:
        return
    many = 50_000
    first, second = Share(one, percent), Share(other, percent)
    table = [[0, 0], [0, 0]]
    for number in range(many):
        key = b"customer-%d" % number
        table[first.takes(key)][second.takes(key)] += 1
    rows = [sum(row) for row in table]
    columns = [table[0][side] + table[1][side] for side in (0, 1)]
    chi_square = 0.0
    for row in (0, 1):
        for column in (0, 1):
            expected = rows[row] * columns[column] / many
            chi_square += (table[row][column] - expected) ** 2 / expected
    assert chi_square < CHI_SQUARE_1


@pytest.mark.parametrize("salt", SALTS)
def test_points_are_spread_evenly(salt: str) -> None:
    many, cells = 50_000, [0] * 10
    for number in range(many):
        cells[point(salt.encode(), b"%d" % number) * 10 // POINTS] += 1
    assert sum((cell - many / 10) ** 2 / (many / 10) for cell in cells) < CHI_SQUARE_9


def test_the_default_salt_names_the_version_and_a_given_one_wins() -> None:
    assert split_share(model()).salt == b"credit/split/2"
    assert split_share(model(salt="mine")).salt == b"mine"


def test_a_latched_canary_takes_nobody() -> None:
    plan = model(percent=100)
    mine = latch("credit", "2")
    assert split_share(plan).takes(b"any")
    assert split_share(plan, (latch("fraud", "2"), latch("credit", "3"))).takes(b"any")
    assert not split_share(plan, (latch("fraud", "2"), mine)).takes(b"any")
    assert latched(plan, (mine,)) is mine


def test_without_a_canary_nobody_is_taken() -> None:
    plan = ModelPlan("credit", "/", "1", ())
    assert split_share(plan).limit == 0
    assert latched(plan, (latch("credit", "2"),)) is None


def test_every_sample_has_a_salt_of_its_own() -> None:
    plan = model()
    shadow = ShadowPlan("3", 100, salt="", pair_percent=10)
    named = ShadowPlan("3", 1, salt="a", pair_salt="b")
    assert copies_share(plan, shadow).salt == b"credit/shadow/3"
    assert pairs_share(plan, shadow).salt == b"credit/pairs/3"
    assert pairs_share(plan, shadow).percent == 10
    assert copies_share(plan, named).salt == b"a"
    assert pairs_share(plan, named).salt == b"b"
    assert log_share(AccessLog(percent=2)).limit == threshold(2)


def test_a_customer_at_the_threshold_is_outside() -> None:
    share = Share("a", 50)
    share.limit = point(b"a", b"ada")
    assert not share.takes(b"ada")
    share.limit += 1
    assert share.takes(b"ada")
