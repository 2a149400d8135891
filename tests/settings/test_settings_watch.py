"""The file is followed through everything that editors and Kubernetes do to it."""

# ruff: noqa: ASYNC240 - a test may wait for its own small files

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ConfigError
from proxy.settings import Settings, load, watch
from proxy.settings.watch import Result, Settling, _stir, folders_of, steps_of

TEXT = (Path(__file__).parents[2] / "config" / "smallest.yaml").read_text()
BROKEN = TEXT.replace("percent: 5}", "percent: 500}")
#: Only a bound for a test that would hang; nothing is measured with it.
ENOUGH = 30.0

Next = Callable[[], Awaitable[Result]]


def text(percent: int) -> str:
    return TEXT.replace("percent: 5}", f"percent: {percent}}}")


def percent(result: Result) -> float:
    assert isinstance(result, Settings), result
    canary = result.models["credit-risk"].split.canary
    assert canary is not None
    return canary.percent


@asynccontextmanager
async def following(path: Path, poll: float = 1.0) -> AsyncIterator[Next]:
    """The watch of a file that is in force as it stands."""
    stream = cast(
        "AsyncGenerator[Result]", watch(path, load(path), settle=0.02, patience=0.1, poll=poll)
    )
    pending = asyncio.ensure_future(anext(stream))

    async def one() -> Result:
        nonlocal pending
        result = await asyncio.wait_for(asyncio.shield(pending), ENOUGH)
        pending = asyncio.ensure_future(anext(stream))
        return result

    await _watching()
    try:
        yield one
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        await stream.aclose()


