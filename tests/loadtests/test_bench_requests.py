"""The callers' bytes: scheduled arrivals, requests, and the reading of answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.bench.requests import Answer, Requests, arrival

SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1yy"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyy\r\n0\r\n\r\n"
FAILED = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"


def test_arrivals_are_even_and_nothing_adds_up() -> None:
    assert [arrival(number, 3000, 7) - 7 for number in range(4)] == [0, 333_333, 666_667, 1_000_000]
    assert arrival(3_000_000, 3000, 0) == 1_000_000_000_000


@given(st.integers(0, 10**7), st.floats(1, 1e5))
def test_a_later_request_is_due_later(number: int, rate: float) -> None:
    gap = arrival(number + 1, rate, 0) - arrival(number, rate, 0)
    assert abs(gap - 1e9 / rate) <= 1 + 1e-6 * gap


def test_each_request_is_of_another_customer_and_the_next_model() -> None:
    requests = Requests(models=2, body=b"abc", leaf="infer", first=10, customers=10**15)
    first, second = next(requests), next(requests)
    assert first.startswith(b"POST /v2/models/model-1/infer HTTP/1.1\r\nHost: ")
    assert b"\r\nX-Customer-Id: 11\r\nContent-Length: 3\r\n\r\nabc" in first
    assert second.startswith(b"POST /v2/models/model-0/infer ")
    assert b"\r\nX-Customer-Id: 12\r\n" in second


def test_few_customers_come_again_and_again() -> None:
    requests = Requests(1, b"", "infer", first=0, customers=3)
    keys = [next(requests).split(b"X-Customer-Id: ")[1].split(b"\r\n")[0] for _ in range(6)]
    assert keys == [b"1", b"2", b"0", b"1", b"2", b"0"]


@given(st.sampled_from([SMALL, CHUNKED, FAILED]), st.lists(st.integers(1, 20)))
def test_an_answer_is_complete_at_its_last_byte_however_it_is_cut(
    whole: bytes, cuts: list[int]
) -> None:
    answer = Answer(lambda: 42)
    rest = whole
    for cut in cuts:
        if len(rest) > cut:
            assert not answer.feed(rest[:cut])
            rest = rest[cut:]
    assert answer.feed(rest)
    assert answer.good == (whole is not FAILED)
    assert answer.first == {SMALL: b"1", CHUNKED: b"2", FAILED: b""}[whole]
    assert answer.began_at == (0 if whole is FAILED else 42)


def test_the_next_answer_begins_afresh() -> None:
    answer = Answer(lambda: 1)
    assert answer.feed(FAILED)
    answer.expect()
    assert answer.feed(SMALL)
    assert answer.good
