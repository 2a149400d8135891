"""Chunked bodies: taken apart strictly, at whatever points the reads cut them."""

from __future__ import annotations

import pytest

from proxy.wire import LAST_CHUNK, BadChunk, ChunkDecoder, encode, last

GOOD = [
    (b"0\r\n\r\n", b"", []),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello", []),
    (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, []),
    (b"005\r\nhello\r\n000\r\n\r\n", b"hello", []),
    (b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", b"hello", []),
    (b"1\r\n\r\r\n1\r\n\n\r\n2\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", []),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", []),
    (b"1;a\r\nx\r\n0;b=c\r\n\r\n", b"x", []),
    (b'1 ;\ta = b;c="d;\\"e\x80\t"; f\r\nx\r\n0\r\n\r\n', b"x", []),
    (b"1;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\nx\r\n"
     b"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
     b"x", []),
    (b"1\r\nx\r\n0\r\nA: b\r\n\r\n", b"x", [b"A: b"]),
    (b"0\r\nX-Checksum:c\r\nx-checksum: \x80d\r\nE:\r\n\r\n", b"",
     [b"X-Checksum:c", b"x-checksum: \x80d", b"E:"]),
    (b"0\r\nHost: b\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\nAuthorization: t\r\n"
     b"X-Request-Id: r\r\nx-shadow: 3\r\nX-Forwarded-For: 1\r\nVia: x\r\nX-Model: m\r\n"
     b"Set-Cookie: a=b\r\nConnection: close\r\nKept: y\r\n\r\n", b"", [b"Kept: y"]),
]  # fmt: skip

BAD_SIZES = [
    *(b"0x5", b"+5", b"-5", b"5_0", b" 5", b"\t5", b"5 ", b"5\t", b"", b" ", b"g", b"5g", b"5.0"),
    *(b"5,5", b'"5"', b"\x005", b"5\x00", b"\xb5", b"\xb2", "\u0665".encode(), "\uff15".encode()),
    *(
        b"00000000000000005",
        b"fffffffffffffffff",
        b"1" * 17,
        b"0" * 5000,
        b"5" * 5000,
        b"5h",
        b"0X5",
    ),
    *(
        b"5\x0b",
        b"\x0c5",
        b"5\xa0",
        b"5\x85",
        b"5:a",
        b"5=a",
        b"5a b",
        b"5 a",
        b"5\r",
        b"\r5",
        b"5\n",
    ),
]
BAD_EXTENSIONS = [
    *(
        b";",
        b"; ",
        b";;",
        b";a;",
        b";=b",
        b";a=",
        b";a b",
        b";a=b c",
        b";a==b",
        b";a,b",
        b" ;",
        b";a ",
    ),
    *(
        b';a="',
        b';a="b',
        b';a="b"c',
        b';a="b\\"',
        b';"a"',
        b';a="b""c"',
        b";a='b c'",
        b';a="\\\x80',
    ),
    *(b";\x00", b";a=\x00", b';a="\x00"', b";a\x7f", b";\x80", b";a=\x80", b";a\x0b", b"\x0b;a"),
    *(b";a\r", b";a\n", b";\r", b";\n", b";a=\rb", b";a=\nb", b';a="\r"', b';a="\n"', b';a="\r\n"'),
    *(b";a\rX", b";a\nX", b"\r;a", b"\n;a", b";a=b\n0", b";a=b\r0", b';a="\\\r"', b';a="\\\n"'),
]
BAD = [
    *(size + b"\r\nhello\r\n0\r\n\r\n" for size in BAD_SIZES),
    *(b"5" + extension + b"\r\nhello\r\n0\r\n\r\n" for extension in BAD_EXTENSIONS),
    # Data that is not followed by CRLF (CVE-2025-43859), or another amount than the size says.
    *(b"5\r\nhello" + end + b"0\r\n\r\n" for end in (b"", b"\n", b"\r", b"\n\r", b"XX", b"\rX")),
    *(b"5\r\nhello" + end + b"\r\n0\r\n\r\n" for end in (b"X", b"\r", b"\n", b"XX", b" ", b"\x00")),
    *(b"%x\r\nhello\r\n0\r\n\r\n" % size for size in (1, 2, 3, 4, 6)),
    # Lines that end otherwise.
    *(b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r0\r\r", b"5\r\nhello\r0\r\n\r\n", b"5\nhello\n0\n\n"),
    *(b"5\r\r\nhello\r\n0\r\n\r\n", b"5\rX\nhello\r\n0\r\n\r\n", b"\r\n5\r\nhello\r\n0\r\n\r\n"),
    *(b"0\n\r\n", b"0\r\n\n", b"0\r\n\r\r\n", b"0\r\n\rX\r\n", b"0\n\n", b"0\r\r\n\r\n"),
    # Trailer sections.
    *(b"0\r\nX\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\n: y\r\n\r\n"),
    *(b"0\r\nX: y\n\r\n", b"0\r\nX: y\rZ: w\r\n\r\n", b"0\r\nX: \x00\r\n\r\n", b"0\r\n\rX"),
    *(b"0\r\nX: y\r\n z\r\n\r\n", b"0\r\nX: y\r\n\tz: w\r\n\r\n"),
    *(b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\nX: y\r\n\n", b"0\r\n\xff: y\r\n\r\n"),
]  # fmt: skip

UNFINISHED = [
    *(b"", b"5", b"5\r", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhello\r\n"),
    *(
        b"5\r\nhello\r\n0",
        b"5\r\nhello\r\n0\r\n",
        b"5\r\nhello\r\n0\r\n\r",
        b"0\r\nX: y\r\n",
        b"0\r\nX",
    ),
    *(
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"5;a",
        b"5;a=b\r",
        b"5\r\nhello\r\n0\r\nX: y\r\n\r",
    ),
]


def in_pieces(pieces: list[bytes]) -> tuple[bytes, bool, bytes, list[bytes]]:
    """Payload, whether the end came, what follows it, and the trailers."""
    decoder, payload = ChunkDecoder(), b""
    for i, piece in enumerate(pieces):
        got, end = decoder.feed(piece)
        payload += b"".join(got)
        if end >= 0:
            return payload, True, piece[end:] + b"".join(pieces[i + 1 :]), decoder.trailers
    return payload, False, b"", []


def every_cut(data: bytes) -> list[list[bytes]]:
    """The data whole, byte by byte, and cut in two and in three at every point."""
    size = len(data)
    cuts = [[data], [data[i : i + 1] for i in range(size)]]
    cuts += [[data[:i], data[i:]] for i in range(size + 1)]
    if size < 60:
        cuts += [
            [data[:i], data[i:j], data[j:]] for i in range(size + 1) for j in range(i, size + 1)
        ]
    return cuts


@pytest.mark.parametrize(("data", "payload", "trailers"), GOOD)
@pytest.mark.parametrize("rest", [b"", b"GET / HTTP/1.1\r\n"])
def test_a_body_is_found_at_every_cut(
    data: bytes, payload: bytes, trailers: list[bytes], rest: bytes
) -> None:
    for pieces in every_cut(data + rest):
        assert in_pieces(pieces) == (payload, True, rest, trailers)


@pytest.mark.parametrize("data", BAD)
def test_a_broken_body_is_refused_at_every_cut(data: bytes) -> None:
    for pieces in every_cut(data) if len(data) < 300 else [[data], [data[:200], data[200:]]]:
        with pytest.raises(BadChunk) as caught:
            in_pieces(pieces)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("data", UNFINISHED)
def test_a_body_that_breaks_off_has_no_end(data: bytes) -> None:
    for pieces in every_cut(data):
        assert in_pieces(pieces)[1] is False


@pytest.mark.parametrize(
    "data", [b"5\r\nhelloX", b"5\r\nhello\rX", b"5\rX", b"0\r\n\rX", b"0\r\nX\rY"]
)
def test_a_line_that_cannot_become_good_is_refused_before_its_end(data: bytes) -> None:
    # Else a caller that sends no more would be told that it was slow.
    for pieces in every_cut(data):
        with pytest.raises(BadChunk):
            in_pieces(pieces)


def test_decoding_begins_where_it_is_told() -> None:
    data = b"head1\r\nx\r\n0\r\n\r\nrest"
    assert ChunkDecoder().feed(data, 4) == ([b"x"], len(data) - 4)
    assert ChunkDecoder().feed(data, len(data)) == ([], -1)


def test_payload_is_passed_on_before_its_chunk_is_whole() -> None:
    decoder = ChunkDecoder()
    assert decoder.feed(b"ff\r\nab") == ([b"ab"], -1)
    assert decoder.feed(b"cd") == ([b"cd"], -1)


@pytest.mark.parametrize("cut", [0, 1, 4094, 4095, 4096, 4097, 4098, 4099])
@pytest.mark.parametrize(("size", "good"), [(4095, True), (4096, True), (4097, False)])
@pytest.mark.parametrize("frame", [b"1;%b\r\nx\r\n0\r\n\r\n", b"0\r\nX:%b\r\n\r\n"])
def test_the_longest_line_is_the_same_at_every_cut(
    frame: bytes, size: int, good: bool, cut: int
) -> None:
    data = frame % (b"e" * (size - 2))
    at = data.index(b"e") - 2 + cut
    pieces = [data[:at], data[at:]]
    if good:
        assert in_pieces(pieces)[1]
    else:
        with pytest.raises(BadChunk):
            in_pieces(pieces)


def test_extensions_are_bounded_in_one_body() -> None:
    one = b"1;" + b"e" * 2046 + b"\r\nx\r\n"
    assert ChunkDecoder().feed(one * 8 + b"0\r\n\r\n")[1] > 0
    with pytest.raises(BadChunk, match="extensions"):
        ChunkDecoder().feed(one * 9)
    with pytest.raises(BadChunk, match="extensions"):
        ChunkDecoder().feed(b"1;e\r\nx\r\n" * 10_000)


def test_trailers_are_bounded_in_bytes_and_in_number() -> None:
    assert ChunkDecoder().feed(b"0\r\n" + b"X: y\r\n" * 64 + b"\r\n")[1] > 0
    with pytest.raises(BadChunk, match="trailers"):
        ChunkDecoder().feed(b"0\r\n" + b"X: y\r\n" * 65)
    with pytest.raises(BadChunk, match="trailers"):
        ChunkDecoder().feed(b"0\r\n" + (b"X: " + b"y" * 4000 + b"\r\n") * 5)
    with pytest.raises(BadChunk, match="trailers"):  # those that are dropped count as well
        ChunkDecoder().feed(b"0\r\n" + b"Host: y\r\n" * 65)


def test_nothing_is_kept_without_bound() -> None:
    for start in (b"", b"0\r\n", b"1;", b"0\r\nX: "):
        decoder = ChunkDecoder()
        decoder.feed(start)
        with pytest.raises(BadChunk):
            _feed_zeros(decoder, 5000)


def _feed_zeros(decoder: ChunkDecoder, count: int) -> None:
    for _ in range(count):
        decoder.feed(b"0")


def test_a_hundred_thousand_chunks_of_a_byte() -> None:
    data = b"1\r\nx\r\n" * 100_000 + LAST_CHUNK
    pieces, end = ChunkDecoder().feed(data)
    assert (b"".join(pieces), end) == (b"x" * 100_000, len(data))


@pytest.mark.parametrize(
    ("pieces", "chunk"),
    [
        ([], b""),
        ([b""], b""),
        ([b"", b""], b""),
        ([b"a"], b"1\r\na\r\n"),
        ([b"ab", b"", b"c"], b"3\r\nabc\r\n"),
        ([b"x" * 26], b"1a\r\n" + b"x" * 26 + b"\r\n"),
    ],
)
def test_pieces_are_put_together_as_one_chunk(pieces: list[bytes], chunk: bytes) -> None:
    # Never an empty chunk: it would end the body.
    assert encode(pieces) == chunk


def test_the_last_chunk_carries_the_trailers() -> None:
    assert last([]) == LAST_CHUNK == b"0\r\n\r\n"
    assert last([b"A: b", b"c:d"]) == b"0\r\nA: b\r\nc:d\r\n\r\n"
