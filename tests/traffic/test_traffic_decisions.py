"""Which version answers: keys, segments, testers, Plans that change, canaries that fail."""

from __future__ import annotations

import pytest
from dialogue import arm
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_plans import model, plan
from dialogue_stage import Stage

from proxy.routing.plan import (
    AccessLog,
    KeySource,
    ModelLimits,
    SegmentPlan,
)
from proxy.routing.plan import Testers as ForTesters

JSON_KEY = {"customer": KeySource("json", "/customer/id"), "canary": 100}
CHUNKED = request("POST", "/m", "Transfer-Encoding: chunked")
ME = "X-Customer-Id: me"


# --- keys ---


@pytest.mark.parametrize("missing", ["random", "stable"])
@pytest.mark.parametrize("lines", [(), ("X-Customer-Id:",), (ME, "X-Customer-Id: you")])
def test_a_missing_key_has_the_fate_of_the_config(
    stage: Stage, missing: str, lines: tuple[str, ...]
) -> None:
    scene = stage(model(canary=100, missing=missing))
    assert arm(scene, get(*lines)) == {"random": "2 canary", "stable": "1 stable"}[missing]
    assert scene.model().missing_keys == 1
    assert scene.model().customers == {}
    scene.at_rest()


def test_a_share_is_sticky_and_counted_by_decision(stage: Stage) -> None:
    scene = stage(model(canary=50))
    arms = [arm(scene, get(f"X-Customer-Id: {n}")) for n in range(60)]
    assert arms == [arm(scene, get(f"X-Customer-Id: {n}")) for n in range(60)]
    canary = arms.count("2 canary")
    assert 10 < canary < 50
    assert scene.model().customers == {"canary": 2 * canary, "stable": 120 - 2 * canary}
    assert scene.outcomes()["2/canary"] == {"ok": 2 * canary}
    scene.at_rest()


BODY = b'{"customer": {"id": "me"}, "x": [1, 2, 3]}'


@pytest.mark.parametrize("raw", [post(BODY), CHUNKED + chunked(BODY[:9], BODY[9:])])
def test_a_json_key_is_read_wherever_the_body_was_cut(stage: Stage, raw: bytes) -> None:
    for at in range(1, len(raw)):
        scene = stage(model(**JSON_KEY))
        caller = scene.caller()
        caller >> raw[:at]
        caller >> raw[at:]
        sent = scene["2"].got()
        assert BODY in sent or BODY in sent.replace(b"\r\n", b""), at
        scene["2"] << ok()
        assert caller.answer().fields["x-model-arm"] == "canary"
        assert scene.model().customers == {"canary": 1}
        scene.at_rest()


@pytest.mark.parametrize("body", [b"", b"{", b'{"customer": 7}', b'{"customer": {"id": null}}'])
def test_a_json_key_that_is_not_there(stage: Stage, body: bytes) -> None:
    scene = stage(model(**JSON_KEY))
    assert arm(scene, post(body)) == "1 stable"
    assert scene.model().missing_keys == 1


@pytest.mark.parametrize("raw", [post(BODY), CHUNKED + chunked(BODY[:9], BODY[9:])])
def test_where_a_large_body_was_cut_moves_nobody(stage: Stage, raw: bytes) -> None:
    for at in range(1, len(raw) + 1):
        scene = stage(model(limits=ModelLimits(hold=len(BODY) - 1), **JSON_KEY))
        caller = scene.caller()
        caller >> raw[:at]
        caller >> raw[at:]
        scene["1"] << ok()
        assert caller.answer().fields["x-model-arm"] == "stable", at
        assert scene.model().held_too_large == 1
        scene.at_rest()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_too_large_to_hold_is_decided_without(stage: Stage, framing: str) -> None:
    scene = stage(model(limits=ModelLimits(hold=100), **JSON_KEY))
    caller = scene.caller()
    body = BODY + b" " * 100
    if framing == "length":
        caller >> post(body)[:-100]
        assert scene["1"].got(), "forwarded at once: the length says that it is too large"
        caller >> post(body)[-100:]
    else:
        caller >> CHUNKED + b"%x\r\n%b\r\n" % (len(BODY), BODY)
        assert not scene["1"].links
        caller >> chunked(b" " * 100)
        assert BODY in scene["1"].got()
    scene["1"] << ok()
    assert caller.answer().fields["x-model-arm"] == "stable"
    assert scene.model().held_too_large == 1
    assert scene.tally("1", "stable").bytes_in == len(body)
    scene.at_rest()


