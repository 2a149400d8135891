"""Exchanges kept whole for the desk: whose, how much of them, and how many at once."""

from __future__ import annotations

import pytest
from dialogue import Caller, Scene
from dialogue_bytes import chunked, get, ok, post, request
from dialogue_plans import model, plan, shadow
from dialogue_stage import Stage

from proxy.measure import Report
from proxy.routing.plan import Fallback, KeySource, ModelPlan, SamplePlan, SegmentPlan, WatchPlan
from proxy.routing.plan import Testers as ForTesters
from proxy.routing.split import Share, sampled
from proxy.terms import Outcome, Sample

ME = "X-Customer-Id: me"
JSON = "Content-Type: application/json"
FAIL = ok(b"oops", status="503 Service Unavailable")


def sampling(percent: float = 100, *, all_canary: bool = False, **more: object) -> ModelPlan:
    size = more.pop("bytes", 1000)
    sample = SamplePlan(percent, "samples", all_canary, size)  # type: ignore[arg-type]
    return model(watch=WatchPlan(sample=sample), **more)  # type: ignore[arg-type]


def ask(scene: Scene, raw: bytes, answer: bytes = ok()) -> Caller:
    caller = scene.caller()
    caller >> raw
    for version in ("1", "2"):
        if any(not w.lost and w.protocol.busy for w in scene[version].links):
            scene[version] << answer
    return caller


def one(scene: Scene) -> Sample:
    report = scene.look()
    assert report.samples_dropped == 0
    (sample,) = report.samples
    scene.at_rest()
    return sample


# --- what is in it ---


def test_an_exchange_is_kept_whole(stage: Stage) -> None:
    segment = SegmentPlan("age_band", KeySource("header", "X-Age-Band"), ("young",))
    scene = stage(sampling(segments=(segment,)), hash_key="secret")
    lines = (ME, JSON, "Content-Encoding: gzip", "X-Age-Band: young", "X-Request-Id: mine")
    ask(scene, post(b"asked", *lines), ok(b"answered", "Content-Type: text/plain"))
    it = one(scene)
    assert (it.request_id, it.model, it.segments) == ("mine", "m", ("age_band=young",))
    assert (it.arm, it.share, it.drawn) == ("stable", 0.0, False), "no canary"
    assert it.customer == scene.plane.hashed(b"me")
    assert (it.request, it.request_bytes) == (b"asked", 5)
    assert (it.request_type, it.request_encoding) == ("application/json", "gzip")
    assert (it.answer.version, it.answer.outcome, it.answer.status) == ("1", Outcome.OK, 200)
    assert (it.answer.body, it.answer.body_bytes) == (b"answered", 8)
    assert it.answer.content_type == "text/plain"
    assert scene.look().samples == []


CHUNKED = request("POST", "/m", "Transfer-Encoding: chunked", ME) + chunked(b"0123456789" * 20)


@pytest.mark.parametrize("raw", [post(b"0123456789" * 20, ME), CHUNKED])
def test_a_body_is_kept_up_to_the_cap_however_it_comes(stage: Stage, raw: bytes) -> None:
    for step in (1, 7, 1000):
        scene = stage(sampling(bytes=150))
        caller = scene.caller()
        for at in range(0, len(raw), step):
            caller >> raw[at : at + step]
        whole = ok(b"abcdefghij" * 20)
        for at in range(0, len(whole), step):
            scene["1"] << whole[at : at + step]
        assert caller.answer().body == b"abcdefghij" * 20
        it = one(scene)
        assert (it.request, it.request_bytes) == (b"0123456789" * 15, 200)
        assert (it.answer.body, it.answer.body_bytes) == (b"abcdefghij" * 15, 200)


def test_a_body_that_was_held_for_its_key_or_for_room(stage: Stage) -> None:
    scene = stage(sampling(customer=KeySource("json", "/id")))
    raw = post(b'{"id": "me"}')
    caller = scene.caller()
    caller >> raw[:-5]
    caller >> raw[-5:]
    scene["1"] << ok()
    assert one(scene).request == b'{"id": "me"}'


