"""Alive and ready, as an orchestrator asks."""

from __future__ import annotations

from admin_world import Door

from proxy.measure import Report


async def ready(door: Door) -> tuple[int, list[str]]:
    status, body, _ = await door.ask("GET", "/readyz")
    return status, body.get("problems", [])


async def test_alive_whatever_the_workers_do(door: Door) -> None:
    assert (await door.ask("GET", "/healthz"))[0] == 200
    assert (await door.ask("HEAD", "/healthz"))[0] == 200


async def test_not_ready_without_a_worker(door: Door) -> None:
    assert await ready(door) == (503, ["no worker has reported yet"])


async def test_ready_with_one_worker_on_the_current_plan(door: Door) -> None:
    door.desk.hello(0, door.desk.plan.number)
    assert await ready(door) == (200, [])
    assert (await door.ask("HEAD", "/readyz"))[0] == 200


async def test_one_worker_is_enough(door: Door) -> None:
    door.desk.hello(0, door.desk.plan.number)
    door.desk.hello(1, door.desk.plan.number)
    door.desk.report(0, Report(0.25, draining=True))
    assert (await ready(door))[0] == 200
    door.desk.report(1, Report(0.25, draining=True))
    assert await ready(door) == (503, ["worker 0: draining", "worker 1: draining"])


async def test_not_ready_once_the_last_worker_is_lost(door: Door) -> None:
    door.desk.hello(0, door.desk.plan.number)
    door.desk.lost(0)
    assert (await ready(door))[0] == 503
