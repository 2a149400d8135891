"""Whatever happens, in whatever order: no published Plan has a latched version as its canary."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from desk_scene import BrokenDisk, Scene, report, settings, split, tally
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from proxy.errors import OperationRefused
from proxy.routing.plan import ModelPlan, Plan
from proxy.settings import Settings
from proxy.steering import ReleaseDesk
from proxy.store import verify

VERSIONS = ("2", "3")
FILES: dict[tuple[str | None, float], Settings] = {
    (canary, percent): settings(m=split(canary=canary, percent=percent))
    for canary in (None, *VERSIONS)
    for percent in (1, 50)
}

versions = st.sampled_from(VERSIONS)
files = st.sampled_from(sorted(FILES, key=str))
actions = st.one_of(
    st.tuples(st.just("fails"), versions),
    st.tuples(st.just("works"), versions),
    st.tuples(st.just("reload"), files),
    st.tuples(st.just("set"), versions, st.sampled_from([0, 5, 100])),
    st.tuples(st.just("clear_split")),
    st.tuples(st.just("clear_revert"), versions),
    st.tuples(st.just("revert")),
    st.tuples(st.just("restart"), files),
    st.tuples(st.just("kill"), files),
    st.tuples(st.just("kill_before_writing"), files),
    st.tuples(st.just("new_machine"), files),
    st.tuples(st.just("disk"), st.booleans()),
    st.tuples(st.just("hello")),
    st.tuples(st.just("waits"), st.sampled_from([0.1, 2.0, 90.0])),
)

#: What nobody ordered: traffic that goes well or badly, and time.
BY_ITSELF = ("fails", "works", "waits")


def only_takes_away(before: ModelPlan, after: ModelPlan) -> None:
    """No canary that was not there, no larger share, and nothing else is changed."""
    assert (after.stable, after.shadows) == (before.stable, before.shadows)
    if after.canary is not None:
        assert before.canary is not None
        assert after.canary.version == before.canary.version
        assert after.canary.percent <= before.canary.percent


@dataclass
class World:
    """Desks come and go; ``worker`` is the Plan that the workers have, and they stay.

    ``latched`` is kept apart from the desk's own book: what was ever reverted in front of our
    eyes, and not cleared by a person.
    """

    scene: Scene
    full: bool = False
    worker: Plan = Plan(0, ())  # noqa: RUF009  a frozen struct
    file: tuple[str | None, float] = ("3", 50)

    def __post_init__(self) -> None:
        self.latched: set[str] = set()
        self.by_itself = False

    def start(self) -> None:
        disk = BrokenDisk(self.scene.path)
        disk.full = self.full
        self.disk = disk
        self.scene.histories.append(disk)
        self.scene.desk = ReleaseDesk(FILES[self.file], disk, self.receive, lambda: self.scene.now)
        self.hello()

    def hello(self) -> None:
        self.scene.desk.hello(0, self.worker.number, self.worker.latches)
        self.receive(self.scene.desk.plan)

    def receive(self, plan: Plan) -> None:
        assert plan.number >= self.worker.number
        if plan.number == self.worker.number:
            assert plan == self.worker
        if self.by_itself:
            only_takes_away(self.worker.models[0], plan.models[0])
        self.worker = plan
        self.latched |= {latch.version for latch in plan.latches}
        canary = plan.models[0].canary
        assert canary is None or canary.version not in self.latched

    @property
    def canary(self) -> str | None:
        """The version of the canary that the workers have."""
        found = self.worker.models[0].canary
        return found.version if found else None

    async def does(self, name: str, *args: object) -> None:
        desk, scene = self.scene.desk, self.scene
        self.by_itself = name in BY_ITSELF
        match name, args:
            case "fails", (str(version),):
                if self.canary == version:
                    self.latched.add(version)
                desk.report(0, report(tally(version, failed=12, streak=12)))
                scene.ticks()
                assert self.canary not in self.latched
            case "works", (str(version),):
                desk.report(0, report(tally(version, ok=50)))
                scene.ticks()
            case "reload", (tuple(file),):
                self.file = file
                desk.reload(FILES[file])
            case "set", (str(version), int(percent)):
                await desk.set_split("m", version, percent, "ann", "")
            case "clear_split", ():
                await desk.clear_split("m", "ann", "")
            case "clear_revert", (str(version),):
                await self.clears(version)
            case "revert", ():
                if self.canary is not None:
                    self.latched.add(self.canary)
                await desk.revert("m", "ann", "")
                assert self.canary is None
            case "restart", (tuple(file),):
                await desk.close()
                self.file = file
                self.start()
            case "kill", (tuple(file),):
                await desk._recorder.settle()  # a thread cannot be killed: let it end
                self.file = file
                self.start()
            case "kill_before_writing", (tuple(file),) if self.canary is not None:
                await desk._recorder.settle()
                self.disk.full = True
                await self.does("fails", self.canary)
                await self.does("kill", file)
            case "new_machine", (tuple(file),) if not self.full:
                await desk.close()
                self.file, self.worker = file, Plan(0, ())
                self.start()
            case "disk", (bool(full),):
                self.full = self.disk.full = full
            case "hello", ():
                self.hello()
            case "waits", (float(seconds),):
                scene.ticks(seconds)

    async def clears(self, version: str) -> None:
        """The one way out, and it takes a person and a disk."""
        was_latched = version in self.latched
        self.latched.discard(version)
        try:
            await self.scene.desk.clear_revert("m", version, "ann", "")
        except OperationRefused:
            if was_latched:
                self.latched.add(version)


def plays(happenings: list[tuple[object, ...]]) -> World:
    async def play(world: World) -> None:
        world.start()
        try:
            for name, *args in happenings:
                try:
                    await world.does(str(name), *args)
                except OperationRefused:
                    continue
            await world.scene.desk.close()
            assert verify(world.scene.path).bad_line is None
        finally:
            world.scene.close()

    with tempfile.TemporaryDirectory() as folder:
        world = World(Scene(Path(folder)))
        asyncio.run(play(world))
    return world


@given(st.lists(actions, max_size=25))
@profile(max_examples=150)
def test_no_published_plan_has_a_latched_canary(happenings: list[tuple[object, ...]]) -> None:
    plays(happenings)


@given(st.lists(actions, max_size=10), st.lists(st.sampled_from(VERSIONS), max_size=10))
@profile(max_examples=50)
def test_by_itself_the_desk_only_takes_traffic_away(
    orders: list[tuple[object, ...]], versions: list[str]
) -> None:
    """After any orders of people, however well or badly it goes (``World.receive`` asserts)."""
    going: list[tuple[object, ...]] = [
        happening
        for version in versions
        for happening in (("works", version), ("waits", 90.0), ("fails", version), ("waits", 2.0))
    ]
    world = plays([*orders, *going])
    assert not going or world.by_itself
