"""Turns and back-pressure: who waits for whom, and who pays for it."""

from __future__ import annotations

import pytest
from dialogue import Wire
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_plans import model, plan, shadow, versions
from dialogue_stage import Stage

from proxy.routing.plan import Deadlines, ListenerLimits

CHUNKED = request("POST", "/m", "Transfer-Encoding: chunked")


# --- turns ---


def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> b"".join(post(b"%d" % n, f"X-Request-Id: {n}") for n in range(5))
    for n in range(5):
        assert scene["1"].got().endswith(b"\r\n\r\n%d" % n)
        scene["1"] << ok(b"answer %d" % n)
    assert [a.body for a in caller.answers()] == [b"answer %d" % n for n in range(5)]
    assert [a.fields["x-request-id"] for a in caller.answers()] == []
    scene.at_rest()


def test_pipelined_requests_cut_anywhere(stage: Stage) -> None:
    raw = post(b"one") + get() + CHUNKED + chunked(b"three") + get(target="/m/4")
    for at in range(1, len(raw)):
        scene = stage(model())
        caller = scene.caller()
        caller >> raw[:at]
        caller >> raw[at:]
        for n in range(4):
            scene["1"] << ok(b"%d" % n)
        assert [a.body for a in caller.answers()] == [b"0", b"1", b"2", b"3"]
        scene.at_rest()


def test_pipelined_garbage_does_not_hurt_the_good_request_before_it(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"good") + b"\x00garbage\r\n\r\n" + get()
    assert caller.got() == b""
    scene["1"] << ok(b"good")
    good, bad = caller.answers()
    assert (good.body, bad.status) == (b"good", 400)
    assert caller.closed
    assert len(scene["1"].links) == 1
    assert scene.outcomes() == {"1/stable": {"ok": 1}}


def test_refusals_keep_their_place_too(stage: Stage) -> None:
    scene = stage(model(path_prefix="/m"))
    caller = scene.caller()
    caller >> get(target="/x") + get() + get(target="/x") + get(target="/x") + get()
    scene["1"] << ok(b"a")
    scene["1"] << ok(b"b")
    assert [a.status for a in caller.answers()] == [404, 200, 404, 404, 200]


def test_nothing_is_served_after_connection_close(stage: Stage) -> None:
    for raw in (get("Connection: close"), get(minor=0)):
        scene = stage(model())
        caller = scene.caller()
        caller >> raw + get()
        scene["1"] << ok()
        answer = caller.answer()
        assert answer.fields["connection"] == "close"
        assert caller.closed
        assert not caller.wire.closed, "more may be coming: a close now could reset the answer"
        assert scene.outcomes() == {"1/stable": {"ok": 1}}


def test_a_refusal_with_connection_close_is_not_cut_by_what_follows(stage: Stage) -> None:
    scene = stage(model(path_prefix="/m"))
    caller = scene.caller()
    caller >> get("Connection: close", target="/x") + get()
    assert caller.answer().status == 404
    assert not caller.wire.aborted


