"""Carrying out: the next Plan to the workers, what happened into the history and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.steering.held import Held, reverted
from proxy.steering.record import Recorder
from proxy.steering.rules import canary_words
from proxy.store import Entry, Event, Shift, finite, hold_of
from proxy.terms import Finding, Latch

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
        shifts: Sequence[Shift] = (),
    ) -> None:
        """Take canaries out and latch them: published first, then written down and told.

        With ``shifts``, everybody of those models gets another version than stable.
        """
        held = self._held
        before = held.published()
        held.latch(latches)
        held.shifts.update({shift.model: shift for shift in shifts})
        self.publish(now, beyond)
        for shift in shifts:
            self._shifted(shift)
        for latch in latches:
            entry = self.record(self._entry(latch, event, before.get(latch.model), now))
            key = (latch.model, latch.reason)
            held.totals.reverts[key] = held.totals.reverts.get(key, 0) + 1
            held.reverts.append(reverted(entry))
            held.taken_out.append(entry)
            log.error(
                "%s: version %s of %s by %s, everybody gets %s from plan %d on: %s: %s",
                event, latch.version, latch.model, latch.actor, self._whom(latch.model),
                held.plan.number, latch.reason, latch.message,
            )  # fmt: skip

    def hold(self, model: ModelPlan, finding: Finding, now: float, actor: str) -> None:
        """Bind the canary's share to what it is now: nothing to publish, for nothing changes."""
        assert model.canary is not None
        canary = model.canary
        entry = self.record(
            Entry(
                event=Event.HELD,
                at=now,
                actor=actor,
                model=model.name,
                version=canary.version,
                after=canary_words(canary),
                reason=finding.check,
                message=finding.message,
                numbers=finite(finding.numbers),
            )
        )
        self._held.hold(hold_of(entry))
        log.error(
            "held: the share of version %s of %s may not grow above %g %%: %s: %s",
            canary.version, model.name, canary.percent, finding.check, finding.message,
        )  # fmt: skip

    def unhold(self, model: str, version: str, reason: str, now: float, actor: str) -> None:
        """What held the canary's share is over; other holds stay."""
        hold = self._held.holds.get((model, version, reason))
        if hold is None:
            return
        before = self._held.published().get(model)
        self._held.unhold(model, version, [reason], None)
        asked = self._held.asked(model)
        self.record(
            Entry(
                event=Event.HOLD_CLEARED,
                at=now,
                actor=actor,
                model=model,
                version=version,
                before={"reasons": [reason], "percent": hold.percent, "passed": False},
                after=canary_words(asked if asked and asked.version == version else None),
                message=f"{reason} does not hold version {version} any more",
            )
        )
        if before is not None and asked is not None and before.percent < asked.percent:
            self.publish(now)

    def _shifted(self, shift: Shift) -> None:
        self.record(
            Entry(
                event=Event.SHIFTED,
                at=shift.at,
                actor=shift.actor,
                model=shift.model,
                version=shift.version,
                before={"stable": shift.stable},
                after={"stable": shift.version},
                message=shift.message,
            )
        )
        log.critical(
            "shifted: everybody of %s gets version %s from plan %d on: %s",
            shift.model, shift.version, self._held.plan.number, shift.message,
        )  # fmt: skip

    def _whom(self, name: str) -> str:
        shift = self._held.shifts.get(name)
        return f"version {shift.version}, the last resort," if shift is not None else "stable"

    def _entry(self, latch: Latch, event: Event, canary: CanaryPlan | None, now: float) -> Entry:
        model = self._held.effective(latch.model)
        after: dict[str, object] = {"stable": model.stable} if model is not None else {}
        policy = self._held.rules.validations.get(latch.model)
        if policy is not None and model is not None:
            after["validate_until"] = latch.at + policy.after
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
