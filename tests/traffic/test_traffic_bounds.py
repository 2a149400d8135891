"""Bounds of copies, and the pairs that they make with live answers."""

from __future__ import annotations

import pytest
from dialogue_bytes import get, ok, post
from dialogue_copies import burst, busy, copies, shadowed
from dialogue_plans import model, plan, shadow
from dialogue_stage import Stage

from proxy.routing.plan import (
    KeySource,
    ModelLimits,
    SegmentPlan,
    ShadowPlan,
)

# --- bounds ---


def test_in_flight_and_queue_are_bounded(stage: Stage) -> None:
    scene = shadowed(stage, in_flight=2, queue=3)
    burst(scene, 10)
    assert len(busy(scene)) == 2
    assert copies(scene) == {"dropped_queue": 5}
    assert scene.look().copies_in_flight == 2
    for _ in range(5):
        busy(scene)[0].send(ok())
    assert copies(scene) == {"dropped_queue": 5, "sent": 5}
    assert len(scene["3"].links) <= 3, "the queued ones took the connections set free"
    scene.at_rest()


def test_bytes_are_bounded(stage: Stage) -> None:
    scene = shadowed(stage, in_flight=1, bytes=1000)
    burst(scene, 8, post(b"0" * 300))
    assert scene.look().copies_bytes <= 1000
    assert copies(scene) == {"dropped_bytes": 4}
    for _ in range(4):
        scene["3"] << ok()
    assert copies(scene) == {"dropped_bytes": 4, "sent": 4}
    scene.at_rest()


def test_a_queued_copy_waits_only_until_its_deadline(stage: Stage) -> None:
    scene = shadowed(stage, in_flight=1, queue=9, deadline=2.0)
    burst(scene, 3)
    scene.wait(2.1)
    assert copies(scene) == {"sent": 1, "dropped_deadline": 2}
    assert scene.outcomes()["3/shadow"] == {"upstream_timeout": 1}
    burst(scene, 1)
    scene["3"] << ok()
    assert copies(scene) == {"sent": 2, "dropped_deadline": 2}
    scene.at_rest()


def test_no_copies_while_draining(stage: Stage) -> None:
    scene = shadowed(stage)
    scene.plane.draining = True
    caller = scene.caller()
    caller >> post()
    scene["1"] << ok()
    assert copies(scene) == {"dropped_drain": 1}
    scene.at_rest()


def test_copies_under_way_survive_a_new_plan(stage: Stage) -> None:
    scene = shadowed(stage, in_flight=1)
    burst(scene, 3)
    scene.plane.apply(plan(model(), number=2, desk_silence=3600.0))
    for _ in range(3):
        scene["3"] << ok()
    assert copies(scene) == {"sent": 3}
    scene.at_rest()


# --- pairs ---


def test_a_pair_has_both_halves_whoever_was_first(stage: Stage) -> None:
    for order in ("13", "31"):
        age = SegmentPlan("age", KeySource("header", "X-Age"), ("old",))
        scene = stage(model(segments=(age,), shadows=(shadow(),)))
        caller = scene.caller()
        caller >> post(b"hello", "X-Request-Id: 7", "X-Customer-Id: me", "X-Age: old")
        for version in order:
            scene.wait(0.25)
            body = f"I am {version}".encode()
            scene[version] << ok(body, "Content-Type: text/plain", "Content-Encoding: none")
        scene.look()
        (pair,) = scene.seen.pairs
        assert (pair.request_id, pair.model, pair.segments) == ("7", "m", ("age=old",))
        assert "me" not in pair.customer
        for version, half in (("1", pair.live), ("3", pair.shadow)):
            assert (half.version, half.outcome, half.status) == (version, "ok", 200)
            assert (half.body, half.body_bytes) == (f"I am {version}".encode(), 6)
            assert (half.content_type, half.content_encoding) == ("text/plain", "none")
            assert half.seconds == 0.25 * (order.index(version) + 1)
        assert scene.outcomes("age=old") == {"1/stable": {"ok": 1}, "3/shadow": {"ok": 1}}
        scene.at_rest()