def test_a_held_upload_that_stalls_is_the_callers_fault(stage: Stage) -> None:
    scene = stage(model(**JSON_KEY))
    caller = scene.caller()
    caller >> post(BODY)[:-3]
    scene.wait(31)
    assert caller.answer().status == 408
    assert scene.refused() == {"caller_timeout": 1}
    caller.leave()
    scene.at_rest()


def test_a_held_upload_is_asked_for(stage: Stage) -> None:
    scene = stage(model(**JSON_KEY))
    caller = scene.caller()
    caller >> request("POST", "/m", f"Content-Length: {len(BODY)}", "Expect: 100-continue")
    assert caller.got().startswith(b"HTTP/1.1 100 ")
    caller >> BODY
    scene["2"] << ok()
    assert caller.answer().status == 200


def test_segments_are_counted_apart(stage: Stage) -> None:
    age = SegmentPlan("age", KeySource("header", "X-Age"), ("young", "old"))
    where = SegmentPlan("where", KeySource("query", "w"), ("here",))
    scene = stage(model(segments=(age, where)))
    for line, target in (("X-Age: old", "/m?w=here"), ("X-Age: 7", "/m"), ("A: b", "/m?w=x")):
        arm(scene, get(ME, line, target=target))
    assert scene.outcomes() == {"1/stable": {"ok": 3}}
    for label in ("age=old", "age=other", "age=missing", "where=here", "where=missing"):
        assert scene.outcomes(label) == {"1/stable": {"ok": 1}}


TESTERS = {"testers": ForTesters("X-Tester", "s3cret"), "canary": 0}


@pytest.mark.parametrize(
    ("line", "expected", "honoured"),
    [
        ("X-Tester: s3cret canary", "2 canary", 1),
        ("x-tester: s3cret stable", "1 stable", 1),
        ("X-Tester: wrong canary", "1 stable", 0),
        ("X-Tester: canary", "1 stable", 0),
        ("X-Tester: s3cret shadow", "1 stable", 0),
        ("X-Tester: s3cret \xe9", "1 stable", 0),
        ("X-Tester:", "1 stable", 0),
        ("X-Tester: s3cret canary\r\nX-Tester: s3cret stable", "1 stable", 0),
    ],
)
def test_a_testers_choice(stage: Stage, line: str, expected: str, honoured: int) -> None:
    scene = stage(model(**TESTERS))
    assert arm(scene, get(ME, line)) == expected
    assert scene.model().overrides == honoured
    assert b"ester" not in scene["1"].got() + scene["2"].got(), "the secret goes no further"


def test_no_tester_without_a_config(stage: Stage) -> None:
    scene = stage(model(canary=0))
    assert arm(scene, get("X-Tester: s3cret canary")) == "1 stable"


# --- Plans ---


def test_no_judge_no_canary(stage: Stage) -> None:
    scene = stage(model(canary=100), heard=False, desk_silence=3.0)
    assert arm(scene, get(ME)) == "1 stable"
    assert scene.plane.report().desk_silent
    scene.plane.desk_heard()
    assert arm(scene, get(ME)) == "2 canary"
    scene.wait(2.9)
    scene.plane._choose_board()
    assert arm(scene, get(ME)) == "2 canary"
    scene.wait(0.2)
    scene.plane._choose_board()
    assert arm(scene, get(ME)) == "1 stable"
    scene.plane.desk_heard()
    assert arm(scene, get(ME)) == "2 canary"


def test_before_any_plan(stage: Stage) -> None:
    scene = stage(model())
    scene.plane.board = None
    caller = scene.caller()
    caller >> get()
    answer = caller.answer()
    assert (answer.status, "retry-after" in answer.fields) == (503, True)
    assert scene.refused() == {"starting": 1}


def test_a_revert_is_one_swap(stage: Stage) -> None:
    scene = stage(model(canary=100))
    old, new = scene.caller(), scene.caller()
    old >> get(ME)
    scene.plane.apply(plan(model(), number=2, desk_silence=3600.0))
    new >> get(ME)
    scene["1"] << ok()
    assert new.answer().fields["x-model-version"] == "1"
    scene["2"] << ok()
    assert old.answer().fields["x-model-version"] == "2", "what was under way ends as it began"
    old >> get(ME)
    scene["1"] << ok()
    assert old.answer().fields["x-model-version"] == "1"
    assert scene.outcomes() == {"1/stable": {"ok": 2}, "2/canary": {"ok": 1}}
    scene.at_rest()