async def _watching() -> None:
    """Lets the watch begin; where the kernel's is later than that, the poll makes up for it."""
    await asyncio.sleep(0.1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "pointsman.yaml"
    file.write_text(TEXT)
    return file


async def test_written_in_place(path: Path) -> None:
    async with following(path) as one:
        path.write_text(text(10))
        assert percent(await one()) == 10
        path.write_text(text(20))
        assert percent(await one()) == 20


async def test_renamed_over(path: Path) -> None:
    async with following(path) as one:
        for share in (10, 20):
            fresh = path.with_suffix(".tmp")
            fresh.write_text(text(share))
            fresh.replace(path)
            assert percent(await one()) == share


async def test_moved_away_and_written_anew(path: Path) -> None:
    async with following(path) as one:
        path.rename(path.with_suffix(".bak"))
        path.write_text(text(10))
        assert percent(await one()) == 10


async def test_a_broken_file_is_told_of_and_a_good_one_after_it(path: Path) -> None:
    async with following(path) as one:
        path.write_text(BROKEN)
        refused = await one()
        assert isinstance(refused, ConfigError)
        assert "found 500; allowed is 0 to 100" in str(refused)
        path.write_text(TEXT)
        assert percent(await one()) == 5


async def test_a_vanished_file_is_told_of_and_its_return(path: Path) -> None:
    async with following(path) as one:
        path.unlink()
        refused = await one()
        assert isinstance(refused, ConfigError)
        assert "no such file" in str(refused)
        path.write_text(text(10))
        assert percent(await one()) == 10


async def test_the_same_content_yields_nothing(path: Path) -> None:
    async with following(path) as one:
        path.write_text(TEXT)
        os.utime(path)
        path.with_name("neighbour").touch()
        fresh = path.with_suffix(".tmp")
        fresh.write_text(TEXT)
        fresh.replace(path)
        path.write_text(text(10))
        assert percent(await one()) == 10


async def test_a_half_written_file_is_waited_for(path: Path) -> None:
    new = text(10)
    async with following(path) as one:
        with path.open("w") as file:
            for start in range(0, len(new), 100):
                file.write(new[start : start + 100])
                file.flush()
                await asyncio.sleep(0)
        assert percent(await one()) == 10


async def test_events_come_without_the_poll(tmp_path: Path) -> None:
    """The kernel's watch alone, with a poll that no test would wait for."""
    (tmp_path / "..1").mkdir()
    (tmp_path / "..2").mkdir()
    (tmp_path / "..data").symlink_to("..1")
    path = tmp_path / "a.yaml"
    path.symlink_to("..data/a.yaml")
    stirred = asyncio.Event()

    async def stands(folder: str) -> None:
        async with asyncio.timeout(ENOUGH):
            while not stirred.is_set():
                (tmp_path / folder / "a.yaml").touch()
                await asyncio.sleep(0.05)
        stirred.clear()

    stirring = asyncio.create_task(_stir(path, stirred, poll=600.0))
    try:
        await stands("..1")
        (tmp_path / "fresh").symlink_to("..2")
        (tmp_path / "fresh").replace(tmp_path / "..data")
        await asyncio.wait_for(stirred.wait(), ENOUGH)
        stirred.clear()
        await stands("..2")
    finally:
        stirring.cancel()
        await asyncio.gather(stirring, return_exceptions=True)


async def test_a_log_beside_the_file_stirs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.touch()
    stirred = asyncio.Event()
    stirring = asyncio.create_task(_stir(path, stirred, poll=600.0))
    try:
        async with asyncio.timeout(ENOUGH):
            while not stirred.is_set():  # until the kernel's watch stands
                path.touch()
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # what the last touch stirred
        stirred.clear()
        for _ in range(5):
            (tmp_path / "a.log").write_text("line")
            await asyncio.sleep(0.05)
        assert not stirred.is_set()
        path.touch()
        await asyncio.wait_for(stirred.wait(), ENOUGH)
    finally:
        stirring.cancel()
        await asyncio.gather(stirring, return_exceptions=True)


async def test_a_config_map_is_swapped(tmp_path: Path) -> None:
    """Kubernetes: pointsman.yaml -> ..data/pointsman.yaml, ..data -> ..2026_1; ..data moves."""

    def version(name: str, content: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "pointsman.yaml").write_text(content)
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    version("..2026_1", TEXT)
    path = tmp_path / "pointsman.yaml"
    path.symlink_to("..data/pointsman.yaml")
    async with following(path) as one:
        for share in (10, 20):
            version(f"..2026_{share}", text(share))
            assert percent(await one()) == share


async def test_a_file_behind_a_link_is_edited(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.yaml").write_text(TEXT)
    (tmp_path / "links").mkdir()
    path = tmp_path / "links" / "a.yaml"
    path.symlink_to("../real/a.yaml")
    async with following(path) as one:
        (tmp_path / "real" / "a.yaml").write_text(text(10))
        assert percent(await one()) == 10


async def test_a_folder_that_vanishes_and_returns(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "a.yaml"
    path.write_text(TEXT)
    async with following(path, poll=0.1) as one:
        folder.rename(tmp_path / "away")
        assert isinstance(await one(), ConfigError)
        folder.mkdir()
        path.write_text(text(10))
        assert percent(await one()) == 10


async def test_a_change_before_the_watch_began_is_not_lost(path: Path) -> None:
    loaded = load(path)
    path.write_text(text(10))
    stream = cast("AsyncGenerator[Result]", watch(path, loaded, settle=0.0))
    assert percent(await asyncio.wait_for(anext(stream), ENOUGH)) == 10
    await stream.aclose()


async def test_without_settings_the_content_of_now_is_known(path: Path) -> None:
    stream = cast("AsyncGenerator[Result]", watch(path, settle=0.0, poll=0.1))
    first = asyncio.ensure_future(anext(stream))
    await _watching()
    assert not first.done()
    path.write_text(text(10))
    assert percent(await asyncio.wait_for(first, ENOUGH)) == 10
    await stream.aclose()


async def test_a_cancelled_watch_leaves_no_task(path: Path) -> None:
    async def follow() -> None:
        async for _ in watch(path, load(path)):
            pass

    task = asyncio.create_task(follow())
    await _watching()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [it for it in asyncio.all_tasks() if it.get_name() == "config-watch"] == []


def test_a_good_content_is_believed_when_it_has_stood() -> None:
    settling = Settling("a", settle=1.0, patience=5.0)
    assert settling.look("a", True, 0.0) is None
    assert settling.look("b", True, 1.0) == 1.0
    assert settling.look("c", True, 1.5) == 1.0
    assert settling.look("c", True, 2.0) == 0.5
    assert settling.look("c", True, 2.5) == 0.0
    assert settling.look("c", True, 9.0) is None


def test_a_broken_content_gets_more_time() -> None:
    settling = Settling("a", settle=1.0, patience=5.0)
    assert settling.look("half", False, 0.0) == 5.0
    assert settling.look("whole", True, 4.0) == 1.0
    assert settling.look("whole", True, 5.0) == 0.0


def test_there_and_back_again_is_nothing_new() -> None:
    settling = Settling("a", settle=1.0)
    assert settling.look("b", True, 0.0) == 1.0
    assert settling.look("a", True, 0.5) is None
    assert settling.look("b", True, 2.0) == 1.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 3))))
def test_nothing_is_reported_twice_in_a_row(looks: list[tuple[str, bool, float]]) -> None:
    settling, now, last = Settling("a", settle=1.0, patience=2.0), 0.0, "a"
    for name, usable, passed in looks:
        now += passed
        if settling.look(name, usable, now) == 0.0:
            assert name != last
            last = name


def test_the_folders_on_the_way(tmp_path: Path) -> None:
    real = tmp_path.resolve()
    (real / "..1").mkdir()
    (real / "..data").symlink_to("..1")
    (real / "a.yaml").symlink_to("..data/a.yaml")
    assert folders_of(real / "a.yaml") == {real, real / "..1"}
    steps = ("a.yaml", "..data", "..1/a.yaml")
    assert steps_of(real / "a.yaml") == {str(real / step) for step in steps}
    (real / "current").symlink_to(real / "..1")
    assert folders_of(real / "current" / "a.yaml") == {real, real / "..1"}
    assert folders_of(real / "no" / "a.yaml") == frozenset()
    (real / "loop").symlink_to("loop")
    assert folders_of(real / "loop") == {real}
