"""A window says what a sum over everything it was told would say, and forgets on time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.measure import Decisions, Spans, Tally, Window
from proxy.measure.tally import merge

SPAN = 20.0
SPANS = Spans(SPAN, SPAN, SPAN)
GRACE = 2  # seconds that slots stay beyond the span


def some(n, **more):
    return Tally(
        "m", "2", "canary", outcomes={"ok": n}, total={200 + n: n}, first_byte={190 + n: 1}, **more
    )


def brute_force(told, seconds, now):
    result = Tally("m", "2", "canary") if told else Tally("", "", "")
    for at, tally in told:
        if math.floor(at) >= math.floor(now - seconds):
            merge(result, tally)
    result.streak = result.longest_streak = 0  # of several workers they do not add up
    return result


steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 3.7, 19.0, 45.0]),  # seconds since the last
        st.integers(min_value=1, max_value=9),
        st.sampled_from([0.5, 1.0, 5.0, 7.5, 10.0, SPAN]),  # the window to ask for
    ),
    max_size=60,
)


@given(steps, st.sampled_from([0.0, 0.6, 1_750_000_000.25]))
def test_over_equals_the_sum_by_brute_force(taken, start):
    window, told, now = Window(SPANS), [], start
    for gap, n, seconds in taken:
        now += gap
        tally = some(n, streak=n, longest_streak=n)
        window.add(tally, now)
        told.append((now, tally))
        assert window.over(seconds, now) == brute_force(told, seconds, now)
        later = now + gap
        assert window.over(seconds, later) == brute_force(told, seconds, later)
        now = later


@given(steps)
def test_memory_is_bounded_by_the_span(taken):
    window, now = Window(SPANS), 0.0
    for gap, n, seconds in taken:
        now += gap
        window.add(some(n), now)
        window.over(seconds + n / 100 if seconds < SPAN else seconds, now)
        for ring in (window._outcomes, window._totals, window._first_bytes):
            assert len(ring) <= SPAN + 1 + GRACE
            assert len(ring._sums) <= 8


def test_a_long_life_keeps_no_more_than_the_span():
    window = Window()
    for second in range(5000):
        window.add(some(1), second / 2)
    assert len(window._totals) == 901 + GRACE
    assert window.over(900, 2499.5).outcomes == {"ok": 1802}


def test_old_seconds_leave_by_themselves():
    window = Window(SPANS)
    window.add(some(3), 100.2)
    assert window.over(5, 105.9).outcomes == {"ok": 3}
    assert window.over(5, 106.0).outcomes == {}
    assert window.over(5, 1000.0) == Tally("m", "2", "canary")


def test_what_is_asked_before_anything_came_is_empty():
    assert Window().over(60, 0.0) == Tally("", "", "")


def test_the_answer_and_what_was_added_belong_to_the_caller():
    window, tally = Window(), some(2)
    window.add(tally, 10.0)
    tally.outcomes["ok"] = 99
    answer = window.over(60, 11.5)
    merge(answer, some(5))
    assert window.over(60, 11.5) == some(2)


def test_events_a_little_out_of_order_count_in_the_newest_second():
    window = Window(SPANS)
    window.add(some(1), 10.1)
    window.add(some(1), 9.8)
    assert window.over(1, 9.9).outcomes == {"ok": 2}


def test_a_clock_that_is_set_back_does_not_stop_time():
    window = Window(SPANS)
    window.add(some(1), 5000.0)
    window.add(some(2), 1400.0)  # an hour back
    assert window.over(5, 1404.0).outcomes == {"ok": 3}
    assert window.over(5, 1406.5).outcomes == {}


def test_a_clock_that_is_set_forward_forgets_rather_than_judge_old_news():
    window = Window(SPANS)
    window.add(some(1), 10.0)
    assert window.over(SPAN, 3610.0).outcomes == {}


def test_another_series_is_refused():
    window = Window()
    window.add(some(1), 1.0)
    with pytest.raises(ValueError, match=r"'3'.* in the window of .*'2'"):
        window.add(Tally("m", "3", "canary"), 2.0)


@pytest.mark.parametrize("seconds", [0, -1, SPAN + 0.1, math.nan])
def test_a_window_it_cannot_answer_for_is_refused(seconds):
    with pytest.raises(ValueError, match="must be over 0 s and at most 20 s"):
        Window(SPANS).over(seconds, 0.0)


def test_a_span_under_a_second_is_refused():
    with pytest.raises(ValueError, match="at least 1 s"):
        Window(Spans(totals=0.5))


def test_decisions_have_their_window_too():
    window = Decisions(SPAN)
    assert window.over(5, 0.0) == {}
    window.add({"stable": 3}, 1.0)
    window.add({"canary": 1}, 2.5)
    assert window.over(5, 3.0) == {"stable": 3, "canary": 1}
    assert window.over(5, 7.0) == {"canary": 1}
    window.forget(100.0)
    assert len(window._arms) == 0


def test_outcomes_are_remembered_for_longer_than_durations():
    window = Window(Spans(counts=60.0, totals=20.0, first_bytes=5.0))
    for second in range(100):
        window.add(some(1), second)
    assert window.counts(60, 99.5) == Tally("m", "2", "canary", outcomes={"ok": 61})
    assert window.totals(20, 99.5) == Tally("m", "2", "canary", total={201: 21})
    assert window.over(5, 99.5) == Tally(
        "m", "2", "canary", outcomes={"ok": 6}, total={201: 6}, first_byte={191: 6}
    )
    assert [len(it) for it in (window._outcomes, window._totals, window._first_bytes)] == [
        61 + GRACE,
        21 + GRACE,
        6 + GRACE,
    ]
    for ask in (window.over, window.totals):
        with pytest.raises(ValueError, match="at most"):
            ask(60, 99.5)


@given(steps)
def test_between_two_changes_the_sums_are_the_same(taken):
    """What ``changes_at`` says is exact: not a moment before, and then really."""
    window, now = Window(SPANS), 0.0
    for gap, n, seconds in taken:
        now += gap
        window.add(some(n), now)
        counts, totals = window.counts(seconds, now), window.totals(seconds, now)
        change = window.counts_change_at(seconds, now)
        assert change == window.totals_change_at(seconds, now)
        assert now < change <= now + seconds + 1
    while taken and (change := window.counts_change_at(seconds, now)) < math.inf:
        assert window.counts(seconds, change - 0.001) == counts
        assert window.totals(seconds, change - 0.001) == totals
        now = change + 0.001
        assert window.counts(seconds, now) != counts
        counts, totals = window.counts(seconds, now), window.totals(seconds, now)
    assert not taken or counts.outcomes == totals.total == {}


def test_a_window_may_reach_further_from_now_on():
    window = Window(SPANS)
    for second in range(100):
        window.add(some(1), second)
        window.over(SPAN, second)
        if second == 50:
            window.reach(Spans(40.0, 40.0, 40.0))
    assert window.over(40, 99.5).outcomes == {"ok": 41}
    window.reach(SPANS)
    window.add(some(1), 100.0)
    assert len(window._totals) == SPAN + 1 + GRACE


def test_what_is_old_is_let_go_without_anything_new():
    window = Window(SPANS)
    window.add(some(3), 1.0)
    window.add(some(3), 2.0)
    window.forget(22.0)
    assert len(window._totals) == 2
    window.forget(100.0)
    assert len(window._totals) == len(window._outcomes) == len(window._first_bytes) == 0
    window.add(some(2), 100.5)
    assert window.over(SPAN, 101.0) == some(2)


def test_a_count_of_nought_leaves_nothing_behind():
    window = Window(SPANS)
    window.add(Tally("m", "2", "canary", outcomes={"ok": 0}), 1.0)
    window.add(some(1), 2.0)
    assert window.over(5, 3.0) == some(1)
    assert window.over(5, 9.0) == Tally("m", "2", "canary")