def test_only_so_much_is_read_ahead(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get() + get() * 2_000
    assert not caller.wire.reading
    for _ in range(2_001):
        scene["1"] << ok()
    assert len(caller.answers()) == 2_001
    assert caller.wire.reading


# --- back-pressure ---


def test_a_slow_caller_slows_its_upstream(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get() + get()
    caller.wire.stall()
    scene["1"] << b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"0" * 100_000
    link = scene["1"].link
    assert not link.reading
    caller.wire.drink()
    assert link.reading
    caller.wire.stall()
    link.send(b"0" * 100_000)
    assert link.reading, "a connection never goes back to the pool paused"
    scene["1"].got()
    assert len(scene["1"].links) == 1, "its next request has not begun"
    other = scene.caller()
    other >> get()
    scene["1"] << ok()
    assert other.answer().status == 200
    caller.wire.drink()
    scene["1"] << ok()
    assert [len(a.body) for a in caller.answers()] == [200_000, 4]
    scene.at_rest()


def test_a_request_that_comes_while_an_answer_is_stuck_waits(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller.wire.stall()
    caller >> get()
    scene["1"] << ok(b"0" * 100_000)
    scene["1"].got()
    caller >> get()
    assert scene["1"].got() == b""
    caller.wire.drink()
    scene["1"] << ok()
    assert [len(a.body) for a in caller.answers()] == [100_000, 4]
    scene.at_rest()


def test_a_caller_that_reads_nothing_is_cut_and_to_blame(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    caller.wire.stall()
    scene["1"] << b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"0" * 100_000
    scene.wait(29)
    assert not caller.wire.aborted
    scene.wait(2)
    assert caller.wire.aborted
    assert not scene["1"].open
    assert scene.outcomes() == {"1/stable": {"caller_timeout": 1}}
    scene.at_rest()


def test_an_upstream_does_not_pay_for_a_slow_caller(stage: Stage) -> None:
    limits = ListenerLimits(body_seconds=60)
    scene = stage(plan(model(deadlines=Deadlines(idle=5)), limits=limits, desk_silence=3600.0))
    caller = scene.caller()
    caller >> get()
    caller.wire.stall()
    scene["1"] << b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"0" * 100_000
    for _ in range(2):
        scene.wait(20)
        caller.wire.drink()
        caller.wire.stall()
        scene["1"] << b"0" * 100_000
    caller.wire.drink()
    assert caller.answer().whole
    assert scene.outcomes() == {"1/stable": {"ok": 1}}
    scene.at_rest()


def test_an_upstream_does_not_pay_for_a_slow_upload(stage: Stage) -> None:
    limits = ListenerLimits(body_seconds=60)
    times = Deadlines(idle=5, first_byte=5)
    scene = stage(plan(model(deadlines=times), limits=limits, desk_silence=3600.0))
    caller = scene.caller()
    raw = post(b"0" * 300_000)
    caller >> raw[:1000]
    scene.wait(20)
    scene["1"].link.stall()
    caller >> raw[1000:100_000]
    scene.wait(4)
    scene["1"].link.drink()
    scene.wait(20)
    caller >> raw[100_000:-1]
    assert caller.got() == b""
    scene.wait(20)
    caller >> raw[-1:]
    scene.wait(4)
    assert caller.got() == b""
    scene.wait(2)
    assert caller.answer().status == 504, "from here on it is the upstream's turn"
    assert scene.outcomes() == {"1/stable": {"upstream_timeout": 1}}


def test_an_answer_that_waits_for_the_upload(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 10)[:-9]
    scene["1"] << b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(9):
        scene.wait(20)
        caller >> b"0"
    scene["1"] << chunked(b"all")
    assert caller.answer().body == b"all"
    assert scene.outcomes() == {"1/stable": {"ok": 1}}


@pytest.mark.parametrize("pool", ["kept", "dialled"])
def test_a_slow_upstream_slows_its_caller(stage: Stage, pool: str) -> None:
    scene = stage(model())
    caller = scene.caller()
    if pool == "kept":
        caller >> get()
        scene["1"] << ok()
        caller.got()
        scene["1"].link.stall()
        caller >> post(b"0" * 500_000)[:100_000]
    else:
        scene["1"].fate = "hang"
        caller >> post(b"0" * 500_000)[:100_000]
        assert not caller.wire.reading
        scene["1"].fate = "accept"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Wire, "__init__", stuck_init(Wire.__init__))
            scene.settle()
    assert not caller.wire.reading, "the first piece already filled it"
    scene["1"].link.drink()
    assert caller.wire.reading
    caller >> b"0" * (len(post(b"0" * 500_000)) - 100_000)
    scene["1"] << ok()
    assert caller.answer().status == 200
    scene.at_rest()


def stuck_init(init: object) -> object:
    def __init__(self: object, *args: object) -> None:  # noqa: N807
        init(self, *args)  # type: ignore[operator]
        self.stuck = True  # type: ignore[attr-defined]

    return __init__


def test_an_upstream_that_answers_before_it_reads_is_not_kept(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 500_000)[:1000]
    link = scene["1"].link
    link.stall()
    caller >> post(b"0" * 500_000)[1000:]
    scene["1"] << ok()
    assert link.closed
    caller.leave()
    link.drink()
    scene.at_rest()


def test_shadows_share_no_room_with_callers(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow("1"),), versions=versions("1")))
    caller = scene.caller()
    caller >> get()
    assert len(scene["1"].links) == 2
