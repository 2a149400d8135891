"""Long work lets the others on the loop have their turn."""

from __future__ import annotations

import asyncio

from proxy.admin.turns import in_turns


async def test_after_so_many_steps_the_others_go_on() -> None:
    happened: list[str] = []

    async def other() -> None:
        for _ in range(3):
            happened.append("other")
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    async for step in in_turns("abcde", 2):
        happened.append(step)  # noqa: PERF401  what the others do stands between
    await beside
    assert happened == ["a", "b", "other", "c", "d", "other", "e", "other"]
