"""The memo of whole lines: a second sight says what the first did, and it stays small."""

from __future__ import annotations

import pytest
from wire_reading import get, post

from proxy.errors import AnswerBroken, RequestRefused
from proxy.wire import AnswerBook, RequestBook
from proxy.wire.fields import UNSEEN, BadLine, Kind, LineBook

WANTED = frozenset((b"x-customer-id",))

REQUESTS = [
    get(),
    get(b"X: y", b"X: y", b"X-Customer-Id: 1", b"X-Customer-Id: 1"),
    get(b"Connection: keep-alive", b"Keep-Alive: 5", start=b"GET /m HTTP/1.0"),
    get(b"Connection: close, x", b"X: y"),
    get(start=b"GET /m HTTP/1.0", host=b""),
    get(start=b"GET http://a/m?q HTTP/1.1"),
    get(start=b"GET http://b/m HTTP/1.1"),
    get(start=b"OPTIONS * HTTP/1.1"),
    get(start=b"GET * HTTP/1.1"),
    get(start=b"GET /m HTTP/1.5"),
    get(start=b"GET /m HTTP/2.0"),
    get(start=b"CONNECT a:1 HTTP/1.1"),
    get(host=b"Host: a b"),
    get(host=b""),
    get(b"Host: a"),
    get(b"X : y"),
    get(b"Upgrade: websocket"),
    get(b"Expect: 100-continue", b"X-Request-Id: r", b"X-Shadow: 1", b"X-Forwarded-Proto: http"),
    get(b"Expect: x"),
    get(b"X: " + b"v" * 5000, start=b"GET /" + b"p" * 5000 + b" HTTP/1.1"),
    post(b"Content-Length: 5"),
    post(b"Content-Length: 05"),
    post(b"Content-Length: 5", b"Content-Length: 5"),
    post(b"Content-Length: 05", b"Content-Length: 05"),
    post(b"Content-Length: five"),
    post(b"Transfer-Encoding: chunked"),
    post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    post(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    post(b"Transfer-Encoding: gzip, chunked"),
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Model: m\r\nConnection: keep-alive",
    b"HTTP/1.1 200\r\nContent-Length: 05\r\nConnection: close, x\r\nX: y",
    b"HTTP/1.0 200 OK\r\nX: y",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 5",
    b"HTTP/1.1 200 OK\r\nContent-Length: x",
    b"HTTP/1.1 99 OK",
    b"HTTP/1.1 200 OK\r\nX : y",
]


def seen(book: RequestBook | AnswerBook, raw: bytes) -> object:
    """All that a scan says, or how it was refused."""
    block = raw.removesuffix(b"\r\n\r\n")
    try:
        head = book.scan(block) if isinstance(book, RequestBook) else book.scan(block, False)
    except RequestRefused as refused:
        return (refused.status, refused.reason, refused.detail)
    except AnswerBroken as broken:
        return str(broken)
    return [getattr(head, name) for name in head.__slots__]


@pytest.mark.parametrize("raw", REQUESTS)
def test_a_request_seen_again_is_read_alike(raw: bytes) -> None:
    book = RequestBook(WANTED)
    first = seen(book, raw)
    assert [seen(book, raw) for _ in range(3)] == [first] * 3


@pytest.mark.parametrize("raw", ANSWERS)
def test_an_answer_seen_again_is_read_alike(raw: bytes) -> None:
    book = AnswerBook()
    first = seen(book, raw)
    assert [seen(book, raw) for _ in range(3)] == [first] * 3


def test_what_one_request_said_does_not_colour_the_next() -> None:
    # One book for all, in both orders: each is read as by a book of its own.
    alone = [seen(RequestBook(WANTED), raw) for raw in REQUESTS]
    book = RequestBook(WANTED)
    assert [seen(book, raw) for raw in REQUESTS] == alone
    assert [seen(book, raw) for raw in reversed(REQUESTS)] == alone[::-1]
    alone = [seen(AnswerBook(), raw) for raw in ANSWERS]
    answers = AnswerBook()
    assert [seen(answers, raw) for raw in ANSWERS * 2] == alone * 2


def test_the_memo_is_bounded_in_lines_and_in_the_length_of_one() -> None:
    book = LineBook({b"host": Kind.HOST})
    for i in range(20_000):
        book.learn(b"X: %d" % i)
        assert len(book) <= 8192
    assert len(book) > 0
    before = len(book)
    for i in range(100):
        book.learn(b"X: " + b"y" * 300 + b"%d" % i)
    assert len(book) == before


def test_the_memo_of_first_lines_is_bounded() -> None:
    requests, answers = RequestBook(), AnswerBook()
    for i in range(10_000):
        requests.scan(b"GET /%d HTTP/1.1\r\nHost: a" % i)
        answers.scan(b"HTTP/1.1 200 reason %d" % i, False)
        assert len(requests._starts) <= 4096
        assert len(answers._starts) <= 256
    held = len(requests._starts)
    requests.scan(b"GET /" + b"p" * 600 + b" HTTP/1.1\r\nHost: a")
    answers.scan(b"HTTP/1.1 200 " + b"r" * 60_000, False)
    assert len(requests._starts) == held
    assert all(len(line) <= 512 for line in answers._starts)


def test_what_is_refused_is_not_remembered() -> None:
    book = LineBook({b"host": Kind.HOST})
    for line in (b"X : y", b"Host: a b", b"no colon", b"X: \x00"):
        with pytest.raises(BadLine):
            book.learn(line)
        assert book.find(line, UNSEEN) is UNSEEN
    assert len(book) == 0


def test_a_remembered_answer_is_that_of_its_kind_of_request() -> None:
    book, block = AnswerBook(), b"HTTP/1.1 200 OK\r\nContent-Length: 5"
    head = book.scan(block, False)
    assert (head.status, head.length, head.text) == (200, 5, block)
    assert book.scan(block, False) is head
    assert book.scan(block, True).length == 0
    assert book.scan(block, False).length == 5


def test_the_memo_of_answers_is_bounded() -> None:
    book = AnswerBook()
    for number in range(2_000):
        book.scan(b"HTTP/1.1 200 OK\r\nX-Id: %d" % number, False)
    book.scan(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2_000, False)
    assert len(book._heads) <= 256
    assert all(len(block) <= 1024 for block in book._heads)