@pytest.mark.parametrize("percent", [100, 50])
def test_the_arm_is_the_one_that_was_drawn(stage: Stage, percent: float) -> None:
    scene = stage(sampling(canary=percent))
    canary = Share("m/split/2", percent)
    for who in range(20):
        ask(scene, get(f"X-Customer-Id: {who}"))
        it = one(scene)
        drawn = canary.takes(b"%d" % who)
        assert (it.arm, it.answer.version) == (("canary", "2") if drawn else ("stable", "1"))
        assert (it.share, it.drawn) == (percent / 100, True)


def test_who_was_not_drawn_is_no_evidence(stage: Stage) -> None:
    scene = stage(sampling(canary=100, testers=ForTesters("X-T", "sesame")))
    for raw in (get(ME, "X-T: sesame stable"), get(ME, "X-T: sesame canary"), get()):
        ask(scene, raw)
        it = one(scene)
        assert (it.drawn, it.share) == (False, 1.0)
    assert it.customer == ""
    scene.plane.board = scene.plane._safe
    ask(scene, get(ME))
    assert (it := one(scene)).drawn is False
    assert (it.share, it.arm) == (0.0, "stable"), "no desk, no canary"


def test_where_stable_stood_in_the_arm_is_the_canarys_and_the_answer_stables(stage: Stage) -> None:
    scene = stage(sampling(canary=100, safe_to_repeat=True, fallback=Fallback()))
    caller = scene.caller()
    caller >> post(b"asked", ME)
    scene["2"] << FAIL
    scene["1"] << ok(b"saved")
    assert caller.answer().body == b"saved"
    it = one(scene)
    assert (it.arm, it.drawn, it.request, it.fallback) == ("canary", True, b"asked", True)
    assert (it.answer.version, it.answer.body, it.answer.status) == ("1", b"saved", 200)


def test_no_answer_is_told_as_none(stage: Stage) -> None:
    scene = stage(sampling())
    caller = scene.caller()
    caller >> post(b"asked", ME)
    scene["1"].leave(ConnectionResetError())
    assert caller.answer().status == 502
    it = one(scene)
    assert (it.answer.outcome, it.answer.status) == (Outcome.UPSTREAM_RESET, 0)
    assert (it.request, it.answer.body) == (b"asked", b"")


def test_a_request_that_never_came_whole_is_none(stage: Stage) -> None:
    scene = stage(sampling())
    caller = scene.caller()
    caller >> post(b"asked", ME)[:-1]
    caller.leave()
    report = scene.look()
    assert (report.samples, report.samples_dropped) == ([], 1)
    scene.at_rest()


# --- whose ---


def hashes(scene: Scene, n: int, **more: object) -> set[str]:
    for who in range(n):
        ask(scene, get(f"X-Customer-Id: {who}")).leave()
    return {it.customer for it in scene.look().samples}


def test_a_sample_is_by_customer_whatever_the_arm(stage: Stage) -> None:
    expected = [n for n in range(60) if sampled(b"samples", 30, b"%d" % n)]
    for percent in (0, 40, 100):
        scene = stage(sampling(30, canary=percent))
        found = hashes(scene, 60)
        assert found == {scene.plane.hashed(b"%d" % n) for n in expected}
    assert 8 < len(expected) < 30


def test_all_of_the_canarys_are_kept_but_only_the_sample_is_evidence(stage: Stage) -> None:
    scene = stage(sampling(30, all_canary=True, canary=40))
    share = Share("m/split/2", 40)
    for who in range(60):
        ask(scene, get(f"X-Customer-Id: {who}")).leave()
    samples = {it.customer: it for it in scene.look().samples}
    for who in range(60):
        key = b"%d" % who
        fair, canary = sampled(b"samples", 30, key), share.takes(key)
        it = samples.pop(scene.plane.hashed(key), None)
        assert (it is not None) == (fair or canary)
        assert it is None or it.drawn == fair
    assert samples == {}


