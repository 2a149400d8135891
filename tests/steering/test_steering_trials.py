"""Trials in the loop: what workers tell becomes evidence, and evidence a revert."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from desk_scene import Scene, report, split, tally
from judge_scene import crowd, failing, found, incident, judged, told

from proxy.judge import Evidence, Observation, Source
from proxy.measure import Report
from proxy.steering.evidence import observations
from proxy.store import read_evidence
from proxy.terms import Arm, Verdict


@pytest.fixture
def kept(scene: Scene) -> Scene:
    """A scene with evidence files."""
    scene.evidence = scene.path.parent / "evidence"
    return scene


def lines(scene: Scene, model: str = "m") -> list[Evidence]:
    assert scene.evidence is not None
    return list(read_evidence(scene.evidence / model))


# ---- what an incident counts as


def test_a_failure_a_slow_answer_a_fallback() -> None:
    seen = list(observations(incident("a", seconds=0.5, fallback=True), slow=0.3))
    assert [(it.source, it.name, it.value) for it in seen] == [
        (Source.ERROR, "upstream_5xx", 1.0),
        (Source.SLOW, "", 0.5),
        (Source.FALLBACK, "upstream_5xx", 1.0),
    ]
    assert all((it.arm, it.share, it.customer) == (Arm.CANARY, 0.05, "a") for it in seen)


@pytest.mark.parametrize(
    ("outcome", "slow", "sources"),
    [
        ("ok", 0.3, [Source.SLOW]),
        ("ok", None, []),
        ("ok", 0.5, []),  # exactly so long is not longer
        ("upstream_4xx", 0.3, [Source.SLOW]),
        ("upstream_timeout", None, [Source.ERROR]),
        ("caller_left", 0.3, []),  # it may have been the caller who was slow
        ("proxy_error", 0.3, []),
    ],
)
def test_only_what_is_the_versions_own(
    outcome: str, slow: float | None, sources: list[Source]
) -> None:
    seen = observations(incident("a", outcome=outcome, seconds=0.5), slow)
    assert [it.source for it in seen] == sources


# ---- a revert by the judge


def test_failing_customers_revert_the_canary_with_their_numbers(scene: Scene) -> None:
    desk = scene.start(judged())
    desk.report(0, told(*failing(5), tallies=(tally(ok=100), tally("1", "stable", ok=2000))))
    scene.ticks()
    assert scene.canary() is None
    latch = desk.latches[0]
    assert (latch.reason, latch.version, latch.actor) == ("errors", "3", "pointsman")
    assert latch.numbers["e_value"] >= latch.numbers["needed"]
    assert latch.numbers["canary_events"] == 5
    assert desk.status().reverts[0].reason == "errors"


def test_one_customer_who_fails_again_and_again_is_one(scene: Scene) -> None:
    desk = scene.start(judged())
    for n in range(50):
        desk.report(0, told(incident("same", at=scene.now + n)))
        scene.ticks()
    assert scene.canary() == "3@5"
    assert found(scene, "errors").numbers["canary_events"] == 1


def test_as_many_failures_as_the_share_revert_nothing(scene: Scene) -> None:
    desk = scene.start(judged())
    for n in range(10):
        desk.report(0, told(*failing(1, first=n), *failing(19, "stable", first=19 * n)))
        scene.ticks()
    assert scene.canary() == "3@5"
    assert found(scene, "errors").verdict is not Verdict.FAIL


def test_a_dry_run_only_tells(scene: Scene) -> None:
    scene.start(judged("{rules: {errors: {event: error, dry_run: true}}}"))
    scene.desk.report(0, told(*failing(20)))
    scene.ticks()
    assert scene.canary() == "3@5"
    assert (found(scene, "errors").verdict, found(scene, "errors").effect) == (Verdict.FAIL, "none")


def test_off_means_no_trial(scene: Scene) -> None:
    scene.start(judged("off"))
    scene.desk.report(0, told(*failing(20)))
    scene.ticks()
    assert scene.canary() == "3@5"
    assert scene.desk.status().models["m"].trial is None


def test_slow_answers_revert_by_the_rules_own_limit(scene: Scene) -> None:
    rules = (
        "{rules: {slow: {event: slow, over: 1s}, warn: {event: slow, over: 300ms, dry_run: true}}}"
    )
    scene.start(judged(rules))
    scene.desk.report(0, told(*failing(20, outcome="ok", seconds=0.5)))
    scene.ticks()
    assert scene.canary() == "3@5"
    assert found(scene, "warn").verdict is Verdict.FAIL
    scene.desk.report(0, told(*failing(8, first=100, outcome="ok", seconds=1.5)))
    scene.ticks()
    assert [latch.reason for latch in scene.desk.latches] == ["slow"]


def test_a_protected_segment_reverts_by_itself(scene: Scene) -> None:
    scene.start(judged("{rules: {errors: {event: error, segments: [age=young]}}}"))
    old = failing(95, "stable", segments=("age=old",))
    scene.desk.report(0, told(*old, *failing(7, segments=("age=young",))))
    scene.ticks()
    assert [latch.reason for latch in scene.desk.latches] == ["errors[age=young]"]


def test_incidents_of_others_are_not_of_this_trial(scene: Scene) -> None:
    scene.start(judged())
    others = [
        *failing(20, version="2"),  # a canary before
        *failing(20, "stable", version="3"),  # a stable that is none
        *failing(20, model="gone"),
    ]
    scene.desk.report(0, told(*others))
    scene.ticks()
    assert found(scene, "errors").verdict is Verdict.NOT_YET


def test_what_others_saw_counts_as_well(scene: Scene) -> None:
    scene.start(judged("{rules: {complaints: {event: kpi, of: complaint}}}"))
    seen = [
        Observation(Source.KPI, Arm.CANARY, 0.05, f"c{n}", scene.now, "complaint") for n in range(6)
    ]
    scene.desk.observe("m", seen[:1])
    scene.desk.observe("gone", seen)
    scene.ticks()
    assert scene.canary() == "3@5"
    scene.desk.observe("m", seen[1:])
    scene.ticks()
    assert [latch.reason for latch in scene.desk.latches] == ["complaints"]


# ---- beginnings


async def test_a_changed_share_goes_on_and_another_version_begins_afresh(scene: Scene) -> None:
    desk = scene.start(judged())
    desk.report(0, told(*failing(2)))
    scene.ticks()
    await desk.set_split("m", None, 20, "ada", "more")
    assert found(scene, "errors").numbers["canary_events"] == 2
    await desk.set_split("m", "2", 5, "ada", "another")
    assert found(scene, "errors").verdict is Verdict.NOT_YET
    assert desk.status().models["m"].trial is not None


async def test_clearing_a_revert_begins_afresh(scene: Scene) -> None:
    desk = scene.start(judged())
    desk.report(0, told(*failing(6)))
    scene.ticks()
    assert scene.canary() is None
    ended = desk.status().models["m"]
    assert ended.trial is not None
    assert ended.trial.ended is not None
    assert [it.verdict for it in ended.guardrails if it.check == "errors"] == ["fail"]
    await desk.clear_revert("m", "3", "ada", "fixed")
    scene.ticks()
    assert scene.canary() == "3@5"
    assert found(scene, "errors").verdict is Verdict.NOT_YET


def test_models_without_incidents_are_judged_however_many_others_have_some(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.steering.evidence.COUNTS_AT_ONCE", 2)
    monkeypatch.setattr("proxy.steering.evidence.COUNTS_AT_LEAST", 1)
    desk = scene.start(judged(**{name: split() for name in "mno"}))
    scene.ticks(2.0)
    for step in range(4):
        hit = [incident(f"c{step}", "stable", model=name, at=scene.now) for name in "mn"]
        desk.report(0, told(*hit, tallies=(tally(ok=5, model="o"),)))
        scene.ticks(2.0)
    assert found(scene, "errors", "o").numbers["canary_requests"] == 20


@pytest.mark.parametrize(
    "other",
    [
        '{stable: "2", canary: {version: "3", percent: 5}}',
        '{stable: "1", salt: other-draws, canary: {version: "3", percent: 5}}',
    ],
)
def test_another_stable_version_and_other_draws_begin_afresh(scene: Scene, other: str) -> None:
    desk = scene.start(judged())
    desk.report(0, told(*failing(2)))
    scene.ticks()
    desk.reload(judged(m=other))
    assert found(scene, "errors").verdict is Verdict.NOT_YET


def test_other_guardrails_keep_what_is_the_same(scene: Scene) -> None:
    desk = scene.start(judged())
    desk.report(0, told(*failing(2)))
    scene.ticks()
    desk.reload(judged("{rules: {errors: {event: error}, fell: {event: kpi, of: fall}}}"))
    assert found(scene, "errors").numbers["canary_events"] == 2
    assert found(scene, "fell").verdict is Verdict.NOT_YET
    desk.reload(judged("off"))
    assert desk.status().models["m"].trial is None
    desk.reload(judged())
    assert found(scene, "errors").verdict is Verdict.NOT_YET


# ---- evidence files


def test_one_line_for_a_tick_with_news(kept: Scene) -> None:
    desk = kept.start(judged())
    desk.report(0, told(incident("a"), tallies=(tally(ok=3), tally(ok=3, segment="age=old"))))
    desk.report(1, told(*failing(1, "stable"), tallies=(tally("1", "stable", ok=9),), dropped=4))
    kept.ticks()
    for _ in range(5):
        kept.ticks()
    desk._trials.close(kept.now)
    (line,) = lines(kept)
    assert (line.model, line.version, line.stable, line.share) == ("m", "3", "1", 0.05)
    assert [(it.arm, it.customer) for it in line.observations] == [
        (Arm.CANARY, "a"),
        (Arm.STABLE, "stable0"),
    ]
    assert line.requests == {"": (3, 9), "age=old": (3, 0)}
    assert line.dropped == 4


def test_counts_alone_are_a_line_a_second(kept: Scene) -> None:
    desk = kept.start(judged())
    for _ in range(30):
        desk.report(0, report(tally(ok=1)))
        kept.ticks(0.1)
    desk._trials.close(kept.now)
    found = lines(kept)
    assert 3 <= len(found) <= 4
    assert sum(line.requests[""][0] for line in found) == 30


async def test_a_restart_goes_on_with_the_same_numbers(kept: Scene) -> None:
    desk = kept.start(judged())
    desk.report(0, told(*failing(3), *failing(20, "stable"), tallies=(tally(ok=50),)))
    desk.report(0, newcomers(3000))
    kept.ticks()
    before = desk._trials.findings("m")
    await kept.restart(judged())
    kept.ticks()
    assert kept.desk._trials.findings("m") == before
    trial = kept.desk.status().models["m"].trial
    assert trial is not None
    assert trial.recovered
    kept.desk.report(0, told(*failing(4)))  # three of them were counted before
    kept.ticks()
    assert found(kept, "errors").numbers["canary_events"] == 4
    await kept.desk.close()


async def test_a_rule_that_was_changed_meanwhile_begins_afresh(kept: Scene) -> None:
    both = "{rules: {errors: {event: error}, slow: {event: slow, over: 1s}}}"
    desk = kept.start(judged(both))
    desk.report(0, told(*failing(1), *failing(20, "stable", outcome="ok", seconds=3.0)))
    kept.ticks()
    await kept.restart(judged("{rules: {errors: {event: error}, slow: {event: slow, over: 2s}}}"))
    assert found(kept, "errors").numbers["canary_events"] == 1
    assert found(kept, "slow").verdict is Verdict.NOT_YET
    await kept.desk.close()


async def test_evidence_that_cannot_be_used_begins_anew(kept: Scene) -> None:
    desk = kept.start(judged())
    desk.report(0, told(*failing(1)))
    kept.ticks()
    await desk.close()
    assert kept.evidence is not None
    (file,) = (kept.evidence / "m").glob("*.jsonl")
    text = file.read_bytes()
    start = text.index(b'"snapshot":"') + len(b'"snapshot":"')
    end = text.index(b'"', start)
    file.write_bytes(text[:start] + b"AAAA" + text[end:])
    kept.start(judged())
    assert found(kept, "errors").verdict is Verdict.NOT_YET
    await kept.desk.close()


async def test_a_trial_that_is_over_does_not_come_back(kept: Scene) -> None:
    desk = kept.start(judged())
    desk.report(0, told(*failing(2)))
    kept.ticks()
    desk.reload(judged(m=split(canary=None)))
    await kept.restart(judged())
    assert found(kept, "errors").verdict is Verdict.NOT_YET
    await kept.desk.close()


async def test_another_stable_in_the_file_is_another_trial(kept: Scene) -> None:
    desk = kept.start(judged())
    desk.report(0, told(*failing(2)))
    kept.ticks()
    await kept.restart(judged(m='{stable: "2", canary: {version: "3", percent: 5}}'))
    assert found(kept, "errors").verdict is Verdict.NOT_YET
    await kept.desk.close()


async def test_a_folder_that_cannot_be_is_no_harm(scene: Scene, tmp_path: Path) -> None:
    scene.evidence = tmp_path / "file"
    scene.evidence.write_text("in the way")
    desk = scene.start(judged())
    desk.report(0, told(*failing(6)))
    scene.ticks()
    assert scene.canary() is None
    await desk.close()
    status = desk.status().evidence
    assert status is not None
    assert status.lost == 1


def newcomers(n: int, share: float = 0.05) -> Report:
    made = report()
    made.newcomers.append(crowd(n, share, random.Random(1)))
    return made


async def test_status_says_what_the_judge_has_seen(kept: Scene) -> None:
    desk = kept.start(judged("{rules: {errors: {event: error, segments: [age]}}}"))
    desk.report(0, newcomers(3000))
    desk.report(0, told(*failing(2), *failing(3, "stable"), dropped=7))
    kept.ticks()
    model = desk.status().models["m"]
    trial = model.trial
    assert trial is not None
    assert (trial.version, trial.stable, trial.alpha, trial.guardrails) == ("3", "1", 0.05, 5)
    assert trial.observations == {"error": 5}
    assert trial.dropped == 7
    assert sum(trial.customers.values()) == pytest.approx(3000, rel=0.1)
    checks = [it.check for it in model.guardrails]
    ages = [f"errors[age={it}]" for it in ("young", "old", "other", "missing")]
    assert checks == ["errors", *ages, "sample_ratio"]
    view = desk.evidence("m")
    assert view.findings == model.guardrails
    assert view.folder == str(kept.evidence / "m")  # type: ignore[operator]
    await desk.close()
