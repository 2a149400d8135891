"""Where a request's body ends: every length that two servers could read differently is refused."""

from __future__ import annotations

import pytest
from wire_reading import post, read_request

from proxy.errors import RequestRefused

NOT_A_LENGTH = [
    *(b"+5", b"-5", b"0x5", b"5a", b"a5", b"5.0", b"5e0", b"1_0", b"5,6", b"5,5", b"5, 5", b"5;5"),
    *(b"", b'"5"', b"'5'", b"5 5", b"5\t5", b"\x0b5", b"5\x0c", b"5\xa0", b"\xa05", b"5\x85"),
    # Digits for int() or for str.isdigit(), none for HTTP (RFC 9110 8.6).
    *("\u0665".encode(), "\uff15".encode(), "\xb2".encode(), "\u096b".encode()),
    *(b"\xb2", b"\xb9", b"5\x00", b"\x005", b"5\r", b"\n5", b"Infinity", b"nan", b"None"),
    *(b"9" * 19, b"9" * 20, b"18446744073709551616", b"18446744073709551621", b"9" * 5000),
    b"0" * 5000,
]

NOT_CHUNKED = [
    *(b"xchunked", b"chunkedx", b"chunked x", b"chunk", b"identity", b"gzip", b"", b",", b"x"),
    *(b"chunked, identity", b"chunked, gzip", b"chunked;q=1", b"chunked;", b"chunked=1"),
    *(b'"chunked"', b"'chunked'", b"[chunked]", b"(chunked)", b"c hunked", b"cow", b"c\thunked"),
    *(b"chunked, chunked", b"chunked,chunked", b"Chunked, CHUNKED", b"chunked,", b",chunked"),
    *(b"chunked,,", b"gzip, chunked", b"gzip,chunked", b"identity, chunked", b"deflate, chunked"),
    *(b"x, y, chunked", b"chunked, gzip, chunked", b"trailers, chunked", b"\xffchunked"),
    *(b"\x0bchunked", b"chunked\x0b", b"\x0cchunked", b"chunked\x0c", b"\xa0chunked"),
    *(b"chunked\xa0", b"\x85chunked", b"chunked\x85", b"chunked\xff", b"chunked\x00", b"\x00"),
    # The Kelvin sign is a k to str.lower() alone, an em space a blank to str.strip() alone.
    *("chun\u212aed".encode(), "\u2003chunked".encode(), "\uff43hunked".encode()),
    *(b"chunked\r", b"chunked\n", b"chunked\rx", b"\nchunked", b"chunked\r foo", b"chun\x00ked"),
]


@pytest.mark.parametrize(
    "value", [b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"\tchunked\t "]
)
def test_chunked_is_read_and_sent_on_in_one_spelling(value: bytes) -> None:
    request = read_request(post(b"Transfer-Encoding:" + value, body=b"5\r\nhello\r\n0\r\n\r\nGET"))
    assert (request.body, request.whole, request.rest) == (b"hello", True, b"GET")
    assert request.head.lines == [b"POST /m HTTP/1.1", b"Host: a", b"transfer-encoding: chunked"]


