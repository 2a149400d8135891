"""Several endpoints of one version: who takes the next request, who is out, and who is back."""

from __future__ import annotations

from loopback_world import GET, answer, changed, model, post, serving, version
from origin import Origin, Wire, until

from proxy.routing.plan import Ejection, HealthProbe

FAULT = answer(b"no", b"500 Internal Server Error")


async def test_the_least_in_flight_takes_the_next(origin: Origin, another: Origin) -> None:
    async with serving(model(version("1", origin, another))) as world:
        await world.call(GET)
        wire = await _asked(origin, another)
        assert len(origin.wires) + len(another.wires) == 1
        other = another if wire in origin.wires else origin
        for n in range(3):  # one hangs, so the free one takes all of these
            caller = await world.call(GET)
            kept = other.wires[0] if n else await other.accept()
            await kept.message()
            await kept.send(answer(b"%d" % n))
            assert (await caller.message())[1] == b"%d" % n


async def _asked(*origins: Origin) -> Wire:
    """The connection on whichever origin is asked."""
    await until(lambda: any(not origin.nobody() for origin in origins))
    wire = next(wire for origin in origins for wire in origin.wires)
    await wire.message()
    return wire


async def test_failures_take_it_out_and_time_brings_it_back(
    origin: Origin, another: Origin
) -> None:
    """Never the last one: when both are out, requests still go somewhere."""
    fault, well = [True], answer(b"well")

    async def play(wire: Wire) -> None:
        while True:
            origin.requests.append((await wire.message())[0])
            await wire.send(FAULT if fault[0] else well)

    origin.serve(play)
    another.answer(well)
    ejection = Ejection(after=2, shortest=0.3)
    async with serving(model(version("1", origin, another, ejection=ejection))) as world:
        await until_served(world, lambda: len(origin.requests) >= 2)
        assert world.endpoints()[str(origin.port)].ejected
        seen = len(origin.requests)
        for _ in range(6):
            assert (await world.ask())[1] == b"well"
        assert len(origin.requests) == seen, "nothing goes there while it is out"
        fault[0] = False
        await until_served(world, lambda: len(origin.requests) > seen)
        assert not world.endpoints()[str(origin.port)].ejected


async def test_new_rules_hold_for_an_endpoint_that_stays(origin: Origin, another: Origin) -> None:
    origin.answer(FAULT)
    another.answer(answer(b"well"))
    plan = model(version("1", origin, another, ejection=Ejection(after=1_000_000)))
    async with serving(plan) as world:
        await until_served(world, lambda: len(origin.requests) >= 6)
        assert not world.endpoints()[str(origin.port)].ejected
        stricter = version("1", origin, another, ejection=Ejection(after=2))
        world.apply(changed(plan, versions=(stricter,)))
        seen = len(origin.requests)
        await until_served(world, lambda: len(origin.requests) > seen)
        await until(lambda: world.endpoints()[str(origin.port)].ejected)


async def until_served(world, what) -> None:  # type: ignore[no-untyped-def]
    """Asks until ``what`` holds."""
    while not what():
        await world.ask()


async def test_one_that_cannot_be_reached_costs_nobody_an_answer(origin: Origin) -> None:
    gone = Origin()
    await gone.stop()
    origin.answer(answer(b"well"))
    async with serving(model(version("1", gone.port, origin))) as world:
        for request in (GET, post(b"body"), post(b"body" * 100_000)):
            for _ in range(4):
                assert (await world.ask(request))[1] == b"well"
        await world.counted("stable", "ok", 12)


async def test_an_upload_that_moves_to_a_kept_connection_goes_on(origin: Origin) -> None:
    gone = Origin()
    await gone.stop()
    async with serving(model(version("1", gone.port, origin))) as world:
        caller = await world.call(GET)
        wire = await origin.accept()
        await wire.message()
        await wire.send(answer(b"warm"))
        await caller.message()
        for _ in range(4):  # whoever's turn it is
            caller = await world.call(post(b"first ", 12))
            await wire.past(b"first ")
            await caller.send(b"second")
            await wire.past(b"second")
            await wire.send(answer(b"done"))
            assert (await caller.message())[1] == b"done"


async def test_the_probe_takes_out_and_brings_back(origin: Origin, another: Origin) -> None:
    ready = [True]

    async def play(wire: Wire) -> None:
        while True:
            head, _ = await wire.message()
            if head.startswith(b"GET /ready "):
                await wire.send(answer(b"") if ready[0] else FAULT)
            else:
                origin.requests.append(head)
                await wire.send(answer(b"probed"))

    origin.serve(play)
    another.answer(answer(b"well"))
    health = HealthProbe("/ready", interval=0.02, timeout=1)
    plan = model(version("1", origin, another, health=health))
    async with serving(plan) as world:
        await until_served(world, lambda: len(origin.requests) >= 2)
        ready[0] = False
        await until(lambda: world.endpoints()[str(origin.port)].ejected)
        assert world.endpoints()[str(origin.port)].reason == "the health check fails"
        seen = len(origin.requests)
        for _ in range(6):
            assert (await world.ask())[1] == b"well"
        assert len(origin.requests) == seen
        ready[0] = True
        await until(lambda: not world.endpoints()[str(origin.port)].ejected)
        await until_served(world, lambda: len(origin.requests) > seen)


async def test_a_failing_probe_never_takes_out_the_last_one(origin: Origin) -> None:
    origin.answer(answer(b"served", b"404 Not Found"))
    health = HealthProbe("/ready", interval=0.02, timeout=1)
    async with serving(model(version("1", origin, health=health))) as world:
        await until(lambda: world.endpoints()[str(origin.port)].ejected)
        assert (await world.ask())[1] == b"served"


async def test_a_hanging_probe_fails_at_its_timeout(origin: Origin) -> None:
    health = HealthProbe("/ready", interval=0.02, timeout=0.05)
    async with serving(model(version("1", origin, health=health))) as world:
        wire = await origin.accept()
        head, _ = await wire.message()
        assert b"\r\nhost: 127.0.0.1:%d\r\n" % origin.port in head
        await until(lambda: world.endpoints()[str(origin.port)].ejected)
        assert await wire.closed()


async def test_a_probe_that_is_no_longer_wanted_forgets_what_it_found(origin: Origin) -> None:
    origin.answer(answer(b"", b"404 Not Found"))
    plan = model(version("1", origin, health=HealthProbe("/ready", interval=0.02, timeout=1)))
    async with serving(plan) as world:
        await until(lambda: world.endpoints()[str(origin.port)].ejected)
        world.apply(changed(plan, versions=(version("1", origin),)))
        assert not world.endpoints()[str(origin.port)].ejected
