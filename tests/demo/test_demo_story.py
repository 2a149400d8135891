"""The story's decisions: when an act has begun, what is read from pointsman, what is edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo import desk, places, processes, story, workfile
from demo.errors import DemoError
from demo.servers import MODEL
from demo.story import ACTS, is_played

BY_KEY = {act.key: act for act in ACTS}


def status(canary: dict[str, Any] | None = None, **given: Any) -> desk.Status:
    model = {"canary": canary, "shadows": {}, "latches": [], "arms": {}} | given
    workers = [{"plan_number": 4}, {"plan_number": 4}]
    return {"plan_number": 4, "workers": workers, "config": {}, "models": {MODEL: model}}


def asks(version: str, percent: float, reverted: bool = False) -> dict[str, Any]:
    return {
        "version": version,
        "percent_asked": percent,
        "percent_file": percent,
        "reverted": reverted,
    }


def test_an_act_begins_when_its_split_is_in_every_worker() -> None:
    now = status(asks("2", 5.0))
    assert is_played(BY_KEY["3a"], now)
    assert not is_played(BY_KEY["3b"], now)
    now["workers"][1]["plan_number"] = 3
    assert not is_played(BY_KEY["3a"], now)


def test_no_act_begins_without_workers() -> None:
    now = status(asks("2", 5.0))
    now["workers"] = []
    assert not is_played(BY_KEY["3a"], now)


def test_the_shadow_act_needs_its_shadow() -> None:
    assert not is_played(BY_KEY["2"], status())
    assert is_played(BY_KEY["2"], status(shadows={"2": {}}))


def test_the_last_act_begins_when_the_file_was_read_and_the_revert_holds() -> None:
    latches = [{"version": "3", "at": 1.0}]
    held = status(asks("3", 25.0, reverted=True), latches=latches)
    assert is_played(BY_KEY["5"], held)
    assert not is_played(BY_KEY["5"], status(asks("3", 10.0, reverted=True), latches=latches))
    assert not is_played(BY_KEY["5"], status(asks("3", 25.0), latches=latches)), "it was let in"


def test_the_latch_is_found_by_version() -> None:
    now = status(latches=[{"version": "2"}, {"version": "3", "reason": "error_rate"}])
    assert desk.latch(now, MODEL, "3") == {"version": "3", "reason": "error_rate"}
    assert desk.latch(status(), MODEL, "3") is None


EXPOSITION = """\
# TYPE pointsman_requests_total counter
pointsman_requests_total{model="credit-risk",version="1",arm="stable",outcome="ok"} 90
pointsman_requests_total{model="credit-risk",version="2",arm="canary",outcome="ok"} 7
pointsman_requests_total{model="credit-risk",version="2",arm="canary",outcome="upstream_5xx"} 3
pointsman_requests_total{model="another",version="1",arm="stable",outcome="ok"} 5
# TYPE pointsman_shadow_copies_total counter
pointsman_shadow_copies_total{model="credit-risk",version="2",arm="shadow",result="sent"} 40
"""


def test_counters_are_read_by_arm_and_outcome() -> None:
    found = desk.counted(EXPOSITION, MODEL)
    assert found.requests == {"stable 1": {"ok": 90}, "canary 2": {"ok": 7, "upstream_5xx": 3}}
    assert found.copies == {"2": {"sent": 40}}


def test_counters_since_an_earlier_reading() -> None:
    before = desk.Counted({"stable 1": {"ok": 50}}, {})
    found = desk.counted(EXPOSITION, MODEL).since(before)
    assert found.requests["stable 1"] == {"ok": 40}
    assert found.requests["canary 2"] == {"ok": 7, "upstream_5xx": 3}


def test_an_exposition_without_the_counters_is_refused() -> None:
    with pytest.raises(DemoError, match="pointsman_requests_total"):
        desk.counted("", MODEL)


# ---- the working copy of the config


def test_every_split_of_the_story_is_written_as_an_operator_would(tmp_path: Path) -> None:
    config = workfile.load(places.CONFIG)
    for act in ACTS:
        changed = workfile.with_split(config, MODEL, act.canary, act.shadow)
        workfile.save(changed, tmp_path / "demo.yaml")
        split = workfile.load(tmp_path / "demo.yaml")["models"][MODEL]["split"]
        assert split["stable"] == "1"
        assert split.get("canary", {}).get("percent") == (act.canary and act.canary[1])
        assert [shadow["version"] for shadow in split.get("shadow", [])] == [
            version for version in [act.shadow] if version
        ]
    assert config == workfile.load(places.CONFIG), "the file's own config was changed"


def test_three_versions_are_meant_to_be_reverted() -> None:
    reverted = [act.canary[0] for act in ACTS if act.reverts and act.canary]
    assert reverted == [story.BAD, "4", "5"]
    assert [act.key for act in ACTS if act.canary and act.canary[0] == story.BAD] == ["4", "5"]


def test_ports_are_moved_and_nothing_else() -> None:
    config = workfile.load(places.CONFIG)
    wanted = workfile.ports(config, MODEL)
    assert set(wanted) == {"listen", "admin", "1", "2", "3", "4", "5"}
    moved = workfile.with_ports(config, MODEL, {name: port + 1 for name, port in wanted.items()})
    assert workfile.ports(moved, MODEL) == {name: port + 1 for name, port in wanted.items()}
    assert workfile.with_ports(moved, MODEL, wanted) == config


def test_a_taken_port_is_replaced_and_none_is_given_twice() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        chosen = processes.free_ports([port, port, 0])
    assert port not in chosen
    assert len(set(chosen)) == 3