def test_both_halves_are_timed_from_the_copys_offer(stage: Stage) -> None:
    """What the live request waited before is no difference between the versions."""
    by_json = KeySource("json", "/customer")
    scene = stage(model(customer=by_json, shadows=(shadow(),)))
    caller = scene.caller()
    whole = post(b'{"customer": "me"}')
    caller >> whole[:-1]
    scene.wait(2)
    caller >> whole[-1:]
    scene.wait(0.25)
    scene["1"] << ok()
    scene["3"] << ok()
    scene.look()
    (pair,) = scene.seen.pairs
    assert (pair.live.seconds, pair.shadow.seconds) == (0.25, 0.25)


def test_halves_are_cut_to_each_shadows_cap(stage: Stage) -> None:
    both = (shadow("3", pair_bytes=10), shadow("4", pair_bytes=30))
    scene = stage(model(shadows=both))
    scene.caller() >> post()
    for version in ("1", "3", "4"):
        scene[version] << ok(b"0" * 100)[:-80]
        scene[version] << b"0" * 80
    scene.look()
    assert {
        p.shadow.version: (len(p.live.body), len(p.shadow.body), p.live.body_bytes)
        for p in scene.seen.pairs
    } == {"3": (10, 10, 100), "4": (30, 30, 100)}


@pytest.mark.parametrize("who", ["live", "shadow"])
def test_a_half_without_an_answer_says_why(stage: Stage, who: str) -> None:
    scene = shadowed(stage)
    caller = scene.caller()
    caller >> post()
    bad, good = ("1", "3") if who == "live" else ("3", "1")
    scene[good] << ok()
    scene[bad].leave()
    caller.got()
    scene.look()
    (pair,) = scene.seen.pairs
    assert getattr(pair, who).outcome == "upstream_reset"
    assert getattr(pair, who).status == 0
    assert (pair.shadow if who == "live" else pair.live).status == 200


@pytest.mark.parametrize("status", ["200 OK", "503 Oops"])
def test_a_canary_is_no_half_of_a_pair_nor_is_its_fallback(stage: Stage, status: str) -> None:
    scene = stage(model(canary=100, safe_to_repeat=True, shadows=(shadow(),)))
    caller = scene.caller()
    caller >> post(b"x", "X-Customer-Id: me")
    scene["2"] << ok(status=status)
    if status != "200 OK":
        scene["1"] << ok()
    scene["3"] << ok()
    assert caller.answer().status == 200
    assert copies(scene) == {"sent": 1}
    assert not scene.seen.pairs
    scene.at_rest()


def test_pairs_are_sampled_and_the_rest_is_only_counted(stage: Stage) -> None:
    scene = shadowed(stage, pair_percent=0)
    scene.caller() >> post()
    scene["1"] << ok()
    scene["3"] << ok()
    scene.look()
    assert scene.seen.pairs == []
    assert copies(scene) == {"sent": 1}


def test_a_caller_without_a_key_is_copied_by_chance(stage: Stage) -> None:
    scene = stage(model(shadows=(ShadowPlan("3", 50, "s"),)))
    burst(scene, 1)
    for _ in range(60):
        caller = scene.caller()
        caller >> get()
        scene["1"] << ok()
        for wire in busy(scene):
            wire.send(ok())
        caller.leave()
    assert 10 < copies(scene)["sent"] < 50
    scene.at_rest()


def test_a_queued_request_is_copied_when_it_is_admitted(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(),), limits=ModelLimits(in_flight=1)))
    first, second = scene.caller(), scene.caller()
    first >> post()
    second >> post()
    assert scene.look().copies_in_flight == 1
    scene["1"] << ok()
    scene["1"] << ok()
    for wire in busy(scene):
        wire.send(ok())
    assert copies(scene) == {"sent": 2}
    scene.at_rest()
