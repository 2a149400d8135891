"""A version that fails: another endpoint, or stable instead of the canary (promise 6)."""

from __future__ import annotations

import errno

import pytest
from dialogue import Scene, arm
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_plans import PORTS, model, versions
from dialogue_stage import Stage

from proxy.routing.plan import (
    Deadlines,
    Endpoint,
    Fallback,
    ModelLimits,
    VersionPlan,
)

ME = "X-Customer-Id: me"


# --- a canary that fails ---

SAFE = {"canary": 100, "safe_to_repeat": True}
FAIL = ok(b"oops", status="503 Service Unavailable")
CHUNKED_FAIL = (
    b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\noops\r\n0\r\nX-Sum: 1\r\n\r\n"
)


def status(scene: Scene) -> str:
    scene["2"] << FAIL
    return "upstream_5xx status_503"


def status_in_parts(scene: Scene) -> str:
    scene["2"] << FAIL[:-2]
    return "upstream_5xx status_503"


def status_with_trailers(scene: Scene) -> str:
    scene["2"] << CHUNKED_FAIL
    return "upstream_5xx status_500"


def reset(scene: Scene) -> str:
    scene["2"].leave(ConnectionResetError())
    return "upstream_reset reset"


def nonsense(scene: Scene) -> str:
    scene["2"] << b"nonsense\r\n\r\n"
    return "upstream_protocol protocol"


def silence(scene: Scene) -> str:
    scene.wait(2.1)
    return "upstream_timeout timeout"


def no_connection(scene: Scene) -> str:
    scene["2"].fate = ConnectionRefusedError(111, "refused")
    scene.settle()
    return "upstream_connect connect"


FAILURES = [status, status_in_parts, status_with_trailers, reset, nonsense, silence, no_connection]


#: While an upload goes on nobody waits for the canary: then it cannot be silent.
UPLOAD = post(b"0" * 10, ME)[:-5]
CASES = [(f, raw) for f in FAILURES for raw in (get(ME), post(b"hello", ME), UPLOAD)]
CASES.remove((silence, UPLOAD))


@pytest.mark.parametrize(("failure", "raw"), CASES)
@pytest.mark.parametrize("stable", ["kept", "dialled"])
def test_a_failing_canary_need_not_hurt(
    stage: Stage, failure: object, stable: str, raw: bytes
) -> None:
    scene = stage(model(fallback=Fallback(first_byte=2.0), **SAFE))
    if stable == "kept":
        scene.plane.board = scene.plane._safe
        arm(scene, get(ME))
        scene.plane.board = scene.plane._live
        scene["1"].got()
    scene["2"].fate = "hang" if failure is no_connection else "accept"
    caller = scene.caller()
    caller >> raw
    outcome, reason = failure(scene).split()  # type: ignore[operator]
    assert scene["1"].got().endswith(raw.partition(b"\r\n\r\n")[2])
    assert caller.wire.reading
    if raw.endswith(b"00000"):
        caller >> b"11111"
        assert scene["1"].got() == b"11111"
    scene["1"] << ok(b"saved")
    answer = caller.answer()
    assert (answer.status, answer.body) == (200, b"saved")
    assert answer.fields["x-fallback"] == f"2; {reason}"
    assert (answer.fields["x-model-version"], answer.fields["x-model-arm"]) == ("1", "stable")
    assert not caller.closed
    assert scene.outcomes()["2/canary"] == {outcome: 1}
    assert scene.outcomes().get("1/stable", {}).get("ok", 0) == (stable == "kept")
    assert scene.model().fallbacks == {reason: 1}
    assert scene.model().fallback_failures == 0
    whole = failure in (status, status_with_trailers) and not raw.endswith(b"00000")
    assert len(scene["2"].open) == whole
    scene.at_rest()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_canary_that_may_not_be_repeated(stage: Stage, failure: object) -> None:
    scene = stage(model(canary=100, deadlines=Deadlines(first_byte=2.0)))
    scene["2"].fate = "hang" if failure is no_connection else "accept"
    caller = scene.caller()
    caller >> post(b"hello", ME)
    outcome, _ = failure(scene).split()  # type: ignore[operator]
    if failure is status_in_parts:
        scene["2"] << FAIL[-2:]
    assert caller.answer().status >= 500
    assert not scene["1"].links
    assert scene.outcomes() == {"2/canary": {outcome: 1}}
    scene.at_rest()


def test_no_fallback_once_the_head_is_out(stage: Stage) -> None:
    scene = stage(model(**SAFE))
    caller = scene.caller()
    caller >> get(ME)
    scene["2"] << ok(b"0" * 10)[:-5]
    scene["2"].leave()
    assert not caller.answer().whole
    assert scene.model().fallbacks == {}
    assert scene.outcomes() == {"2/canary": {"upstream_reset": 1}}


