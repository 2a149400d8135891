"""Answers of upstreams: what is broken is never passed on as whole."""

from __future__ import annotations

import pytest
from wire_reading import Answer, read_answer

from proxy.errors import AnswerBroken
from proxy.wire import CHUNKED, UNTIL_CLOSE, BadChunk, framed

OWNED = [b"X-Request-Id", b"X-Model", b"x-model-version", b"X-MODEL-ARM", b"X-Release-Id"]


def answer(*fields: bytes, start: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return b"\r\n".join((start, *fields, b"", body))


def broken(raw: bytes, to_head: bool = False) -> str:
    with pytest.raises(AnswerBroken) as caught:
        read_answer(raw, to_head)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def sent_fields(got: Answer) -> list[bytes]:
    return got.head.lines[1:]


@pytest.mark.parametrize(
    ("fields", "body", "payload", "whole", "rest"),
    [
        ((b"Content-Length: 2",), b"hi", b"hi", True, b""),
        ((b"content-length:2",), b"hiHTTP/1.1 200 OK", b"hi", True, b"HTTP/1.1 200 OK"),
        ((b"Content-Length: 3",), b"hi", b"hi", False, b""),
        ((b"Content-Length: 0",), b"hi", b"", True, b"hi"),
        ((b"Transfer-Encoding: chunked",), b"2\r\nhi\r\n0\r\n\r\nx", b"hi", True, b"x"),
        ((b"transfer-encoding:\tCHUNKED ",), b"2\r\nhi\r\n0\r\n\r\n", b"hi", True, b""),
        ((b"Transfer-Encoding: chunked",), b"2\r\nhi\r\n0\r\n", b"hi", False, b""),
        ((), b"hi", b"hi", False, b""),
        ((b"Connection: keep-alive",), b"hi", b"hi", False, b""),
    ],
)
def test_where_the_body_ends(
    fields: tuple[bytes, ...], body: bytes, payload: bytes, whole: bool, rest: bytes
) -> None:
    got = read_answer(answer(*fields, body=body))
    assert (got.body, got.whole, got.rest) == (payload, whole, rest)


@pytest.mark.parametrize("status", [200, 201, 206, 301, 400, 404, 418, 500, 503, 599])
def test_a_head_without_framing_lasts_until_the_end(status: int) -> None:
    got = read_answer(answer(start=b"HTTP/1.1 %d X" % status))
    assert (got.head.status, got.head.length) == (status, UNTIL_CLOSE)


@pytest.mark.parametrize(
    "fields",
    [(), (b"Content-Length: 5",), (b"Transfer-Encoding: chunked",), (b"Content-Length: 05",)],
)
@pytest.mark.parametrize(
    ("status", "to_head"),
    [(200, True), (404, True), (500, True), (304, False), (304, True), (204, False), (204, True),
     (100, False), (102, False), (103, False), (199, False), (101, False)],
)  # fmt: skip
def test_where_there_is_no_body_whatever_is_said(
    fields: tuple[bytes, ...], status: int, to_head: bool
) -> None:
    got = read_answer(answer(*fields, start=b"HTTP/1.1 %d X" % status, body=b"surplus"), to_head)
    assert (got.head.length, got.body, got.rest) == (0, b"", b"surplus")
    lengths = [line for line in got.head.lines if line.lower().startswith(b"content-length")]
    codings = [line for line in got.head.lines if line.lower().startswith(b"transfer-encoding")]
    # RFC 9110 8.6: kept where it tells what a GET would get, never with 1xx and 204.
    kept = bool(fields) and b"Length" in fields[0] and status not in (204, *range(100, 200))
    assert (len(lengths), codings) == (kept, [])


@pytest.mark.parametrize(
    "fields",
    [
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 05"),
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"content-length:5"),
        (b"Content-Length: 05", b"Content-Length: 5"),
        (b"Content-Length: 05", b"Content-Length: 05"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: +5",),
        (b"Content-Length: -5",),
        (b"Content-Length: 0x5",),
        (b"Content-Length: 1_0",),
        (b"Content-Length:",),
        (b"Content-Length: \xb2",),
        (b"Content-Length: " + "\u0665".encode(),),
        (b"Content-Length: " + b"9" * 5000,),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: chunked, gzip",),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding:",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked\x0b",),
        (b"Transfer-Encoding: chun\xe2\x84\xaaed",),
        # Lines: folded, spaced, without colon, with control bytes (CVE-2026-34520).
        (b"X: y", b" z"),
        (b" X: y",),
        (b"X : y",),
        (b"Content-Length : 5",),
        (b"X",),
        (b": y",),
        (b"X: \x00",),
        (b"X: a\rContent-Length: 5",),
        (b"X: a\nContent-Length: 5",),
        (b"X: \x7f",),
        (b"\xffX: y",),
        (b"\rX: y",),
    ],
)
def test_broken_fields(fields: tuple[bytes, ...]) -> None:
    broken(answer(*fields, body=b"hello"))
    broken(answer(b"A: b", *fields, b"C: d"), to_head=True)


@pytest.mark.parametrize(
    "start",
    [
        *(b"HTTP/1.1 99 X", b"HTTP/1.1 2000 X", b"HTTP/1.1 abc X", b"HTTP/1.1 000 X", b"HTTP/1.1"),
        *(b"HTTP/1.1 600 X", b"HTTP/1.1 999 X", b"HTTP/1.1 20 X", b"HTTP/1.1 +20 X", b"HTTP/1.1 "),
        *(b"HTTP/1.1  200 X", b"HTTP/1.1\t200 X", b" HTTP/1.1 200 X", b"HTTP/1.1 200\tX", b""),
        *(b"HTTP/1.1 200X", b"HTTP/2 200", b"HTTP/2.0 200 X", b"HTTP/0.9 200 X", b"http/1.1 200 X"),
        *(b"HTTP/1.1x 200 X", b"HTTP/11 200 X", b"HTTP/1.10 200 X", b"ICY 200 OK", b"200 OK"),
        *(b"HTTP/1.1 200 a\x00", b"HTTP/1.1 200 a\rb", b"HTTP/1.1 200 a\nb", b"HTTP/1.1 200 \x7f"),
        *(b"GET / HTTP/1.1", b"<html>", b"\x00", b"HTTP/1.1 200\r"),
        *(b"HTTP/1.1 2\xb20 X", "HTTP/1.1 \u0662\u0660\u0660".encode()),
    ],
)  # fmt: skip
def test_broken_status_lines(start: bytes) -> None:
    assert "status line" in broken(answer(b"Content-Length: 0", start=start))


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 ", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200", b"HTTP/1.1 200 "),  # RFC 9112 4: the space is not optional
        (b"HTTP/1.0 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.0 404 Not  Found", b"HTTP/1.1 404 Not  Found"),
        (b"HTTP/1.1 299 \x80\xff\t:", b"HTTP/1.1 299 \x80\xff\t:"),
        (b"HTTP/1.1 200  x ", b"HTTP/1.1 200  x "),
    ],
)
def test_status_lines_go_on_under_our_version(start: bytes, sent: bytes) -> None:
    for fields in ((), (b"Connection: close, x", b"X: y"), (b"Keep-Alive: 5",)):
        assert read_answer(answer(*fields, start=start)).head.lines == [sent]


