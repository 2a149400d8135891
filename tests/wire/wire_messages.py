"""Strategies: valid messages, and the same ones damaged as attackers damage them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

TCHAR = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
VCHAR = bytes(b for b in range(0x21, 256) if b != 0x7F)
METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE"]
#: Lines that a proxy has a rule for; each valid alone.
RULED = [
    *(b"Connection: keep-alive", b"Connection: close", b"Connection: x-a, X-B", b"TE: trailers"),
    *(b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"Proxy-Authorization: Basic x"),
    *(b"X-Request-Id: abc", b"X-Shadow: 1", b"X-Forwarded-Proto: https", b"Expect: 100-continue"),
    *(b"X-A: 1", b"x-b: 2", b"X-Model: m", b"Cookie: a=1", b"Set-Cookie: b=2", b"Via: 1.1 x"),
]
#: What attackers put in: each has fooled some parser.
NASTY = [
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\r\r\n",
        b"\x00",
        b" ",
        b"\t",
        b"\x0b",
        b"\xff",
    ),
    *(
        b":",
        b": ",
        b" :",
        b",",
        b";",
        b'"',
        b"\\",
        b"#",
        b"\x7f",
        b"\xa0",
        b"\x85",
        b"+",
        b"-",
        b"_",
    ),
    *(
        b"0x",
        b"0",
        b"00",
        b"5",
        b"1_0",
        b"\r\n ",
        b"\r\n\t",
        b"\r\nX : y",
        b"\r\n\r",
        b"@",
        b"//",
        b"*",
    ),
    *(b"\r\nContent-Length: 5", b"\r\nContent-Length: 0", b"\r\nContent-Length:\t05 "),
    *(b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding:\tchunked ", b", chunked"),
    *(b"\r\nTransfer-Encoding: x", b"\r\nHost: b", b"\r\nConnection: content-length, host"),
    *(
        b"\r\nUpgrade: h2c",
        b"\r\nConnection: upgrade",
        b"\r\nExpect: x",
        b"http://a",
        b"http://u@a",
    ),
    *(
        b"HTTP/1.0",
        b"HTTP/1.2",
        b" HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT",
        b"100",
    ),
    *(
        b"0\r\n\r\n",
        b"1\r\nx\r\n",
        b";a=b",
        b' ; a = "b"',
        b";a",
        b"ffffffffffffffff",
        b"204",
        b"304",
    ),
    "\u0665\uff15\u212a\u2003".encode(),
]


def _bytes_of(alphabet: bytes, low: int, high: int) -> SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), min_size=low, max_size=high).map(bytes)


TOKEN = _bytes_of(TCHAR, 1, 8)
VALUE = st.lists(_bytes_of(VCHAR, 1, 6), max_size=3).map(b" ".join)
OWS = st.sampled_from([b"", b" ", b"\t", b"  ", b" \t"])
PAYLOAD = st.binary(max_size=30)


@composite
def _field(draw: DrawFn) -> bytes:
    # No random name is one that has a rule: those are drawn whole.
    return b"x-" + draw(TOKEN) + b"-r:" + draw(OWS) + draw(VALUE) + draw(OWS)


FIELDS = st.lists(_field() | st.sampled_from(RULED), max_size=6)
TARGET = st.tuples(
    st.sampled_from([b"", b"http://a", b"HTTP://A:80"]),
    _bytes_of(bytes(b for b in range(0x21, 0x7F) if b != 0x23), 0, 12),
)


@composite
def chunked(draw: DrawFn) -> tuple[bytes, bytes, list[bytes]]:
    """A chunked body as sent, its payload, and its trailer lines."""
    wire, payload = b"", b""
    for piece in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b;\\"c"', b";a;b=c"]))
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(piece)
        wire += size + extension + b"\r\n" + piece + b"\r\n"
        payload += piece
    trailers = draw(st.lists(_field(), max_size=2))
    wire += b"0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n"
    return wire, payload, trailers


@composite
def _framed(draw: DrawFn) -> tuple[list[bytes], bytes]:
    """The field lines that frame a body, and the body as sent."""
    kind = draw(st.sampled_from(["none", "fixed", "chunked"]))
    if kind == "none":
        return [], b""
    if kind == "fixed":
        body = draw(PAYLOAD)
        spelling = draw(st.sampled_from([b"Content-Length: %d", b"content-length:%d"]))
        return [spelling % len(body)], body
    return [b"Transfer-Encoding: chunked"], draw(chunked())[0]


@composite
def requests(draw: DrawFn) -> bytes:
    """A whole valid request."""
    prefix, path = draw(TARGET)
    host = prefix.rpartition(b"/")[2] or draw(st.sampled_from([b"a", b"a:80", b"[::1]:8080"]))
    start = draw(st.sampled_from(METHODS)) + b" " + prefix + b"/" + path
    framing, body = draw(_framed())
    version = (
        b"1.1" if b"Transfer-Encoding: chunked" in framing else b"1.%d" % draw(st.integers(0, 1))
    )
    lines = draw(st.permutations([b"Host: " + host, *framing, *draw(FIELDS)]))
    return b"\r\n".join((start + b" HTTP/" + version, *lines, b"", body))


@composite
def answers(draw: DrawFn) -> bytes:
    """A whole valid answer to a GET, but for bodies that last until the connection ends."""
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 404, 422, 500, 503, 103]))
    framing, body = draw(_framed())
    if status in (103, 204, 304):
        framing, body = [], b""
    lines = draw(st.permutations([*framing, *draw(FIELDS)]))
    reason = draw(VALUE)
    return b"\r\n".join((b"HTTP/1.1 %d %b" % (status, reason), *lines, b"", body))


@composite
def damaged(draw: DrawFn, whole: SearchStrategy[bytes]) -> bytes:
    """A valid message with one to three changes in its head or body."""
    raw = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        out = draw(st.sampled_from([0, 0, 1, 2, 5]))
        put = draw(st.sampled_from(NASTY) | st.binary(min_size=1, max_size=2) | st.just(b""))
        raw = raw[:at] + put + raw[at + out :]
    return raw
