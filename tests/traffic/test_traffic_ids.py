"""Every answer has the id of its request: the caller's where it is sane, else ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest
from dialogue import Caller, Scene
from dialogue_bytes import Answer, get, ok, post, request
from dialogue_plans import model, plan
from dialogue_stage import Stage

from proxy.routing.plan import Fallback, KeySource, ListenerLimits, ModelLimits

MINE: Final = "X-Request-Id: mine"
CHUNKED: Final = "Transfer-Encoding: chunked"


def stage_of(stage: Stage, callers: int = 10) -> Scene:
    limits = ListenerLimits(connections=callers, head_bytes=2000, head_seconds=5.0)
    room = ModelLimits(in_flight=1, queue=1, queue_wait=2.0, body=100)
    served = model(
        path_prefix="/m",
        canary=100,
        limits=room,
        safe_to_repeat=True,
        fallback=Fallback(first_byte=2.0),
        customer=KeySource("header", "X-Customer-Id"),
    )
    return stage(plan(served, limits=limits))


def saying(raw: bytes, version: str = "", *said: bytes, wait: float = 0) -> object:
    """A way in which a caller gets an answer: what it sends, and what becomes of that."""

    def play(scene: Scene) -> Answer:
        caller = scene.caller()
        caller >> raw
        for data in said:
            scene[version] << data
        if wait:
            scene.wait(wait)
        return caller.answer(raw.partition(b" ")[0])

    return play


def without_room(scene: Scene) -> Answer:
    callers = [scene.caller() for _ in range(3)]
    for caller in callers:
        caller >> get(MINE)
    return callers[2].answer()


def in_the_queue(scene: Scene) -> Answer:
    callers = [scene.caller() for _ in range(2)]
    for caller in callers:
        caller >> get("X-Customer-Id: me", MINE)
    scene.wait(2.1)
    return callers[1].answer()


def saved(scene: Scene) -> Answer:
    caller = scene.caller()
    caller >> get("X-Customer-Id: me", MINE)
    scene["2"].leave(ConnectionResetError())
    scene["1"] << ok()
    return caller.answer()


def out_of_descriptors(scene: Scene) -> Answer:
    scene["1"].fate = OSError(24, "Too many open files")
    caller = scene.caller()
    caller >> get(MINE)
    return caller.answer()


def broken(scene: Scene) -> Answer:
    def fail() -> bytes:
        raise RuntimeError("on purpose")

    scene.plane.chance = fail
    caller = scene.caller()
    caller >> get(MINE)
    return caller.answer()


HAS_ONE: Final = {
    "ok": saying(get(MINE), "1", ok()),
    "an upstream's error": saying(get(MINE), "1", ok(status="500 No")),
    "HEAD": saying(request("HEAD", "/m", MINE), "1", b"HTTP/1.1 200 OK\r\n\r\n"),
    "HTTP/1.0": saying(get(MINE, minor=0), "1", ok()),
    "no model": saying(get(MINE, target="/other")),
    "no model, HEAD": saying(request("HEAD", "/other", MINE)),
    "a body over the limit": saying(post(bytes(101), MINE)),
    "a stream over the limit": saying(
        request("POST", "/m", CHUNKED, MINE) + b"65\r\n" + bytes(101)
    ),
    "a broken chunk": saying(request("POST", "/m", CHUNKED, MINE) + b"zz\r\n"),
    "a body that stops": saying(post(b"hello", MINE)[:-1], wait=31),
    "502": saying(get(MINE), "1", b"nonsense\r\n\r\n"),
    "504": saying(get(MINE), wait=31),
    "no room": without_room,
    "no room in time": in_the_queue,
    "saved by stable": saved,
    "no descriptors": out_of_descriptors,
    "a fault of our own": broken,
}
HAS_NONE: Final = {
    "none was sent": saying(get(), "1", ok()),
    "not a sane one": saying(get("X-Request-Id: a b"), "1", ok()),
    "too long a one": saying(get("X-Request-Id: " + "a" * 129, target="/other")),
    "a head that is none": saying(b"\x16\x03\x01"),
    "a head that cannot be trusted": saying(get(MINE, "Host: other.example")),
    "a head that is too long": saying(get(MINE, "A: " + "x" * 2000)),
    "an upgrade": saying(get(MINE, "Connection: upgrade", "Upgrade: websocket")),
    "a head that stops": saying(get(MINE)[:-2], wait=6),
}


@pytest.mark.parametrize("way", HAS_ONE)
def test_the_callers_id_is_in_every_answer(stage: Stage, way: str) -> None:
    play: Callable[[Scene], Answer] = HAS_ONE[way]  # type: ignore[assignment]
    answer = play(stage_of(stage))
    assert answer.fields["x-request-id"] == "mine"
    if answer.fields.get("content-type") == "application/problem+json" and answer.body:
        assert json.loads(answer.body)["instance"] == "urn:pointsman:request:mine"


@pytest.mark.parametrize("way", HAS_NONE)
def test_else_there_is_one_of_ours(stage: Stage, way: str) -> None:
    play: Callable[[Scene], Answer] = HAS_NONE[way]  # type: ignore[assignment]
    scene = stage_of(stage)
    answers = [play(scene), play(scene)]
    ids = [answer.fields["x-request-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert all(len(each) == 28 for each in ids)
    for answer in answers:
        if answer.status != 200:
            assert json.loads(answer.body)["instance"].endswith(answer.fields["x-request-id"])


def test_one_who_finds_no_place_gets_one_as_well(stage: Stage) -> None:
    scene = stage_of(stage, callers=1)
    callers: list[Caller] = [scene.caller() for _ in range(3)]
    ids = [caller.answer().fields["x-request-id"] for caller in callers[1:]]
    assert len(set(ids)) == 2