def test_an_http_1_0_answer_ends_its_connection() -> None:
    for fields in ((), (b"Connection: keep-alive",), (b"Content-Length: 2",)):
        assert read_answer(answer(*fields, start=b"HTTP/1.0 200 OK", body=b"hi")).head.close
    text = broken(answer(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK"))
    assert "HTTP/1.0" in text


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close", b"x,CLOSE"])
def test_close_is_heard(value: bytes) -> None:
    got = read_answer(answer(b"Connection: " + value, b"Content-Length: 0"))
    assert (got.head.close, sent_fields(got)) == (True, [b"Content-Length: 0"])
    kept = read_answer(answer(b"Connection: keep-alive", b"Content-Length: 0"))
    assert (kept.head.close, sent_fields(kept)) == (False, [b"Content-Length: 0"])


def test_order_case_and_number_of_the_fields_are_kept() -> None:
    lines = [
        *(b"b: 1", b"Set-Cookie: a=1", b"A: 2", b"set-cookie: b=2; Expires=Wed, 01", b"B:3"),
        *(b"Set-Cookie: a=1", b'ETag: W/"x"', b"Content-Encoding: gzip", b"Vary: a", b"Vary: b"),
        *(b"WWW-Authenticate: Basic", b"Date: now", b"Trailer: T", b"X-8: \x80\xff", b"X-Empty:"),
        *(b"Content-Length: 2", b"Host: odd", b"Accept-Ranges:  bytes "),
    ]
    assert sent_fields(read_answer(answer(*lines))) == lines


@pytest.mark.parametrize(
    "line",
    [
        *(b"Keep-Alive: timeout=5", b"Proxy-Connection: close", b"TE: x", b"Upgrade: h2,h2c"),
        *(b"Proxy-Authenticate: Basic", b"Proxy-Authentication-Info: x", b"Connection: x-none"),
        *(name + b": forged" for name in OWNED),
        b"X-Fallback: forged",
    ],
)
def test_what_is_about_this_connection_or_ours_to_say_stays(line: bytes) -> None:
    name, value = line.split(b":", 1)
    for spelt in (line, name.upper() + b":" + value, name.lower() + b":\t" + value):
        got = read_answer(answer(b"A: 1", spelt, b"B: 2", spelt, b"Content-Length: 0"))
        assert sent_fields(got) == [b"A: 1", b"B: 2", b"Content-Length: 0"]


def test_nominated_fields_stay_but_framing_cannot_be_nominated() -> None:
    lines = (b"X-A: 1", b"Connection: x-a, Content-Length", b"Content-Length: 2", b"x-b: 2")
    got = read_answer(answer(*lines, body=b"hi"))
    assert (got.body, sent_fields(got)) == (b"hi", [b"Content-Length: 2", b"x-b: 2"])
    lines = (b"Connection: transfer-encoding", b"Transfer-Encoding: chunked")
    got = read_answer(answer(*lines, body=b"2\r\nhi\r\n0\r\n\r\n"))
    assert (got.head.length, got.body, sent_fields(got)) == (CHUNKED, b"hi", [])


@pytest.mark.parametrize("value", [b"02", b"\t2", b" 2\t", b"  2"])
def test_an_odd_spelling_of_a_length_goes_on_as_the_plain_one(value: bytes) -> None:
    got = read_answer(answer(b"Content-Length:" + value, b"X: y", body=b"hi"))
    assert (got.body, sent_fields(got)) == (b"hi", [b"X: y", b"content-length: 2"])


@pytest.mark.parametrize("body", [b"x\r\n", b"5\r\nhelloX\r\n", b"0x5\r\n", b"5 \r\n", b"5\nhello"])
def test_broken_chunks_of_an_answer(body: bytes) -> None:
    with pytest.raises(BadChunk):
        read_answer(answer(b"Transfer-Encoding: chunked", body=body))


@pytest.mark.parametrize(
    ("chunked", "close", "minor", "added"),
    [
        (False, False, 1, []),
        (False, True, 1, [b"connection: close"]),
        (True, False, 1, [b"transfer-encoding: chunked"]),
        (True, True, 1, [b"transfer-encoding: chunked", b"connection: close"]),
        (False, False, 0, [b"connection: keep-alive"]),
        (False, True, 0, [b"connection: close"]),
    ],
)
def test_our_own_framing(chunked: bool, close: bool, minor: int, added: list[bytes]) -> None:
    head = read_answer(answer(b"X: y", b"Connection: keep-alive")).head
    text = framed(head, chunked, close, minor)
    assert text.split(b"\r\n") == [b"HTTP/1.1 200 OK", b"X: y", *added]
    assert head.lines == [b"HTTP/1.1 200 OK", b"X: y"]


def test_ten_thousand_lines_of_each_kind() -> None:
    for line in (b"X: %d", b"TE: %d", b"X-Model: %d", b"Connection: x%d"):
        got = read_answer(answer(*(line % i for i in range(10_000))))
        assert len(got.head.lines) in (1, 10_001)
