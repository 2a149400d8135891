"""Models at one endpoint share its connections, and nothing else."""

from __future__ import annotations

import pytest
from dialogue import Scene, Wire
from dialogue_bytes import get, ok, post
from dialogue_plans import model, plan, shadow, versions
from dialogue_stage import Stage

from proxy.routing.plan import Ejection, Endpoint, ModelPlan, PoolLimits, VersionPlan

LONGER = PoolLimits(idle=60)


def on(*ports: int, name: str = "1", **more: object) -> VersionPlan:
    endpoints = tuple(Endpoint("127.0.0.1", port) for port in ports)
    return VersionPlan(name, endpoints, **more)  # type: ignore[arg-type]


def two(**more: object) -> tuple[ModelPlan, ModelPlan]:
    """Models ``m`` and ``n``, all of whose versions stand on the same endpoints."""
    fields = {"versions": versions("1", "2", "3")} | more
    return (
        model(name="m", path_prefix="/m", **fields),  # type: ignore[arg-type]
        model(name="n", path_prefix="/n", **fields),  # type: ignore[arg-type]
    )


def asks(scene: Scene, target: str, version: str = "1", answer: bytes = ok()) -> int:
    """One request of a new caller; the status of its answer."""
    caller = scene.caller()
    caller >> get("X-Customer-Id: me", target=target)
    scene[version] << answer
    status = caller.answer().status
    caller.leave()
    return status


def in_flight(scene: Scene) -> dict[str, int]:
    scene.look()
    return {state.model: state.in_flight for _, state in scene.desk.endpoints()}


def test_one_connection_serves_all_models_in_turns(stage: Stage) -> None:
    scene = stage(plan(*two()))
    for _ in range(3):
        assert asks(scene, "/m") == asks(scene, "/n") == 200
    assert len(scene["1"].links) == 1
    assert scene.desk.connections() == {}
    scene.look()
    assert scene.desk.connections() == {("127.0.0.1:9001", False): 1}
    scene.at_rest()


def test_versions_of_one_model_share_too(stage: Stage) -> None:
    """A server that holds both versions, told apart by a path or a header."""
    both = (on(9001, name="1"), on(9001, name="2"))
    scene = stage(plan(model(versions=both, canary=100)))
    assert asks(scene, "/m") == 200
    scene.plane.apply(plan(model(versions=both), number=2))
    assert asks(scene, "/m") == 200
    assert scene.outcomes() == {"2/canary": {"ok": 1}, "1/stable": {"ok": 1}}
    assert len(scene["1"].links) == 1


def test_other_limits_are_another_pool(stage: Stage) -> None:
    one, other = two()
    other = model(name="n", path_prefix="/n", versions=versions("1", pool=LONGER))
    scene = stage(plan(one, other))
    asks(scene, "/m")
    asks(scene, "/n")
    assert len(scene["1"].links) == 2
    scene.look()
    assert scene.desk.connections() == {("127.0.0.1:9001", False): 2}, "told as one number"
    scene.wait(5)
    assert len(scene["1"].open) == 1, "each is kept for as long as its own limits say"


def test_requests_in_flight_are_told_of_each_model(stage: Stage) -> None:
    scene = stage(plan(*two()))
    asks(scene, "/m")
    assert in_flight(scene) == {"m": 0, "n": 0}
    caller = scene.caller()
    caller >> get(target="/n")  # on a connection that n never dialled
    assert in_flight(scene) == {"m": 0, "n": 1}
    assert in_flight(scene) == {"m": 0, "n": 1}
    scene["1"] << ok()
    assert in_flight(scene) == {"m": 0, "n": 0}
    scene.at_rest()


def test_one_failing_model_does_not_take_the_endpoint_out_for_another(stage: Stage) -> None:
    stands = (on(9001, 9011, ejection=Ejection(after=2)),)
    scene = stage(plan(*two(versions=stands)))
    broken = ok(status="500 Broken")
    for _ in range(6):
        caller = scene.caller()
        caller >> get(target="/m")
        for version in ("1", "1b"):
            if any(wire.protocol.busy for wire in scene[version].open):
                scene[version] << (broken if version == "1" else ok())
        caller.leave()
    scene.look()
    out = {(s.model, s.endpoint) for _, s in scene.desk.endpoints() if s.ejected}
    assert out == {("m", "127.0.0.1:9001")}


@pytest.mark.parametrize("left", ["m", "n"])
def test_a_plan_that_drops_one_model_keeps_the_connections(stage: Stage, left: str) -> None:
    one, other = two()
    scene = stage(plan(one, other))
    asks(scene, "/m")
    kept = one if left == "m" else other
    scene.plane.apply(plan(kept, number=2))
    scene.settle()
    assert asks(scene, f"/{left}") == 200
    assert len(scene["1"].links) == 1
    scene.plane.apply(plan(number=3))
    scene.settle()
    assert scene["1"].open == []
    scene.look()
    assert scene.desk.connections() == {}


