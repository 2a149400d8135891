"""What a report tells: what was touched, and everything to a desk that knows nothing.

That reports add up to the truth is checked wherever a scene looks (dialogue.py).
"""

from __future__ import annotations

import pytest
from dialogue import Scene
from dialogue_bytes import ok, post
from dialogue_copies import shadowed
from dialogue_plans import model, plan, shadow, versions
from dialogue_stage import Stage

from proxy.measure import EndpointState, Report
from proxy.routing.plan import KeySource
from proxy.terms import Logged, Outcome
from proxy.traffic.recording import Recording


def places(states: list[EndpointState]) -> set[tuple[str, str, bool]]:
    return {(state.model, state.version, state.shadow) for state in states}


def told(scene: Scene) -> tuple[set[tuple[str, str, bool]], set[tuple[str, str, bool]]]:
    """The endpoints that changed, and those that went."""
    report = scene.look()
    return places(report.endpoints), places(report.gone)


def test_only_what_has_changed_is_told(stage: Stage) -> None:
    other = model(name="n", path_prefix="/n")
    scene = stage(plan(model(canary=50), other))
    assert told(scene) == ({("m", "1", False), ("m", "2", False), ("n", "1", False)}, set())
    assert told(scene) == (set(), set())
    caller = scene.caller()
    caller >> post()
    assert told(scene) == ({("m", "1", False)}, set())
    assert told(scene) == (set(), set())
    scene["1"] << ok()
    assert told(scene) == ({("m", "1", False)}, set())
    caller >> post()
    assert told(scene) == ({("m", "1", False)}, set())


def test_connections_are_told_by_endpoint_when_their_number_changes(stage: Stage) -> None:
    def pools(*, whole: bool = False) -> list[tuple[bool, int]]:
        report = scene.plane.report(whole=whole)
        return sorted((pool.shadow, pool.connections) for pool in report.pools)

    scene = shadowed(stage)
    caller = scene.caller()
    caller >> post()
    assert pools() == [(False, 1), (True, 1)]
    scene["1"] << ok()
    scene["3"] << ok()
    assert pools() == []
    assert pools(whole=True) == [(False, 1), (True, 1)]
    scene["1"].open[0].leave()
    assert pools() == [(False, 0)]
    assert pools(whole=True) == [(True, 1)]
    caller >> post()  # dials anew
    scene["1"].open[0].leave()
    assert pools() == [], "what came and went between two reports"


def test_everything_is_told_to_a_new_desk(stage: Stage) -> None:
    scene = shadowed(stage)
    scene.look()
    report = scene.plane.report(whole=True)
    assert report.whole
    assert places(report.endpoints) == {("m", "1", False), ("m", "3", True)}
    assert told(scene) == (set(), set())


def test_a_new_plan_takes_back_and_adds(stage: Stage) -> None:
    scene = stage(plan(model(canary=50, shadows=(shadow(),)), model(name="n", path_prefix="/n")))
    scene.look()
    scene.plane.apply(plan(model(shadows=(shadow("4"),)), number=2))
    came, gone = told(scene)
    assert came == {("m", "4", True)}
    assert gone == {("m", "2", False), ("m", "3", True), ("n", "1", False)}
    scene.plane.apply(plan(model(canary=50), number=3))
    assert told(scene) == ({("m", "2", False)}, {("m", "4", True)})


def test_an_endpoint_that_goes_and_comes_back_is_told_anew(stage: Stage) -> None:
    scene = stage(plan(model(canary=50)))
    scene.look()
    for number, canary in ((2, None), (3, 50)):
        scene.plane.apply(plan(model(canary=canary), number=number))
    assert told(scene) == ({("m", "2", False)}, {("m", "2", False)})


def test_requests_outlive_the_plan_that_sent_them(stage: Stage) -> None:
    """A request at an endpoint of no Plan any more is under way, but its endpoint is gone."""
    scene = stage(plan(model()))
    caller = scene.caller()
    caller >> post()
    scene.look()
    scene.plane.apply(plan(model(stable="2"), number=2))
    assert told(scene) == ({("m", "2", False)}, {("m", "1", False)})
    assert scene.look().in_flight == 1
    scene["1"] << ok()
    assert caller.answer().status == 200
    scene.at_rest()


def test_a_body_that_is_held_for_its_key_is_under_way(stage: Stage) -> None:
    scene = stage(model(customer=KeySource("json", "/customer")))
    caller = scene.caller()
    whole = post(b'{"customer": "me"}')
    caller >> whole[:-1]
    for _ in range(3):
        assert scene.look().in_flight == 1
    caller >> whole[-1:]
    scene["1"] << ok()
    scene.at_rest()


def test_a_model_of_which_nothing_is_counted_sends_nothing(stage: Stage) -> None:
    scene = stage(model(customer=None))
    caller = scene.caller()
    caller >> post()
    scene["1"] << ok()
    assert scene.look().models == []
    assert scene.look() == Report(0.0, connections=1, plan_number=1)


@pytest.mark.parametrize("keeps", [0, 1])
def test_a_pair_that_does_not_fit_is_dropped_and_counted(stage: Stage, keeps: int) -> None:
    """Two of 3 MiB halves at once: 8 MiB have no room for the second."""
    scene = stage(model(versions=versions("1", "3"), shadows=(shadow(pair_bytes=3 << 20),)))
    callers = [scene.caller() for _ in range(1 + keeps)]
    large = ok(bytes(3 << 20))
    for caller in callers:
        caller >> post()
    for version in ("1", "3"):
        for wire in list(scene[version].links):
            wire.send(large)
    report = scene.look()
    assert (len(scene.seen.pairs), report.pairs_dropped) == (1, keeps)
    assert scene.plane.recording.held == 0
    scene.at_rest()


def test_the_log_between_two_reports_is_bounded_by_bytes() -> None:
    recording = Recording()
    line = Logged(
        at=0.0, request_id="7", model="m", version="1", arm="stable", outcome=Outcome.OK,
        status=200, method="GET", target="/" + "x" * 8191, customer="", first_byte=0.0,
        seconds=0.0, bytes_in=0, bytes_out=0, fallback="",
    )  # fmt: skip
    for _ in range(2000):
        recording.log(line)
    report = recording.report(0.25)
    assert 1000 < len(report.log) < 1100
    assert len(report.log) + report.log_dropped == 2000
    recording.log(line)
    assert len(recording.report(0.25).log) == 1
