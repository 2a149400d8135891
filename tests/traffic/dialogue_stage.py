"""Where dialogues are played: time stands still, and the scene decides what is dialled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dialogue import Clock, Dial, Scene
from dialogue_plans import plan

from proxy.net import Tasks
from proxy.routing.plan import Endpoint, ModelPlan, Plan
from proxy.traffic import (
    again,
    connection,
    copying,
    ending,
    exchange,
    forward,
    mirror,
    plane,
    pools,
    uploading,
    waiting,
)

Stage = Callable[..., Scene]
#: Those that look at the clock.
MODULES = (again, connection, copying, ending, exchange, forward, mirror, plane, uploading, waiting)


@contextmanager
def staged() -> Iterator[Stage]:
    """Makes scenes whose clock stands still and whose dials the scene decides."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        for module in MODULES:
            patch.setattr(module, "perf_counter_ns", clock)
        scenes: list[Scene] = []

        async def dial(endpoint: Endpoint, protocol: Callable[[], Any], seconds: float) -> Any:
            return await Dial(endpoint, protocol)

        patch.setattr(pools, "dial", dial)
        patch.setattr(Tasks, "start", lambda self, work, name: scenes[-1].start(work))

        def make(what: Plan | ModelPlan, *, heard: bool = True, **more: Any) -> Scene:
            whole = what if isinstance(what, Plan) else plan(what, **more)
            scenes.append(Scene(whole, clock, heard=heard))
            return scenes[-1]

        yield make
        for scene in scenes:
            for dialled in scene.dials:
                dialled.work.close()