def test_a_pool_that_nobody_names_keeps_nothing_and_serves_who_is_there(stage: Stage) -> None:
    scene = stage(plan(*two()))
    scene["1"].fate = "hang"
    callers = [scene.caller(), scene.caller()]
    callers[0] >> get(target="/m")
    callers[1] >> get(target="/n")
    scene.plane.apply(plan(number=2))
    scene.plane.apply(plan(*two(), number=3))
    scene["1"].fate = "accept"
    scene.settle()
    for wire in list(scene["1"].links):
        wire.send(ok())
    assert [caller.answer().status for caller in callers] == [200, 200]
    assert scene["1"].open == []
    asks(scene, "/m")
    scene.plane.apply(plan(*two(), number=4))
    asks(scene, "/n")
    assert len(scene["1"].open) == 1
    scene.at_rest()


def test_a_reload_that_changes_the_limits_moves_to_another_pool(stage: Stage) -> None:
    scene = stage(plan(*two()))
    asks(scene, "/m")
    caller = scene.caller()
    caller >> get(target="/n")
    scene.plane.apply(plan(*two(versions=versions("1", pool=LONGER)), number=2))
    scene["1"] << ok()
    assert caller.answer().status == 200
    assert scene["1"].open == [], "its limits are no Plan's any more"
    asks(scene, "/m")
    scene.wait(59)
    asks(scene, "/n")
    assert len(scene["1"].open) == 1
    scene.at_rest()


def test_who_waits_gets_what_comes_free_first_in_order(stage: Stage) -> None:
    scene = stage(plan(*two()))
    first = scene.caller()
    first >> get(target="/m")
    scene["1"].fate = "hang"
    second, third = scene.caller(), scene.caller()
    second >> get(target="/n")
    third >> get(target="/m")
    scene["1"].got()
    for n, caller in enumerate((first, second, third)):
        scene["1"] << ok(b"%d" % n)
        assert caller.answer().body == b"%d" % n
    assert len(scene["1"].links) == 1
    scene["1"].fate = "accept"
    scene.settle()
    assert len(scene["1"].open) == 3, "the dials' own connections are kept"
    scene.at_rest()


def test_a_failed_dial_is_felt_by_whom_it_was_for(stage: Stage) -> None:
    scene = stage(plan(*two()))
    scene["1"].fate = "hang"
    one, other = scene.caller(), scene.caller()
    one >> get(target="/m")
    other >> get(target="/n")
    failing = scene.dials[1]
    with pytest.raises(StopIteration):
        failing.work.throw(ConnectionRefusedError("refused"))
    scene.dials.remove(failing)
    scene.settle()
    assert other.answer().status == 502
    assert one.got() == b""
    scene["1"].fate = "accept"
    scene.settle()
    scene["1"] << ok()
    assert one.answer().status == 200
    assert {(t.model, *t.outcomes) for t in scene.look().tallies} == {
        ("m", "ok"),
        ("n", "upstream_connect"),
    }
    scene.at_rest()


def test_who_leaves_while_waiting_is_not_served_in_another_pool(stage: Stage) -> None:
    scene = stage(plan(*two()))
    scene["1"].fate = "hang"
    caller = scene.caller()
    caller >> get(target="/m")
    scene.plane.apply(plan(*two(versions=versions("1", pool=LONGER)), number=2))
    caller.leave()
    scene["1"].fate = "accept"
    scene.settle()
    assert scene["1"].open == []
    scene.at_rest()


def shadows_of(scene: Scene) -> list[Wire]:
    return [wire for wire in scene["1"].links if wire.protocol.pool.goal.shadow]


def test_copies_share_with_copies_and_never_with_live_requests(stage: Stage) -> None:
    """Everything on one server: live requests and copies of two models."""
    stands = (on(9001, name="1"), on(9001, name="3"))
    scene = stage(plan(*two(versions=stands, shadows=(shadow("3"),))))
    for target in ("/m", "/n", "/m", "/n"):
        caller = scene.caller()
        caller >> post(target=target)
        live, copy = scene["1"].links
        assert (live.protocol.pool.goal.shadow, copy.protocol.pool.goal.shadow) == (False, True)
        assert b"x-shadow" not in live.take().lower()
        assert b"x-shadow: 3" in copy.take().lower()
        live.send(ok())
        copy.send(ok())
        assert caller.answer().status == 200
        caller.leave()
    assert len(scene["1"].links) == 2
    assert len(shadows_of(scene)) == 1
    scene.at_rest()


def test_a_late_dial_does_not_serve_whoever_waits_elsewhere_by_now(stage: Stage) -> None:
    """The canary's dial ends when stable is already asked instead: that is not its connection."""
    scene = stage(plan(model(canary=100, safe_to_repeat=True)))
    first, second = scene.caller(), scene.caller()
    first >> get("X-Customer-Id: me")
    scene["2"].fate = "hang"
    second >> get("X-Customer-Id: me")  # dials, but gets the first one's connection
    scene["2"] << ok()
    scene["1"].fate = "hang"
    scene["2"] << ok(status="503 Busy")
    scene["2"].fate = "accept"
    scene.settle()
    assert not any(wire.protocol.busy for wire in scene["2"].open)
    scene["1"].fate = "accept"
    scene.settle()
    scene["1"] << ok(b"stable")
    assert second.answer().body == b"stable"
    scene.at_rest()
