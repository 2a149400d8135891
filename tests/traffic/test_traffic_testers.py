"""The testers' header holds a secret: it is read, and goes nowhere, whatever else it may be."""

from __future__ import annotations

import pytest
from dialogue_bytes import ok, post
from dialogue_plans import model, plan
from dialogue_stage import Stage

from proxy.routing.plan import KeySource
from proxy.routing.plan import Testers as ForTesters

SECRET = b"sesame"


@pytest.mark.parametrize("times", [1, 3])
def test_a_testers_header_that_is_another_models_customer(stage: Stage, times: int) -> None:
    by_login = model(name="a", path_prefix="/a", customer=KeySource("header", "Authorization"))
    tested = model(
        name="b", path_prefix="/b", canary=0.01, testers=ForTesters("Authorization", "sesame")
    )
    scene = stage(plan(by_login, tested))
    caller = scene.caller()
    for _ in range(times):
        caller >> post(b"hello", "Authorization: sesame canary", target="/b")
        got = scene["2"].got()
        assert got.startswith(b"POST /b ")
        assert SECRET not in got
        scene["2"] << ok()
        assert caller.answer().status == 200


def test_a_head_with_a_secret_is_not_remembered(stage: Stage) -> None:
    scene = stage(model(canary=1, testers=ForTesters("X-T", "sesame")))
    caller = scene.caller()
    caller >> post(b"x", "X-T: sesame canary", "X-Customer-Id: a")
    scene["2"] << ok()
    assert caller.answer().status == 200
    assert len(scene.plane.heads) == 0
