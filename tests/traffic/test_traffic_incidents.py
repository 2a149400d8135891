"""What is told of exchanges that end badly: of which arm and customer, drawn with what share."""

from __future__ import annotations

import pytest
from dialogue import Caller, Scene, arm
from dialogue_bytes import get, ok, post, request
from dialogue_plans import model, plan, shadow
from dialogue_stage import Stage

from proxy.measure import Report
from proxy.routing.plan import (
    AccessLog,
    Deadlines,
    Fallback,
    KeySource,
    ModelPlan,
    SegmentPlan,
    WatchPlan,
)
from proxy.routing.plan import Testers as ForTesters
from proxy.routing.split import Share
from proxy.terms import Incident

FAIL = ok(b"oops", status="503 Service Unavailable")


def watched(canary: float | None = 50, slow: float | None = 1.0, **more: object) -> ModelPlan:
    return model(canary=canary, watch=WatchPlan(slow), **more)  # type: ignore[arg-type]


def customer(*, canary: bool, percent: float = 50) -> str:
    """The first customer in number whom the split draws for this arm."""
    share = Share("m/split/2", percent)
    return next(str(n) for n in range(1000) if share.takes(b"%d" % n) == canary)


CANARY, STABLE = customer(canary=True), customer(canary=False)


def line(who: str) -> str:
    return f"X-Customer-Id: {who}"


def ask(scene: Scene, raw: bytes, answer: bytes = FAIL) -> Caller:
    """Whoever answers ``raw`` says ``answer``."""
    caller = scene.caller()
    caller >> raw
    for version in ("1", "2"):
        if any(not w.lost and w.protocol.busy for w in scene[version].links):
            scene[version] << answer
    return caller


def told(scene: Scene) -> list[Incident]:
    report = scene.look()
    assert report.incidents_dropped == 0
    return report.incidents


def brief(scene: Scene) -> list[tuple[str, str, float, str, bool]]:
    return [(it.version, it.arm, it.share, it.outcome, it.fallback) for it in told(scene)]


# --- whose it is ---


@pytest.mark.parametrize(("who", "version"), [(CANARY, "2"), (STABLE, "1")])
def test_a_failure_of_either_arm_is_told_with_all_that_makes_it_evidence(
    stage: Stage, who: str, version: str
) -> None:
    segment = SegmentPlan("age_band", KeySource("header", "X-Age-Band"), ("young",))
    scene = stage(watched(segments=(segment,)), hash_key="secret")
    ask(scene, post(b"x", line(who), "X-Age-Band: young", "X-Request-Id: mine"))
    (it,) = told(scene)
    assert (it.request_id, it.model, it.version) == ("mine", "m", version)
    assert (it.arm, it.share) == ("canary" if version == "2" else "stable", 0.5)
    assert it.customer == scene.plane.hashed(who.encode())
    assert it.segments == ("age_band=young",)
    assert (it.outcome, it.seconds, it.fallback) == ("upstream_5xx", 0.0, False)
    assert told(scene) == []
    scene.at_rest()


def test_a_customer_is_never_told_by_name(stage: Stage) -> None:
    """Not even where the access log shows it: what the judge keeps is kept for long."""
    scene = stage(watched(), access_log=AccessLog(customers="plain"), hash_key="secret")
    ask(scene, get(line(CANARY)))
    (it,) = told(scene)
    assert it.customer == scene.plane.hashed(CANARY.encode()) != CANARY
    assert scene.seen.log[0].customer == CANARY


@pytest.mark.parametrize("answer", [ok(), ok(status="404 Not Found"), ok(status="302 Found")])
def test_good_answers_and_the_callers_own_faults_are_none(stage: Stage, answer: bytes) -> None:
    scene = stage(watched())
    ask(scene, get(line(CANARY)), answer)
    caller = scene.caller()
    caller >> get(line(CANARY))
    caller.leave()
    assert brief(scene) == []


def test_a_failure_in_the_middle_of_an_answer(stage: Stage) -> None:
    scene = stage(watched())
    caller = scene.caller()
    caller >> get(line(CANARY))
    scene["2"] << ok(b"12345")[:-1]
    scene["2"].leave(ConnectionResetError())
    assert brief(scene) == [("2", "canary", 0.5, "upstream_reset", False)]


def test_a_shadow_is_no_evidence(stage: Stage) -> None:
    scene = stage(watched(shadows=(shadow(),)))
    caller = scene.caller()
    caller >> get(line(STABLE))
    scene["1"] << ok()
    scene["3"] << FAIL
    assert caller.answer().status == 200
    assert brief(scene) == []
    scene.at_rest()


# --- slow ---


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(ok(), "ok"), (ok(status="404 Not Found"), "upstream_4xx"), (FAIL, "upstream_5xx")],
)
def test_an_answer_that_took_too_long(stage: Stage, answer: bytes, outcome: str) -> None:
    scene = stage(watched(slow=1.0))
    caller = scene.caller()
    caller >> get(line(CANARY))
    scene.wait(1.5)
    scene["2"] << answer
    (it,) = told(scene)
    assert (it.arm, it.outcome, it.seconds) == ("canary", outcome, 1.5)