@pytest.mark.parametrize("watch", [None, WatchPlan(1.0)])
def test_nothing_is_kept_unless_it_is_asked_for(stage: Stage, watch: WatchPlan | None) -> None:
    scene = stage(model(canary=50, watch=watch))
    caller = scene.caller()
    caller >> post(b"x" * 100, ME)[:-1]
    assert caller.protocol.exchange is not None
    assert caller.protocol.exchange.live is None
    caller.leave()
    assert (scene.look().samples, scene.look().samples_dropped) == ([], 0)


def test_a_pair_and_a_sample_of_the_same_exchange(stage: Stage) -> None:
    """Each with its own cap, and no body held longer than its exchange."""
    mirrored = {"shadows": (shadow(pair_bytes=3),)}
    scene = stage(plan(sampling(bytes=5, **mirrored)))
    caller = scene.caller()
    caller >> post(b"0123456789", ME)
    scene["3"] << ok(b"shadow")
    scene["1"] << ok(b"stable-")
    report = scene.look()
    (it,), (pair,) = report.samples, report.pairs
    assert (it.request, it.answer.body) == (b"01234", b"stabl")
    assert (pair.live.body, pair.shadow.body) == (b"sta", b"sha")
    scene.at_rest()


def test_a_slow_shadow_does_not_hold_the_sample(stage: Stage) -> None:
    scene = stage(sampling(bytes=1 << 20, shadows=(shadow(pair_percent=0),)))
    ask(scene, post(b"x", ME), ok(bytes(1 << 20)))
    assert scene.look().copies_in_flight == 1
    assert scene.plane.evidence.held == 0
    scene["3"] << ok()
    scene.at_rest()


# --- bounds ---


def flood(scene: Scene, n: int) -> Report:
    for who in range(n):
        ask(scene, get(f"X-Customer-Id: {who}")).leave()
    return scene.look()


def test_a_report_holds_so_many_and_counts_the_rest(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.traffic.evidence._SAMPLES", 20)
    scene = stage(sampling(canary=50))
    report = flood(scene, 50)
    assert (len(report.samples), report.samples_dropped) == (20, 30)
    assert len({it.arm for it in report.samples}) == 2
    assert flood(scene, 5).samples_dropped == 0
    scene.at_rest()


def test_what_is_kept_beside_the_sample_takes_half_of_the_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.traffic.evidence._SAMPLES", 20)
    scene = stage(sampling(0, all_canary=True, canary=100))
    assert len(flood(scene, 50).samples) == 10


def test_so_many_are_under_way_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.traffic.evidence._SAMPLES", 3)
    scene = stage(sampling())
    callers = [scene.caller() for _ in range(5)]
    for caller in callers:
        caller >> get(ME)
    assert scene.plane.evidence.under_way == 3
    for wire in list(scene["1"].links):
        wire.send(ok())
    report = scene.look()
    assert (len(report.samples), report.samples_dropped) == (3, 2)
    scene.at_rest()


@pytest.mark.parametrize("side", ["request", "answer"])
def test_large_bodies_are_bounded_together(stage: Stage, side: str) -> None:
    """5 MiB of each: 8 MiB have room for one at a time."""
    large, small = bytes(5 << 20), b"x"
    asked, said = (large, small) if side == "request" else (small, large)
    scene = stage(sampling(bytes=5 << 20))
    callers = [scene.caller() for _ in range(2)]
    for caller in callers:
        caller >> post(asked, ME)
    for wire in list(scene["1"].links):
        wire.send(ok(said))
    assert scene.plane.evidence.held == 0
    report = scene.look()
    assert (len(report.samples), report.samples_dropped) == (1, 1)
    ask(scene, post(asked, ME), ok(said))
    assert len(scene.look().samples) == 1
    scene.at_rest()
