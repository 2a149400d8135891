"""Stable asked once more, as a copy: to learn what it differs from itself by."""

from __future__ import annotations

from typing import Any

from dialogue import Scene
from dialogue_bytes import ok, post
from dialogue_copies import copies
from dialogue_plans import model, shadow
from dialogue_stage import Stage

from proxy.routing.plan import ShadowPlan


def noise(percent: float = 100.0, **more: Any) -> ShadowPlan:
    return shadow("1", percent, noise=True, remove=(), **more)


def noisy(stage: Stage, **more: Any) -> Scene:
    return stage(model(noise=noise(), **more))


def both(scene: Scene) -> tuple[bytes, bytes]:
    """What stable was sent: the request, and the copy on a connection of its own."""
    live, copy = scene["1"].open
    return live.everything, copy.everything


def test_stable_gets_the_request_twice_and_the_copy_is_marked(stage: Stage) -> None:
    scene = noisy(stage)
    caller = scene.caller()
    caller >> post(b"hello", "Authorization: Bearer x", "X-Request-Id: 7")
    live, copy = both(scene)
    assert b"x-shadow" not in live
    assert b"x-shadow: 1\r\n" in copy
    assert b"Authorization: Bearer x\r\n" in copy  # it has seen it anyway
    live_wire, copy_wire = scene["1"].open
    copy_wire.send(ok(b"other"))
    assert caller.got() == b""
    live_wire.send(ok(b"mine"))
    assert caller.answer().body == b"mine"
    assert copies(scene, "1") == {"sent": 1}
    (pair,) = scene.seen.pairs
    assert (pair.live.version, pair.shadow.version) == ("1", "1")
    assert (pair.live.body, pair.shadow.body) == (b"mine", b"other")
    assert scene.outcomes() == {"1/stable": {"ok": 1}, "1/noise": {"ok": 1}}
    scene.at_rest()


def test_a_failing_copy_is_not_stables_failure(stage: Stage) -> None:
    scene = noisy(stage)
    caller = scene.caller()
    caller >> post()
    live, copy = scene["1"].open
    copy.leave()
    live.send(ok())
    assert caller.answer().status == 200
    assert scene.outcomes() == {"1/stable": {"ok": 1}, "1/noise": {"upstream_reset": 1}}
    scene.at_rest()


def test_canarys_customers_are_not_asked_about_stable(stage: Stage) -> None:
    scene = noisy(stage, canary=100.0)
    caller = scene.caller()
    caller >> post(b"", "X-Customer-Id: 1")
    scene["2"] << ok()
    assert caller.answer().status == 200
    assert copies(scene, "1") == {}
    scene.at_rest()


def test_beside_a_shadow_each_has_its_own_sample_and_bounds(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(),), noise=noise(0.0)))
    caller = scene.caller()
    caller >> post()
    scene["3"] << ok()
    scene["1"] << ok()
    assert caller.answer().status == 200
    assert (copies(scene), copies(scene, "1")) == ({"sent": 1}, {})
    scene.at_rest()
