"""Frames: whatever the chunks, the same messages; a mad length is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.fleet import messages as m
from proxy.fleet.framing import LARGEST, FrameBroken, Splitter, frame
from proxy.fleet.reports import framed_report
from proxy.measure.tally import Report, Tally
from proxy.routing.plan import Plan
from proxy.terms import Half, Incident, Latch, Newcomers, Outcome, Pair, Sample

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


SAMPLE = Sample(
    request_id="1", model="m", arm="stable", share=0.0, drawn=False, customer="", segments=(),
    at=0.0, request=bytes(1000), request_bytes=1000, request_type="",
    answer=Half("1", Outcome.OK, 200, 0.1, bytes(1000), 1000),
)  # fmt: skip
PAIR = Pair("1", "m", "", (), 0.0, SAMPLE.answer, SAMPLE.answer)
INCIDENT = Incident("1", "m", "2", "canary", 0.5, "", (), 0.0, "upstream_5xx", 0.1, False)


@pytest.mark.parametrize(
    ("largest", "kept"),
    [(1 << 20, (4, 3, 9)), (9000, (0, 3, 9)), (3000, (0, 0, 9)), (900, (0, 0, 0))],
)
def test_a_report_that_is_too_large_is_told_without_what_is_large(
    monkeypatch: pytest.MonkeyPatch, largest: int, kept: tuple[int, int, int]
) -> None:
    """What has to go is counted; counts and newcomers never go."""
    monkeypatch.setattr("proxy.fleet.framing.LARGEST", largest)
    tallies = [Tally("a", "1", "stable", outcomes={"ok": 3})]
    newcomers = [Newcomers("m", "2", 0.5, 0, canary=(("one", 1),))]
    report = Report(0.25, tallies, newcomers=newcomers, samples_dropped=1)
    report.samples, report.pairs, report.incidents = [SAMPLE] * 4, [PAIR] * 3, [INCIDENT] * 9
    (body,) = Splitter().feed(framed_report(report))
    told = msgspec.msgpack.Decoder(m.Up).decode(body)
    assert isinstance(told, m.ReportMessage)
    it = told.report
    assert (it.tallies, it.newcomers) == (tallies, newcomers)
    assert (len(it.samples), len(it.pairs), len(it.incidents)) == kept
    assert (it.samples_dropped, it.pairs_dropped, it.incidents_dropped) == (
        5 - kept[0],
        3 - kept[1],
        9 - kept[2],
    )
    by_shadow = {model.model: model.pairs_dropped for model in it.models}
    assert by_shadow == ({} if kept[1] else {"m": {"1": 3}})


def test_a_message_over_the_bound_is_not_sent() -> None:
    with pytest.raises(FrameBroken, match="a Kept of"):
        frame(m.Kept(Plan(0, ()), bytes(LARGEST), 1.0))
