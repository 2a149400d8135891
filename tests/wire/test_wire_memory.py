"""Remembered heads: whatever came before, a head reads as if it were the first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_messages import NASTY, damaged, requests
from wire_reading import END

from proxy.errors import RequestRefused
from proxy.wire import HeadMemory, RequestBook, RequestHead
from proxy.wire.memory import _HEADS

NAMES = frozenset((b"x-customer-id", b"x-age-band", b"cookie", b"host", b"x-secret"))
CUSTOMERS = frozenset((b"x-customer-id", b"cookie", b"host"))
SPELLED = (
    *(b"X-Customer-Id", b"x-customer-id", b"X-CUSTOMER-ID", b"Cookie", b"Host", b"X-Age-Band"),
    *(b"X-Request-Id", b"x-request-id", b"traceparent", b"Traceparent", b"tracestate"),
)

#: One memory for all examples, as in a worker.
MEMORY = HeadMemory(RequestBook(NAMES), CUSTOMERS)


def memory() -> HeadMemory:
    return HeadMemory(RequestBook(NAMES), CUSTOMERS, frozenset((b"x-secret",)))


def said(head: RequestHead, cut: bytes) -> dict[str, object]:
    """All that a head says, with the value that was cut out in its place."""
    wanted = dict(head.wanted or {})
    lines = head.lines.copy()
    if head.cut:
        assert head.cut not in wanted
        wanted[head.cut] = [cut]
        lines[head.cut_line] += cut
    else:
        assert cut == b""
    slots = ("close", "expects", "forwarded_proto", "host", "length", "method", "minor", "plain")
    return {
        **{slot: getattr(head, slot) for slot in (*slots, "request_id", "shadow_mark", "target")},
        "wanted": wanted,
        "lines": lines,
        "text": head.before + cut + head.after,
    }


def read(memory: HeadMemory, block: bytes) -> dict[str, object] | tuple[int, str, str]:
    """What it says, or how it is refused; the memory sees it in a longer read."""
    try:
        return said(*memory.read(block + END + b"body\r\nX-Customer-Id: 5\r\n", len(block)))
    except RequestRefused as refused:
        return refused.status, refused.reason, refused.detail


def first(block: bytes) -> dict[str, object] | tuple[int, str, str]:
    """The same by a book that has seen nothing."""
    try:
        head = RequestBook(NAMES).scan(block)
    except RequestRefused as refused:
        return refused.status, refused.reason, refused.detail
    assert head.before == b"\r\n".join(head.lines)
    return said(head, b"")


VALUES = st.sampled_from(
    [b"", b"7", b"abc-def", b"a b", b" 7", b"7 ", b"\t", b"a=1; b=2", b"\xff", b"\x00", b"a\rb"]
) | st.sampled_from(NASTY)
LINES = st.tuples(st.sampled_from(SPELLED), st.sampled_from([b": ", b":", b" : ", b":\t"]), VALUES)


@given(raw=requests(), extra=st.lists(LINES, max_size=3), data=st.data())
@settings(max_examples=400)
def test_a_head_reads_as_if_it_were_the_first(
    raw: bytes, extra: list[tuple[bytes, bytes, bytes]], data: st.DataObject
) -> None:
    lines = raw.partition(END)[0].split(b"\r\n")
    for name, colon, value in extra:
        at = data.draw(st.integers(1, len(lines)))
        lines.insert(at, name + colon + value)
    block = b"\r\n".join(lines).partition(END)[0]
    if block:
        assert read(MEMORY, block) == first(block) == read(MEMORY, block)


@given(raw=damaged(requests()))
@settings(max_examples=200)
def test_a_damaged_head_as_well(raw: bytes) -> None:
    block = raw.partition(END)[0]
    if block:
        assert read(MEMORY, block) == first(block) == read(MEMORY, block)


def head(*lines: bytes) -> bytes:
    return b"\r\n".join((b"POST /m HTTP/1.1", b"Host: a", *lines))


def test_customers_share_a_head() -> None:
    seen = memory()
    one, cut = seen.read(head(b"X-Customer-Id: 7", b"Accept: */*"), 100)
    assert (cut, one.cut, one.cut_line) == (b"7", b"x-customer-id", 2)
    assert (one.before, one.after) == (head(b"X-Customer-Id: "), b"\r\nAccept: */*")
    for customer in (b"8", b"a-b_c d", b"7"):
        assert seen.read(head(b"X-Customer-Id: " + customer, b"Accept: */*"), 100) == (
            one,
            customer,
        )
    assert len(seen) == 1


@pytest.mark.parametrize(
    "lines",
    [
        (b"X-Customer-Id: 7", b"X-Customer-Id: 8"),
        (b"X-Customer-Id: 7", b"x-customer-id: 7"),
        (b"X-Customer-Id: 7", b"Cookie: a=1"),
        (b"X-Customer-Id:7",),
        (b"X-Customer-Id: ",),
        (b"X-Customer-Id: \xff",),
        (b"X-Customer-Id: 7", b"Connection: X-Customer-Id"),
        (b"X-Customer-Id: 7", b"X-Request-Id:abc"),
        (b"X-Customer-Id: 7", b"X-Request-Id: abc", b"x-request-id: abc"),
        (b"X-Customer-Id: 7", b"traceparent: "),
        (b"X-Customer-Id: 7", b"X-Secret: abc"),
        (b"X-Customer-Id: 7", b"X: " + b"y" * 3000),
    ],
)
def test_what_is_not_remembered(lines: tuple[bytes, ...]) -> None:
    seen = memory()
    for _ in range(2):
        block = head(*lines)
        _, cut = seen.read(block, len(block))
        assert cut == b""
    assert len(seen) == 0


def test_a_value_that_is_none_is_refused_though_its_head_is_known() -> None:
    seen = memory()
    block = head(b"X-Customer-Id: 7")
    seen.read(block, len(block))
    for value in (b"\x00", b"a\rb", b"a\nb", b"\x7f"):
        block = head(b"X-Customer-Id: " + value)
        with pytest.raises(RequestRefused):
            seen.read(block, len(block))


def test_the_memory_is_bounded_and_rests_when_every_head_is_another() -> None:
    seen = memory()
    for number in range(3 * _HEADS):
        block = head(b"X-Unheard-Of: 00-%d" % number)
        seen.read(block, len(block))
        assert len(seen) <= _HEADS
    assert len(seen) == 0
    for number in range(7 * _HEADS):
        block = head(b"X-Unheard-Of: 00-%d" % number)
        seen.read(block, len(block))
    assert len(seen) > 0


def test_nobody_can_fill_it_with_spellings_for_good() -> None:
    seen = memory()
    for name in (b"X-CUSTOMER-ID", b"X-CUSTOMER-Id", b"X-CUSTOMER-iD", b"X-CUSTOMER-id") * 4:
        for prefix in (b"", b"Cookie: "):
            block = head((prefix or name + b": ") + b"evil")
            seen.read(block, len(block))
    usual = [head(b"X-Customer-Id: %d" % number) for number in range(10 * _HEADS)]
    for block in usual:
        seen.read(block, len(block))
    assert seen.read(usual[0], len(usual[0]))[1] == b"0"


def test_what_a_gateway_writes_anew_is_no_other_head() -> None:
    seen = memory()
    blocks = [
        head(
            b"X-Request-Id: %d" % number,
            b"X-Customer-Id: %d" % (number + 7),
            b"traceparent: 00-%d-01" % number,
            b"Content-Length: 5",
        )
        for number in range(3)
    ]
    origins = set()
    for number, block in enumerate(blocks):
        one, cut = seen.read(block, len(block))
        assert (cut, one.request_id, one.length) == (b"%d" % (number + 7), b"%d" % number, 5)
        assert one.before + cut + one.after == block.replace(b"X-Request-Id: %d\r\n" % number, b"")
        origins.add(one.origin)
    assert len(seen) == len(origins) == 1
    block = head(b"X-Request-Id: not {sane}", *blocks[0].split(b"\r\n")[3:])
    one, cut = seen.read(block, len(block))
    assert (one.request_id, one.origin in origins) == (None, True)


def test_a_field_that_the_plan_reads_is_not_left_out() -> None:
    seen = HeadMemory(RequestBook(NAMES | {b"traceparent"}), CUSTOMERS)
    for value in (b"1", b"2"):
        block = head(b"X-Customer-Id: 7", b"traceparent: " + value)
        one, _ = seen.read(block, len(block))
        assert one.wanted is not None
        assert one.wanted[b"traceparent"] == [value]
    assert len(seen) == 2


def test_gateways_cannot_fill_it_with_spellings_for_good() -> None:
    seen = memory()
    for number in range(2**12):
        name = bytes(
            letter ^ 32 if letter > 64 and number >> at & 1 else letter
            for at, letter in enumerate(b"x-request-id")
        )
        block = head(name + b": 1")
        seen.read(block, len(block))
        assert len(seen._varying_marks) <= 36
    usual = [head(b"X-Request-Id: %d" % number) for number in range(10 * _HEADS)]
    for block in usual:
        one, _ = seen.read(block, len(block))
    assert one.origin is not None


def test_what_was_prepared_is_let_go() -> None:
    seen = memory()
    block = head(b"X-Customer-Id: 7")
    known, _ = seen.read(block, len(block))
    known.prepared = "by a Plan"
    assert seen.read(block, len(block))[0].prepared == "by a Plan"
    seen.forget()
    assert seen.read(block, len(block)) == (known, b"7")
    assert known.prepared is None


def test_a_field_taken_out_of_a_shared_head() -> None:
    seen = HeadMemory(RequestBook(NAMES | {b"x-tester"}), CUSTOMERS)
    block = head(b"X-Customer-Id: 7", b"X-Tester: secret canary", b"A: b")
    known, cut = seen.read(block, len(block))
    less = known.without(b"x-tester", cut)
    assert said(less, b"")["text"] == head(b"X-Customer-Id: 7", b"A: b")
    assert less.wanted is not None
    assert less.wanted[b"x-customer-id"] == [b"7"]
    assert known.before + cut + known.after == block
