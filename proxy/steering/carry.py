"""Carrying out: the next Plan to the workers, what happened into the history and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from proxy.routing.plan import CanaryPlan, Plan
from proxy.steering.held import Held, reverted
from proxy.steering.record import Recorder
from proxy.steering.rules import canary_words
from proxy.store import Entry, Event
from proxy.terms import Latch

log = logging.getLogger(__name__)


class Carrying:
    """The only one who publishes.  Nothing here waits."""

    def __init__(self, held: Held, publish: Callable[[Plan], None], recorder: Recorder) -> None:
        self._held = held
        self._publish = publish
        self._recorder = recorder

    def publish(self, now: float, beyond: int = 0) -> None:
        """Make the next Plan, numbered above ``beyond``, and give it to every worker."""
        plan = self._held.advance(now, beyond)
        self._publish(plan)

    def record(self, entry: Entry) -> Entry:
        """Into the history when the disk allows, with the number of the Plan in force."""
        entry = replace(entry, plan=self._held.plan.number)
        self._recorder.add(entry)
        return entry

    def revert(
        self,
        latches: Sequence[Latch],
        now: float,
        event: Event = Event.REVERTED,
        beyond: int = 0,
    ) -> None:
        """Take canaries out and latch them: published first, then written down and told."""
        held = self._held
        before = held.published()
        held.latch(latches)
        self.publish(now, beyond)
        for latch in latches:
            entry = self.record(self._entry(latch, event, before.get(latch.model), now))
            key = (latch.model, latch.reason)
            held.totals.reverts[key] = held.totals.reverts.get(key, 0) + 1
            held.reverts.append(reverted(entry))
            log.error(
                "%s: version %s of %s by %s, everybody gets stable from plan %d on: %s: %s",
                event, latch.version, latch.model, latch.actor,
                held.plan.number, latch.reason, latch.message,
            )  # fmt: skip

    def _entry(self, latch: Latch, event: Event, canary: CanaryPlan | None, now: float) -> Entry:
        model = self._held.model(latch.model)
        after: dict[str, object] = {"stable": model.stable} if model is not None else {}
        if event is Event.LATCH_ADOPTED:
            after |= {"at": latch.at, "actor": latch.actor}
        was = canary if canary is not None and canary.version == latch.version else None
        return Entry(
            event=event,
            at=now,
            actor=latch.actor,
            model=latch.model,
            version=latch.version,
            before=canary_words(was),
            after=after,
            reason=latch.reason,
            message=latch.message,
            numbers=latch.numbers,
        )
