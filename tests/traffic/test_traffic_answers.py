"""A request and its answer, in every framing, with what the proxy adds and takes away."""

from __future__ import annotations

import pytest
from dialogue_bytes import Answer, chunked, get, ok, post, request
from dialogue_plans import model
from dialogue_stage import Stage


def test_the_happy_path_byte_for_byte(stage: Stage) -> None:
    scene = stage(model(release="r-7"))
    caller = scene.caller()
    caller >> post(b"hello", "X-Customer-Id: c1", "X-Request-Id: id-1", "accept: */*", "Accept: a")
    assert scene["1"].got() == (
        b"POST /m HTTP/1.1\r\nHost: m.example\r\nContent-Length: 5\r\nX-Customer-Id: c1\r\n"
        b"accept: */*\r\nAccept: a\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\n"
        b"via: 1.1 pointsman\r\nx-request-id: id-1\r\n\r\nhello"
    )
    scene["1"] << ok(b"world", "Server: triton", "Set-Cookie: a=1", "Set-Cookie: b=2")
    assert caller.got() == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: triton\r\nSet-Cookie: a=1\r\n"
        b"Set-Cookie: b=2\r\nx-model: m\r\nx-model-version: 1\r\nx-model-arm: stable\r\n"
        b"x-release-id: r-7\r\nx-request-id: id-1\r\n\r\nworld"
    )
    assert scene.outcomes() == {"1/stable": {"ok": 1}}
    tally = scene.tally("1", "stable")
    assert (tally.bytes_in, tally.bytes_out) == (5, 5)
    assert scene.model().customers == {"stable": 1}
    scene.at_rest()


