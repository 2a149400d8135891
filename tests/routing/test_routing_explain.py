"""Explain gives the answer that the proxy gives, and says why."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import copies_share, explain, pairs_share, point, split_share, threshold
from proxy.routing.plan import CanaryPlan, Endpoint, ModelPlan, ShadowPlan, VersionPlan
from proxy.terms import Arm, Latch

ENDPOINTS = (Endpoint("127.0.0.1", 8001),)
VERSIONS = tuple(VersionPlan(name, ENDPOINTS) for name in "123")
LATCH = Latch("credit", "2", "error_rate", "30 of 50 failed.", {"n": 50}, 1.0, "pointsman")

percents = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
shadow_plans = st.builds(
    ShadowPlan, version=st.just("3"), percent=percents, salt=names, pair_percent=percents
)
models = st.builds(
    ModelPlan,
    name=st.just("credit"),
    path_prefix=st.just("/"),
    stable=st.just("1"),
    versions=st.just(VERSIONS),
    missing=st.sampled_from(["random", "stable"]),
    salt=st.just("") | names,
    canary=st.none() | st.builds(CanaryPlan, st.just("2"), percents),
    shadows=st.lists(shadow_plans, max_size=2).map(tuple),
)
latches = st.sampled_from([(), (LATCH,), (msgspec.structs.replace(LATCH, version="9"),)])


def model(percent: float = 5, missing: str = "stable") -> ModelPlan:
    plan = ModelPlan("credit", "/", "1", VERSIONS, canary=CanaryPlan("2", percent))
    return msgspec.structs.replace(plan, missing=missing)


@given(models, names, latches)
def test_the_arm_is_the_direct_decision(plan: ModelPlan, key: str, held: tuple[Latch, ...]) -> None:
    told = explain(plan, key, held)
    share = split_share(plan, held)
    assert told.arm is (Arm.CANARY if share.takes(key.encode()) else Arm.STABLE)
    assert told.version == ("2" if told.arm is Arm.CANARY else "1")
    assert told.point is not None
    assert (told.point < told.threshold) is (told.arm is Arm.CANARY)
    if plan.canary is not None and LATCH not in held:
        salt = plan.salt or "credit/split/2"
        assert told.point == point(salt.encode(), key.encode())
        assert told.threshold == threshold(plan.canary.percent)
    else:
        assert told.arm is Arm.STABLE
    assert len(told.shadows) == len(plan.shadows)
    for said, shadow in zip(told.shadows, plan.shadows, strict=True):
        assert said.copied is copies_share(plan, shadow).takes(key.encode())
        sampled = pairs_share(plan, shadow).takes(key.encode())
        assert said.paired is (sampled and told.arm is Arm.STABLE)


@given(models, latches)
def test_without_a_key_chance_is_named_where_it_decides(
    plan: ModelPlan, held: tuple[Latch, ...]
) -> None:
    told = explain(plan, None, held)
    assert told == explain(plan, "", held)
    assert told.point is None
    limit = split_share(plan, held).limit
    if plan.missing == "stable" or limit == 0:
        assert told.arm is Arm.STABLE
    elif limit == 2**64:
        assert told.arm is Arm.CANARY
    else:
        assert told.arm is None
        assert told.version is None
        assert "chance" in told.why
    for said in told.shadows:
        assert said.copied is {0: False, 2**64: True}.get(said.threshold)


def test_why() -> None:
    no_canary = ModelPlan("credit", "/", "1", VERSIONS)
    assert explain(no_canary, "ada").why == (
        "There is no canary: everybody gets the stable version 1."
    )
    reverted = explain(model(), "ada", (LATCH,)).why
    assert "reverted by pointsman (error_rate): 30 of 50 failed." in reverted
    assert "until a person clears the revert" in reverted
    unstopped = msgspec.structs.replace(LATCH, message="by hand")
    assert "(error_rate): by hand. Everybody gets" in explain(model(), "ada", (unstopped,)).why
    assert explain(model(), None).why.endswith("gets the stable version 1.")
    assert "5 % get canary 2" in explain(model(missing="random"), None).why
    assert ", below the 100 % that canary 2 takes." in explain(model(100), "ada").why
    assert ", not below the 0 % that canary 2 takes." in explain(model(0), "ada").why


def test_octets_that_are_no_utf_8_come_through_a_terminal() -> None:
    key = b"\xff\xfe"
    told = explain(model(), key.decode(errors="surrogateescape"))
    assert told.point == point(b"credit/split/2", key)


@pytest.mark.parametrize("key", ["ada", None])
def test_an_explanation_is_json(key: str | None) -> None:
    told = explain(model(), key, (LATCH,))
    assert msgspec.json.decode(msgspec.json.encode(told))["arm"] == "stable"
