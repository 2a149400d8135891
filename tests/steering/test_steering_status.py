"""What was observed, and how ``status`` and the totals say it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from desk_scene import Scene, report, settings, split, tally

from proxy.judge import Latency, Thresholds
from proxy.measure import EndpointState, ModelTally, PoolState, Report, Spans, Tally
from proxy.steering import Status
from proxy.steering.observe import Observed, Runs
from proxy.steering.rules import rules
from proxy.steering.totals import SERIES_PER_MODEL
from proxy.terms import Arm, Half, Outcome, Pair


def decided(stable: int, canary: int) -> ModelTally:
    return ModelTally("m", customers={"stable": stable, "canary": canary}, missing_keys=2)


async def test_the_status_is_json_and_reads_back(scene: Scene) -> None:
    scene.start()
    scene.fails()
    status = scene.desk.status()
    assert msgspec.json.decode(msgspec.json.encode(status), type=Status) == status


async def test_arms_over_the_last_minute(scene: Scene) -> None:
    scene.start()
    scene.desk.report(0, report(tally(ok=9, failed=1), tally("1", "stable", ok=90)))
    scene.desk.report(1, report(tally("1", "stable", ok=10), tally("2", "shadow", ok=50)))
    arms = scene.desk.status().models["m"].arms
    assert list(arms) == ["stable", "canary", "shadow:2"]
    assert (arms["canary"].version, arms["canary"].requests, arms["canary"].errors) == ("3", 10, 1)
    assert arms["canary"].error_rate == pytest.approx(0.1)
    assert arms["canary"].outcomes == {"ok": 9, "upstream_5xx": 1}
    assert arms["stable"].requests == 100
    assert arms["stable"].p95 == pytest.approx(0.010, rel=0.025)
    assert arms["shadow:2"].requests == 50
    scene.now += 62
    arms = scene.desk.status().models["m"].arms
    assert arms["stable"].requests == 0
    assert arms["stable"].error_rate is None
    assert arms["stable"].p95 is None


async def test_the_share_is_said_by_keyed_decisions_and_by_requests(scene: Scene) -> None:
    scene.start(settings(m=split(percent=20)))
    share = scene.desk.status().models["m"].share
    assert share is not None
    assert (share.asked, share.by_customers, share.by_requests) == (0.2, None, None)
    scene.now += 30
    scene.desk.report(
        0,
        report(tally(ok=30), tally("1", "stable", ok=70), models=(decided(stable=75, canary=25),)),
    )
    share = scene.desk.status().models["m"].share
    assert share is not None
    assert share.by_customers == pytest.approx(0.25)
    assert share.by_requests == pytest.approx(0.30)
    assert share.seconds == 20


async def test_the_share_before_a_change_is_not_in_the_share_after_it(scene: Scene) -> None:
    scene.start()
    scene.now += 100
    scene.desk.report(0, report(models=(decided(stable=95, canary=5),)))
    scene.desk.reload(settings(m=split(percent=50)))
    scene.now += 4
    scene.desk.report(0, report(models=(decided(stable=10, canary=10),)))
    share = scene.desk.status().models["m"].share
    assert share is not None
    assert (share.asked, share.by_customers) == (0.5, 0.5)


async def test_workers_come_report_and_go(scene: Scene) -> None:
    scene.start()
    scene.desk.hello(0, 0, (), pid=77)
    scene.desk.hello(1, 0, (), pid=78)
    scene.now += 2
    state = [EndpointState("m", "3", "127.0.0.1:8003", 2, True, "5 failures")]
    scene.desk.report(
        0, Report(seconds=0.25, endpoints=state, connections=9, in_flight=3, desk_silent=True)
    )
    status = scene.desk.status()
    assert [(it.worker, it.pid, it.seen_seconds_ago) for it in status.workers] == [
        (0, 77, 0.0),
        (1, 78, 2.0),
    ]
    assert (status.workers[0].connections, status.workers[0].desk_silent) == (9, True)
    (endpoint,) = status.models["m"].endpoints
    assert (endpoint.in_flight, endpoint.ejected, endpoint.ejected_by) == (2, True, 1)
    assert status.models["m"].arms["canary"].in_flight == 2
    assert scene.desk.endpoints() == {"m": status.models["m"].endpoints}
    scene.desk.lost(0)
    assert [it.worker for it in scene.desk.status().workers] == [1]
    assert scene.desk.status().models["m"].endpoints == []


async def test_endpoints_are_told_when_they_change(scene: Scene) -> None:
    def state(endpoint: str, in_flight: int, *, shadow: bool = False) -> EndpointState:
        return EndpointState("m", "3", endpoint, in_flight, False, "", shadow)

    def known() -> set[tuple[str, int]]:
        return {(it.endpoint, it.in_flight) for it in scene.desk.status().models["m"].endpoints}

    scene.start()
    scene.desk.hello(0, 0, ())
    scene.desk.report(0, Report(0.25, whole=True, endpoints=[state("a", 1), state("b", 2)]))
    scene.desk.report(0, Report(0.25))
    assert known() == {("a", 1), ("b", 2)}
    scene.desk.report(0, Report(0.25, endpoints=[state("b", 3), state("b", 4, shadow=True)]))
    assert known() == {("a", 1), ("b", 7)}, "copies have connections of their own"
    scene.desk.report(0, Report(0.25, gone=[state("a", 1)]))
    assert known() == {("b", 7)}
    scene.desk.report(0, Report(0.25, gone=[state("b", 3)], endpoints=[state("b", 0)]))
    assert known() == {("b", 4)}, "gone and come again between two reports"
    scene.desk.report(0, Report(0.25, whole=True, endpoints=[state("c", 5)]))
    assert known() == {("c", 5)}
    scene.desk.hello(0, 0, ())
    assert known() == set(), "a new channel begins with nothing"


async def test_connections_are_of_the_endpoint_and_shown_by_each_of_its_models(
    scene: Scene,
) -> None:
    def pool(number: int, *, shadow: bool = False) -> PoolState:
        return PoolState("a", shadow, number)

    def known() -> tuple[list[tuple[str, str, int]], list[int]]:
        status = scene.desk.status()
        told = [(it.endpoint, it.traffic, it.connections) for it in status.connections]
        return told, [it.connections for it in status.models["m"].endpoints]

    scene.start()
    states = [
        EndpointState("m", "1", "a", 0, ejected=False),
        EndpointState("m", "3", "a", 0, ejected=False),
        EndpointState("m", "3", "a", 0, ejected=False, shadow=True),
    ]
    for worker in (0, 1):
        scene.desk.hello(worker, 0, ())
        pools = [pool(2), pool(1, shadow=True)]
        scene.desk.report(worker, Report(0.25, whole=True, endpoints=states, pools=pools))
    assert known() == ([("a", "live", 4), ("a", "shadow", 2)], [4, 6])
    scene.desk.report(0, Report(0.25, pools=[pool(3), pool(0, shadow=True)]))
    assert known() == ([("a", "live", 5), ("a", "shadow", 1)], [5, 6])
    scene.desk.lost(0)
    assert known() == ([("a", "live", 2), ("a", "shadow", 1)], [2, 3])


async def test_a_workers_plan_is_the_one_that_it_says_it_holds(scene: Scene) -> None:
    scene.start()
    scene.desk.hello(0, 0, ())
    assert scene.desk.status().workers[0].plan_number == 0
    scene.desk.report(0, Report(0.25, plan_number=7))
    assert scene.desk.status().workers[0].plan_number == 7


async def test_totals_add_up_for_good_and_by_segment(scene: Scene) -> None:
    scene.start()
    for _ in range(3):
        scene.desk.report(
            0, report(tally(ok=2), tally(ok=1, segment="age=old"), models=(decided(9, 1),))
        )
        scene.now += 1000
    series = scene.desk.totals.series
    assert series["m", "3", "canary", ""].outcomes == {"ok": 6}
    assert series["m", "3", "canary", "age=old"].outcomes == {"ok": 3}
    assert scene.desk.totals.models["m"].customers == {"stable": 27, "canary": 3}
    assert scene.desk.totals.models["m"].missing_keys == 6


async def test_segments_are_not_judged_twice(scene: Scene) -> None:
    scene.start()
    scene.desk.report(0, report(tally(failed=9), tally(failed=9, segment="age=old")))
    scene.ticks()
    assert scene.canary() == "3@5", "nine requests are too few to judge"


async def test_what_is_about_nothing_in_the_config_is_counted_apart(scene: Scene) -> None:
    scene.start()
    scene.desk.report(
        0,
        report(
            tally("9", ok=1), tally(model="gone", ok=1), models=(ModelTally("gone", {"stable": 1}),)
        ),
    )
    assert scene.desk.totals.unknown == 2
    assert scene.desk.totals.series == {}
    assert scene.desk.totals.models == {}


async def test_what_leaves_the_config_is_forgotten(scene: Scene) -> None:
    scene.start(settings(m=split(), n=split()))
    scene.desk.report(0, report(tally(ok=1), tally(model="n", ok=1), models=(decided(1, 1),)))
    scene.desk.reload(settings(n=split()))
    assert set(scene.desk.totals.series) == {("n", "3", "canary", "")}
    assert scene.desk.totals.models == {}
    assert "m" not in scene.desk.status().models


async def test_segments_over_the_cap_are_not_begun_and_everybody_still_is(scene: Scene) -> None:
    scene.start()
    many = [tally(ok=1, segment=f"age={number}") for number in range(SERIES_PER_MODEL + 5)]
    scene.desk.report(0, report(*many, tally(ok=1)))
    assert scene.desk.totals.over_cap == 5
    assert len(scene.desk.totals.series) == SERIES_PER_MODEL + 1
    assert scene.desk.totals.series["m", "3", "canary", ""].outcomes == {"ok": 1}


async def test_shadows_show_their_copies_and_pairs(scene: Scene) -> None:
    scene.start()
    halves = [
        Half(version, Outcome.OK, 200, seconds, b"", 0)
        for version, seconds in (("1", 0.01), ("2", 0.02))
    ]
    pair = Pair("r", "m", "hash", (), scene.now, *halves)
    counts = ModelTally("m", copies={"2": {"sent": 5, "dropped_queue": 1}})
    scene.desk.report(0, Report(seconds=0.25, models=[counts], pairs=[pair, pair]))
    shadow = scene.desk.status().models["m"].shadows["2"]
    assert shadow.percent == 50
    assert shadow.copies == {"sent": 5, "dropped_queue": 1}
    assert (shadow.pairs.pairs, shadow.pairs.agree) == (2, 2)


async def test_findings_are_said_in_words(scene: Scene) -> None:
    scene.start()
    scene.desk.report(0, report(tally(ok=50)))
    scene.ticks()
    model = scene.desk.status().models["m"]
    assert {it.check: it.verdict for it in model.findings} == {
        "consecutive_failures": "pass",
        "error_rate": "pass",
        "latency": "pass",
    }
    assert model.verdict == "pass"
    assert scene.desk.status().judged_seconds_ago == 0


async def test_the_last_hundred_reverts_are_kept_the_newest_first(scene: Scene) -> None:
    scene.start()
    for number in range(103):
        await scene.desk.revert("m", "ann", f"number {number}")
        await scene.desk.clear_revert("m", "3", "ann", "")
    reverts = scene.desk.status().reverts
    assert len(reverts) == 100
    assert reverts[0].message == "number 102"
    await scene.restart()
    assert scene.desk.status().reverts == reverts


async def test_a_repaired_history_is_said_and_written_down(scene: Scene, tmp_path: Path) -> None:
    scene.start()
    await scene.desk.close()
    with scene.path.open("ab") as file:
        file.write(b'{"event":"rever')
    scene.start()
    assert "torn" in (scene.desk.status().history.repaired or "")
    assert "history_repaired" in await scene.events()


async def test_what_is_asked_is_there_for_explaining(scene: Scene) -> None:
    scene.start()
    scene.fails()
    canary = scene.desk.asked.models[0].canary
    assert canary is not None
    assert canary.version == "3"
    assert scene.desk.asked.number == scene.desk.plan.number
    assert scene.desk.asked.latches == scene.desk.plan.latches


def test_runs_cut_off_what_was_before_the_beginning() -> None:
    runs = Runs()
    runs.add(0, tally(failed=1, streak=30))
    assert runs.longest == 1
    runs.add(1, tally(failed=3, streak=3))
    assert runs.longest == 3
    runs.lost(1)
    runs.add(1, tally(failed=2, streak=9))
    assert runs.longest == 3
    runs.add(0, tally(ok=1, failed=0, streak=0))
    assert runs.longest == 3, "the longest counts, not the last"


def test_windows_remember_for_as_long_as_somebody_asks() -> None:
    """The judge by the thresholds of the model, the view by its own spans; nobody for segments."""
    slow = Thresholds(latency=(Latency(absolute=1.0, window=600.0),))
    file = rules(settings()).plan
    observed = Observed()
    observed.keep(file, {"m": slow})
    shadow = Tally("m", "2", Arm.SHADOW, outcomes={"ok": 1})
    observed.add(0, [tally(ok=1), tally(ok=1, segment="age=old"), shadow], [], 0.0)
    assert {key: window.spans for key, window in observed._windows.items()} == {
        ("m", "3", Arm.CANARY): Spans(counts=300.0, totals=600.0, first_bytes=60.0),
        ("m", "2", Arm.SHADOW): Spans(60.0, 60.0, 60.0),
    }
    assert observed.window("m", "3", Arm.CANARY).over(60, 1.0).outcomes == {"ok": 1}
    observed.keep(file, {})
    assert observed.window("m", "3", Arm.CANARY).spans == Spans(300.0, 60.0, 60.0)
    assert observed.window("m", "2", Arm.SHADOW).spans == Spans(60.0, 60.0, 60.0)


def test_what_is_silent_for_long_is_let_go() -> None:
    observed = Observed()
    counts = ModelTally("m", customers={"canary": 1})
    observed.add(0, [tally(ok=1)], [counts], 0.0)
    observed.add(0, [tally("1", "stable", ok=1)], [], 500.0)
    observed.forget(904.0)
    assert len(observed._busy) == 3
    observed.forget(906.0)
    assert len(observed._busy) == 1
    assert len(observed.window("m", "3", Arm.CANARY)._totals) == 0
    assert len(observed._decisions["m"]._arms) == 0
    assert len(observed.window("m", "1", Arm.STABLE)._totals) == 1
    observed.add(0, [tally(ok=1)], [], 907.0)
    assert observed.window("m", "3", Arm.CANARY).over(60, 907.0).outcomes == {"ok": 1}