@pytest.mark.parametrize("raw", [get(ME), post(b"0" * 10, ME)[:-5]])
def test_a_queued_request_is_decided_by_the_new_plan(stage: Stage, raw: bytes) -> None:
    limits = ModelLimits(in_flight=1)
    scene = stage(model(canary=100, limits=limits))
    first, second = scene.caller(), scene.caller()
    first >> get(ME)
    second >> raw
    scene.plane.apply(plan(model(limits=limits), number=2, desk_silence=3600.0))
    scene["2"] << ok()
    if not raw.endswith(b"\n"):
        second >> b"00000"
    scene["1"] << ok()
    assert second.answer().fields["x-model-arm"] == "stable"
    scene.at_rest()


def test_a_held_request_is_decided_by_the_new_plan(stage: Stage) -> None:
    scene = stage(model(**JSON_KEY))
    caller = scene.caller()
    caller >> post(BODY)[:-3]
    scene.plane.apply(plan(model(**(JSON_KEY | {"canary": None})), number=2, desk_silence=9.0))
    caller >> BODY[-3:]
    scene["1"] << ok()
    assert caller.answer().fields["x-model-arm"] == "stable"
    scene.at_rest()


def test_a_path_that_no_model_has_is_named(stage: Stage) -> None:
    scene = stage(model(path_prefix="/m"))
    caller = scene.caller()
    caller >> get(target="/other/" + "x" * 200 + "?key=secret")
    told = caller.answer()
    assert told.status == 404
    assert b"'/other/" in told.body
    assert b"for the host 'm.example'" in told.body
    assert b"secret" not in told.body
    assert len(told.body) < 400
    scene.at_rest()


def test_a_model_that_leaves_the_plan(stage: Stage) -> None:
    scene = stage(model())
    caller = scene.caller()
    caller >> get()
    scene.plane.apply(plan(model(name="n", path_prefix="/n"), number=2, desk_silence=9.0))
    scene["1"] << ok()
    caller >> get()
    assert [a.status for a in caller.answers()] == [200, 404]
    scene.at_rest()


@pytest.mark.parametrize(
    ("canary", "status", "logged"),
    [(0, "200 OK", False), (0, "404 No", False), (0, "500 Oops", True), (100, "503 Oops", True)],
)
def test_a_versions_failures_are_logged_whatever_the_sample(
    stage: Stage, canary: float, status: str, logged: bool
) -> None:
    tested = model(canary=canary, safe_to_repeat=True)
    scene = stage(plan(tested, access_log=AccessLog(percent=0), desk_silence=9.0))
    caller = scene.caller()
    caller >> get(ME)
    scene["2" if canary else "1"] << ok(status=status)
    if canary:
        scene["1"] << ok()
    caller.answer()
    scene.look()
    assert [bool(line.fallback) for line in scene.seen.log] == ([canary > 0] if logged else [])
    scene.at_rest()


def test_the_access_log_hides_the_customer_and_knows_the_status(stage: Stage) -> None:
    scene = stage(plan(model(), access_log=AccessLog(), hash_key="k", desk_silence=9.0))
    arm(scene, get(ME, target="/m?customer=me"))
    scene["1"].fate = OSError("gone")
    scene["1"].links[0].leave()
    caller = scene.caller()
    caller >> get(ME)
    scene.look()
    good, bad = scene.seen.log
    assert (good.status, good.outcome, good.version, good.target) == (200, "ok", "1", "/m")
    assert good.customer == bad.customer
    assert "me" not in good.customer
    assert (bad.status, bad.outcome) == (502, "upstream_connect")


def test_what_a_new_plan_does_not_change_is_kept_as_it_is(stage: Stage) -> None:
    """A revert of one model among many prepares that one; its canary is gone in both postures."""
    other = model(name="n", path_prefix="/n")
    scene = stage(plan(model(canary=100), other, desk_silence=9.0))
    before = scene.plane.board
    scene.plane.apply(plan(model(canary=None), other, number=2, desk_silence=9.0))
    after = scene.plane.board
    assert before is not None
    assert after is not None
    assert after.by_name["n"] is before.by_name["n"]
    assert after.by_name["m"] is not before.by_name["m"]
    assert after.heads is before.heads
    assert before.by_name["m"].canary is not None
    assert after.by_name["m"].canary is None
    assert before.without_canaries().by_name["m"].canary is None
    assert arm(scene, get(ME)) == "1 stable"
    scene.at_rest()
