"""Request lines and header lines: what is refused, and the little that is let through."""

from __future__ import annotations

import pytest
from wire_reading import get, post, read_request

from proxy.errors import RequestRefused
from proxy.wire import RequestBook

CONTROLS = [bytes([b]) for b in (*range(9), *range(10, 32), 127)]


def refused(raw: bytes) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        read_request(raw)
    assert len(caught.value.detail) < 600  # what is found is shown, but not at any length
    return caught.value


@pytest.mark.parametrize(
    "line",
    [
        # White space before the colon (RFC 9112 5.1).
        *(b"X : y", b"X\t: y", b"X  :y", b"Content-Length : 5", b"Content-Length\t: 5"),
        *(b"Transfer-Encoding : chunked", b"Host : b", b"Host\x0b: b", b"X\xa0: y"),
        # Folded lines, and white space before a field (RFC 9112 2.2, 5.2).
        *(b" X: y", b"\tX: y", b" y", b"\t", b" ", b" chunked", b"\x0bX: y", b"\x0cX: y"),
        # Names that are no token (RFC 9110 5.1).
        *(b": y", b":", b"::", b"X Y: z", b"X\tY: z", b"(X): y", b"X@Y: z", b"X[: y", b"X{: y"),
        *(b'"X": y', b"X/Y: z", b"X,Y: z", b"X;Y: z", b"X=Y: z", b"X?: y", b"X\\: y", b"<X>: y"),
        *(b"\x80X: y", b"X\xff: y", "Ünicode: y".encode(), b"X\x00: y", b"\x00: y", b"X\x7f: y"),
        # No colon at all.
        *(b"X", b"Host", b"GET / HTTP/1.1", b"Content-Length 5", b"\xff", b"\x00", b"."),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_is_no_field_is_refused(line: bytes, place: int) -> None:
    lines = [b"Host: a", b"A: b"]
    lines.insert(place, line)
    raw = b"\r\n".join((b"GET /m HTTP/1.1", *lines, b"", b""))
    assert refused(raw).status == 400


@pytest.mark.parametrize("byte", CONTROLS)
@pytest.mark.parametrize(
    "line", [b"X: a%cb", b"X: %c", b"X:%c", b"X: a%c", b"X%c: a", b"%cX: a", b"Connection: close%c"]
)
def test_a_control_byte_is_refused_wherever_it_stands(line: bytes, byte: bytes) -> None:
    assert refused(get(line % byte)).status == 400


@pytest.mark.parametrize(
    "name", [b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X-Request-Id"]
)
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r", b"\n\r", b"\x00", b"\x0b", b"\x85"])
def test_a_hidden_line_is_not_a_line(name: bytes, end: bytes) -> None:
    # CVE-2023-30589: "X: \rTransfer-Encoding: chunked" was two fields to one parser.
    raw = post(b"X: y" + end + name + b": 5", b"Content-Length: 5", body=b"hello")
    if end == b"\x85":  # obs-text: opaque, and part of the value
        assert read_request(raw).head.lines[2] == b"X: y\x85" + name + b": 5"
    else:
        assert refused(raw).status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /m HTTP/1.1\nHost: a\r\n\r\n",
        b"GET /m HTTP/1.1\nHost: a\n\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\n\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\r\n\n\r\n\r\n",
        b"GET /m HTTP/1.1\rHost: a\r\n\r\n",
        b"GET /m HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",  # a head that ends with CRLF CR X
        b"GET /m HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n",
        b"GET /m HTTP/1.1\r\nHost: a\r\n\rGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        b"\nGET /m HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\rGET /m HTTP/1.1\r\nHost: a\r\n\r\n",
        b" \r\nGET /m HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n",
        b"\x00\r\n\r\n",
    ],
)
def test_lines_end_with_crlf_and_nothing_else(raw: bytes) -> None:
    assert refused(raw).status == 400


@pytest.mark.parametrize(
    "value", [b"", b"a", b"\x80\xff", b"a\tb", b"a  b", "ü".encode(), b":", b"="]
)
def test_values_are_opaque_bytes(value: bytes) -> None:
    for line in (b"X-V:" + value, b"X-V: " + value, b"X-V:\t " + value + b" \t"):
        request = read_request(get(line), RequestBook(frozenset((b"x-v",))))
        assert request.head.lines[-1] == line
        assert request.head.wanted == {b"x-v": [value]}


def test_every_byte_of_a_name_and_of_a_value() -> None:
    token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for byte in range(256):
        one = bytes([byte])
        if byte in token:
            assert read_request(get(b"X" + one + b"Y: z")).head.lines[-1][1:2] == one
        elif one != b":":
            assert refused(get(b"X" + one + b"Y: z")).status == 400
        if byte == 9 or (byte >= 32 and byte != 127):
            assert read_request(get(b"X: a" + one + b"b")).head.lines[-1] == b"X: a" + one + b"b"
        else:
            assert refused(get(b"X: a" + one + b"b")).status == 400


@pytest.mark.parametrize(
    "start",
    [
        # Blanks and controls in or around the request line (RFC 9112 3, 3.2): no auto-correction.
        *(b"GET /a b HTTP/1.1", b"GET  /m HTTP/1.1", b"GET /m  HTTP/1.1", b"GET /m HTTP/1.1 "),
        *(b" GET /m HTTP/1.1", b"GET\t/m HTTP/1.1", b"GET /m\tHTTP/1.1", b"GET /m\x00 HTTP/1.1"),
        *(
            b"GET /\x01 HTTP/1.1",
            b"GET /\x7f HTTP/1.1",
            b"GET /\x0b HTTP/1.1",
            b"GET /\x1b HTTP/1.1",
        ),
        *(b"GET HTTP/1.1", b"GET  HTTP/1.1", b"GET", b"GET ", b"/m HTTP/1.1", b" /m HTTP/1.1"),
        # A fragment, and octets that RFC 3986 does not have.
        *(b"GET /m#f HTTP/1.1", b"GET # HTTP/1.1", b"GET /m?q#f HTTP/1.1", b"GET /m# HTTP/1.1"),
        *(b"GET /\x80 HTTP/1.1", b"GET /\xff HTTP/1.1", "GET /é HTTP/1.1".encode()),
        # Methods that are no token.
        *(b"GE T /m HTTP/1.1", b"G@T /m HTTP/1.1", b"G:T /m HTTP/1.1", b"G(T) /m HTTP/1.1"),
        *(b"\x80 /m HTTP/1.1", b'"GET" /m HTTP/1.1', b"GET, /m HTTP/1.1", b"G\x00T /m HTTP/1.1"),
        *(b"<GET> /m HTTP/1.1", b"{ /m HTTP/1.1", b"G=T /m HTTP/1.1", "GÉT /m HTTP/1.1".encode()),
        # Versions.
        *(b"GET /m", b"GET /m ", b"GET /m HTTP/1.1x", b"GET /m HTTP/11", b"GET /m http/1.1"),
        *(b"GET /m HTTP/1.", b"GET /m HTTP/.1", b"GET /m HTTP/1", b"GET /m HTTP/1,1"),
        *(b"GET /m HTTP/1.10", b"GET /m HTTP/01.1", b"GET /m HTTP/1.01", b"GET /m HTTP/ 1.1"),
        *(b"GET /m HTTP/-1.1", b"GET /m HTTP/+1.1", b"GET /m Http/1.1", b"GET /m HTTPS/1.1"),
        *(b"GET /m HTTP/4294967297.1", b"GET /m HTTP/1.4294967297", b"GET /m HTTP/1.1\x00"),
        *("GET /m HTTP/\u0661.1".encode(), "GET /m HTTP/1.\uff11".encode(), b"GET /m ICY/1.1"),
        *(b"GET /m HTTP/1.1 HTTP/1.1", b"GET /m HTTP/1.1\tHTTP/1.1", b"GET /mHTTP/1.1"),
        # Forms of the target (RFC 9112 3.2).
        *(b"GET * HTTP/1.1", b"POST * HTTP/1.1", b"OPTIONS ** HTTP/1.1", b"OPTIONS *a HTTP/1.1"),
        *(b"GET a:80 HTTP/1.1", b"GET m HTTP/1.1", b"GET ./m HTTP/1.1", b"GET ?q HTTP/1.1"),
        *(b"GET \\m HTTP/1.1", b"GET :80 HTTP/1.1", b"GET a HTTP/1.1", b"GET ../m HTTP/1.1"),
    ],
)
def test_a_bad_request_line_is_refused(start: bytes) -> None:
    assert refused(get(start=start)).status == 400


@pytest.mark.parametrize("version", [b"2.0", b"0.9", b"3.0", b"0.0", b"9.9", b"2.1"])
def test_another_major_version_is_not_served(version: bytes) -> None:
    error = refused(get(start=b"GET /m HTTP/" + version))
    assert (error.status, error.reason) == (505, "version")
    assert "HTTP/" + version.decode() in error.detail


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n\x00\r\nQUIT\n", 400),
        (b"HTTP/1.1 200 OK\r\n\r\n", 400),
        (b"EHLO a\r\n\r\n", 400),
    ],
)
def test_another_protocol_is_refused(raw: bytes, status: int) -> None:
    assert refused(raw).status == status


