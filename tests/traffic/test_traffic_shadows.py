"""Copies: what is sent, how much of it, and that no caller ever feels it."""

from __future__ import annotations

import json

import pytest
from dialogue import Scene
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_copies import burst, busy, copies, shadowed
from dialogue_plans import model, plan, shadow
from dialogue_stage import Stage

from proxy.routing.plan import (
    JsonRewrite,
    PathRewrite,
)
from proxy.terms import OWNER

CHUNKED = request("POST", "/m", "Transfer-Encoding: chunked")


def test_the_copys_head_byte_for_byte(stage: Stage) -> None:
    scene = shadowed(
        stage,
        add=(("X-Env", "shadow"),),
        remove=("authorization", "Cookie", "x-secret"),
        path=PathRewrite("/v2/models/m", "/v2/models/m3"),
    )
    caller = scene.caller()
    secret = ("Authorization: Bearer x", "COOKIE: a=1", "X-Secret: 1")
    caller >> post(b"hello", *secret, "X-Request-Id: 7", "A: b", target="/v2/models/m/infer?q")
    live, copy = scene["1"].got(), scene["3"].got()
    for line in secret:
        assert line.encode() in live
    assert copy == (
        b"POST /v2/models/m3/infer?q HTTP/1.1\r\nHost: m.example\r\nContent-Length: 5\r\nA: b\r\n"
        b"x-shadow: 3\r\nX-Env: shadow\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\n"
        b"via: 1.1 pointsman\r\nx-request-id: 7\r\n\r\nhello"
    )
    scene["3"] << ok()
    scene["1"] << ok()
    assert caller.answer().status == 200
    assert copies(scene) == {"sent": 1}
    assert scene.outcomes() == {"1/stable": {"ok": 1}, "3/shadow": {"ok": 1}}
    scene.at_rest()


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/a", "/b"), ("/a/x", "/b/x"), ("/a?x", "/b?x"), ("/ab", "/ab"), ("/c/a", "/c/a")],
)
def test_a_path_is_rewritten_by_whole_segments(stage: Stage, target: str, expected: str) -> None:
    scene = shadowed(stage, path=PathRewrite("/a", "/b"))
    scene.caller() >> get(target=target)
    assert scene["3"].got().startswith(f"GET {expected} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_name_in_the_body_is_rewritten(stage: Stage, framing: str) -> None:
    scene = shadowed(stage, json=JsonRewrite("/meta/0/model", "m3"))
    body = b'{"meta": [{"model": "m"}], "x": [1.5]}'
    raw = post(body) if framing == "length" else CHUNKED + chunked(body[:9], body[9:])
    for at in range(1, len(raw), 7):
        caller = scene.caller()
        caller >> raw[:at]
        caller >> raw[at:]
        head, _, sent = scene["3"].got().partition(b"\r\n\r\n")
        assert json.loads(sent) == {"meta": [{"model": "m3"}], "x": [1.5]}
        assert b"content-length: %d" % len(sent) in head.lower()
        assert b"ransfer-" not in head
        scene["1"] << ok()
        scene["3"] << ok()
        caller.leave()
    scene.at_rest()


BROKEN = [b"{", b"[]", b'"m"', b'{"meta": 1}', b"[" * 100_000, b"\xff", b'{"meta": []}']


@pytest.mark.parametrize("body", BROKEN)
def test_a_rewrite_that_cannot_be_done_drops_only_the_copy(stage: Stage, body: bytes) -> None:
    scene = shadowed(stage, json=JsonRewrite("/meta/0/model", "m3"))
    caller = scene.caller()
    caller >> post(body)
    scene["1"] << ok()
    assert caller.answer().status == 200
    assert copies(scene) == {"dropped_rewrite": 1}
    assert "3/shadow" not in scene.outcomes()
    scene.at_rest()


def test_a_long_queue_of_copies_that_cannot_be_rewritten(stage: Stage) -> None:
    scene = shadowed(stage, json=JsonRewrite("/a", "b"), in_flight=1, queue=2000)
    scene["3"].fate = "hang"
    for _ in range(1000):
        caller = scene.caller()
        caller >> post(b"{")
        scene["1"] << ok()
        assert caller.answer().status == 200
        caller.leave()
    scene["3"].fate = "accept"
    scene.settle()
    assert copies(scene) == {"dropped_rewrite": 1000}
    scene.at_rest()


@pytest.mark.parametrize("raw", [get(), post(), CHUNKED + chunked(b"one", b"two"), post(b"")])
def test_a_copy_has_the_same_payload_however_it_came(stage: Stage, raw: bytes) -> None:
    for at in range(1, len(raw)):
        scene = shadowed(stage)
        caller = scene.caller()
        caller >> raw[:at]
        caller >> raw[at:]
        live, copy = scene["1"].got(), scene["3"].got()
        assert copy.replace(b"x-shadow: 3\r\n", b"") == live
        scene["1"] << ok()
        scene["3"] << ok()
        assert len(scene["3"].open) == 1
        scene.at_rest()


def test_a_queue_that_comes_to_nothing_at_once(stage: Stage) -> None:
    """Each that fails starts the next; with idle connections for all, none waits for a dial."""
    rewrite = JsonRewrite("/a", "b")
    scene = shadowed(stage, json=rewrite, in_flight=400)
    burst(scene, 400, post(b"{}"))
    for wire in busy(scene):
        wire.send(ok())
    one = shadow(json=rewrite, in_flight=1, queue=400)
    scene.plane.apply(plan(model(shadows=(one,)), number=2, desk_silence=3600.0))
    burst(scene, 1, post(b"{}"))
    burst(scene, 399, post(b"{"))
    busy(scene)[0].send(ok())
    assert copies(scene) == {"sent": 401, "dropped_rewrite": 399}
    scene.at_rest()


def test_an_answer_before_the_copy_is_whole(stage: Stage) -> None:
    for said in (ok(), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        scene = shadowed(stage)
        caller = scene.caller()
        caller >> post(b"0" * 10)[:-5]
        scene["3"] << said
        assert not scene["3"].open, "half a request is on that connection"
        caller >> b"00000"
        scene["1"] << ok()
        assert caller.answer().status == 200
        assert copies(scene) == {"sent": 1}
        scene.at_rest()


def test_the_marker_from_outside(stage: Stage) -> None:
    scene = stage(plan(model(), shadow_marker_from_outside="refuse"))
    caller = scene.caller()
    caller >> get("X-Shadow: 3") + get()
    scene["1"] << ok()
    assert [a.status for a in caller.answers()] == [400, 200]
    assert scene.refused() == {"shadow_marker": 1}
    scene.at_rest()


def test_samples_are_independent_and_sticky(stage: Stage) -> None:
    both = (shadow("3", 30, salt="three"), shadow("4", 30, salt="four"))
    scene = stage(model(canary=30, shadows=both))
    seen = []
    for n in list(range(200)) * 2:
        caller = scene.caller()
        caller >> get(f"X-Customer-Id: {n}")
        took = []
        for version in ("1", "2", "3", "4"):
            if scene[version].got():
                took.append(version)
                scene[version] << ok()
        caller.leave()
        seen.append(tuple(took))
    assert seen[:200] == seen[200:]
    assert len(set(seen)) == 8, "every combination occurs"
    scene.at_rest()


# --- never felt ---


def silent(scene: Scene) -> None:
    pass


def unreachable(scene: Scene) -> None:
    scene["3"].fate = OSError("gone")


def hanging(scene: Scene) -> None:
    scene["3"].fate = "hang"


def failing(scene: Scene) -> None:
    scene["3"] << ok(b"no", status="500 Oops")


def dying(scene: Scene) -> None:
    scene["3"].leave(ConnectionResetError())


def babbling(scene: Scene) -> None:
    scene["3"] << b"nonsense\r\n\r\n"


def early(scene: Scene) -> None:
    scene["3"] << ok()


def stuck(scene: Scene) -> None:
    scene["3"].link.stall()


@pytest.mark.parametrize(
    "shadows_way", [silent, unreachable, hanging, failing, dying, babbling, early, stuck]
)
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_the_caller_never_feels_it(stage: Stage, shadows_way: object, framing: str) -> None:
    body = b"0" * 200_000
    raw = post(body) if framing == "length" else CHUNKED + chunked(body[:99_000], body[99_000:])
    raw = raw.replace(b"Host:", b"X-Request-Id: 1\r\nHost:")
    heard = []
    for shadows in ((), (shadow(bytes=100_000),)):
        scene = stage(model(shadows=shadows))
        if shadows and shadows_way in (unreachable, hanging):
            shadows_way(scene)  # type: ignore[operator]
        caller = scene.caller()
        caller >> raw[:1000]
        if shadows and shadows_way not in (unreachable, hanging):
            shadows_way(scene)  # type: ignore[operator]
        for at in range(1000, len(raw), 40_000):
            caller >> raw[at : at + 40_000]
            assert caller.wire.reading
        scene["1"] << ok()
        heard.append((scene["1"].got(), caller.got()))
        assert caller.wire.pauses == 0
        assert scene.outcomes()["1/stable"] == {"ok": 1}
        if shadows:
            if shadows_way is silent:
                scene["3"] << ok()
            scene.wait(11)
            assert sum(copies(scene).values()) == 1
            scene["3"].fate = "accept"
            scene.settle()
        scene.at_rest()
    assert heard[0] == heard[1]


def test_a_shadows_failures_are_counted_as_its_own(stage: Stage) -> None:
    expected = {
        failing: ("upstream_5xx", "sent"),
        dying: ("upstream_reset", "sent"),
        babbling: ("upstream_protocol", "sent"),
        early: ("ok", "sent"),
        silent: ("upstream_timeout", "sent"),
        unreachable: ("upstream_connect", "dropped_connect"),
    }
    for way, (outcome, result) in expected.items():
        scene = shadowed(stage)
        if way is unreachable:
            way(scene)
        caller = scene.caller()
        caller >> post()
        if way is not unreachable:
            way(scene)
        scene.wait(10.1)
        assert scene.outcomes()["3/shadow"] == {outcome: 1}
        assert copies(scene) == {result: 1}
        assert outcome in OWNER
        assert caller.got() == b""
        scene["1"] << ok()
        assert caller.answer().status == 200
        scene.at_rest()


def test_a_copy_is_dropped_when_the_upload_never_becomes_whole(stage: Stage) -> None:
    scene = shadowed(stage)
    caller = scene.caller()
    caller >> post(b"0" * 10)[:-5]
    scene["1"] << ok(b"no", status="413 Content Too Large")
    assert caller.answer().status == 413
    assert copies(scene) == {"dropped_caller": 1}
    assert not scene["3"].open
    caller.leave()
    scene.at_rest()
