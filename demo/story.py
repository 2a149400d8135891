"""What happens, act by act.  Read this first.

The acts are data; ``Stage`` plays them with a real proxy, real servers and real callers.  An act
begins when every worker has the plan with its split, and not when the file was edited.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from demo import desk, places, truth, workfile
from demo.data import Customer
from demo.desk import Desk
from demo.errors import DemoError
from demo.replay import Replay
from demo.servers import MODEL, Fleet

RATE: Final = 130.0  # requests a second
CROWD: Final = 3000  # held-out customers; each comes back two or three times
SEED: Final = 5
PAIRS: Final = 400  # interleaved requests for the proxy's own added latency
_CHANGE_WITHIN: Final = 10.0
_REVERT_WITHIN: Final = 40.0
#: The status says which plan a worker was given; it needs a moment to read it.
_SETTLED: Final = 0.1
_REPORTS_WITHIN: Final = 0.8


@dataclass(frozen=True, slots=True)
class Act:
    """A stretch of the story under one split."""

    key: str
    title: str
    short: str  # for where there is little room
    seconds: float
    canary: tuple[str, float] | None = None  # version and percentage in the file
    shadow: str | None = None
    reverts: float = 0.0  # lasts until pointsman reverts the canary, about so long, and `seconds`

    @property
    def expected(self) -> float:
        """About how many seconds it takes, the wait for the revert included."""
        return self.seconds + self.reverts


ACTS: Final = (
    Act("1", "v1 serves everybody", "v1 alone", 6),
    Act("2", "v2 gets a copy of every request, as a shadow", "v2 as shadow", 10, shadow="2"),
    Act("3a", "v2 decides for 5 % of customers", "v2 canary, 5 %", 12, canary=("2", 5.0)),
    Act("3b", "v2 decides for 10 % of customers", "v2 canary, 10 %", 10, canary=("2", 10.0)),
    Act("4", "v3 decides for 10 %, and goes bad", "v3, 10 %", 4, canary=("3", 10.0), reverts=7),
    Act("5", "the file asks 25 % for v3: the revert holds", "v3, 25 %", 4, canary=("3", 25.0)),
    Act("6", "v4 fails young customers only", "v4, 20 %", 6, canary=("4", 20.0), reverts=5),
    Act("7", "v5 never fails, and approves too few", "v5, 20 %", 6, canary=("5", 20.0), reverts=8),
    Act("8", "the truth about act 3 comes in, from a file", "labels", 4),
)
BAD: Final = "3"  # the version that is to be reverted
REVERT_ACT: Final = "4"
YOUNG_ACT: Final = "6"
KPI_ACT: Final = "7"
LABEL_ACT: Final = "8"
#: The acts whose predictions get their labels, long after they were made.
LABELLED: Final = ("3a", "3b")


@dataclass(slots=True)
class Played:
    """When an act was played, and what it took to begin it."""

    act: Act
    began: float  # seconds since the epoch
    ended: float = 0.0
    change_seconds: float = 0.0  # from the edit of the file to the plan in every worker
    plan: int = 0


@dataclass(slots=True)
class Told:
    """All that was seen, for the summary to count."""

    played: list[Played] = field(default_factory=list)
    latches: dict[str, dict[str, Any]] = field(default_factory=dict)  # by version
    findings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by version, then
    labels: truth.Imported | None = None
    approvals: tuple[int, int] = (0, 0)  # told to pointsman, and taken by it
    shadow_latency: dict[str, float] = field(default_factory=dict)
    counted: desk.Counted | None = None


class Stage:
    """Plays the acts on what runs: edits the file, watches the desk, tells the callers."""

    def __init__(
        self, fleet: Fleet, admin: Desk, replay: Replay, customers: Sequence[Customer]
    ) -> None:
        self.told = Told()
        self._customers = customers
        self._fleet = fleet
        self._admin = admin
        self._replay = replay

    async def play(self) -> AsyncIterator[Played]:
        """Play every act in turn, yielding each as it begins.

        Raises DemoError when a child ends, or a change does not reach the workers in time.
        """
        for act in ACTS:
            played = await self._change_to(act)
            self.told.played.append(played)
            yield played
            await self._play(act)
            played.ended = time.time()
            self._replay.between_acts()

    async def count(self) -> desk.Counted:
        """Pointsman's own counts, while nobody calls: the workers' last reports are waited for."""
        await asyncio.sleep(_REPORTS_WITHIN)
        return desk.counted(await self._admin.metrics(), MODEL)

    async def _play(self, act: Act) -> None:
        if act.reverts and act.canary is not None:
            await self._until_reverted(act.canary[0])
        if act.key == LABEL_ACT:
            labelled = [one for one in self._replay.exchanges if one.act in LABELLED]
            self.told.labels = await truth.bring(self._fleet.admin, labelled, self._customers)
        await self._let(act.seconds)
        if act.shadow is not None:
            self.told.shadow_latency = _latency(await self._admin.status(), act.shadow)

    async def _change_to(self, act: Act) -> Played:
        began = time.monotonic()
        if act is not ACTS[0]:
            config = workfile.load(places.WORKING_CONFIG)
            changed = workfile.with_split(config, MODEL, act.canary, act.shadow)
            workfile.save(changed, places.WORKING_CONFIG)
        status = await self._admin.until(lambda now: is_played(act, now), _CHANGE_WITHIN)
        if status is None:
            raise DemoError(await self._why_not(act))
        seconds = time.monotonic() - began
        await asyncio.sleep(_SETTLED)
        self._replay.act = act.key
        return Played(act, time.time(), change_seconds=seconds, plan=status["plan_number"])

    async def _why_not(self, act: Act) -> str:
        self._fleet.must_run()
        status = await self._admin.status()
        refused = desk.last_error(status)
        return (
            f"act {act.key} ({act.title}) was asked for in {places.told(places.WORKING_CONFIG)}, "
            f"but after {_CHANGE_WITHIN:.0f} s the workers do not have it; "
            + (f"the edit was refused: {refused}" if refused else "no error was reported")
        )

    async def _until_reverted(self, version: str) -> None:
        status = await self._admin.until(
            lambda now: desk.latch(now, MODEL, version) is not None, _REVERT_WITHIN
        )
        self._fleet.must_run()
        latch = None if status is None else desk.latch(status, MODEL, version)
        if status is not None and latch is not None:
            self.told.latches[version] = latch
            self.told.findings[version] = desk.findings(status, MODEL)

    async def _let(self, seconds: float) -> None:
        """Time passes; raises DemoError when a child ends meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(0.2)
            self._fleet.must_run()


def is_played(act: Act, status: desk.Status) -> bool:
    """True when the workers carry out this act's split, or rightly refuse to.

    A canary that was reverted stays reverted whatever the file says: then the file must have
    been read, and nobody be sent to it.
    """
    if act.canary is not None and desk.latch(status, MODEL, act.canary[0]) is not None:
        canary = status["models"][MODEL]["canary"] or {}
        read = (
            canary.get("version") == act.canary[0] and canary.get("percent_file") == act.canary[1]
        )
        return bool(read) and desk.in_force(status, MODEL, None, act.shadow)
    return desk.in_force(status, MODEL, act.canary, act.shadow)


def _latency(status: desk.Status, shadow: str) -> dict[str, float]:
    """The shadow's quantiles of the last minute, as pointsman measured them."""
    arm = status["models"][MODEL]["arms"].get(f"shadow:{shadow}") or {}
    return {name: arm[name] for name in ("p50", "p95", "p99") if arm.get(name) is not None}


@contextlib.asynccontextmanager
async def running(replay: Replay) -> AsyncIterator[asyncio.Task[None]]:
    """The callers call while the block runs; afterwards their last answers are waited for."""
    task = asyncio.create_task(replay.run(), name="replay")
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