def test_slow_is_longer_than_the_bound_to_the_last_byte(stage: Stage) -> None:
    scene = stage(watched(slow=1.0))
    caller = scene.caller()
    caller >> get(line(STABLE))
    scene.wait(1.0)
    scene["1"] << ok()
    assert brief(scene) == []
    caller >> get(line(STABLE))
    scene["1"] << ok(b"12345")[:-1]
    scene.wait(1.1)
    scene["1"] << b"5"
    assert brief(scene) == [("1", "stable", 0.5, "ok", False)]


def test_nothing_is_slow_without_a_bound(stage: Stage) -> None:
    scene = stage(watched(slow=None))
    caller = scene.caller()
    caller >> get(line(CANARY))
    scene.wait(20)
    scene["2"] << ok()
    assert brief(scene) == []


def test_a_caller_who_waits_no_longer_waited_too_long(stage: Stage) -> None:
    scene = stage(watched(slow=1.0))
    caller = scene.caller()
    caller >> get(line(CANARY))
    scene.wait(3)
    caller.leave()
    assert brief(scene) == [("2", "canary", 0.5, "caller_left", False)]


def test_a_caller_who_takes_long_himself_is_nobodys_fault(stage: Stage) -> None:
    scene = stage(watched(slow=1.0))
    caller = scene.caller()
    caller >> post(b"12345", line(CANARY))[:-1]
    scene.wait(3)
    caller.leave()
    caller = scene.caller()
    caller >> post(b"12345", line(CANARY))[:-1]
    scene.wait(31)
    assert caller.answer().status == 408
    assert brief(scene) == []


def test_a_timeout_is_a_failure_whatever_is_slow(stage: Stage) -> None:
    scene = stage(watched(slow=None, deadlines=Deadlines(first_byte=2.0)))
    caller = scene.caller()
    caller >> get(line(CANARY))
    scene.wait(2.1)
    assert caller.answer().status == 504
    (it,) = told(scene)
    assert (it.version, it.outcome, it.seconds) == ("2", "upstream_timeout", 2.1)


# --- saved by stable ---


def saved(stage: Stage, **more: object) -> tuple[Scene, Caller]:
    scene = stage(watched(safe_to_repeat=True, fallback=Fallback(first_byte=2.0), **more))
    caller = scene.caller()
    caller >> post(b"x", line(CANARY))
    return scene, caller


def test_a_canary_that_stable_stood_in_for(stage: Stage) -> None:
    scene, caller = saved(stage)
    scene["2"] << FAIL
    assert told(scene) == [], "the caller still waits"
    scene["1"] << ok()
    assert caller.answer().status == 200
    assert brief(scene) == [("2", "canary", 0.5, "upstream_5xx", True)]
    assert brief(scene) == []


@pytest.mark.parametrize("outcome", ["timeout", "reset", "protocol", "connect"])
def test_it_is_told_how_the_canary_failed(stage: Stage, outcome: str) -> None:
    scene = stage(watched(safe_to_repeat=True, fallback=Fallback(first_byte=2.0)))
    if outcome == "connect":
        scene["2"].fate = ConnectionRefusedError(111, "refused")
    caller = scene.caller()
    caller >> post(b"x", line(CANARY))
    if outcome == "timeout":
        scene.wait(2.1)
    elif outcome == "reset":
        scene["2"].leave(ConnectionResetError())
    elif outcome == "protocol":
        scene["2"] << b"nonsense\r\n\r\n"
    scene["1"] << ok()
    assert brief(scene) == [("2", "canary", 0.5, f"upstream_{outcome}", True)]


def test_when_stable_cannot_either_it_is_still_the_canarys(stage: Stage) -> None:
    """Both were asked: once it is told, with all the time that the caller waited."""
    scene, caller = saved(stage)
    scene.wait(2.1)
    scene["1"] << FAIL
    assert caller.answer().status == 503
    (it,) = told(scene)
    assert (it.version, it.arm, it.outcome, it.fallback) == (
        "2",
        "canary",
        "upstream_timeout",
        True,
    )
    scene, caller = saved(stage)
    scene["2"] << FAIL
    scene.wait(3)
    caller.leave()
    (it,) = told(scene)
    assert (it.outcome, it.seconds, it.fallback) == ("upstream_5xx", 3.0, True)


# --- who was drawn ---

BY_SECRET = ForTesters("X-Tester", "sesame")


@pytest.mark.parametrize("who", [CANARY, STABLE])
@pytest.mark.parametrize("choice", ["canary", "stable"])
def test_a_testers_choice_is_no_draw(stage: Stage, who: str, choice: str) -> None:
    """Not even where the draw would have been the same: others' are not told either."""
    scene = stage(watched(testers=BY_SECRET))
    ask(scene, get(line(who), f"X-Tester: sesame {choice}"))
    assert scene.model().overrides == 1
    report = scene.look(whole=True)
    assert (report.incidents, report.newcomers) == ([], [])


