"""Which lines of a request go on: all of them as they came, but those of this connection."""

from __future__ import annotations

import pytest
from wire_reading import get, post, read_request

from proxy.errors import RequestRefused
from proxy.wire import RequestBook, RequestHead

ABOUT_THIS_CONNECTION = [
    *(b"Connection: keep-alive", b"Connection: close", b"Connection:", b"Connection: ,,"),
    *(b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: trailers", b"TE: gzip"),
    *(b"Proxy-Authorization: Basic YTpi", b"Proxy-Authenticate: Basic", b"Upgrade: h2c"),
    *(b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Expect: 100-continue", b"X-Shadow: 3"),
    *(b"X-Request-Id: abc", b"x-request-id: not sane"),
]


def fields(head: RequestHead) -> list[bytes]:
    return head.lines[1:]


def test_order_case_and_number_of_the_fields_are_kept() -> None:
    lines = [
        *(b"b: 1", b"A: 2", b"B: 3", b"a:4", b"Accept:  */* ", b"ACCEPT: */*", b"b: 1"),
        *(b"Cookie: a=1", b"cookie: b=2", b"Accept-Encoding: gzip, br", b"Range: bytes=0-1"),
        *(b"Content-Encoding: gzip", b'If-None-Match: W/"x"', b"Authorization: Bearer t"),
        *(b"Via: 1.1 front", b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=1.2.3.4", b"Trailer: T"),
        *(b"X-Model: 9", b"X_Shadow: 3", b"Content-Type: a/b", b"X-Empty:", b"X-8: \x80\xff"),
    ]
    assert fields(read_request(get(*lines)).head) == [b"Host: a", *lines]


@pytest.mark.parametrize("line", ABOUT_THIS_CONNECTION)
@pytest.mark.parametrize("recase", [bytes, bytes.upper, bytes.lower])
def test_what_is_about_this_connection_stays(line: bytes, recase: type[bytes]) -> None:
    name, value = line.split(b":", 1)
    line = recase(name) + b":" + value
    head = read_request(get(b"A: 1", line, b"B: 2", line)).head
    assert fields(head) == [b"Host: a", b"A: 1", b"B: 2"]


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b"X-Foo", [b"X-Bar: 2", b"X-Foo-Not: 3"]),
        (b"x-foo", [b"X-Bar: 2", b"X-Foo-Not: 3"]),
        (b"keep-alive, X-Foo", [b"X-Bar: 2", b"X-Foo-Not: 3"]),
        (b"X-FOO ,\tx-bar", [b"X-Foo-Not: 3"]),
        (b",, x-foo,,close", [b"X-Bar: 2", b"X-Foo-Not: 3"]),
        (b"x-foo;q=1", [b"X-Foo: 1", b"x-foo: 1b", b"X-Bar: 2", b"X-Foo-Not: 3"]),
        (b"x-f", [b"X-Foo: 1", b"x-foo: 1b", b"X-Bar: 2", b"X-Foo-Not: 3"]),
    ],
)
def test_a_nominated_field_stays_here(value: bytes, left: list[bytes]) -> None:
    lines = [b"X-Foo: 1", b"Connection: " + value, b"x-foo: 1b", b"X-Bar: 2", b"X-Foo-Not: 3"]
    assert fields(read_request(get(*lines)).head) == [b"Host: a", *left]


def test_nominations_of_several_lines_add_up() -> None:
    lines = [b"Connection: a", b"A: 1", b"connection: b, close", b"B: 2", b"C: 3"]
    head = read_request(get(*lines)).head
    assert (fields(head), head.close) == ([b"Host: a", b"C: 3"], True)


@pytest.mark.parametrize("names", [b"host", b"Host, X", b"content-length", b"CONTENT-LENGTH,host"])
def test_host_and_length_cannot_be_nominated_away(names: bytes) -> None:
    # Else the body would become the next request of another caller.
    request = read_request(post(b"Content-Length: 5", b"Connection: " + names, body=b"hello"))
    assert (request.body, request.head.host) == (b"hello", b"a")
    assert fields(request.head) == [b"Host: a", b"Content-Length: 5"]
    raw = post(b"Content-Length:\t5", b"Connection: " + names, body=b"hello")
    assert fields(read_request(raw).head) == [b"Host: a", b"content-length: 5"]


