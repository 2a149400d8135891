"""Loopback tests run on uvloop, as a worker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop
from origin import Origin


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[Origin]:
    made = Origin()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def another() -> AsyncIterator[Origin]:
    made = Origin()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def mirrored() -> AsyncIterator[Origin]:
    """The shadow's origin."""
    made = Origin()
    yield made
    await made.stop()
