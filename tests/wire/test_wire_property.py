"""What must hold for any bytes at all."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_messages import NASTY, answers, chunked, damaged, requests
from wire_reading import END, read_answer, read_request

from proxy.errors import AnswerBroken, RequestRefused
from proxy.wire import AnswerBook, BadChunk, ChunkDecoder, RequestBook, encode, last
from proxy.wire.chunks import _NEVER_TRAILING
from proxy.wire.fields import split_line

#: Bytes at random, and the stuff that attacks are made of.
ANY = st.lists(st.sampled_from(NASTY) | st.binary(max_size=8), max_size=12).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=8)
#: One book for all examples, as in a worker: what came before must not matter.
BOOK = RequestBook(frozenset((b"x-customer-id", b"host")))
ANSWER_BOOK = AnswerBook()


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(min(c, len(data)) for c in cuts)})
    return [data[a:b] for a, b in pairwise(points)]


def decode(pieces: list[bytes]) -> tuple[str, bytes, int, list[bytes]]:
    """How decoding ended (``bad``, ``on``, ``end``), the payload, the body's size, trailers."""
    decoder, payload, before = ChunkDecoder(), b"", 0
    for piece in pieces:
        try:
            got, end = decoder.feed(piece)
        except BadChunk:
            return "bad", b"", 0, []
        payload += b"".join(got)
        if end >= 0:
            return "end", payload, before + end, decoder.trailers
        before += len(piece)
    return "on", payload, before, []


@given(body=chunked(), rest=ANY, cuts=CUTS)
def test_a_body_is_the_same_however_it_is_cut(
    body: tuple[bytes, bytes, list[bytes]], rest: bytes, cuts: list[int]
) -> None:
    wire, payload, trailers = body
    assert decode(cut(wire + rest, cuts)) == ("end", payload, len(wire), trailers)


@given(data=damaged(chunked().map(lambda body: body[0])) | ANY, cuts=CUTS)
@settings(max_examples=300)
@example(data=b"1\r\nx\r\r\n0\r\n\r\n", cuts=[5])
def test_bad_bodies_are_bad_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole, pieces = decode([data]), decode(cut(data, cuts))
    bytewise = decode([data[i : i + 1] for i in range(len(data))])
    assert whole == pieces == bytewise


@given(payloads=st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=6))
def test_what_is_encoded_decodes_to_itself(payloads: list[list[bytes]]) -> None:
    trailers = [b"A: b", b"x-c:\t\xff "]
    wire = b"".join(encode(pieces) for pieces in payloads) + last(trailers)
    payload = b"".join(b"".join(pieces) for pieces in payloads)
    assert decode([wire]) == ("end", payload, len(wire), trailers)


@given(body=damaged(chunked().map(lambda body: body[0])))
def test_trailers_that_go_on_are_harmless(body: bytes) -> None:
    how, _, _, trailers = decode([body])
    for line in trailers if how == "end" else ():
        name, value = split_line(line)
        assert name.lower() not in _NEVER_TRAILING
        assert not set(value) & set(b"\r\n\0")


def check_refusal(refused: RequestRefused) -> None:
    assert 400 <= refused.status < 500 or refused.status in (501, 505)
    assert 0 < len(refused.detail) < 600
    assert refused.reason.isidentifier()


def check_request(raw: bytes) -> None:
    block = raw.partition(END)[0]
    try:
        head = BOOK.scan(block)
    except RequestRefused as refused:
        check_refusal(refused)
        return
    assert head.length >= -1
    assert head.host or head.minor == 0
    sent = b"\r\n".join(head.lines) + END
    # Exactly one Host, exactly one framing, our version; and nothing is left to take off.
    again = RequestBook().scan(sent[:-4])
    names = [line.partition(b":")[0].lower() for line in again.lines[1:]]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert (names.count(b"transfer-encoding") == 1) is (head.length < 0)
    assert (again.length, again.target, again.method) == (head.length, head.target, head.method)
    assert sorted(again.lines) == sorted(head.lines)
    assert head.lines[0].endswith(b" HTTP/1.1")


def check_answer(raw: bytes, to_head: bool) -> None:
    block = raw.partition(END)[0]
    try:
        head = ANSWER_BOOK.scan(block, to_head)
    except AnswerBroken as broken:
        text = str(broken)
    else:
        text = ""
    if text:
        assert len(text) < 600
        return
    assert 100 <= head.status < 600
    assert head.lines[0].startswith(b"HTTP/1.1 %d " % head.status)
    names = [line.partition(b":")[0].lower() for line in head.lines[1:]]
    assert names.count(b"content-length") <= (head.length >= 0)
    assert not {b"transfer-encoding", b"connection", b"x-model", b"x-request-id"} & set(names)
    assert AnswerBook().scan(b"\r\n".join(head.lines), to_head).lines == head.lines


@given(raw=damaged(requests()))
@settings(max_examples=300)
def test_a_damaged_request_is_refused_or_goes_on_clean(raw: bytes) -> None:
    check_request(raw)


@given(
    raw=ANY,
    prefix=st.sampled_from(
        [b"", b"GET ", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"]
    ),
)
@settings(max_examples=300)
def test_any_bytes_are_refused_or_go_on_clean(raw: bytes, prefix: bytes) -> None:
    check_request(prefix + raw)


@given(raw=damaged(answers()), to_head=st.booleans())
@settings(max_examples=300)
def test_a_damaged_answer_is_broken_or_goes_on_clean(raw: bytes, to_head: bool) -> None:
    check_answer(raw, to_head)


@given(
    raw=ANY,
    prefix=st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"]),
    to_head=st.booleans(),
)
@settings(max_examples=300)
def test_any_bytes_are_broken_or_go_on_clean(raw: bytes, prefix: bytes, to_head: bool) -> None:
    check_answer(prefix + raw, to_head)


@given(data=ANY)
@settings(max_examples=300)
def test_any_bytes_decode_or_are_a_bad_chunk(data: bytes) -> None:
    how, payload, size, _ = decode([data])
    assert how in ("bad", "on", "end")
    assert len(payload) <= size <= len(data)


@given(raw=damaged(requests()) | damaged(answers()))
@settings(max_examples=300)
def test_a_remembered_line_is_judged_like_a_new_one(raw: bytes) -> None:
    # The books of this module have seen thousands of other heads; a fresh one has not.
    if END not in raw:
        return
    fresh = RequestBook(frozenset((b"x-customer-id", b"host")))
    assert _said(BOOK, raw) == _said(fresh, raw) == _said(BOOK, raw)
    assert _said(ANSWER_BOOK, raw) == _said(AnswerBook(), raw) == _said(ANSWER_BOOK, raw)


def _said(book: RequestBook | AnswerBook, raw: bytes) -> object:
    try:
        read = (
            read_request(raw, book)
            if isinstance(book, RequestBook)
            else read_answer(raw, book=book)
        )
    except (RequestRefused, AnswerBroken, BadChunk) as error:
        return str(error)
    head = read.head
    return [*(getattr(head, name) for name in head.__slots__), *read[1:]]
