"""Counting once for several Series comes to the same as counting for each of them."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from proxy.measure import bucket
from proxy.measure.tally import Tally, merge
from proxy.terms import OWNER, Outcome, Owner
from proxy.traffic.recording import OK, Recording, record

SEGMENTS = [(), ("age=young",), ("age=old",), ("age=old", "plan=free"), ("plan=free",)]
ANSWERED = (Outcome.OK, Outcome.UPSTREAM_4XX, Outcome.UPSTREAM_5XX)
EXCHANGES = st.tuples(
    st.sampled_from(SEGMENTS),
    st.sampled_from([each.value for each in Outcome]) | st.just(OK),
    st.integers(0, 10**10),
    st.booleans(),
)


def counted(tally: Tally, outcome: str, first: int, total: int) -> None:
    """The rules of a Tally, one exchange at a time."""
    tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
    if outcome in ANSWERED:
        for times, time in ((tally.first_byte, first), (tally.total, total)):
            times[bucket(time)] = times.get(bucket(time), 0) + 1
    if OWNER[Outcome(outcome)] is Owner.UPSTREAM:
        tally.streak += 1
        tally.longest_streak = max(tally.longest_streak, tally.streak)
    elif outcome in (Outcome.OK, Outcome.UPSTREAM_4XX):
        tally.streak = 0
    tally.bytes_in += 3
    tally.bytes_out += 5


@given(st.lists(EXCHANGES | st.none(), max_size=40))
def test_every_series_holds_what_was_counted_for_it(story: list[tuple | None]) -> None:  # type: ignore[type-arg]
    """None: a report is made."""
    book, found, true = Recording(), {}, {}  # type: ignore[var-annotated]
    for step in [*story, None]:
        if step is None:
            for tally in book.report(1.0).tallies:
                merge(
                    found.setdefault(tally.segment, Tally("m", "1", "stable", tally.segment)), tally
                )
            continue
        segments, outcome, total, in_one_read = step
        first = total if in_one_read else total // 2
        record(book.joint("m", "1", "stable", segments), outcome, first, total, 3, 5)
        for segment in ("", *segments):
            counted(
                true.setdefault(segment, Tally("m", "1", "stable", segment)), outcome, first, total
            )
    assert {key: msgspec.to_builtins(each) for key, each in found.items()} == {
        key: msgspec.to_builtins(each) for key, each in true.items()
    }
