"""A window says what a sum over everything it was told would say, and forgets on time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.measure import ModelTally, ModelWindow, Tally, Window
from proxy.measure.tally import merge

SPAN = 20.0


def some(n, **more):
    return Tally("m", "2", "canary", outcomes={"ok": n}, total={200 + n: n}, bytes_in=n, **more)


def brute_force(told, seconds, now):
    result = Tally("m", "2", "canary") if told else Tally("", "", "")
    for at, tally in told:
        if math.floor(at) >= math.floor(now - seconds):
            merge(result, tally)
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
    window, told, now = Window(SPAN), [], start
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
    window, now = Window(SPAN), 0.0
    for gap, n, seconds in taken:
        now += gap
        window.add(some(n), now)
        window.over(seconds + n / 100 if seconds < SPAN else seconds, now)
        assert len(window._slots) <= SPAN + 1
        assert len(window._sums) <= 8


def test_a_long_life_keeps_no_more_than_the_span():
    window = Window()
    for second in range(5000):
        window.add(some(1), second / 2)
    assert len(window._slots) == 901
    assert window.over(900, 2499.5).outcomes == {"ok": 1802}


def test_old_seconds_leave_by_themselves():
    window = Window(SPAN)
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
    window = Window(SPAN)
    window.add(some(1), 10.1)
    window.add(some(1), 9.8)
    assert window.over(1, 9.9).outcomes == {"ok": 2}


def test_a_clock_that_is_set_back_does_not_stop_time():
    window = Window(SPAN)
    window.add(some(1), 5000.0)
    window.add(some(2), 1400.0)  # an hour back
    assert window.over(5, 1404.0).outcomes == {"ok": 3}
    assert window.over(5, 1406.5).outcomes == {}


def test_a_clock_that_is_set_forward_forgets_rather_than_judge_old_news():
    window = Window(SPAN)
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
        Window(SPAN).over(seconds, 0.0)


def test_a_span_under_a_second_is_refused():
    with pytest.raises(ValueError, match="at least 1 s"):
        Window(0.5)


def test_models_have_their_window_too():
    window = ModelWindow(SPAN)
    assert window.over(5, 0.0) == ModelTally("")
    window.add(ModelTally("m", customers={"stable": 3}, copies={"3": {"sent": 1}}), 1.0)
    window.add(ModelTally("m", customers={"canary": 1}, copies={"3": {"sent": 1}}), 2.5)
    expected = ModelTally("m", customers={"stable": 3, "canary": 1}, copies={"3": {"sent": 2}})
    assert window.over(5, 3.0) == expected
    assert window.over(5, 7.0) == ModelTally(
        "m", customers={"canary": 1}, copies={"3": {"sent": 1}}
    )
