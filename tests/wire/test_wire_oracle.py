"""The scanner against llhttp: what it accepts, llhttp accepts and reads alike, or it is named."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, event, example, given, settings
from wire_messages import answers, damaged, requests
from wire_oracle import Field, llhttp_answer, llhttp_request
from wire_reading import END, Answer, Request, get, post, read_answer, read_request

from proxy.errors import AnswerBroken, RequestRefused
from proxy.wire import CHUNKED, UNTIL_CLOSE, BadChunk, encode, last

CHUNKED_BODY = b"1\r\nx\r\n0\r\n\r\n"
HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"proxy-authenticate"),
    b"transfer-encoding",
}
OF_REQUESTS = HOP | {
    *(b"proxy-authorization", b"http2-settings", b"x-request-id", b"x-shadow", b"expect"),
}
OF_ANSWERS = HOP | {
    *(b"proxy-authentication-info", b"x-request-id", b"x-model", b"x-model-version", b"x-fallback"),
    *(b"x-model-arm", b"x-release-id"),
}

#: Where our reading is not llhttp's: how to tell from the bytes and llhttp's error, and why.
DIFFERENCES: dict[str, tuple[Callable[[bytes, str], bool], str]] = {
    "method": (
        lambda raw, error: "InvalidMethod" in error or "Expected space after method" in error,
        "llhttp has a list of methods; RFC 9110 9.1 lets any token be one, and it goes on as it is",
    ),
    "target of a method": (
        lambda raw, error: "Expected" in error and bool(re.match(rb"(?:SOURCE|PRI) ", raw)),
        "llhttp ties these two methods to other protocols",
    ),
    "minor version": (
        lambda raw, error: bool(re.match(rb"[^\r]* HTTP/1\.[2-9]\r\n", raw)),
        "llhttp knows 1.0 and 1.1; RFC 9110 2.5 says serve 1.2 as the highest minor that we have",
    ),
    "tab behind a coding": (
        lambda raw, error: bool(re.search(rb"(?i:chunked)[ \t]*\t[ \t]*\r\n", raw)),
        "llhttp does not trim it; RFC 9110 5.5 does, and it goes on as one exact line of our own",
    ),
    "white space in a chunk extension": (
        lambda raw, error: "chunk" in error and bool(re.search(rb"[0-9a-fA-F][^\r\n]*[ \t]", raw)),
        "RFC 9112 7.1.1 has BWS around ; and =, llhttp has none; no extension goes on",
    ),
    "forbidden trailer": (
        lambda raw, error: "can't be present" in error or "Transfer-Encoding" in error,
        "llhttp refuses framing fields in trailers; we drop them (RFC 9110 6.5.1)",
    ),
    "offer of h2c": (
        lambda raw, error: error.startswith("HttpParserUpgrade"),
        "llhttp hands the connection over; we drop the offer and read on (RFC 9110 7.8: may)",
    ),
}


def named(raw: bytes, error: str) -> bool:
    for name, (holds, _) in DIFFERENCES.items():
        if holds(raw, error):
            event(f"difference: {name}")
            return True
    return False


def going_on(fields: list[Field], never: set[bytes]) -> list[Field]:
    """The fields that must arrive, read from llhttp's list by rules written down once more."""
    said = [value for name, value in fields if name.lower() == b"connection"]
    options = {option.strip(b" \t").lower() for value in said for option in value.split(b",")}
    gone = never | (options - {b"host", b"content-length"})
    return [(name, value) for name, value in fields if name.lower() not in gone]


def without_length(fields: list[Field]) -> list[Field]:
    return [(name, value) for name, value in fields if name.lower() != b"content-length"]


def same_length(one: list[Field], other: list[Field]) -> bool:
    def lengths(fields: list[Field]) -> list[int]:
        return [int(value) for name, value in fields if name.lower() == b"content-length"]

    return lengths(one) == lengths(other)


def resent(message: Request | Answer) -> bytes:
    """The message as it goes on: our head, and the body framed anew."""
    if message.head.length == CHUNKED:
        return message.sent + encode([message.body]) + last(message.trailers)
    return message.sent + message.body


def check_request(raw: bytes, request: Request) -> None:
    """Asserts that llhttp reads ``raw`` and what goes on of it as the scanner did."""
    if not request.whole:
        check_unfinished(raw, request)
        return
    message = raw[: len(raw) - len(request.rest)]
    theirs = llhttp_request(message[:-1], message[-1:])
    if theirs.error or theirs.ends != 1:
        assert named(raw, theirs.error), theirs
    else:
        target = raw.split(b" ", 2)[1]
        assert theirs.start == (request.head.method, target)
        assert theirs.body == request.body
        assert llhttp_request(message[:-1]).ends == 0  # and not a byte earlier
    again = llhttp_request(resent(request))
    if again.error:
        assert named(raw, again.error), again
        return
    assert (again.ends, again.body) == (1, request.body)
    assert again.start == (request.head.method, request.head.target)
    if not theirs.error:
        expected = going_on(theirs.fields, OF_REQUESTS)
        coded = [(b"transfer-encoding", b"chunked")] if request.head.length == CHUNKED else []
        added = [(b"host", request.head.host or b"localhost")]
        had_host = any(name.lower() == b"host" for name, _ in theirs.fields)
        got = without_length(again.fields)
        assert got == without_length([*([] if had_host else added), *expected, *coded])
        assert same_length(again.fields, expected)


