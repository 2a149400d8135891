"""Callers that leave, stall or break a rule: never the upstream's fault, and nobody works on."""

from __future__ import annotations

import pytest
from dialogue import Caller, Scene
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_plans import model, shadow
from dialogue_stage import Stage

RESET = ConnectionResetError(104, "Connection reset by peer")
HALF_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"


# --- a caller that leaves ---


def leave_while_dialling(scene: Scene, caller: Caller) -> None:
    scene["1"].fate = "hang"
    caller >> post()


def leave_during_upload(scene: Scene, caller: Caller) -> None:
    caller >> post(b"0" * 10)[:-5]


def leave_during_chunks(scene: Scene, caller: Caller) -> None:
    caller >> request("POST", "/m", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"


def leave_during_inference(scene: Scene, caller: Caller) -> None:
    caller >> post()


def leave_during_inference_of_chunks(scene: Scene, caller: Caller) -> None:
    caller >> request("POST", "/m", "Transfer-Encoding: chunked") + chunked(b"hello")


def leave_during_the_answer(scene: Scene, caller: Caller) -> None:
    caller >> post()
    scene["1"] << HALF_LENGTH


@pytest.mark.parametrize("error", [None, RESET])
@pytest.mark.parametrize(
    "phase",
    [leave_while_dialling, leave_during_upload, leave_during_chunks, leave_during_inference,
     leave_during_inference_of_chunks, leave_during_the_answer],
)  # fmt: skip
def test_a_caller_that_leaves(stage: Stage, phase: object, error: Exception | None) -> None:
    scene = stage(model(shadows=(shadow(),)))
    caller = scene.caller()
    phase(scene, caller)  # type: ignore[operator]
    caller.leave(error)
    assert not scene["1"].open, "nobody works for nobody"
    assert scene.outcomes()["1/stable"] == {"caller_left": 1}
    if phase in (leave_during_upload, leave_during_chunks):
        assert scene.model().copies == {"3": {"dropped_caller": 1}}
        assert not scene["3"].open
    else:
        scene["3"] << ok()
        assert scene.model().copies == {"3": {"sent": 1}}
    scene["1"].fate = "accept"
    scene.settle()
    scene.at_rest()


def test_a_broken_upload_is_the_callers_fault(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(),)))
    caller = scene.caller()
    caller >> request("POST", "/m", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
    caller >> b"zz\r\n"
    assert caller.answer().status == 400
    assert caller.closed
    assert not scene["1"].open
    assert not scene["1"].got().endswith(b"0\r\n\r\n")
    assert scene.outcomes()["1/stable"] == {"caller_error": 1}
    assert scene.model().copies == {"3": {"dropped_caller": 1}}
    caller.leave()
    scene.at_rest()


def test_a_stalled_upload_is_the_callers_fault(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 10)[:-5]
    scene.wait(30.1)
    assert caller.answer().status == 408
    assert scene.outcomes() == {"1/stable": {"caller_timeout": 1}}
    assert not scene["1"].open
    caller.leave()
    scene.at_rest()


def test_an_upload_that_drips_past_the_total_is_the_callers_fault(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 100)[:-90]
    for _ in range(16):
        scene.wait(20)
        if not caller.closed:
            caller >> b"0"
    assert caller.answer().status == 408
    assert scene.outcomes() == {"1/stable": {"caller_timeout": 1}}


def test_an_upstream_that_stops_reading_is_its_own_fault(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 1_000_000)[:10_000]
    scene["1"].link.stall()
    caller >> b"0" * 70_000
    assert not caller.wire.reading
    scene.wait(31)
    assert caller.answer().status == 504
    assert scene.outcomes() == {"1/stable": {"upstream_timeout": 1}}
    assert caller.wire.reading
    caller.leave()
    scene.at_rest()


# --- a fault of our own ---


def test_a_fault_of_our_own_is_nobody_elses(stage: Stage) -> None:
    def broken() -> bytes:
        raise RuntimeError("on purpose")

    scene = stage(model())
    scene.plane.chance = broken
    caller = scene.caller()
    caller >> post() + get()
    answer = caller.answer()
    assert answer.status == 500
    assert b'"owner":"proxy"' in answer.body
    assert caller.closed
    assert scene.refused() == {"proxy_error": 1}
    assert scene.outcomes() == {}
    caller.leave()
    scene.at_rest()