@pytest.mark.parametrize(
    "fields",
    [
        (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 05", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"content-length:\t5"),
        (b"transfer-encoding: CHUNKED", b"CONTENT-LENGTH: 5"),
        (b"Transfer-Encoding: identity", b"Content-Length: 5"),
        (b"Transfer-Encoding:", b"Content-Length: 5"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: content-length"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: transfer-encoding"),
    ],
)
def test_a_length_and_a_coding_are_refused_together(fields: tuple[bytes, ...]) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(post(*fields, body=b"0\r\n\r\n"))
    assert caught.value.status == 400
    assert "Content-Length and Transfer-Encoding" in caught.value.detail


@pytest.mark.parametrize("value", NOT_CHUNKED)
@pytest.mark.parametrize("spelling", [b"Transfer-Encoding: ", b"transfer-encoding:"])
def test_every_other_coding_is_refused(spelling: bytes, value: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(post(spelling + value, body=b"5\r\nhello\r\n0\r\n\r\n"))
    assert caught.value.status in (400, 501)
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize("value", [b"gzip, chunked", b"gzip,chunked", b"x, y, chunked"])
def test_an_unknown_coding_before_chunked_is_not_implemented(value: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(post(b"Transfer-Encoding: " + value))
    assert caught.value.status == 501


@pytest.mark.parametrize(
    "codings",
    [
        (b"chunked", b"chunked"),
        (b"gzip", b"chunked"),
        (b"chunked", b"gzip"),
        (b"chunked", b"identity"),
        (b"identity", b"chunked"),
        (b"", b"chunked"),
        (b"chunked", b""),
        (b"chunked", b"chunked", b"chunked"),
    ],
)
def test_a_coding_in_several_lines_is_refused(codings: tuple[bytes, ...]) -> None:
    for name in (b"Transfer-Encoding: ", b"TRANSFER-ENCODING:"):
        lines = [b"Transfer-Encoding: " + codings[0], *(name + value for value in codings[1:])]
        with pytest.raises(RequestRefused) as caught:
            read_request(post(*lines, body=b"0\r\n\r\n"))
        assert caught.value.status == 400


@pytest.mark.parametrize("field", [b"Connection: keep-alive", b"Connection: close", b"X: y"])
def test_http_1_0_has_no_transfer_encoding(field: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(post(field, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"1.0"))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "name",
    [
        *(b"Transfer_Encoding", b"X-Transfer-Encoding", b"Transfer-Encodin", b"TransferEncoding"),
        *(
            b"Transfer-Encoding-",
            b"Transfer--Encoding",
            b"-Transfer-Encoding",
            b"Transfer.Encoding",
        ),
    ],
)
def test_a_field_that_only_looks_like_a_coding_is_an_ordinary_one(name: bytes) -> None:
    line = name + b": chunked"
    request = read_request(post(line, b"Content-Length: 5", body=b"0\r\n\r\nGET"))
    assert (request.body, request.rest) == (b"0\r\n\r\n", b"GET")
    assert line in request.head.lines


@pytest.mark.parametrize("value", NOT_A_LENGTH)
@pytest.mark.parametrize("spelling", [b"Content-Length: ", b"content-length:"])
def test_a_length_is_ascii_digits_alone(spelling: bytes, value: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(post(spelling + value, body=b"hello"))
    assert caught.value.status == 400
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize("second", [b"5", b"6", b"0", b"05", b"\t5"])
@pytest.mark.parametrize("first", [b"5", b"0", b"05", b"5 "])
def test_two_lengths_are_refused_even_equal_ones(first: bytes, second: bytes) -> None:
    for between in ((), (b"X: y",), (b"Connection: content-length",)):
        fields = (b"Content-Length: " + first, *between, b"content-length: " + second)
        with pytest.raises(RequestRefused) as caught:
            read_request(post(*fields, body=b"hello"))
        assert caught.value.status == 400


@pytest.mark.parametrize("line", [b"Content-Length: 5", b"content-length:5", b"CONTENT-LENGTH: 5"])
def test_a_plain_length_goes_on_as_it_came(line: bytes) -> None:
    request = read_request(post(b"X: y", line, b"Z: w", body=b"helloGET"))
    assert (request.body, request.whole, request.rest) == (b"hello", True, b"GET")
    assert request.head.lines == [b"POST /m HTTP/1.1", b"Host: a", b"X: y", line, b"Z: w"]


@pytest.mark.parametrize("value", [b"\t5", b"  5", b" 5 ", b" 5\t", b"05", b" 000000000000000005"])
def test_an_odd_spelling_of_a_length_goes_on_as_the_plain_one(value: bytes) -> None:
    # A server that reads 010 as eight, or trims only blanks, must not see it.
    request = read_request(post(b"Content-Length:" + value, b"X: y", body=b"helloGET"))
    assert (request.body, request.rest) == (b"hello", b"GET")
    assert request.head.lines == [
        b"POST /m HTTP/1.1",
        b"Host: a",
        b"X: y",
        b"content-length: 5",
    ]


def test_the_longest_length() -> None:
    request = read_request(post(b"Content-Length: " + b"9" * 18, body=b"hello"))
    assert request.head.length == 10**18 - 1
    assert not request.whole


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE", b"HEAD", b"PURGE"])
def test_without_a_length_there_is_no_body(method: bytes) -> None:
    raw = method + b" /m HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n"
    request = read_request(raw)
    assert (request.head.length, request.body) == (0, b"")
    assert request.rest == b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"HEAD", b"OPTIONS"])
def test_a_body_is_framed_alike_whatever_the_method(method: bytes) -> None:
    raw = method + b" /m HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef"
    assert read_request(raw).rest == b"def"


def test_a_text_before_ascii_decoding_never_becomes_a_number() -> None:
    # The whole of Latin-1: only ten bytes are digits.
    for byte in range(256):
        value = bytes([byte])
        try:
            request = read_request(post(b"Content-Length: " + value, body=b"x" * 9))
        except RequestRefused:
            assert value not in b"0123456789"
        else:
            assert request.head.length == int(value)
