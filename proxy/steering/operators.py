"""What people may do to a running release, one order after the other.

What only takes customers away from a canary is published first and waits for no disk.  What
gives a canary customers is written down first, and refused when it cannot be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from msgspec.structs import replace

from proxy.errors import OperationRefused, StateError
from proxy.routing.plan import CanaryPlan
from proxy.steering import orders, planning
from proxy.steering.carry import Carrying
from proxy.steering.held import Held
from proxy.steering.orders import Who
from proxy.steering.record import Recorder
from proxy.steering.reverting import Reverting
from proxy.store import Entry, Override

log = logging.getLogger(__name__)

#: How long an answer waits for the history, once the Plan is out.
_PATIENCE = 1.0


class Operators:
    """Carries orders out.  Every one of them raises OperationRefused, and then changed nothing."""

    def __init__(
        self,
        held: Held,
        carrying: Carrying,
        reverting: Reverting,
        recorder: Recorder,
        clock: Callable[[], float],
    ) -> None:
        self._held = held
        self._carrying = carrying
        self._reverting = reverting
        self._recorder = recorder
        self._clock = clock
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    async def set_split(
        self, model: str, version: str | None, percent: float, actor: str, reason: str
    ) -> None:
        await self._whole(self._set_split(model, version, percent, actor, reason))

    async def clear_split(self, model: str, actor: str, reason: str) -> None:
        await self._whole(self._clear_split(model, actor, reason))

    async def clear_revert(self, model: str, version: str, actor: str, reason: str) -> None:
        await self._whole(self._clear_revert(model, version, actor, reason))

    async def clear_hold(self, model: str, actor: str, reason: str) -> None:
        await self._whole(self._clear_hold(model, actor, reason))

    async def clear_shift(self, model: str, actor: str, reason: str) -> None:
        await self._whole(self._clear_shift(model, actor, reason))

    async def revert(self, model: str, actor: str, reason: str) -> None:
        """Waits neither for its turn nor for the disk before it takes the canary out."""
        now = self._clock()
        latch = orders.revert(self._held, model, Who(actor, reason, now))
        self._reverting.due([latch], now, by_person=True)
        await self._recorder.settle(_PATIENCE)

    async def finished(self) -> None:
        """Wait for the orders that were begun."""
        if self._running:
            await asyncio.wait(self._running)

    async def _whole(self, order: Coroutine[None, None, None]) -> None:
        """Finish the order even when its caller leaves: what is in the history must come into
        force."""
        task = asyncio.create_task(order, name="order")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(_seen)
        await asyncio.shield(task)

    async def _set_split(
        self, model: str, version: str | None, percent: float, actor: str, reason: str
    ) -> None:
        async with self._turn:
            held, who = self._held, Who(actor, reason, self._clock())
            entry, override = orders.set_split(held, model, version, percent, who)

            def apply() -> None:
                held.overrides[model] = override

            wanted = CanaryPlan(override.version, override.percent)
            if planning.gives(held.published().get(model), wanted):
                await self._write_first(entry)
                self._still_fits(override)
                self._apply(apply)
            else:
                await self._publish_first(entry, apply)

    async def _clear_split(self, model: str, actor: str, reason: str) -> None:
        async with self._turn:
            held, who = self._held, Who(actor, reason, self._clock())
            entry = orders.clear_split(held, model, who)

            def apply() -> None:
                held.overrides.pop(model, None)

            if planning.gives(held.published().get(model), held.rules.models[model].canary):
                await self._write_first(entry)
                self._apply(apply)
            else:
                await self._publish_first(entry, apply)

    async def _clear_revert(self, model: str, version: str, actor: str, reason: str) -> None:
        async with self._turn:
            held, who = self._held, Who(actor, reason, self._clock())
            await self._write_first(orders.clear_revert(held, model, version, who))
            self._apply(lambda: held.unlatch(model, version, held.plan.number + 1))

    async def _clear_hold(self, model: str, actor: str, reason: str) -> None:
        async with self._turn:
            held, who = self._held, Who(actor, reason, self._clock())
            entry = orders.clear_hold(held, model, who)
            await self._write_first(entry)
            reasons = (entry.before or {})["reasons"]
            self._apply(lambda: held.unhold(model, entry.version, reasons, entry.at))

    async def _clear_shift(self, model: str, actor: str, reason: str) -> None:
        async with self._turn:
            held, who = self._held, Who(actor, reason, self._clock())
            await self._write_first(orders.clear_shift(held, model, who))
            self._apply(lambda: held.shifts.pop(model, None))

    def _apply(self, change: Callable[[], object]) -> None:
        change()
        self._carrying.publish(self._clock())

    async def _write_first(self, entry: Entry) -> None:
        try:
            await self._recorder.write(replace(entry, plan=self._held.plan.number + 1))
        except StateError as error:
            raise OperationRefused(
                f"nothing was changed, because it cannot be written down: {error}; "
                "reverts and lower shares are not held up by this"
            ) from error
        _told(entry)

    async def _publish_first(self, entry: Entry, change: Callable[[], object]) -> None:
        self._apply(change)
        self._carrying.record(entry)
        _told(entry)
        await self._recorder.settle(_PATIENCE)

    def _still_fits(self, override: Override) -> None:
        """Raises OperationRefused when the file was edited while the disk was busy."""
        if self._held.fits(override):
            return
        self._carrying.record(orders.dropped(self._held, override, self._clock()))
        raise OperationRefused(
            f"the file's split of {override.model} was edited at the same moment, and holds"
        )


def _told(entry: Entry) -> None:
    log.warning("%s of %s by %s: %s", entry.event, entry.model, entry.actor, entry.message)


def _seen(task: asyncio.Task[None]) -> None:
    """A refusal whose caller has left is nobody's business any more."""
    if not task.cancelled():
        task.exception()
