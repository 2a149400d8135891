"""Copies that meet a closed connection, or run out of time: sent again, counted, bounded."""

from __future__ import annotations

import pytest
from dialogue import Scene
from dialogue_bytes import get, ok, post
from dialogue_plans import VERSIONS, model, shadow
from dialogue_stage import Stage

from proxy.routing.plan import ModelLimits
from proxy.traffic.forward import UpstreamConnection


def warm(scene: Scene) -> None:
    """Leaves a kept connection of stable's and one of the shadow's behind."""
    caller = scene.caller()
    caller >> post()
    scene["1"] << ok()
    scene["3"] << ok()
    assert caller.answer().status == 200
    caller.leave()
    scene["3"].got()
    scene.look()


def copied(scene: Scene, raw: bytes) -> None:
    caller = scene.caller()
    caller >> raw
    scene["1"] << ok()
    caller.leave()


def lose(scene: Scene) -> None:
    scene["3"].link.lose(ConnectionResetError())
    scene.settle()


@pytest.mark.parametrize(("raw", "safe"), [(post(b"order"), True), (get(), False)])
def test_what_may_be_repeated_is_sent_once_more(stage: Stage, raw: bytes, safe: bool) -> None:
    scene = stage(model(shadows=(shadow(),), safe_to_repeat=safe))
    warm(scene)
    copied(scene, raw)
    first = scene["3"].got()
    scene["3"].leave()
    assert scene["3"].got() == first
    scene["3"] << ok()
    scene.look()
    assert scene.outcomes()["3/shadow"] == {"ok": 2}
    assert scene.model().copies["3"] == {"sent": 2}
    assert scene.model().replays == 0  # those are of callers' requests
    scene.at_rest()


def test_but_only_once(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(),), safe_to_repeat=True))
    warm(scene)
    copied(scene, post(b"order"))
    lose(scene)
    lose(scene)
    assert scene.outcomes()["3/shadow"] == {"ok": 1, "upstream_reset": 1}
    scene.at_rest()


def test_a_post_that_may_not_be_repeated_reaches_a_shadow_once(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(),)))
    warm(scene)
    copied(scene, post(b"order"))
    lose(scene)
    assert scene["3"].got().count(b"order") == 1
    assert scene.outcomes()["3/shadow"] == {"ok": 1, "upstream_reset": 1}
    scene.at_rest()


@pytest.mark.parametrize(("raw", "safe"), [(post(b"x" * 70_000), True), (post(b"order"), False)])
def test_what_is_not_sent_again_takes_no_connection_unseen(
    stage: Stage, raw: bytes, safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(model(shadows=(shadow(),), safe_to_repeat=safe))
    warm(scene)
    looked: list[str] = []

    def stale(connection: UpstreamConnection) -> bool:
        looked.append(VERSIONS[connection.pool.endpoint.port])
        return False

    monkeypatch.setattr(UpstreamConnection, "stale", stale)
    copied(scene, raw)
    assert "3" in looked


def test_what_is_kept_to_be_sent_again_counts(stage: Stage) -> None:
    few = shadow(bytes=100_000, in_flight=64, queue=0)
    limits = ModelLimits(in_flight=100)
    scene = stage(model(shadows=(few,), safe_to_repeat=True, limits=limits))
    callers = [scene.caller() for _ in range(5)]
    for caller in callers:
        caller >> post(b"x" * 40_000)
    report = scene.plane.report()
    assert report.copies_bytes == 2 * 40_000
    assert report.models[0].copies == {"3": {"dropped_bytes": 3}}
    for wire in [*scene["1"].links, *scene["3"].links]:
        wire.send(ok())
    assert scene.plane.report().copies_bytes == 0


def test_a_live_request_that_has_ended_holds_no_body_for_its_copy(stage: Stage) -> None:
    """A hung shadow's copies have been sent: only what their bound counts stays in memory."""
    scene = stage(model(shadows=(shadow(),)))
    warm(scene)
    whole = b"x" * 200_000
    copied(scene, post(whole))
    sent = scene["3"].link.protocol.sink
    assert sent._exchange.kept is None
    assert sent._unsent is None
    assert scene.plane.report().copies_bytes == 0


def test_the_bytes_are_right_after_a_second_try(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(),), safe_to_repeat=True))
    warm(scene)
    copied(scene, post(b"x" * 5_000))
    scene["3"].leave()
    assert scene.plane.report().copies_bytes == 0
    scene["3"] << ok()
    scene.at_rest()


def test_a_copy_that_waited_for_its_place_is_not_the_shadows_timeout(stage: Stage) -> None:
    scene = stage(model(shadows=(shadow(in_flight=1, queue=5, deadline=10.0),)))
    copied(scene, post())
    scene.wait(0.2)
    copied(scene, post())
    scene.wait(9.75)
    scene["3"] << ok()
    scene.wait(0.3)
    assert scene.outcomes()["3/shadow"] == {"ok": 1}
    assert scene.model().copies["3"] == {"sent": 1, "dropped_deadline": 1}
    scene.at_rest()