@pytest.mark.parametrize("names", [b"transfer-encoding", b"close, Transfer-Encoding", b"chunked"])
def test_a_coding_cannot_be_nominated_away(names: bytes) -> None:
    lines = (b"Connection: " + names, b"Transfer-Encoding: chunked")
    for order in (lines, lines[::-1]):
        request = read_request(post(*order, body=b"1\r\nx\r\n0\r\n\r\n"))
        assert request.body == b"x"
        assert fields(request.head) == [b"Host: a", b"transfer-encoding: chunked"]


def test_a_nominated_customer_key_decides_but_does_not_go_on() -> None:
    book = RequestBook(frozenset((b"x-customer-id",)))
    raw = get(b"X-Customer-Id: c1", b"Connection: x-customer-id")
    head = read_request(raw, book).head
    assert head.wanted == {b"x-customer-id": [b"c1"]}
    assert fields(head) == [b"Host: a"]


def test_what_the_plan_reads_is_kept_and_noted() -> None:
    book = RequestBook(frozenset((b"x-customer-id", b"cookie")))
    lines = [b"X-CUSTOMER-ID: c1", b"Cookie: a=1", b"x-customer-id:\tc2 ", b"Cookie:", b"X: y"]
    head = read_request(get(*lines), book).head
    assert head.wanted == {b"x-customer-id": [b"c1", b"c2"], b"cookie": [b"a=1", b""]}
    assert fields(head) == [b"Host: a", *lines]
    assert read_request(get(b"X: y"), book).head.wanted is None


@pytest.mark.parametrize(
    ("name", "line", "sent"),
    [
        (b"host", b"X: y", [b"Host: a", b"X: y"]),
        (b"x-request-id", b"X-Request-Id: r1", [b"Host: a"]),
        (
            b"x-forwarded-proto",
            b"X-Forwarded-Proto: https",
            [b"Host: a", b"X-Forwarded-Proto: https"],
        ),
        (b"proxy-authorization", b"Proxy-Authorization: t", [b"Host: a"]),
    ],
)
def test_the_plan_may_read_what_has_a_rule_of_its_own(
    name: bytes, line: bytes, sent: list[bytes]
) -> None:
    book = RequestBook(frozenset((name,)))
    for _ in range(2):
        head = read_request(get(line), book).head
        assert head.wanted == {name: [b"a" if name == b"host" else line.partition(b": ")[2]]}
        assert fields(head) == sent


@pytest.mark.parametrize(
    ("version", "options", "close"),
    [
        (b"1.1", (), False),
        (b"1.1", (b"keep-alive",), False),
        (b"1.1", (b"close",), True),
        (b"1.1", (b"CLOSE",), True),
        (b"1.1", (b"keep-alive, close",), True),
        (b"1.1", (b"close", b"keep-alive"), True),
        (b"1.1", (b"closed",), False),
        (b"1.1", (b"X-Foo",), False),
        (b"1.0", (), True),
        (b"1.0", (b"keep-alive",), False),
        (b"1.0", (b"Keep-Alive",), False),
        (b"1.0", (b"keep-alive, X-Foo",), False),
        (b"1.0", (b"keep-alive", b"close"), True),
        (b"1.0", (b"close",), True),
        (b"1.0", (b"X-Foo",), True),
        (b"1.0", (b"X-Foo", b"keep-alive"), False),
        (b"1.2", (), False),
    ],
)
def test_whether_the_connection_ends(
    version: bytes, options: tuple[bytes, ...], close: bool
) -> None:
    for spelling in (b"Connection: ", b"connection:\t"):
        lines = [spelling + option for option in options]
        head = read_request(get(*lines, start=b"GET /m HTTP/" + version)).head
        assert head.close is close
        assert fields(head) == [b"Host: a"]
    proxies = get(b"Proxy-Connection: keep-alive", start=b"GET /m HTTP/1.0")
    assert read_request(proxies).head.close


