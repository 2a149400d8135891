"""``python -m demo`` (``make demo``): the whole story on real models, from nothing.

Environment: ``STAY=1`` leaves everything running afterwards, until Ctrl-C.
Exit: 0 the story happened as told, 1 it did not or could not be played, 2 after an argument, for
it takes none, 130 after Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from types import FrameType

from rich.console import Console
from rich.text import Text

from demo import data, keep, replay, servers, show, story, summary, truth
from demo.data import Customer
from demo.desk import Desk
from demo.errors import DemoError
from demo.prepare import alone, measures, prepare
from demo.servers import INFER, Fleet

_STAY_RATE = 15.0  # requests a second while people look around


def main() -> int:
    if sys.argv[1:]:
        print(f"found {' '.join(sys.argv[1:])}; the demo takes no arguments.", file=sys.stderr)
        print("STAY=1 in the environment leaves everything up afterwards.", file=sys.stderr)
        return 2
    out = show.console()
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        with alone():
            prepare(out)
            return asyncio.run(play(out, stay=os.environ.get("STAY", "") not in ("", "0")))
    except DemoError as error:
        out.print(Text(f"The demo cannot go on: {error}", style="red"))
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        out.print("Stopped. Everything that was started has been ended.")
        return 130


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Interrupt:
    """Ctrl-C and SIGTERM: the first ends the story or the stay, more do not disturb the ending."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._came = False
        self._staying: asyncio.Event | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._come)

    def _come(self) -> None:
        if self._came:
            return
        self._came = True
        if self._staying is not None:
            self._staying.set()
        elif self._task is not None:
            self._task.cancel()

    async def wait(self) -> None:
        """Returns when it comes."""
        self._staying = asyncio.Event()
        await self._staying.wait()


async def play(out: Console, stay: bool) -> int:
    """Start everything, tell the story, end everything; returns the exit code."""
    interrupt = Interrupt()
    crowd = data.customers(story.CROWD)
    keep.clear()
    fleet = servers.plan_fleet()
    try:
        with show.step(out, "starting five model servers"):
            await servers.start_model_servers(fleet)
            await servers.warm(fleet, crowd)
        with show.step(out, "starting pointsman in front of them"):
            await servers.start_pointsman(fleet)
        happened = await _tell(out, fleet, crowd)
        if stay:
            await _stay(out, fleet, crowd, interrupt)
    finally:
        with show.step(out, "ending everything that was started"):
            await fleet.stop()
    return 0 if happened else 1


async def _tell(out: Console, fleet: Fleet, crowd: list[Customer]) -> bool:
    """Play the story, keep and show its summary; True when it happened as told."""
    url = fleet.proxy + INFER
    with show.step(out, "measuring what pointsman adds to a request"):
        pairs = await replay.interleaved(
            fleet.versions["1"] + INFER, url, crowd, story.PAIRS, story.SEED
        )
    callers = replay.Replay(url, crowd, story.RATE, story.SEED)
    board = show.Board(out, callers.exchanges)
    approvals = truth.Approvals(fleet.admin, callers.exchanges)
    async with Desk(fleet.admin) as admin:
        stage = story.Stage(fleet, admin, callers, crowd)
        before = await stage.count()
        async with approvals.told(), story.running(callers), board.shown():
            async for played in stage.play():
                board.begin(played)
        stage.told.counted = (await stage.count()).since(before)
        stage.told.approvals = (approvals.sent, approvals.accepted)
    found = summary.summarise(
        summary.Seen(callers.exchanges, stage.told, keep.witness(), pairs, measures())
    )
    keep.write(found, callers.exchanges, pairs)
    with show.step(out, "drawing the picture"):
        await asyncio.to_thread(keep.draw)
    show.summary(out, found)
    show.verdict(out, found)
    return bool(found["happened"])


async def _stay(out: Console, fleet: Fleet, crowd: list[Customer], interrupt: Interrupt) -> None:
    show.addresses(out, fleet)
    callers = replay.Replay(fleet.proxy + INFER, crowd, _STAY_RATE, story.SEED)
    async with story.running(callers):
        await interrupt.wait()


if __name__ == "__main__":
    sys.exit(main())