def test_a_request_and_its_answer_are_one_write_each(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post()
    assert len(scene["1"].link.written) == 1
    scene["1"] << ok()
    assert len(caller.wire.written) == 1


def test_the_second_request_goes_on_the_kept_connection(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    for _ in range(3):
        caller >> post()
        scene["1"] << ok()
    assert len(scene["1"].links) == 1
    assert len(caller.answers()) == 3
    scene.at_rest()


@pytest.mark.parametrize(
    "line",
    [
        "Connection: keep-alive, X-Hop\r\nX-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Proxy-Authorization: Basic eA==",
        "Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: eA",
        "X-Shadow: 3",
        "X-Request-Id: a b",
        "X-Request-Id: " + "a" * 129,
    ],
)
def test_what_is_not_forwarded(stage: Stage, line: str) -> None:
    scene = stage(model())
    scene.caller() >> get(line, "X-Last: 1")
    head = scene["1"].got()
    for part in line.split("\r\n"):
        assert part.encode() not in head
    assert head.startswith(b"GET /m HTTP/1.1\r\nHost: m.example\r\nX-Last: 1\r\nx-forwarded-for:")


@pytest.mark.parametrize(
    "line",
    ["Connection: x-hop\r\nX-Hop: 1", "Keep-Alive: timeout=5", "X-Model: forged",
     "X-Request-Id: forged", "X-Fallback: forged", "X-Model-Arm: canary"],
)  # fmt: skip
def test_what_is_not_answered_on(stage: Stage, line: str) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get("X-Request-Id: mine")
    scene["1"] << ok(b"x", line)
    answer = caller.answer()
    assert "forged" not in str(answer)
    assert not {"connection", "x-hop", "keep-alive", "x-fallback"} & answer.fields.keys()
    assert answer.fields["x-request-id"] == "mine"


def test_a_request_id_is_made_when_there_is_none_or_it_is_odd(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    made = []
    for line in ("Accept: x", "X-Request-Id: \xe9"):
        caller >> get(line)
        sent = scene["1"].got().split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()
        scene["1"] << ok()
        assert caller.answer().fields["x-request-id"] == sent
        made.append(sent)
    assert len(set(made)) == 2


def test_the_scheme_that_another_proxy_saw_stays(stage: Stage) -> None:
    scene = stage(model())
    scene.caller() >> get("X-Forwarded-Proto: https", "X-Forwarded-For: 198.51.100.9")
    head = scene["1"].got()
    assert head.count(b"orwarded-") == 3
    assert b"X-Forwarded-For: 198.51.100.9\r\nx-forwarded-for: 192.0.2.1\r\n" in head


BODIES = {
    "none": (get(), b""),
    "length": (post(b"0123456789"), b"0123456789"),
    "empty": (post(b""), b""),
    "chunks": (
        request("POST", "/m", "Transfer-Encoding: chunked") + chunked(b"01234", b"56789"),
        b"0123456789",
    ),
    "trailers": (
        request("POST", "/m", "Transfer-Encoding: chunked")
        + chunked(b"01234", b"56789", trailers=b"X-Sum: 7\r\nHost: evil\r\n"),
        b"0123456789",
    ),
}


def payload(sent: bytes) -> bytes:
    """The body of one request as an upstream reads it, strictly."""
    head, _, body = sent.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        assert b"content-length" not in head.lower()
        whole = b""
        while True:
            line, _, body = body.partition(b"\r\n")
            size = int(line, 16)
            if not size:
                assert body in (b"\r\n", b"X-Sum: 7\r\n\r\n")
                return whole
            whole += body[:size]
            assert body[size : size + 2] == b"\r\n"
            body = body[size + 2 :]
    return body


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("pool", ["kept", "dialled"])
def test_a_body_cut_anywhere_arrives_whole(stage: Stage, kind: str, pool: str) -> None:
    raw, body = BODIES[kind]
    for at in range(len(raw)):
        scene = stage(model())
        caller = scene.caller()
        if pool == "kept":
            caller >> get()
            scene["1"] << ok()
            scene["1"].got(), caller.got()
        caller >> raw[:at] if at else caller
        caller >> raw[at:]
        assert payload(scene["1"].got()) == body, at
        scene["1"] << ok()
        assert caller.answer().body == b"fine"
        assert len(scene["1"].open) == 1, "the connection was not kept"
        assert scene.tally("1", "stable").bytes_in == len(body)
        scene.at_rest()


def test_a_body_byte_by_byte(stage: Stage) -> None:
    for raw, body in BODIES.values():
        scene = stage(model())
        caller = scene.caller()
        for at in range(len(raw)):
            caller >> raw[at : at + 1]
        assert payload(scene["1"].got()) == body
        scene["1"] << ok()
        assert caller.answer().body == b"fine"
        scene.at_rest()


def head(*lines: str, status: str = "200 OK", minor: int = 1) -> bytes:
    return "\r\n".join([f"HTTP/1.{minor} {status}", *lines, "", ""]).encode()


#: What the upstream says, whether it then ends, and what is read of it.
ANSWERS = {
    "length": (ok(b"0123456789"), False, Answer(200, {}, b"0123456789")),
    "empty": (ok(b""), False, Answer(200, {}, b"")),
    "chunks": (
        head("Transfer-Encoding: chunked") + chunked(b"01234", b"56789"),
        False,
        Answer(200, {}, b"0123456789"),
    ),
    "trailers": (
        head("Transfer-Encoding: chunked") + chunked(b"0123456789", trailers=b"X-Sum: 7\r\n"),
        False,
        Answer(200, {}, b"0123456789", trailers=b"X-Sum: 7"),
    ),
    "until close": (head() + b"0123456789", True, Answer(200, {}, b"0123456789")),
    "1.0": (head(minor=0) + b"0123456789", True, Answer(200, {}, b"0123456789")),
    "close": (ok(b"0123456789", "Connection: close"), True, Answer(200, {}, b"0123456789")),
    "204": (head(status="204 No Content"), False, Answer(204, {}, b"")),
    "304": (head("Content-Length: 9", status="304 Not Modified"), False, Answer(304, {}, b"")),
    "404": (ok(b"no", status="404 Not Found"), False, Answer(404, {}, b"no")),
    "500": (ok(b"no", status="500 Oops"), False, Answer(500, {}, b"no")),
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("minor", [1, 0])
def test_an_answer_cut_anywhere_arrives_whole(stage: Stage, kind: str, minor: int) -> None:
    raw, ends, expected = ANSWERS[kind]
    for at in range(len(raw)):
        scene = stage(model())
        caller = scene.caller()
        caller >> get(minor=minor)
        for part in (raw[:at], raw[at:]):
            if part:
                scene["1"] << part
        if ends:
            scene["1"].leave()
        answer = caller.answer()
        if minor == 0:
            assert "transfer-encoding" not in answer.fields
            expected = expected._replace(trailers=b"")
        assert answer._replace(fields={}) == expected
        assert caller.closed == (minor == 0)
        assert ("close" in answer.fields.get("connection", "")) == caller.closed
        assert len(scene["1"].open) == (0 if ends else 1)
        status = expected.status
        outcome = "ok" if status < 400 else "upstream_4xx" if status < 500 else "upstream_5xx"
        assert scene.outcomes() == {"1/stable": {outcome: 1}}
        assert scene.tally("1", "stable").bytes_out == len(expected.body)
        scene.at_rest()


@pytest.mark.parametrize("kind", ["length", "chunks", "until close", "304"])
def test_an_answer_to_head_has_no_body(stage: Stage, kind: str) -> None:
    raw, _, expected = ANSWERS[kind]
    scene = stage(model())
    caller = scene.caller()
    caller >> request("HEAD", "/m")
    scene["1"] << raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    answer = caller.answer(b"HEAD")
    assert answer.status == expected.status
    assert answer.fields.get("content-length") == {"length": "10", "304": "9"}.get(kind)
    caller >> get()
    scene["1"] << ok()
    assert caller.answer().body == b"fine"
    assert len(scene["1"].links) == 1
    scene.at_rest()


def test_a_1_0_caller_that_wants_to_stay(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    for _ in range(2):
        caller >> get("Connection: Keep-Alive", minor=0)
        assert b"via: 1.0 pointsman" in scene["1"].got()
        scene["1"] << ok()
        assert caller.answer().fields["connection"] == "keep-alive"
    assert not caller.closed


def test_each_chunk_of_a_stream_goes_out_at_once(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene["1"] << head("Transfer-Encoding: chunked", "Content-Type: text/event-stream")
    assert caller.got().endswith(b"\r\n\r\n")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        scene["1"] << b"%x\r\n%b\r\n" % (len(event), event)
        assert caller.got() == b"9\r\n" + event + b"\r\n"
    scene["1"] << b"0\r\n\r\n"
    assert caller.got() == b"0\r\n\r\n"
    scene.at_rest()


def test_interim_answers_go_on_and_the_final_one_still_comes(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene["1"] << head("Link: </a>", status="103 Early Hints") + head(status="100 Continue") + ok()
    hints, final = caller.answers()
    assert (hints.status, hints.fields) == (103, {"link": "</a>"})
    assert final.body == b"fine"
    scene.at_rest()


def test_a_1_0_caller_gets_no_interim_answer(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get(minor=0)
    scene["1"] << head(status="103 Early Hints") + ok()
    assert caller.answer().body == b"fine"


@pytest.mark.parametrize(
    "raw",
    [head(status="101 Switching Protocols"), head(status="103 Early Hints") * 17],
    ids=["101", "flood"],
)
def test_interim_answers_that_break_the_protocol(stage: Stage, raw: bytes) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene["1"] << raw + ok()
    assert caller.answers()[-1].status == 502
    assert scene.outcomes() == {"1/stable": {"upstream_protocol": 1}}
    assert not scene["1"].open
    scene.at_rest()


def test_expect_is_answered_by_us_and_not_forwarded(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> request("POST", "/m", "Content-Length: 5", "Expect: 100-continue")
    assert caller.got() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"expect" not in scene["1"].got().lower()
    caller >> b"hello"
    assert scene["1"].got() == b"hello"
    scene["1"] << ok()
    assert caller.answer().status == 200
    scene.at_rest()


def test_expect_is_not_answered_when_the_body_comes_anyway(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> post(b"hello", "Expect: 100-continue")
    scene["1"] << ok()
    assert caller.answer().status == 200


def test_expect_with_a_refusal_gets_only_that(stage: Stage) -> None:
    scene = stage(model(path_prefix="/elsewhere"))
    caller = scene.caller()
    caller >> request("POST", "/m", "Content-Length: 5", "Expect: 100-continue")
    assert caller.answer().status == 404
    assert caller.closed