def test_a_status_that_is_not_named_goes_through(stage: Stage) -> None:
    scene = stage(model(fallback=Fallback(statuses=(503,)), **SAFE))
    caller = scene.caller()
    caller >> get(ME)
    scene["2"] << ok(b"mine", status="500 Oops")
    assert caller.answer().status == 500
    assert scene.outcomes() == {"2/canary": {"upstream_5xx": 1}}


def test_stable_may_fail_as_well(stage: Stage) -> None:
    scene = stage(model(**SAFE))
    scene["2"].fate = scene["1"].fate = OSError("gone")
    caller = scene.caller()
    caller >> post(b"hello", ME)
    answer = caller.answer()
    assert answer.status == 502
    assert answer.fields["x-fallback"] == "2; connect"
    assert answer.fields["x-model-version"] == "1"
    assert scene.model().fallback_failures == 1
    assert scene.outcomes() == {"2/canary": {"upstream_connect": 1}}
    scene.at_rest()


def test_stable_may_refuse_as_well(stage: Stage) -> None:
    scene = stage(model(**SAFE))
    caller = scene.caller()
    caller >> post(b"hello", ME)
    scene["2"] << FAIL
    scene["1"] << ok(status="404 Not Found")
    assert caller.answer().status == 404
    assert scene.model().fallback_failures == 0


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_an_upload_is_kept_up_to_the_hold_limit(stage: Stage, framing: str) -> None:
    for size, answered in ((100, 200), (101, 503)):
        scene = stage(model(limits=ModelLimits(hold=100), **SAFE))
        caller = scene.caller()
        if framing == "length":
            raw = post(b"0" * size, ME)
            caller >> raw[:-40]
            caller >> raw[-40:]
        else:
            caller >> request("POST", "/m", "Transfer-Encoding: chunked", ME)
            caller >> b"32\r\n" + b"0" * 50 + b"\r\n"
            caller >> chunked(b"0" * (size - 50))
        scene["2"] << FAIL
        if answered == 200:
            scene["1"] << ok()
        assert caller.answer().status == answered
        scene.at_rest()


def two_endpoints() -> tuple[VersionPlan, ...]:
    both = (Endpoint("127.0.0.1", PORTS["1"]), Endpoint("127.0.0.1", PORTS["1b"]))
    return (VersionPlan("1", both), *versions("2", "3"))


@pytest.mark.parametrize("raw", [get(ME), post(b"hello", ME), post(b"0" * 10, ME)[:-5]])
def test_another_endpoint_takes_over_when_one_cannot_be_reached(stage: Stage, raw: bytes) -> None:
    for kept in (False, True):
        scene = stage(model(versions=two_endpoints()))
        if kept:
            first = scene.caller()
            first >> get(ME)
            scene["1" if scene["1"].links else "1b"] << ok()
            first.leave()
        dead, alive = ("1b", "1") if scene["1"].links else ("1", "1b")
        scene[dead].fate = "hang"
        scene[alive].got()
        for _ in range(2):
            caller = scene.caller()
            caller >> raw
            if not any(w.protocol.busy for w in scene[alive].open):
                break
        scene[dead].fate = OSError("gone")
        scene.settle()
        assert scene[alive].got().count(b"HTTP/1.1") >= 1
        if raw.endswith(b"00000"):
            assert caller.wire.reading
            caller >> b"00000"
        for wire in scene[alive].open:
            if wire.protocol.busy:
                wire.send(ok())
        assert caller.answer().status == 200


def test_no_endpoint_can_be_reached(stage: Stage) -> None:
    scene = stage(model(versions=two_endpoints()))
    scene["1"].fate = scene["1b"].fate = OSError("gone")
    caller = scene.caller()
    caller >> post(b"hello", ME)
    assert caller.answer().status == 502
    assert scene.outcomes() == {"1/stable": {"upstream_connect": 1}}
    scene.at_rest()


# --- ourselves ---


def test_out_of_descriptors_is_our_own_fault(stage: Stage) -> None:
    """Nobody's failure is booked on the canary or its endpoint, and stable is not asked instead."""
    scene = stage(model(**SAFE))
    scene["2"].fate = OSError(errno.EMFILE, "Too many open files")
    caller = scene.caller()
    caller >> get(ME)
    answer = caller.answer()
    assert (answer.status, answer.fields["retry-after"]) == (503, "1")
    assert b'"owner":"proxy"' in answer.body
    assert scene.outcomes() == {"2/canary": {"proxy_overload": 1}}
    assert scene.model().fallbacks == {}
    scene.at_rest()


@pytest.mark.parametrize("sent", [ok(), ok()[:-1]])
def test_our_own_fault_while_an_answer_is_read(
    stage: Stage, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("proxy.traffic.reframing.framed", fault)
    scene = stage(model())
    caller = scene.caller()
    caller >> get("connection: close")
    scene["1"] << sent
    assert caller.answer().status == 500
    assert scene.outcomes() == {"1/stable": {"proxy_error": 1}}
    scene.at_rest()
