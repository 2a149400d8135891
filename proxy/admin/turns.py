"""Long work in turns with everybody else on the loop.

The desk judges and tells its workers that it lives on the same loop that answers here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")


async def in_turns(steps: Iterable[T], at_once: int) -> AsyncIterator[T]:
    """Each of ``steps``; after ``at_once`` of them the others on the loop have their turn."""
    for done, step in enumerate(steps, 1):
        yield step
        if done % at_once == 0:
            await asyncio.sleep(0)
