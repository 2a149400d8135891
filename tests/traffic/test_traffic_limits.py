"""What a caller may take: sizes, times, room, turns; and back-pressure."""

from __future__ import annotations

import json

import pytest
from dialogue import Caller, Scene
from dialogue_bytes import Answer, chunked, get, ok, post, request
from dialogue_plans import model, plan
from dialogue_stage import Stage

from proxy.routing.plan import Deadlines, KeySource, ListenerLimits, ModelLimits

CHUNKED = request("POST", "/m", "Transfer-Encoding: chunked")


def refused(answer: Answer, status: int, reason: str, owner: str = "caller") -> None:
    """It is a problem body that says what and whose."""
    said = json.loads(answer.body)
    assert (answer.status, said["status"], said["owner"]) == (status, status, owner)
    assert said["type"] == f"urn:pointsman:problem:{reason}"
    assert said["detail"]
    assert ("retry-after" in answer.fields) == (status == 503)


# --- sizes ---


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (get(target="/" + "a" * 300), 414, "request_line"),
        (b"GET /" + b"a" * 300, 414, "request_line"),
        (get("X: " + "a" * 700), 431, "head_bytes"),
        (get("X: " + "a" * 700)[:650], 431, "head_bytes"),
        (get(*["A: b"] * 20), 431, "head_lines"),
        (get(*["A: b"] * 20)[:-4], 431, "head_lines"),
        (b"\x16\x03\x01", 400, "bad_request"),
        (b"GET /m HTTP/1.1\nHost: x", 400, "bad_request"),
        (b"\r\n" * 40, 400, "bad_request"),
        (b"\rGET", 400, "bad_request"),
    ],
)
def test_heads_that_are_refused(stage: Stage, raw: bytes, status: int, reason: str) -> None:
    limits = ListenerLimits(request_line=200, head_bytes=600, head_lines=16)
    for step in (len(raw), 7, 1):
        scene = stage(plan(model(), limits=limits))
        caller = scene.caller()
        for at in range(0, len(raw), step):
            if not caller.closed:
                caller >> raw[at : at + step]
        if raw == b"\r\n" * 40 and step < len(raw):
            continue  # blank lines one by one are ignored until the idle deadline
        refused(caller.answer(), status, reason)
        assert caller.closed
        assert scene.refused() == {reason: 1}
        caller.leave()
        scene.at_rest()


def test_a_head_within_small_limits_is_served(stage: Stage) -> None:
    scene = stage(plan(model(), limits=ListenerLimits(request_line=30, head_lines=3)))
    caller = scene.caller()
    caller >> b"\r\n\r\n" + get("A: b", "C: d")
    scene["1"] << ok()
    assert caller.answer().status == 200


@pytest.mark.parametrize("sent", ["whole", "head", "chunks", "chunk by chunk"])
@pytest.mark.parametrize("held", [False, True])
def test_a_body_over_the_limit(stage: Stage, sent: str, held: bool) -> None:
    more = {"customer": KeySource("json", "/id")} if held else {}
    scene = stage(model(limits=ModelLimits(body=100), **more))
    caller = scene.caller()
    if sent == "whole":
        caller >> post(b"0" * 101)
    elif sent == "head":
        caller >> post(b"0" * 101)[:-50]
    elif sent == "chunks":
        caller >> CHUNKED + chunked(b"0" * 60, b"1" * 60)
    else:
        caller >> CHUNKED
        caller >> b"3c\r\n" + b"0" * 60 + b"\r\n"
        caller >> b"3c\r\n" + b"0" * 60 + b"\r\n"
    refused(caller.answer(), 413, "body_bytes")
    assert caller.closed == (sent != "whole"), "kept where the framing is certain"
    assert "upstream" not in str(scene.outcomes())
    if sent in ("whole", "head"):
        assert scene.refused() == {"body_bytes": 1}
        assert not scene["1"].links
    caller.leave()
    scene.settle()
    scene.at_rest()


def test_a_body_at_the_limit(stage: Stage) -> None:
    scene = stage(model(limits=ModelLimits(body=100)))
    caller = scene.caller()
    caller >> post(b"0" * 100)
    scene["1"] << ok()
    caller >> CHUNKED + chunked(b"0" * 60, b"1" * 40)
    scene["1"] << ok()
    assert [a.status for a in caller.answers()] == [200, 200]
    scene.at_rest()


# --- times ---


