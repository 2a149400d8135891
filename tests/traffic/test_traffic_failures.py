"""Upstreams that die, callers that leave: whose fault it is, and what the other side sees."""

from __future__ import annotations

import pytest
from dialogue import Caller, Scene
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_plans import model
from dialogue_stage import Stage

RESET = ConnectionResetError(104, "Connection reset by peer")
HALF_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"
HALF_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"


def kept(scene: Scene) -> Caller:
    """A caller, and one kept connection to version 1."""
    caller = scene.caller()
    caller >> get()
    scene["1"] << ok()
    scene["1"].got(), caller.got(), scene.look()
    scene._tallies.clear()
    return caller


# --- an upstream that fails ---


@pytest.mark.parametrize("error", [None, RESET])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"HTTP/1.1 103 Hints\r\n\r\n"])
def test_an_upstream_that_dies_before_its_head(
    stage: Stage, said: bytes, error: Exception | None
) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post()
    if said:
        scene["1"] << said
    scene["1"].leave(error)
    answer = caller.answers()[-1]
    assert (answer.status, answer.fields["x-model-version"]) == (502, "1")
    assert answer.fields["content-type"] == "application/problem+json"
    assert b'"owner":"upstream"' in answer.body
    assert not caller.closed, "the caller's connection is still good"
    assert scene.outcomes() == {"1/stable": {"upstream_reset": 1}}
    scene.at_rest()


@pytest.mark.parametrize("error", [None, RESET])
@pytest.mark.parametrize("said", [HALF_LENGTH, HALF_CHUNKS, HALF_CHUNKS + b"5\r\n0"])
def test_an_answer_that_breaks_off_is_never_a_clean_end(
    stage: Stage, said: bytes, error: Exception | None
) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post()
    scene["1"] << said
    scene["1"].leave(error)
    answer = caller.answer()
    assert not answer.whole
    assert caller.closed
    assert scene.outcomes() == {"1/stable": {"upstream_reset": 1}}
    scene.at_rest()


@pytest.mark.parametrize("said", [HALF_CHUNKS, b"HTTP/1.1 200 OK\r\n\r\n01234"])
def test_a_1_0_caller_sees_the_truncation_as_a_reset(stage: Stage, said: bytes) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get(minor=0)
    scene["1"] << said
    scene["1"].leave(RESET)
    assert caller.wire.aborted


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 66_000,
    ],
)
def test_an_answer_that_is_none(stage: Stage, said: bytes) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene["1"] << said
    answers = caller.answers()
    assert answers[-1].status == 502 or not answers[-1].whole
    assert scene.outcomes() == {"1/stable": {"upstream_protocol": 1}}
    assert not scene["1"].open
    scene.at_rest()


def test_an_upstream_that_cannot_be_reached(stage: Stage) -> None:
    scene = stage(model())
    scene["1"].fate = ConnectionRefusedError(111, "refused")
    caller = scene.caller()
    caller >> post()
    assert caller.answer().status == 502
    assert scene.outcomes() == {"1/stable": {"upstream_connect": 1}}
    scene["1"].fate = "accept"
    caller >> post()
    scene["1"] << ok()
    assert caller.answer().status == 200, "it recovers by itself"
    scene.at_rest()


