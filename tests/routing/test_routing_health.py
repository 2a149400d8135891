"""Health: every state against every event, growing time out, and the choice of an endpoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing import EndpointHealth, choose
from proxy.routing.health import State
from proxy.routing.plan import Ejection

EJECTION = Ejection(after=3, shortest=5.0, longest=40.0)


def well() -> EndpointHealth:
    return EndpointHealth(EJECTION)


def out(now: float = 0.0) -> EndpointHealth:
    endpoint = well()
    for _ in range(EJECTION.after):
        endpoint.failed(now)
    return endpoint


def on_trial() -> EndpointHealth:
    endpoint = out()
    choose([endpoint], [0], 5.0)
    return endpoint


def pressed() -> EndpointHealth:
    endpoint = out()
    choose([endpoint], [0], 1.0)
    return endpoint


def near() -> EndpointHealth:
    endpoint = well()
    endpoint.failed(0.0)
    endpoint.failed(0.0)
    return endpoint


Event = Callable[[EndpointHealth], object]
EVENTS: dict[str, Event] = {
    "succeeded": lambda endpoint: endpoint.succeeded(6.0),
    "failed": lambda endpoint: endpoint.failed(6.0),
    "undecided": lambda endpoint: endpoint.undecided(),
    "probe_passed": lambda endpoint: endpoint.probe_passed(6.0),
    "probe_failed": lambda endpoint: endpoint.probe_failed(6.0),
    "chosen_early": lambda endpoint: endpoint.chosen(4.0),
    "chosen_late": lambda endpoint: endpoint.chosen(6.0),
}
STARTS = {"well": well, "near": near, "out": out, "trial": on_trial, "pressed": pressed}
MOVES = {
    ("near", "failed"): State.OUT,
    ("out", "chosen_late"): State.TRIAL,
    ("pressed", "chosen_late"): State.TRIAL,
    ("trial", "failed"): State.OUT,
    ("trial", "undecided"): State.OUT,
    ("trial", "succeeded"): State.WELL,
    ("pressed", "succeeded"): State.WELL,
}


@pytest.mark.parametrize("probe_failed", [False, True])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("event", EVENTS)
def test_every_state_against_every_event(start: str, event: str, probe_failed: bool) -> None:
    endpoint = STARTS[start]()
    before = endpoint.state
    if probe_failed:
        endpoint.probe_failed(0.0)
    EVENTS[event](endpoint)
    expected = MOVES.get((start, event), before)
    if probe_failed and event == "chosen_late":
        expected = before  # no trial while the probe fails
    assert endpoint.state is expected
    fails = (probe_failed or event == "probe_failed") and event != "probe_passed"
    assert endpoint.well is (expected is State.WELL and not fails)
    assert endpoint.ejected is not endpoint.well
    assert bool(endpoint.reason) is endpoint.ejected
    assert ("health check" in endpoint.reason) is fails


def test_failures_must_come_in_a_row() -> None:
    endpoint = well()
    for _ in range(10):
        endpoint.failed(0.0)
        endpoint.failed(0.0)
        endpoint.succeeded(0.0)
    assert endpoint.well
    assert endpoint.streak == 0


def failed_trial(endpoint: EndpointHealth) -> float:
    """Tries the endpoint when its time is over, in vain; the new time out in seconds."""
    now = endpoint.until
    choose([endpoint], [0], now)
    assert endpoint.state is State.TRIAL
    endpoint.failed(now)
    return endpoint.until - now


def test_the_time_out_doubles_to_the_longest() -> None:
    endpoint = out()
    assert endpoint.until == 5.0
    assert endpoint.reason == "3 upstream failures in a row; out for 5 s"
    assert [failed_trial(endpoint) for _ in range(5)] == [10.0, 20.0, 40.0, 40.0, 40.0]
    assert endpoint.reason == "failed its trial; out for 40 s"


@pytest.mark.parametrize(
    ("good", "again"),
    [(0.0, 40.0), (39.9, 40.0), (40.0, 20.0), (60.0, 10.0), (69.9, 10.0), (70.0, 10.0 / 2)],
)
def test_good_time_halves_the_next_time_out(good: float, again: float) -> None:
    endpoint = out()
    for _ in range(2):
        failed_trial(endpoint)
    back = endpoint.until
    choose([endpoint], [0], back)
    endpoint.succeeded(back)
    assert endpoint.well
    for _ in range(EJECTION.after):
        endpoint.failed(back + good)
    assert endpoint.until - (back + good) == again


def test_failures_of_requests_from_before_do_not_lengthen_the_time_out() -> None:
    endpoint = out()
    for now in (1.0, 2.0, 3.0):
        endpoint.failed(now)
    assert endpoint.until == 5.0


def test_a_late_success_brings_nobody_back() -> None:
    endpoint = out()
    endpoint.succeeded(1.0)
    assert endpoint.ejected
    assert not endpoint.open(4.9)
    assert endpoint.open(5.0)


def test_one_trial_at_a_time_and_another_when_it_was_lost() -> None:
    good, bad = well(), out()
    assert choose([good, bad], [1, 0], 4.9) == 0
    assert choose([good, bad], [1, 0], 5.0) == 1
    assert choose([good, bad], [9, 0], 5.1) == 0
    assert choose([good, bad], [9, 0], 9.9) == 0
    assert choose([good, bad], [9, 0], 10.0) == 1


def test_a_trial_that_says_nothing_makes_room_for_the_next() -> None:
    good, bad = well(), on_trial()
    assert choose([good, bad], [1, 0], 5.1) == 0
    bad.undecided()
    assert choose([good, bad], [1, 0], 5.2) == 1


def test_a_passing_probe_does_not_bring_back_what_requests_took_out() -> None:
    endpoint = out()
    endpoint.probe_passed(1.0)
    assert endpoint.ejected
    endpoint.probe_failed(2.0)
    endpoint.probe_passed(3.0)
    assert endpoint.ejected
    assert endpoint.reason == "3 upstream failures in a row; out for 5 s"


def test_a_failed_probe_takes_out_until_one_passes() -> None:
    good, sick = well(), well()
    sick.probe_failed(0.0)
    assert sick.reason == "the health check fails"
    assert choose([good, sick], [99, 0], 1e9) == 0
    sick.succeeded(1.0)
    assert sick.ejected
    sick.probe_passed(2.0)
    assert choose([good, sick], [99, 0], 3.0) == 1


def test_the_last_one_is_never_taken_out() -> None:
    endpoint = out()
    endpoint.probe_failed(0.0)
    assert choose([endpoint], [1000], 1.0) == 0
    endpoint.succeeded(1.5)
    endpoint.probe_passed(2.0)
    assert endpoint.well


def test_when_all_are_out_the_least_bad_one_is_used() -> None:
    both, requests, probe = out(), out(), well()
    both.probe_failed(0.0)
    probe.probe_failed(3.0)
    all_out = [both, requests, probe]
    assert choose(all_out, [0, 0, 50], 4.0) == 2
    assert choose(all_out[:2], [0, 50], 4.0) == 1


def test_when_all_are_out_a_dead_one_is_left_at_once_and_a_live_one_comes_back() -> None:
    dead, alive = out(0.0), out(0.5)
    assert choose([dead, alive], [0, 0], 1.0) == 0
    dead.failed(1.0)
    assert choose([dead, alive], [0, 0], 1.1) == 1
    alive.succeeded(1.2)
    assert alive.well
    assert choose([dead, alive], [0, 99], 1.3) == 1


@pytest.mark.parametrize("end", ["failed", "undecided"])
def test_a_late_success_after_use_for_want_of_others_brings_nobody_back(end: str) -> None:
    endpoint = pressed()
    EVENTS[end](endpoint)
    endpoint.succeeded(6.5)
    assert endpoint.ejected


def test_time_out_by_a_probe_is_not_good_time() -> None:
    endpoint = on_trial()
    endpoint.succeeded(5.0)
    endpoint.probe_failed(5.0)
    endpoint.probe_passed(1000.0)
    for _ in range(EJECTION.after):
        endpoint.failed(1001.0)
    assert endpoint.until == 1011.0


def test_least_in_flight_wins() -> None:
    endpoints = [well() for _ in range(3)]
    assert choose(endpoints, [3, 1, 2], 0.0) == 1
    assert choose(endpoints, [3, 1, 2], 0.0) == 1
    assert choose(endpoints, [0, 1, 2], 0.0) == 0


def test_at_a_tie_they_take_turns() -> None:
    endpoints = [well() for _ in range(3)]
    taken = [choose(endpoints, [0, 0, 0], 0.0) for _ in range(6)]
    assert taken == [0, 1, 2, 0, 1, 2]
    endpoints[1].probe_failed(0.0)
    assert [choose(endpoints, [0, 0, 0], 0.0) for _ in range(4)] == [0, 2, 0, 2]


def test_many_doublings_do_not_overflow() -> None:
    endpoint = EndpointHealth(Ejection(after=1, shortest=0.0, longest=1.0))
    for now in range(3000):
        choose([endpoint], [0], float(now))
        endpoint.failed(float(now))
    assert endpoint.until <= 3000.0


steps = st.lists(
    st.tuples(
        st.sampled_from(["choose", "ok", "fail", "left", "probe+", "probe-"]),
        st.integers(0, 2),
        st.floats(0, 30),
        st.lists(st.integers(0, 3), min_size=3, max_size=3),
    ),
    max_size=60,
)


@given(steps)
def test_whatever_happens_the_choice_keeps_its_rules(
    steps: list[tuple[str, int, float, list[int]]],
) -> None:
    endpoints = [well() for _ in range(3)]
    now = 0.0
    for what, which, later, in_flight in steps:
        now += later
        endpoint = endpoints[which]
        if what == "choose":
            may = [index for index in range(3) if endpoints[index].open(now)]
            taken = choose(endpoints, in_flight, now)
            if may:
                assert in_flight[taken] == min(in_flight[index] for index in may)
                assert taken in may
        elif what == "ok":
            endpoint.succeeded(now)
        elif what == "fail":
            endpoint.failed(now)
        elif what == "left":
            endpoint.undecided()
        elif what == "probe+":
            endpoint.probe_passed(now)
        else:
            endpoint.probe_failed(now)
        for each in endpoints:
            assert each.until <= now + EJECTION.longest
            assert not (each.well and each.state is not State.WELL)


@given(st.integers(1, 6), st.lists(st.integers(0, 4), max_size=40))
def test_an_endpoint_that_recovers_always_comes_back(failures: int, gaps: list[int]) -> None:
    endpoint = out()
    now = 0.0
    for gap in [*gaps, failures]:
        now += gap
        choose([endpoint], [0], now)
        endpoint.failed(now)
    choose([endpoint], [0], now + EJECTION.longest)
    endpoint.succeeded(now + EJECTION.longest)
    assert endpoint.well
