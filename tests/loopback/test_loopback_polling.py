"""Busy polling: awake while there is traffic, asleep when there is none."""

from __future__ import annotations

import asyncio

from loopback_world import GET, answer, model, serving, version
from origin import Origin, until

from proxy.traffic.polling import Poller

SPAN = 0.01


async def test_requests_are_served_while_it_polls_and_then_it_sleeps(origin: Origin) -> None:
    origin.answer(answer(b"hi"))
    async with serving(model(version("1", origin)), busy_poll=SPAN) as world:
        wire = await world.call(GET)
        assert (await wire.message())[1] == b"hi"
        await wire.send(GET)
        assert (await wire.message())[1] == b"hi"
        await until(lambda: not awake(world.plane.poller))
        await wire.send(GET)
        assert (await wire.message())[1] == b"hi"
        await until(lambda: not awake(world.plane.poller))


async def test_without_it_nothing_is_awake(origin: Origin) -> None:
    origin.answer(answer(b"hi"))
    async with serving(model(version("1", origin))) as world:
        assert (await world.ask())[1] == b"hi"
        assert not awake(world.plane.poller)


async def test_a_new_plan_switches_it_on_and_off(origin: Origin) -> None:
    origin.answer(answer(b"hi"))
    plan = model(version("1", origin))
    async with serving(plan) as world:
        world.apply(plan, busy_poll=SPAN)
        wire = await world.call(GET)
        assert (await wire.message())[1] == b"hi"
        assert awake(world.plane.poller)
        world.apply(plan, number=3)
        await until(lambda: not awake(world.plane.poller))
        await wire.send(GET)  # on a connection from before
        assert (await wire.message())[1] == b"hi"
        await until(lambda: not awake(world.plane.poller))


async def test_it_stops_when_draining(origin: Origin) -> None:
    origin.answer(answer(b"hi"))
    async with serving(model(version("1", origin)), busy_poll=3600.0) as world:
        assert (await world.ask())[1] == b"hi"
        assert awake(world.plane.poller)
        await world.plane.drain(0)
        await until(lambda: not awake(world.plane.poller))


async def test_it_looks_for_as_long_as_the_span_and_no_longer() -> None:
    poller = Poller()
    poller.span = 3_600_000_000_000
    poller.stir()
    for _ in range(5):
        await asyncio.sleep(0)
        assert awake(poller)
    poller.span = 0
    await until(lambda: not awake(poller))


def awake(poller: Poller) -> bool:
    return poller._awake