@pytest.mark.parametrize("minor", range(2, 10))
def test_a_higher_minor_version_is_served_as_ours(minor: int) -> None:
    raw = post(b"Content-Length: 2", body=b"hi", version=b"1.%d" % minor)
    request = read_request(raw)
    assert (request.head.minor, request.head.close) == (1, False)
    assert request.head.lines[0] == b"POST /m HTTP/1.1"  # RFC 9110 6.2: our own version goes on
    assert refused(get(start=b"GET /m HTTP/1.%d" % minor, host=b"")).status == 400


@pytest.mark.parametrize(
    "method", [b"get", b"Get", b"gET", b"PURGE", b"M-SEARCH", b"X.Y", b"!#$%&'*"]
)
def test_a_method_is_a_token_and_keeps_its_case(method: bytes) -> None:
    request = read_request(get(start=method + b" /m HTTP/1.1"))
    assert request.head.method == method
    assert request.head.lines[0] == method + b" /m HTTP/1.1"


@pytest.mark.parametrize("target", [b"a:443", b"/", b"http://a/", b"*", b"[::1]:80"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_connect_is_never_a_tunnel(target: bytes, version: bytes) -> None:
    error = refused(get(start=b"CONNECT " + target + b" HTTP/" + version))
    assert (error.status, error.reason) == (501, "connect")


@pytest.mark.parametrize(
    "target",
    [
        *(b"/", b"//", b"//a/b", b"/a//b", b"/a/../b", b"/..", b"/.", b"/a/./b/", b"/%2F", b"/%2f"),
        *(b"/%2e%2E", b"/a%00b", b"/%zz", b"/%", b"/a?", b"/?", b"/a??b=c?d", b"/a?b=%20&b=+"),
        *(b"/a;b=c", b"/~a", b"/a@b", b"/a:b", b"/http://a/", b'/{"a":[1|2]}', b"/a\\b", b"/<a>^`"),
        b"/" + b"a" * 8000,
    ],
)
def test_a_target_goes_on_byte_for_byte(target: bytes) -> None:
    for version in (b"1.1", b"1.0", b"1.7"):
        request = read_request(get(start=b"GET " + target + b" HTTP/" + version))
        assert request.head.target == target
        assert request.head.lines[0] == b"GET " + target + b" HTTP/1.1"


def test_what_an_error_repeats_is_cut() -> None:
    long = b"x" * 60_000
    for line in (
        *(long + b" : y", long + b"@: y", long + b": \x00", b" " + long, b"Host: @" + long),
        *(b"Content-Length: " + long, b"Transfer-Encoding: " + long, b"Expect: " + long),
    ):
        assert len(refused(get(line, host=b"")).detail) < 600
