"""Judging only what may be judged otherwise says what judging everything would say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from desk_scene import Scene, report, settings, split, tally
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from proxy.steering import judging

NAMES = ("a", "b", "c")
BOUNDS = (
    "off",
    "{error_rate: {absolute: 0.2, min_requests: 10}, consecutive_failures: 15}",
    "{error_rate: {relative: 2, window: 7.3s, min_requests: 3}, consecutive_failures: off}",
    "{error_rate: off, consecutive_failures: off, latency: ["
    "{quantile: 0.5, absolute: 500ms, window: 90s, min_requests: 10}, "
    "{quantile: 0.9, relative: 2, window: 5s, min_requests: 3}]}",
)
FILES = {
    (bounds, canary): settings(
        bounds, a=split(canary=canary), b=split(canary=canary), c=split(canary=None)
    )
    for bounds in BOUNDS
    for canary in (None, "3", "2")
}

heard = st.tuples(
    st.just("hears"),
    st.sampled_from(NAMES),
    st.sampled_from([("1", "stable"), ("3", "canary"), ("2", "canary"), ("2", "shadow")]),
    st.integers(min_value=0, max_value=30),  # good answers
    st.integers(min_value=0, max_value=8),  # failures
    st.sampled_from([10, 300, 900]),  # milliseconds
)
passed = st.tuples(
    st.just("waits"),
    st.sampled_from([0.1, 0.1, 0.25, 0.9, 1.0, 4.7, 5.0, 31.0, 59.9, 61.0, 1000.0, -0.5, -40.0]),
)
edited = st.tuples(st.just("reads"), st.sampled_from(sorted(FILES, key=str)))


class Pair:
    """The desk as it is, and one that judges every canary on every tick."""

    def __init__(self, folder: Path) -> None:
        self.scenes = [Scene(folder / name) for name in ("one", "other")]
        for scene in self.scenes:
            scene.path.parent.mkdir()
            scene.start(FILES[BOUNDS[1], "3"])
            scene.desk.hello(0, 0)

    def does(self, what: tuple[object, ...]) -> None:
        for scene in self.scenes:
            match what:
                case "hears", str(model), (str(version), str(arm)), int(ok), int(bad), int(ms):
                    found = tally(version, arm, ok, bad, ms, streak=bad, model=model)
                    scene.desk.report(0, report(found))
                case "waits", float(seconds):
                    scene.now += seconds
                case "reads", tuple(file):
                    scene.desk.reload(FILES[file])

    def ticks(self) -> None:
        one, other = (scene.desk for scene in self.scenes)
        other._held.fresh |= set(other._held.in_force)
        one.tick()
        other.tick()
        assert one._held.findings == other._held.findings
        assert one.plan == other.plan
        assert one._held.in_force == other._held.in_force


@given(st.lists(st.one_of(heard, heard, passed, passed, edited), max_size=40))
@profile(max_examples=200)
def test_every_tick_finds_what_judging_everything_finds(
    happenings: list[tuple[object, ...]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder))
        try:
            pair.ticks()
            for what in happenings:
                pair.does(what)
                pair.ticks()
            for _ in range(70):  # and then nothing but time
                pair.does(("waits", 0.9))
                pair.ticks()
        finally:
            for scene in pair.scenes:
                scene.close()


def test_a_tick_judges_what_was_touched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    check = judging.check
    check = judging.check

    def noted(*given):  # type: ignore[no-untyped-def]
        judged.append(given[1].counts(1, scene.now).model)
        return check(*given)

    desk = scene.start(settings(**{f"m{n}": split() for n in range(20)}))
    scene.ticks()
    monkeypatch.setattr(judging, "check", noted)
    for _ in range(50):
        scene.ticks()
    assert judged == []
    desk.report(0, report(tally(ok=5, model="m7")))
    scene.ticks()
    assert judged == ["m7"]
    for _ in range(59):
        scene.ticks(1.0)
    assert judged == ["m7"]
    for _ in range(300):
        scene.ticks(1.0)
    assert judged == ["m7", "m7"], "once more, when the minute has passed"


def test_what_waits_to_be_judged_again_does_not_pile_up(scene: Scene) -> None:
    desk = scene.start()
    for _ in range(1000):
        desk.report(0, report(tally(ok=5), tally("1", "stable", ok=5)))
        scene.ticks(0.25)
    assert len(desk._judging._queue) <= 2


def test_good_answers_that_age_out_leave_a_failure(scene: Scene) -> None:
    desk = scene.start()
    desk.report(0, report(tally(ok=90)))
    scene.ticks(30.0)
    desk.report(0, report(tally(ok=7, failed=4)))
    scene.ticks()
    assert scene.canary() == "3@5"
    scene.ticks(30.0)
    assert scene.canary() == "3@5"
    scene.ticks(1.0)
    assert scene.canary() is None