def check_unfinished(raw: bytes, request: Request) -> None:
    """A body that is cut off: we judge a line when it is whole, llhttp byte by byte."""
    theirs = llhttp_request(raw[: raw.rfind(b"\n") + 1])
    if theirs.error:
        assert named(raw, theirs.error), theirs
    else:
        assert theirs.ends == 0
        assert request.body.startswith(theirs.body)


def check_answer(raw: bytes, answer: Answer) -> None:
    """The same for an answer to a GET."""
    cut_off = answer.head.length == CHUNKED and not answer.whole
    message = raw[: raw.rfind(b"\n") + 1] if cut_off else raw[: len(raw) - len(answer.rest)]
    theirs = llhttp_answer(message[:-1], message[-1:]) if answer.whole else llhttp_answer(message)
    if cut_off and not theirs.error and answer.body.startswith(theirs.body):
        theirs = theirs._replace(body=answer.body)  # as in check_unfinished
    if theirs.error or (theirs.ends, theirs.body) != (answer.whole, answer.body):
        assert named(raw, theirs.error), theirs
        return
    assert theirs.start[0] == b"%d" % answer.head.status
    head = raw.partition(END)[0] + END
    again = llhttp_answer(answer.sent)
    assert not again.error, again
    expected = going_on(llhttp_answer(head).fields, OF_ANSWERS)
    assert without_length(again.fields) == without_length(expected)
    if answer.head.status >= 200 and answer.head.status != 204:
        assert same_length(again.fields, expected)


@given(raw=requests())
@settings(max_examples=150)
def test_valid_requests_are_accepted_and_read_alike(raw: bytes) -> None:
    request = read_request(raw)
    assert request.whole
    assert request.rest == b""
    theirs = llhttp_request(raw)
    assert (theirs.error, theirs.ends) == ("", 1)
    check_request(raw, request)


@given(raw=requests(), following=requests())
def test_a_request_ends_where_the_next_begins(raw: bytes, following: bytes) -> None:
    assert read_request(raw + following).rest == following


@given(raw=damaged(requests()))
@settings(max_examples=500)
@example(raw=post(b"Transfer-Encoding: chunked", body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"))
@example(raw=post(b"X: \rTransfer-Encoding: chunked", body=CHUNKED_BODY))
@example(raw=get(start=b"GET /m HTTP/1.9"))
def test_what_is_accepted_of_damaged_requests_is_read_alike(raw: bytes) -> None:
    assume(END in raw)
    try:
        request = read_request(raw)
    except (RequestRefused, BadChunk):
        event("refused")
        return
    event("accepted")
    check_request(raw, request)


@given(raw=answers())
@settings(max_examples=150)
def test_valid_answers_are_accepted_and_read_alike(raw: bytes) -> None:
    answer = read_answer(raw)
    assert answer.whole or answer.head.length == UNTIL_CLOSE
    assert answer.rest == b""
    theirs = llhttp_answer(raw)
    assert (theirs.error, theirs.ends) == ("", answer.whole)
    check_answer(raw, answer)


@given(raw=damaged(answers()))
@settings(max_examples=500)
def test_what_is_accepted_of_damaged_answers_is_read_alike(raw: bytes) -> None:
    assume(END in raw)
    try:
        answer = read_answer(raw)
    except (AnswerBroken, BadChunk):
        event("refused")
        return
    event("accepted")
    check_answer(raw, answer)


EXAMPLES = [
    ("method", get(start=b"INFER /m HTTP/1.1")),
    ("method", get(start=b"get /m HTTP/1.1")),
    ("target of a method", get(start=b"PRI /m HTTP/1.1")),
    ("minor version", get(start=b"GET /m HTTP/1.2")),
    ("tab behind a coding", post(b"Transfer-Encoding: chunked\t", body=CHUNKED_BODY)),
    (
        "white space in a chunk extension",
        post(b"Transfer-Encoding: chunked", body=b"1 ; a = b\r\nx\r\n0\r\n\r\n"),
    ),
    (
        "forbidden trailer",
        post(b"Transfer-Encoding: chunked", body=b"0\r\nContent-Length: 5\r\n\r\n"),
    ),
    ("offer of h2c", get(b"Connection: upgrade", b"Upgrade: h2c")),
]


@pytest.mark.parametrize(("name", "raw"), EXAMPLES)
def test_a_named_difference_is_real_and_harmless(name: str, raw: bytes) -> None:
    request = read_request(raw)
    assert request.whole
    theirs = llhttp_request(raw)
    assert theirs.error
    assert DIFFERENCES[name][0](raw, theirs.error)
    again = llhttp_request(resent(request))
    # What goes on of it is plain to llhttp, save for a method that it does not know.
    assert (again.error == "") is ("method" not in name)


def test_every_named_difference_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == DIFFERENCES.keys()
