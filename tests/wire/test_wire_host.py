"""Who a request is for: Host, the target's authority, and what happens when they disagree."""

from __future__ import annotations

import pytest
from wire_reading import get, read_request

from proxy.errors import RequestRefused

GOOD = [
    *(b"a", b"a:80", b"a:", b"A.Example", b"a.b.c.", b"127.0.0.1", b"127.0.0.1:8080", b"[::1]"),
    *(
        b"[::1]:80",
        b"[fe80::1]",
        b"[::ffff:1.2.3.4]:1",
        b"a_b",
        b"a-b",
        b"%41",
        b"a,b",
        b"a!$&'()*+;=~",
    ),
    b"xn--nxasmq6b",
]
BAD = [
    *(
        b"",
        b" ",
        b":80",
        b":",
        b"a b",
        b"a\tb",
        b"a/",
        b"a/b",
        b"/a",
        b"a?b",
        b"a#b",
        b"a@b",
        b"u:p@a",
    ),
    *(b"@a", b"a:80:80", b"a:b", b"a:-1", b"a:+1", b"a:0x50", b"a: 80", b"a :80", b"a:123456"),
    *(b"[", b"]", b"[]", b"[::1", b"::1", b"[::1]x", b"[::1]:x", b"[g::]", b"[a]", b"[:::::]"),
    *(b"[::1%eth0]", b"[1.2.3.4]", b"[1:2]", b"[1:2:3:4:5:6:7:8:9]", b"[[::1]]", b"[::1][::1]"),
    *(
        b"a\\b",
        b'"a"',
        b"<a>",
        b"a|b",
        b"a^b",
        b"a`",
        b"{a}",
        b"%",
        b"%4",
        b"%zz",
        b"a\x80",
        b"\xff",
    ),
    *("ü".encode(), b"http://a", b"a\x00", b"a\x7f", "a:\u0668\u0660".encode()),
]


@pytest.mark.parametrize("value", GOOD)
def test_a_host_goes_on_as_it_came(value: bytes) -> None:
    for line in (b"Host: " + value, b"host:" + value, b"HOST:\t" + value + b" "):
        request = read_request(get(host=line))
        assert request.head.host == value
        assert request.head.lines == [b"GET /m HTTP/1.1", line]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("value", BAD)
def test_a_host_that_is_none_is_refused(value: bytes, version: bytes) -> None:
    for line in (b"Host: " + value, b"host:" + value):
        with pytest.raises(RequestRefused) as caught:
            read_request(get(start=b"GET /m HTTP/" + version, host=line))
        assert caught.value.status == 400


@pytest.mark.parametrize("fields", [(), (b"X: y",), (b"X-Host: a",), (b"Hos: a",), (b"Host_: a",)])
@pytest.mark.parametrize("target", [b"/m", b"*", b"http://a/m"])
def test_http_1_1_without_host_is_refused(fields: tuple[bytes, ...], target: bytes) -> None:
    # Whatever the form of the target is: RFC 9112 3.2.
    with pytest.raises(RequestRefused) as caught:
        read_request(get(*fields, start=b"OPTIONS " + target + b" HTTP/1.1", host=b""))
    assert (caught.value.status, "Host is missing" in caught.value.detail) == (400, True)


