"""Frames: whatever the chunks, the same messages; a mad length is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.fleet import messages as m
from proxy.fleet.framing import LARGEST, FrameBroken, Splitter, frame
from proxy.measure.tally import Report, Tally
from proxy.routing.plan import Plan
from proxy.terms import Latch

LATCH = Latch("credit-risk", "3", "error_rate", "12 of 50 failed", {"rate": 0.24}, 1.0, "pointsman")
MESSAGES: list[msgspec.Struct] = [
    m.PlanMessage(Plan(7, (), latches=(LATCH,))),
    m.Heartbeat(),
    m.Hello(1, 4711, 7, (LATCH,)),
    m.ReportMessage(Report(0.25, tallies=[Tally("a", "1", "stable", outcomes={"ok": 3})])),
]
EITHER = msgspec.msgpack.Decoder(m.Down | m.Up)


@given(st.lists(st.sampled_from(MESSAGES), max_size=8), st.lists(st.integers(1, 40)))
def test_any_chunks_give_the_same_messages(messages: list[msgspec.Struct], cuts: list[int]) -> None:
    data = b"".join(frame(message) for message in messages)
    splitter = Splitter()
    heard = []
    for cut in cuts:
        heard += splitter.feed(data[:cut])
        data = data[cut:]
    heard += splitter.feed(data)
    assert [EITHER.decode(body) for body in heard] == messages


def test_a_length_that_nobody_means_is_refused() -> None:
    with pytest.raises(FrameBroken, match="a frame of 1195725856 bytes, at most 67108864"):
        Splitter().feed(b"GET / HTTP/1.1\r\n")


def test_a_message_over_the_bound_is_not_sent() -> None:
    with pytest.raises(FrameBroken, match="a Kept of"):
        frame(m.Kept(Plan(0, ()), bytes(LARGEST), 1.0))
