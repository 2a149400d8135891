"""What an upstream's time is counted from: from when it was asked, not from the first byte."""

from __future__ import annotations

import pytest
from dialogue import Scene
from dialogue_bytes import ok, post, request
from dialogue_plans import VERSIONS, model
from dialogue_stage import Stage

from proxy.routing.plan import Deadlines, KeySource
from proxy.traffic.forward import UpstreamConnection

BY_BODY = {"customer": KeySource("json", "/id")}
FOR_A = "X-Customer-Id: a"


def served(scene: Scene, raw: bytes) -> None:
    """One request that leaves a kept connection behind."""
    caller = scene.caller()
    caller >> raw
    scene["1"] << ok()
    assert caller.answer().status == 200
    caller.leave()


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions whose kept connections were looked at before they were used again."""
    looked: list[str] = []

    def stale(connection: UpstreamConnection) -> bool:
        looked.append(VERSIONS[connection.pool.endpoint.port])
        return False

    monkeypatch.setattr(UpstreamConnection, "stale", stale)
    return looked


def test_a_slow_upload_takes_nothing_of_the_upstreams_time(stage: Stage) -> None:
    scene = stage(model(**BY_BODY, deadlines=Deadlines(first_byte=5.0)))
    caller = scene.caller()
    caller >> request("POST", "/m", "Content-Length: 8") + b'{"id"'
    for _ in range(3):
        scene.wait(2)
    served(scene, post(b'{"id":1}'))
    caller >> b":1}"
    scene.wait(4.5)
    assert scene.outcomes() == {"1/stable": {"ok": 1}}
    scene["1"] << ok()
    assert caller.answer().status == 200


def test_stable_has_its_own_time_after_a_canary_took_too_long(stage: Stage) -> None:
    scene = stage(model(canary=100, safe_to_repeat=True, deadlines=Deadlines(first_byte=3.0)))
    keeper, caller = scene.caller(), scene.caller()
    keeper >> post(b"hello", FOR_A)
    scene["2"] << ok(status="503 Oh")
    scene["1"] << ok()
    assert keeper.answer().status == 200
    caller >> post(b"hello", FOR_A)
    scene.wait(2.9)
    served_again = post(b"hello", FOR_A)
    keeper >> served_again
    busy = [wire for wire in scene["2"].links if wire.protocol.busy]
    busy[-1].send(ok(status="503 Oh"))
    scene["1"] << ok()
    assert keeper.answer().status == 200
    scene.wait(0.2)  # the canary's time is over
    scene.wait(2.5)  # stable's is not
    assert scene.model().fallback_failures == 0
    scene["1"] << ok()
    assert caller.answer().status == 200


def test_a_connection_that_waited_is_looked_at(stage: Stage, looked_at: list[str]) -> None:
    scene = stage(model(**BY_BODY, safe_to_repeat=True))
    caller = scene.caller()
    caller >> request("POST", "/m", "Content-Length: 8") + b'{"id"'
    scene.wait(1)
    served(scene, post(b'{"id":1}'))
    looked_at.clear()
    scene.wait(3.5)
    caller >> b":1}"
    assert looked_at == ["1"]


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_callers_connection_is_always_looked_at(
    stage: Stage, looked_at: list[str], repeatable: bool
) -> None:
    """Bytes that came unasked would be the caller's answer (RFC 9112 9.2)."""
    scene = stage(model(safe_to_repeat=repeatable))
    served(scene, post())
    looked_at.clear()
    served(scene, post())
    assert looked_at == ["1"]