def test_a_silent_upstream_is_given_up_and_named(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post()
    scene.wait(29.9)
    assert caller.got() == b""
    scene.wait(0.2)
    assert caller.answer().status == 504
    assert scene.outcomes() == {"1/stable": {"upstream_timeout": 1}}
    assert not scene["1"].open
    scene.at_rest()


def test_an_answer_that_stops_is_cut(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post()
    scene["1"] << HALF_LENGTH
    scene.wait(31)
    assert not caller.answer().whole
    assert caller.closed
    assert scene.outcomes() == {"1/stable": {"upstream_timeout": 1}}


def test_a_stream_may_not_last_longer_than_the_total(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene["1"] << HALF_CHUNKS
    for _ in range(14):
        scene.wait(20)
        scene["1"] << b"1\r\nx\r\n"
    assert not caller.closed
    scene.wait(21)
    assert caller.closed
    assert scene.outcomes() == {"1/stable": {"upstream_timeout": 1}}


# --- kept connections ---


@pytest.mark.parametrize(
    ("raw", "safe", "replayed"),
    [
        (get(), False, True),
        (request("HEAD", "/m"), False, True),
        (post(), False, False),
        (post(), True, True),
        (request("POST", "/m", "Transfer-Encoding: chunked") + chunked(b"x"), True, True),
    ],
)
def test_a_kept_connection_that_went_stale(
    stage: Stage, raw: bytes, safe: bool, replayed: bool
) -> None:
    scene = stage(model(safe_to_repeat=safe))
    caller = kept(scene)
    caller >> raw
    first = scene["1"].got()
    scene["1"].leave()
    if replayed:
        assert scene["1"].got() == first
        scene["1"] << b"HTTP/1.1 204 No Content\r\n\r\n"
        assert caller.answer().status == 204
        assert scene.outcomes() == {"1/stable": {"ok": 1}}
    else:
        assert caller.answer().status == 502
        assert scene.outcomes() == {"1/stable": {"upstream_reset": 1}}
    assert scene.model().replays == replayed
    scene.at_rest()


def test_a_request_is_never_replayed_twice(stage: Stage) -> None:
    scene = stage(model())
    caller = kept(scene)
    caller >> get()
    scene["1"].leave()
    scene["1"].leave()
    assert caller.answer().status == 502
    assert scene.model().replays == 1
    assert len(scene["1"].links) == 2


def test_a_replay_that_gets_another_stale_connection(stage: Stage) -> None:
    scene = stage(model())
    callers = [scene.caller(), scene.caller()]
    for caller in callers:
        caller >> get()
    for wire in scene["1"].links:
        wire.send(ok())
    for caller in callers:
        caller >> get()
        caller.got()
    scene["1"].fate = "hang"
    first, second = scene["1"].links
    first.leave()
    assert scene.model().replays == 1
    second.send(ok())  # set free, and given to the request that waits for its dial
    assert second.protocol.busy
    second.leave()
    assert sorted(a.status for caller in callers for a in caller.answers()) == [200, 502]
    assert scene.model().replays == 1
    scene["1"].fate = "accept"
    scene.settle()
    scene.at_rest()


def test_no_replay_once_something_of_an_answer_came(stage: Stage) -> None:
    scene = stage(model())
    caller = kept(scene)
    caller >> get()
    scene["1"] << b"HTTP/1.1 103 Hints\r\n\r\n"
    scene["1"].leave()
    assert caller.answers()[-1].status == 502
    assert scene.model().replays == 0


def test_a_new_connection_that_closes_is_no_stale_one(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene["1"].leave()
    assert caller.answer().status == 502
    assert scene.model().replays == 0


SURPLUS = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


@pytest.mark.parametrize("said", [ok(), ok(b""), HALF_CHUNKS + b"0\r\n\r\n"])
def test_bytes_after_an_answer_never_reach_the_next_caller(stage: Stage, said: bytes) -> None:
    for cut in (len(said), len(said) - 1):
        scene = stage(model())
        caller = scene.caller()
        caller >> get()
        if cut < len(said):
            scene["1"] << said[:cut]
        scene["1"].link.send(said[cut:] + SURPLUS if cut < len(said) else said + SURPLUS)
        assert not scene["1"].open
        caller >> get()
        scene["1"] << ok(b"mine")
        assert [answer.body for answer in caller.answers()][-1] == b"mine"
        scene.at_rest()


def test_bytes_on_an_idle_connection_close_it(stage: Stage) -> None:
    scene = stage(model())
    caller = kept(scene)
    scene["1"] << SURPLUS
    assert not scene["1"].open
    caller >> post()
    scene["1"] << ok(b"mine")
    assert caller.answer().body == b"mine"
    assert scene.outcomes() == {"1/stable": {"ok": 1}}


def test_bytes_on_an_idle_connection_just_before_its_next_request(stage: Stage) -> None:
    """Both in one turn of the loop: the connection is gone before the loop says so."""
    scene = stage(model())
    caller = kept(scene)
    scene["1"].link.protocol.data_received(SURPLUS)
    caller.protocol.data_received(post())
    scene.settle()
    scene["1"] << ok(b"mine")
    assert caller.answer().body == b"mine"
    assert scene.outcomes() == {"1/stable": {"ok": 1}}
    scene.at_rest()


def test_idle_connections_age_away(stage: Stage) -> None:
    scene = stage(model())
    kept(scene)
    scene.wait(4.1)
    assert not scene["1"].open
    scene.at_rest()


# --- early answers ---


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("said", [ok(b"no", status="413 Content Too Large"), ok()])
def test_an_answer_before_the_upload_is_done(stage: Stage, framing: str, said: bytes) -> None:
    scene = stage(model())
    caller = scene.caller()
    if framing == "length":
        caller >> post(b"0" * 10)[:-5]
    else:
        caller >> request("POST", "/m", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
    scene["1"] << said
    answer = caller.answer()
    assert answer.fields["connection"] == "close"
    assert answer.whole
    assert caller.wire.ended_writing
    assert not caller.wire.closed, "the rest is read, so that no reset takes the answer away"
    assert not scene["1"].open, "half a request is on that connection"
    scene["1"].got()
    caller >> b"00000"
    assert scene["1"].got() == b""
    caller.leave()
    assert scene.outcomes() == {"1/stable": {"upstream_4xx" if b"413" in said else "ok": 1}}
    scene.at_rest()


def test_an_answer_that_streams_while_the_upload_does(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 10)[:-5]
    scene["1"] << HALF_CHUNKS
    assert caller.got().endswith(b"5\r\n01234\r\n")
    caller >> b"12345"
    assert scene["1"].got().endswith(b"12345")
    scene["1"] << b"0\r\n\r\n"
    assert caller.got() == b"0\r\n\r\n"
    assert caller.closed
    scene.at_rest()


def test_lingering_ends(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"0" * 10)[:-5]
    scene["1"] << ok()
    scene.wait(2.1)
    assert caller.wire.closed
    caller = scene.caller()
    caller >> post(b"0" * 10)[:-5]
    scene["1"] << ok()
    for _ in range(17):
        caller >> b"0" * 4_194_304
    assert caller.wire.closed
    scene.at_rest()