@pytest.mark.parametrize("second", [b"Host: a", b"Host: b", b"host:a", b"HOST: a:80", b"Host:\ta"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_two_hosts_are_refused_even_equal_ones(second: bytes, version: bytes) -> None:
    for between in ((), (b"X: y",), (b"Connection: host",)):
        for target in (b"/m", b"http://a/m"):
            start = b"GET " + target + b" HTTP/" + version
            with pytest.raises(RequestRefused) as caught:
                read_request(get(*between, second, start=start))
            assert caught.value.status == 400


@pytest.mark.parametrize(
    ("target", "host", "sent"),
    [
        (b"http://a/m", b"a", b"/m"),
        (b"http://a/m?q=http://b/", b"a", b"/m?q=http://b/"),
        (b"http://a", b"a", b"/"),
        (b"http://a?q", b"a", b"/?q"),
        (b"http://a/?", b"a", b"/?"),
        (b"http://a?", b"a", b"/?"),
        (b"http://a//x//y", b"a", b"//x//y"),
        (b"HTTP://A/m", b"a", b"/m"),
        (b"hTTps://a/m", b"A", b"/m"),
        (b"http://a:80/m", b"a:80", b"/m"),
        (b"http://[::1]:8080/m@x", b"[::1]:8080", b"/m@x"),
        (b"http://a/%2F/..", b"a", b"/%2F/.."),
    ],
)
def test_an_absolute_target_goes_on_as_its_path(target: bytes, host: bytes, sent: bytes) -> None:
    request = read_request(get(start=b"GET " + target + b" HTTP/1.1", host=b"Host: " + host))
    assert (request.head.target, request.head.host) == (sent, host)
    assert request.head.lines == [b"GET " + sent + b" HTTP/1.1", b"Host: " + host]


@pytest.mark.parametrize("host", [b"b", b"a:80", b"a.", b"aa", b"b.a", b"a:"])
def test_an_authority_that_is_not_host_is_refused(host: bytes) -> None:
    for version in (b"1.1", b"1.0"):
        with pytest.raises(RequestRefused) as caught:
            read_request(get(start=b"GET http://a/m HTTP/" + version, host=b"Host: " + host))
        assert (caught.value.status, "differ" in caught.value.detail) == (400, True)


@pytest.mark.parametrize(
    "target",
    [
        # An empty host (RFC 9110 4.2.1), user information (4.2.4) and other schemes.
        *(b"http:///m", b"http://", b"http://:80/m", b"http://?q", b"http:/m", b"http:m", b"http:"),
        *(b"http://u@a/m", b"http://u:p@a/m", b"http://@a/m", b"http://a@/m", b"http://a@b@c/"),
        *(b"ftp://a/m", b"ws://a/m", b"file:///m", b"urn:m", b"a//a/m", b"://a/"),
        *(
            b"http://a:b/m",
            b"http://a:80:80/m",
            b"http://[::1/m",
            b"http://::1/m",
            b"http://a\\b/m",
        ),
        *(
            b'http://"a"/m',
            b"http://<a>/m",
            b"http://a^/m",
            b"http://%/m",
            b"httpx://a/m",
            b"http//a",
        ),
        *(b"http://[a]/m", b"http://a|b/m"),
    ],
)
def test_an_odd_authority_is_refused_with_a_host_or_without(target: bytes) -> None:
    for version, host in ((b"1.1", b"Host: a"), (b"1.0", b"Host: a"), (b"1.0", b"")):
        with pytest.raises(RequestRefused) as caught:
            read_request(get(start=b"GET " + target + b" HTTP/" + version, host=host))
        assert caught.value.status == 400


def test_options_for_the_whole_server() -> None:
    request = read_request(get(start=b"OPTIONS * HTTP/1.1"))
    assert (request.head.target, request.head.lines[0]) == (b"*", b"OPTIONS * HTTP/1.1")
    # RFC 9112 3.2.4: the last proxy makes an asterisk of an authority alone, and of nothing else.
    for target, sent in ((b"http://a", b"*"), (b"http://a/", b"/"), (b"http://a?q", b"/?q")):
        request = read_request(get(start=b"OPTIONS " + target + b" HTTP/1.1"))
        assert request.head.lines[0] == b"OPTIONS " + sent + b" HTTP/1.1"


@pytest.mark.parametrize("target", [b"/m", b"/"])
def test_http_1_0_needs_no_host_but_what_goes_on_does(target: bytes) -> None:
    # It goes on as HTTP/1.1, where an upstream must refuse a request without one.
    start = b"GET " + target + b" HTTP/1.0"
    request = read_request(get(b"X: y", start=start, host=b""))
    assert request.head.host == b""  # no model with a host of its own matches
    assert request.head.lines == [b"GET " + target + b" HTTP/1.1", b"host: localhost", b"X: y"]
    assert read_request(get(start=start)).head.lines == [
        b"GET " + target + b" HTTP/1.1",
        b"Host: a",
    ]


def test_http_1_0_takes_its_host_from_an_absolute_target() -> None:
    request = read_request(get(b"X: y", start=b"GET http://b:1/m HTTP/1.0", host=b""))
    assert request.head.host == b"b:1"
    assert request.head.lines == [b"GET /m HTTP/1.1", b"host: b:1", b"X: y"]