@pytest.mark.parametrize("words", ["wrong canary", "sesame nobody"])
def test_a_choice_that_is_not_honoured_changes_nothing(stage: Stage, words: str) -> None:
    scene = stage(watched(testers=BY_SECRET))
    ask(scene, get(line(STABLE), f"X-Tester: {words}"))
    report = scene.look()
    assert [it.arm for it in report.incidents] == ["stable"]
    assert len(report.newcomers[0].stable) == 1


@pytest.mark.parametrize("source", [KeySource("header", "X-Customer-Id"), None])
def test_a_request_without_a_key_is_drawn_by_itself_or_not_at_all(
    stage: Stage, source: KeySource | None
) -> None:
    scene = stage(watched(missing="random", customer=source))
    for _ in range(20):
        ask(scene, get())
    incidents = told(scene)
    assert len(incidents) == 20
    assert {it.arm for it in incidents} == {"canary", "stable"}
    assert {it.customer for it in incidents} == {""}
    assert scene.look(whole=True).newcomers == []
    scene = stage(watched(missing="stable", customer=source))
    ask(scene, get())
    assert told(scene) == []


def test_a_key_in_a_body_too_large_to_read_is_a_missing_one(stage: Stage) -> None:
    from_body = {"customer": KeySource("json", "/id"), "canary": 100}
    raw = request("POST", "/m", "Content-Length: 2000000") + b"0" * 2_000_000
    scene = stage(watched(missing="random", **from_body))  # type: ignore[arg-type]
    ask(scene, raw)
    assert [(it.arm, it.customer) for it in told(scene)] == [("canary", "")]
    scene = stage(watched(missing="stable", **from_body))  # type: ignore[arg-type]
    ask(scene, raw)
    assert told(scene) == []


def test_without_a_desk_nobody_is_drawn(stage: Stage) -> None:
    scene = stage(watched(), heard=False)
    ask(scene, get(line(CANARY)))
    assert told(scene) == []
    scene.plane.desk_heard()
    ask(scene, get(line(CANARY)))
    assert brief(scene) == [("2", "canary", 0.5, "upstream_5xx", False)]


@pytest.mark.parametrize("plain", [watched(None), watched(0), model(canary=50)])
def test_without_a_canary_in_force_or_a_watch_there_is_no_evidence(
    stage: Stage, plain: ModelPlan
) -> None:
    scene = stage(plain)
    ask(scene, get(line(CANARY)))
    report = scene.look(whole=True)
    assert (report.incidents, report.newcomers) == ([], [])
    assert scene.plane.evidence._censuses == {}


def test_the_share_is_that_of_the_draw(stage: Stage) -> None:
    """A request that was drawn with 50 % and fails while 80 % is in force was drawn with 50 %."""
    scene = stage(plan(watched(50)))
    both = [scene.caller(), scene.caller()]
    both[0] >> get(line(CANARY))
    scene.plane.apply(plan(watched(80), number=2))
    scene.plane.apply(plan(model(), number=3))
    scene["2"] << FAIL
    assert brief(scene) == [("2", "canary", 0.5, "upstream_5xx", False)]
    scene.plane.apply(plan(watched(80), number=4))
    ask(scene, get(line(CANARY)))
    assert brief(scene) == [("2", "canary", 0.8, "upstream_5xx", False)]


# --- bounds ---


def flood(scene: Scene, n: int) -> Report:
    for who in range(n):
        ask(scene, get(line(f"c{who}"))).leave()
    return scene.look()


def test_what_is_over_the_bound_is_dropped_and_counted_whatever_its_arm(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.traffic.evidence._INCIDENTS", 60)
    scene = stage(watched())
    report = flood(scene, 100)
    assert (len(report.incidents), report.incidents_dropped) == (60, 40)
    by_arm = [it.arm for it in report.incidents]
    share = Share("m/split/2", 50)
    assert by_arm == ["canary" if share.takes(b"c%d" % n) else "stable" for n in range(60)]
    assert flood(scene, 10).incidents_dropped == 0


def test_one_customer_cannot_take_the_room_of_all(stage: Stage) -> None:
    """His alike ones in one report are one, the slowest; another kind is told as well."""
    scene = stage(watched(deadlines=Deadlines(first_byte=2.0)))
    for seconds in (0.2, 0.7, 0.1):
        caller = scene.caller()
        caller >> get(line(CANARY))
        scene.wait(seconds)
        scene["2"] << FAIL
        caller.leave()
    caller = scene.caller()
    caller >> get(line(CANARY))
    scene.wait(2.1)
    assert [(it.outcome, it.seconds) for it in told(scene)] == [
        ("upstream_5xx", 0.7),
        ("upstream_timeout", 2.1),
    ]
    assert arm(scene, get(line(CANARY))) == "2 canary"
    ask(scene, get(line(CANARY)))
    assert len(told(scene)) == 1, "in the next report again"
