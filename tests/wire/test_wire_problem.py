"""Our own answers: RFC 9457 bodies in a whole HTTP/1.1 answer."""

from __future__ import annotations

import json

import pytest
from wire_reading import Answer, read_answer

from proxy.terms import Owner
from proxy.wire import problem

EVERY_STATUS = [400, 404, 408, 413, 414, 417, 431, 501, 502, 503, 504, 505]


def fields(got: Answer) -> dict[str, str]:
    pairs = [line.decode("latin-1").split(": ", 1) for line in got.head.lines[1:]]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("status", EVERY_STATUS)
def test_a_problem_says_what_and_whose(status: int) -> None:
    raw = problem(status, "a_reason", "What was found.", owner=Owner.CALLER, request_id="r/1")
    got = read_answer(raw)
    body = json.loads(got.body)
    assert body == {
        "type": "urn:pointsman:problem:a_reason",
        "title": body["title"],
        "status": status,
        "detail": "What was found.",
        "owner": "caller",
        "instance": "urn:pointsman:request:r/1",
    }
    assert got.head.lines[0] == f"HTTP/1.1 {status} {body['title']}".encode()
    assert (got.head.status, got.whole, got.rest) == (status, True, b"")
    assert fields(got)["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("status", "title"),
    [(413, "Content Too Large"), (414, "URI Too Long"), (431, "Request Header Fields Too Large")],
)
def test_a_title_is_the_phrase_of_rfc_9110_in_every_python(status: int, title: str) -> None:
    assert (
        json.loads(read_answer(problem(status, "r", "d", owner=Owner.CALLER)).body)["title"]
        == title
    )


@pytest.mark.parametrize("owner", list(Owner))
def test_the_owner_is_named(owner: Owner) -> None:
    assert json.loads(read_answer(problem(502, "r", "d", owner=owner)).body)["owner"] == owner.value


def test_without_a_request_there_is_no_instance() -> None:
    got = read_answer(problem(400, "r", "d", owner=Owner.CALLER))
    assert "instance" not in json.loads(got.body)
    raw = problem(400, "r", "d", owner=Owner.CALLER)
    assert b"x-request-id" not in raw


def test_whether_the_connection_ends_is_said() -> None:
    for close in (True, False):
        raw = problem(400, "r", "d", owner=Owner.CALLER, close=close)
        assert (b"\r\nconnection: close\r\n" in raw) is close
        assert read_answer(raw).head.close is close


@pytest.mark.parametrize("status", EVERY_STATUS)
def test_for_head_there_is_no_body_but_its_length(status: int) -> None:
    whole = problem(status, "r", "d", owner=Owner.PROXY, request_id="x")
    bare = problem(status, "r", "d", owner=Owner.PROXY, request_id="x", bodiless=True)
    assert whole.startswith(bare)
    assert bare.endswith(b"\r\n\r\n")
    assert bare.count(b"\r\n\r\n") == 1
    got = read_answer(bare, to_head=True)
    assert (got.head.length, got.rest) == (0, b"")
    assert int(fields(got)["content-length"]) == len(whole) - len(bare)


def test_when_to_come_again_and_what_else_is_said() -> None:
    extra = b"x-model: m\r\nx-model-version: 2\r\n"
    raw = problem(503, "r", "d", owner=Owner.PROXY, request_id="id", retry_after=1, extra=extra)
    block = raw.partition(b"\r\n\r\n")[0]
    for line in (b"retry-after: 1", b"x-request-id: id", b"x-model: m", b"x-model-version: 2"):
        assert block.split(b"\r\n").count(line) == 1
    assert b"retry-after" not in problem(503, "r", "d", owner=Owner.PROXY)


@pytest.mark.parametrize("detail", ['"quoted"', "\r\nX: y\r\n\r\n", "ü\x00\x7f", "<b>", "\x80", ""])
def test_a_detail_cannot_leave_its_field(detail: str) -> None:
    got = read_answer(problem(400, "r", detail, owner=Owner.CALLER))
    assert json.loads(got.body)["detail"] == detail
    assert (got.whole, got.rest) == (True, b"")
