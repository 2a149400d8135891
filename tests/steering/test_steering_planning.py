"""The pure makers: what is asked and what is latched, made into the next Plan."""

from __future__ import annotations

import pytest
from desk_scene import canary_of, settings, split
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.routing.plan import CanaryPlan
from proxy.settings import compile_plan
from proxy.steering import planning
from proxy.steering.planning import Orders
from proxy.store import Override
from proxy.terms import Latch


def latch(version: str, model: str = "m") -> Latch:
    return Latch(model, version, "latency", "slow", {}, 1.0, "pointsman")


def override(version: str, percent: float) -> Override:
    return Override("m", version, percent, "f", "ann", "", 1.0)


FILE = compile_plan(settings())


def test_without_anything_it_is_the_files_plan_with_a_number() -> None:
    assert planning.build(FILE, Orders(), 7) == replace(FILE, number=7)


def test_a_latched_canary_is_taken_out_and_the_rest_stays() -> None:
    plan = planning.build(FILE, Orders({}, {("m", "3"): latch("3")}), 7)
    assert plan.models[0] == replace(FILE.models[0], canary=None)
    assert plan.latches == (latch("3"),)


def test_what_is_asked_still_shows_it() -> None:
    assert canary_of(planning.asked(FILE, Orders({}, {("m", "3"): latch("3")}), 7)) == "3@5"


def test_a_latch_of_another_model_is_not_meant() -> None:
    plan = planning.build(FILE, Orders({}, {("n", "3"): latch("3", "n")}), 7)
    assert canary_of(plan) == "3@5"


def test_shadows_of_a_latched_version_go_on() -> None:
    plan = planning.build(FILE, Orders({}, {("m", "2"): latch("2")}), 7)
    assert [shadow.version for shadow in plan.models[0].shadows] == ["2"]


def test_an_override_stands_in_for_the_files_canary() -> None:
    plan = planning.build(FILE, Orders({"m": override("2", 40)}, {}), 7)
    assert canary_of(plan) == "2@40"
    assert plan.models[0].salt == "m/split/2"


def test_a_salt_of_the_operators_own_is_kept() -> None:
    model = replace(FILE.models[0], salt="mine")
    assert planning.overridden(model, override("2", 40)).salt == "mine"


def test_an_override_of_a_file_without_a_canary_draws_by_its_own_version() -> None:
    model = compile_plan(settings(m=split(canary=None))).models[0]
    assert planning.overridden(model, override("2", 40)).salt == "m/split/2"


@given(
    st.sampled_from(["2", "3"]),
    st.sets(st.sampled_from(["1", "2", "3"])),
    st.floats(0, 100),
)
def test_never_a_latched_canary(version: str, latched: set[str], percent: float) -> None:
    latches = {("m", it): latch(it) for it in latched}
    plan = planning.build(FILE, Orders({"m": override(version, percent)}, latches), 1)
    canary = plan.models[0].canary
    assert (canary is None) == (version in latched)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, False),
        (("2", 5), None, False),
        (None, ("2", 0.01), True),
        (("2", 5), ("2", 5), False),
        (("2", 5), ("2", 4), False),
        (("2", 5), ("2", 5.01), True),
        (("2", 5), ("3", 1), True),
    ],
)
def test_giving_is_more_customers_or_another_version(
    before: tuple[str, float] | None, after: tuple[str, float] | None, expected: bool
) -> None:
    found = planning.gives(
        CanaryPlan(*before) if before else None, CanaryPlan(*after) if after else None
    )
    assert found is expected


def test_a_model_without_a_customer_key_can_have_no_canary() -> None:
    model = replace(FILE.models[0], customer=None)
    assert "no `customer`" in planning.unfit(model, "2")
    assert planning.unfit(FILE.models[0], "2") == ""
    assert "not in the config" in planning.unfit(None, "2")