def test_a_head_that_drips(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    scene.wait(70)
    caller >> b"GET /m"
    for _ in range(9):
        scene.wait(1)
        caller >> b"m"
    assert caller.got() == b""
    scene.wait(1.1)
    refused(caller.answer(), 408, "head_timeout")
    assert scene.refused() == {"head_timeout": 1}
    assert caller.closed


def test_each_head_has_its_own_time(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()[:5]
    scene.wait(9)
    caller >> get()[5:]
    scene["1"] << ok()
    caller.got()
    scene.wait(70)
    caller >> get()[:5]
    scene.wait(9)
    assert not caller.closed
    scene.wait(2)
    refused(caller.answer(), 408, "head_timeout")


@pytest.mark.parametrize("after", ["nothing", "an answer", "blank lines"])
def test_a_silent_connection_is_closed_without_a_word(stage: Stage, after: str) -> None:
    scene = stage(model())
    caller = scene.caller()
    if after == "an answer":
        caller >> get()
        scene["1"] << ok()
        caller.got()
    elif after == "blank lines":
        caller >> b"\r\n"
    scene.wait(74)
    assert not caller.closed
    scene.wait(2)
    assert caller.closed
    assert caller.got() == b""
    assert scene.refused() == {}
    scene.at_rest()


def test_a_long_inference_is_no_idle_connection(stage: Stage) -> None:
    scene = stage(model(deadlines=Deadlines(first_byte=200)))
    caller = scene.caller()
    caller >> post()
    scene.wait(150)
    scene["1"] << ok()
    assert caller.answer().status == 200


# --- room ---


def test_too_many_connections(stage: Stage) -> None:
    scene = stage(plan(model(), limits=ListenerLimits(connections=1)))
    first, second = scene.caller(), scene.caller()
    refused(second.answer(), 503, "connections", "proxy")
    assert second.closed
    scene.look()
    assert scene.seen.refused == {"connections": 1}
    first >> get()
    scene["1"] << ok()
    assert first.answer().status == 200
    second.leave()
    third = scene.caller()
    assert third.closed
    third.leave()
    first.leave()
    fourth = scene.caller()
    fourth >> get()
    scene["1"] << ok()
    assert fourth.answer().status == 200


def crowded(stage: Stage, **more: object) -> tuple[Scene, Caller]:
    """One request in flight, for which there is just room."""
    limits = {"in_flight": 1, "queue": 1, "queue_wait": 1.0} | more
    scene = stage(model(limits=ModelLimits(**limits)))  # type: ignore[arg-type]
    first = scene.caller()
    first >> get()
    return scene, first


@pytest.mark.parametrize("raw", [get(), post(), CHUNKED + chunked(b"hello"), post(b"0" * 10)[:-5]])
def test_a_queued_request_is_served_in_its_turn(stage: Stage, raw: bytes) -> None:
    scene, first = crowded(stage)
    second = scene.caller()
    second >> raw
    assert len(scene["1"].links) == 1
    scene["1"] << ok()
    if raw.endswith(b"0" * 5):
        second >> b"00000"
    scene["1"] << ok()
    assert (first.answer().status, second.answer().status) == (200, 200)
    assert scene.outcomes() == {"1/stable": {"ok": 2}}
    scene.at_rest()


@pytest.mark.parametrize("raw", [get(), post(), CHUNKED + chunked(b"hello"), post(b"0" * 10)[:-5]])
def test_a_queued_request_waits_only_so_long(stage: Stage, raw: bytes) -> None:
    scene, first = crowded(stage)
    second = scene.caller()
    second >> raw
    scene.wait(0.9)
    assert second.got() == b""
    scene.wait(0.2)
    refused(second.answer(), 503, "queue_wait", "proxy")
    assert second.closed == raw.endswith(b"0" * 5)
    assert scene.refused() == {"queue_wait": 1}
    scene["1"] << ok()
    assert first.answer().status == 200
    if not second.closed:
        second >> get()
        scene["1"] << ok()
        assert second.answer().status == 200
    second.leave()
    scene.at_rest()


def test_reading_ahead_does_not_prolong_the_wait(stage: Stage) -> None:
    scene, _ = crowded(stage)
    second = scene.caller()
    second >> get()
    second >> get() * 3000
    assert not second.wire.reading
    scene.wait(1.1)
    assert second.answers()[0].status == 503


def test_a_queued_upload_that_must_be_held_is_read_on(stage: Stage) -> None:
    limits, key = ModelLimits(in_flight=1), KeySource("json", "/id")
    scene = stage(model(limits=limits, customer=key))
    first, second = scene.caller(), scene.caller()
    first >> post(b"{}")
    second >> post(b'{"id": 1}')[:-3]
    assert not second.wire.reading
    scene["1"] << ok()
    assert second.wire.reading
    second >> b" 1}"
    scene["1"] << ok()
    assert second.answer().status == 200
    assert scene.model().customers == {"stable": 1}
    scene.at_rest()


def test_a_full_queue(stage: Stage) -> None:
    scene, first = crowded(stage)
    second, third = scene.caller(), scene.caller()
    second >> get()
    third >> get() + get()
    refused(third.answers()[0], 503, "overload", "proxy")
    assert not third.closed
    assert scene.refused() == {"overload": 2}
    for caller in (first, second):
        scene["1"] << ok()
        assert caller.answer().status == 200
    scene.at_rest()


@pytest.mark.parametrize("raw", [get(), CHUNKED + chunked(b"hello")])
def test_a_queued_caller_leaves(stage: Stage, raw: bytes) -> None:
    scene, first = crowded(stage)
    second, third = scene.caller(), scene.caller()
    second >> raw
    second.leave()
    third >> get()
    scene["1"] << ok()
    scene["1"] << ok()
    assert third.answer().status == 200
    assert scene.refused() == {"caller_left": 1}
    assert scene.outcomes() == {"1/stable": {"ok": 2}}
    assert first.answer().status == 200
    scene.at_rest()


def test_a_queued_caller_breaks_its_body(stage: Stage) -> None:
    scene, first = crowded(stage)
    second = scene.caller()
    second >> CHUNKED + b"zz\r\n"
    assert second.answer().status == 400
    scene["1"] << ok()
    assert first.answer().status == 200
    second.leave()
    scene.at_rest()