@pytest.mark.parametrize("value", [b"h2c", b"H2C", b"h2c-14, h2c", b"h2c,", b""])
def test_an_offer_of_h2c_is_dropped(value: bytes) -> None:
    lines = (b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AA", b"Upgrade: " + value)
    assert fields(read_request(get(*lines)).head) == [b"Host: a"]


@pytest.mark.parametrize(
    "value", [b"websocket", b"WebSocket", b"h2c, websocket", b"x-h2c", b"foo/2"]
)
def test_other_upgrades_are_not_implemented(value: bytes) -> None:
    raw = get(b"Connection: upgrade", b"Upgrade: " + value)
    with pytest.raises(RequestRefused) as caught:
        read_request(raw)
    assert (caught.value.status, caught.value.reason) == (501, "upgrade")
    # HTTP/1.0 cannot ask for one: RFC 9110 7.8 says ignore.
    old = read_request(raw.replace(b"HTTP/1.1", b"HTTP/1.0")).head
    assert fields(old) == [b"Host: a"]


@pytest.mark.parametrize(("version", "expects"), [(b"1.1", True), (b"1.0", False), (b"1.3", True)])
def test_expect_is_ours_to_answer(version: bytes, expects: bool) -> None:
    for value in (b"100-continue", b"100-Continue", b"\t100-CONTINUE "):
        raw = post(b"Expect:" + value, b"Content-Length: 1", version=version)
        head = read_request(raw).head
        assert head.expects is expects
        assert fields(head) == [b"Host: a", b"Content-Length: 1"]


@pytest.mark.parametrize(
    "value", [b"", b"100", b"continue", b"200-ok", b"100-continue, x", b"100-continue;q=1", b"x=y"]
)
def test_other_expectations_fail(value: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(post(b"Expect: " + value, b"Content-Length: 1"))
    assert (caught.value.status, caught.value.reason) == (417, "expectation")


def test_the_marker_of_copies_is_noted_and_dropped() -> None:
    for line in (b"X-Shadow: 3", b"x-shadow:", b"X-SHADOW:\t\xff"):
        head = read_request(get(line, b"Connection: x-shadow")).head
        assert head.shadow_mark
        assert fields(head) == [b"Host: a"]
    head = read_request(get(b"X-Shadows: 3", b"XShadow: 3")).head
    assert not head.shadow_mark


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ((b"0af7651916cd43dd8448eb211c80319c",), b"0af7651916cd43dd8448eb211c80319c"),
        ((b"a.b_c~d:e@f/g+h=-",), b"a.b_c~d:e@f/g+h=-"),
        ((b"x" * 128,), b"x" * 128),
        ((b"x" * 129,), None),
        ((b"",), None),
        ((b"a b",), None),
        ((b"a\tb",), None),
        ((b'"a"',), None),
        ((b"a,b",), None),
        ((b"a%0d%0aSet-Cookie: x",), None),
        ((b"<script>",), None),
        ((b"\xff",), None),
        (("\u0661".encode(),), None),
        ((b"{a}", b"good"), b"good"),
        ((b"first", b"second"), b"first"),
    ],
)
def test_a_request_id_is_taken_over_only_when_sane(
    values: tuple[bytes, ...], kept: bytes | None
) -> None:
    head = read_request(get(*(b"X-Request-Id: " + value for value in values))).head
    assert head.request_id == kept
    assert fields(head) == [b"Host: a"]


def test_forwarded_proto_is_believed_unless_it_stays_here() -> None:
    line = b"X-Forwarded-Proto: https"
    head = read_request(get(line)).head
    assert (head.forwarded_proto, fields(head)) == (True, [b"Host: a", line])
    # Nominated, it does not go on: then ours must.
    head = read_request(get(line, b"Connection: x-forwarded-proto")).head
    assert (head.forwarded_proto, fields(head)) == (False, [b"Host: a"])
    assert not read_request(get()).head.forwarded_proto


def test_no_line_that_goes_on_is_made_of_two() -> None:
    raw = post(*ABOUT_THIS_CONNECTION, b"A: 1", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    for line in read_request(raw).head.lines:
        assert not set(line) & set(b"\r\n\0")


def test_ten_thousand_lines_of_each_kind() -> None:
    # The connection allows fewer; the scanner itself must not grow with their square.
    for line in (b"X: %d", b"TE: %d", b"X-Shadow: %d", b"X-Forwarded-Proto: %d"):
        head = read_request(get(*(line % i for i in range(10_000)))).head
        assert len(head.lines) in (2, 10_002)
    names = b", ".join(b"x%d" % i for i in range(10_000))
    raw = get(b"Connection: " + names, *(b"X%d: y" % i for i in range(10_000)))
    assert fields(read_request(raw).head) == [b"Host: a"]
