"""The file is edited: what changes is published, audited, and never half believed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from desk_scene import THRESHOLDS, Scene, settings, split

from proxy.errors import ConfigError
from proxy.settings import parse


async def test_an_edit_is_published_and_audited_model_by_model(scene: Scene) -> None:
    scene.start(settings(a=split(), b=split()))
    scene.desk.reload(settings(a=split(percent=10), b=split()))
    assert scene.canary("a") == "3@10"
    assert scene.canary("b") == "3@5"
    assert len(scene.published) == 1
    entry = (await scene.written())[-1]
    assert (entry.event, entry.actor, entry.model) == ("config_changed", "file", "a")
    assert entry.before is not None
    assert entry.after is not None
    assert entry.before["canary"] == {"version": "3", "percent": 5.0}
    assert entry.after["canary"] == {"version": "3", "percent": 10.0}
    assert entry.message == "canary: 3 at 5 % -> 3 at 10 %"
    assert entry.plan == scene.desk.plan.number


async def test_another_canary_is_no_other_setting_and_a_chosen_salt_is(scene: Scene) -> None:
    """The default salt follows from the canary's name."""
    scene.start(settings(m=split()))
    scene.desk.reload(settings(m=split(canary="2")))
    assert (await scene.written())[-1].message == "canary: 3 at 5 % -> 2 at 5 %"
    scene.desk.reload(settings(m=split(canary="2").replace("shadow:", "salt: mine, shadow:")))
    assert (await scene.written())[-1].message == "other settings"


async def test_the_first_start_says_what_the_file_said(scene: Scene) -> None:
    scene.start()
    entries = await scene.written()
    assert [entry.event for entry in entries] == ["started", "config_changed", "config_changed"]
    first = next(entry for entry in entries if entry.model == "m")
    assert "stable 1; canary 3 at 5 %; shadows 2 at 50 %" in first.message


async def test_a_restart_without_an_edit_changes_nothing(scene: Scene) -> None:
    scene.start()
    await scene.desk.close()
    before = len(await scene.desk.entries())
    await scene.restart()
    assert (await scene.events())[before:] == ["started"]


async def test_an_edit_while_nobody_was_running_is_audited_at_the_next_start(
    scene: Scene,
) -> None:
    scene.start()
    await scene.restart(settings(m=split(percent=50)))
    entry = (await scene.written())[-1]
    assert entry.event == "config_changed"
    assert "3 at 5 % -> 3 at 50 %" in entry.message


async def test_other_settings_are_audited_too(scene: Scene) -> None:
    scene.start()
    scene.desk.reload(settings(thresholds=THRESHOLDS.replace("0.2", "0.3")))
    assert "thresholds" in (await scene.written())[-1].message


async def test_secrets_are_in_no_history_and_in_no_log(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    text = (
        "models: {m: {match: {path_prefix: /m}, split: {stable: '1'}, "
        "versions: {'1': {endpoints: ['http://127.0.0.1:1']}}, "
        "testers: {secret: {env: TESTERS}}}}"
    )
    one, two = (
        parse(text, Path("c.yaml"), {"TESTERS": secret})
        for secret in ("hush-hush-hush-hush", "very-hush-hush-hush")
    )
    with caplog.at_level(logging.DEBUG):
        scene.start(one)
        scene.desk.reload(two)
        await scene.desk.close()
    assert scene.desk.plan.models[0].testers is not None
    assert scene.desk.plan.models[0].testers.secret == "very-hush-hush-hush"
    assert "hush" not in scene.path.read_text() + caplog.text


async def test_the_same_file_again_is_no_change(scene: Scene) -> None:
    scene.start()
    scene.now += 5
    scene.desk.reload(settings())
    assert scene.published == []
    assert scene.desk.status().config.loaded_at == scene.now


async def test_models_come_and_go(scene: Scene) -> None:
    scene.start(settings(a=split()))
    scene.desk.reload(settings(b=split(canary="2")))
    assert [model.name for model in scene.desk.plan.models] == ["b"]
    assert list(scene.desk.status().models) == ["b"]
    messages = {entry.model: entry.message for entry in await scene.written()}
    assert messages["a"] == "taken out of the file"
    assert messages["b"].startswith("first seen")


async def test_editing_the_split_ends_an_override(scene: Scene) -> None:
    scene.start()
    await scene.desk.set_split("m", "2", 30, "ann", "")
    scene.desk.reload(settings(m=split(percent=6)))
    assert scene.canary() == "3@6"
    entries = await scene.written()
    assert [entry.event for entry in entries[-2:]] == ["config_changed", "split_cleared"]
    assert entries[-1].actor == "file"
    await scene.restart(settings(m=split(percent=6)))
    assert scene.canary() == "3@6"


async def test_an_edit_of_something_else_leaves_the_override(scene: Scene) -> None:
    scene.start(settings(m=split(), n=split()))
    await scene.desk.set_split("m", "2", 30, "ann", "")
    scene.desk.reload(settings(thresholds="{consecutive_failures: 9}", m=split(), n=split()))
    assert scene.canary() == "2@30"
    scene.desk.reload(settings(m=split(), n=split(percent=9)))
    assert scene.canary() == "2@30"


async def test_an_edit_while_nobody_was_running_ends_an_override(scene: Scene) -> None:
    scene.start()
    await scene.desk.set_split("m", "2", 30, "ann", "")
    await scene.restart(settings(m=split(percent=6)))
    assert scene.canary() == "3@6"
    assert "split_cleared" in await scene.events()


async def test_a_model_that_comes_back_is_still_latched(scene: Scene) -> None:
    scene.start(settings(m=split(), n=split()))
    scene.fails()
    scene.desk.reload(settings(n=split()))
    scene.desk.reload(settings(m=split(), n=split()))
    assert scene.canary("m") is None
    assert scene.canary("n") == "3@5"


async def test_a_refused_file_leaves_everything_and_is_remembered(scene: Scene) -> None:
    scene.start()
    number = scene.desk.plan.number
    scene.desk.reload_refused(ConfigError("pointsman.yaml", ["line 3: what is this"]))
    assert scene.desk.plan.number == number
    config = scene.desk.status().config
    assert config.last_error is not None
    assert config.problems == ["line 3: what is this"]
    assert config.refused_at == scene.now
    scene.desk.reload(settings())
    assert scene.desk.status().config.last_error is None


async def test_a_reverted_version_does_not_become_stable_by_an_edit(scene: Scene) -> None:
    scene.start()
    scene.fails()
    number = scene.desk.plan.number
    assert not scene.desk.reload(settings(m=split(stable="3", canary=None)))
    assert scene.desk.plan.number == number
    assert scene.desk.plan.models[0].stable == "1"
    (problem,) = scene.desk.status().config.problems
    assert "models.m.split.stable" in problem
    assert "clear-revert m 3" in problem
    await scene.desk.clear_revert("m", "3", "ann", "fixed")
    assert scene.desk.reload(settings(m=split(stable="3", canary=None)))
    assert scene.desk.plan.models[0].stable == "3"


async def test_a_start_with_a_reverted_stable_serves_and_warns(scene: Scene) -> None:
    scene.start()
    scene.fails()
    await scene.restart(settings(m=split(stable="3", canary=None)))
    assert scene.desk.plan.models[0].stable == "3"
    (warning,) = scene.desk.status().models["m"].warnings
    assert "reverted" in warning
