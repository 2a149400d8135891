"""The release desk: observe, judge, revert.

``tick`` is the loop's one turn and never waits.  A revert is published first, in memory, and
written to the history afterwards.  The desk by itself only ever takes customers away from a
canary; giving is for people (operators.py) and for the file.

Everything runs on one event loop; only the history's writing is in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from proxy.errors import ConfigError
from proxy.judge import Observation, Source
from proxy.measure import Report
from proxy.routing.plan import Plan
from proxy.settings import Settings
from proxy.steering import orders, planning, trialview, view
from proxy.steering.carry import Carrying
from proxy.steering.compared import View
from proxy.steering.evidence import Course, Trials
from proxy.steering.held import Held
from proxy.steering.judging import AUTOMATIC, Judging, latch_for
from proxy.steering.operators import Operators
from proxy.steering.record import Recorder
from proxy.steering.reverting import Reverting
from proxy.steering.rules import Change, changes, rules
from proxy.steering.status import (
    EndpointStatus,
    LedgerStatus,
    ModelStatus,
    ShareStatus,
    Status,
    ValidationStatus,
)
from proxy.steering.totals import Totals
from proxy.steering.trialview import EvidenceView
from proxy.steering.validating import Validating
from proxy.store import Entry, Event, History, Hold, Shift
from proxy.terms import Arm, Finding, Latch, Sample

log = logging.getLogger(__name__)


class ReleaseDesk:
    """Holds what is asked, what is latched and what was observed; publishes what follows.

    ``publish`` gives a Plan to every worker at once and must not wait.  Nothing is published
    before the first ``hello``; a worker that says hello is given ``plan`` by the caller.
    ``clock`` gives seconds since the epoch; ``evidence`` is the folder of the evidence files,
    without which a trial does not outlive the desk.
    """

    def __init__(
        self,
        settings: Settings,
        history: History,
        publish: Callable[[Plan], None],
        clock: Callable[[], float] = time.time,
        evidence: Path | None = None,
    ) -> None:
        state, now = history.state(), clock()
        found, known = rules(settings), state.files
        self._clock = clock
        self._trials = Trials(evidence, clock)
        self._held = Held(found, state, self._trials, now)
        self._recorder = Recorder(history, clock)
        self._carrying = Carrying(self._held, publish, self._recorder)
        self._reverting = Reverting(self._held, self._carrying)
        self._validating = Validating(self._held, self._carrying, state, now)
        self._operators = Operators(
            self._held, self._carrying, self._reverting, self._recorder, clock
        )
        self._judging = Judging()
        self._refused: view.Refused | None = None
        #: Takes the exchanges that workers kept whole; never waits.
        self.sampled: Callable[[Sequence[Sample]], None] = _nobody
        #: Takes each report, and never waits; what the comparisons of a model say, by shadow.
        self.reported: Callable[[Report], None] = _nothing
        self.compared: Callable[[str], Mapping[str, View | None]] = _no_comparisons
        self.ledger: Callable[[], LedgerStatus | None] = _no_ledger
        stale = self._drop_stale(now)
        if stale:
            self._held.advance(now)
        if history.repaired:
            self._note(Event.HISTORY_REPAIRED, history.repaired, now)
        self._note(Event.STARTED, "", now)
        self._record_changes(changes(known, found.words), stale, now)

    # ---- to be read

    @property
    def plan(self) -> Plan:
        """The Plan in force."""
        return self._held.plan

    @property
    def asked(self) -> Plan:
        """What is wanted, latched canaries left in: for explaining, never for publishing."""
        held = self._held
        return planning.asked(held.rules.plan, held.orders, held.plan.number)

    @property
    def totals(self) -> Totals:
        """Counts since the desk's start; live, not a copy."""
        return self._held.totals

    def endpoints(self) -> dict[str, list[EndpointStatus]]:
        """By model: each endpoint as all workers together see it."""
        return view.endpoints(self._held)

    def status(self) -> Status:
        """All of it at once.  Of many models that takes long: see ``models``."""
        found = self.outline()
        found.models = dict(self.models())
        return found

    def outline(self) -> Status:
        """The status without its models."""
        found = view.outline(self._held, self._recorder, self._refused, self._clock())
        found.ledger = self.ledger()
        return found

    def models(self) -> Iterator[tuple[str, ModelStatus]]:
        """The models of the status, one by one: the desk may go on between two of them."""
        for name, model in view.models(self._held, self._validating, self._clock):
            for version, found in self.compared(name).items():
                if found is not None and version in model.shadows:
                    model.shadows[version].comparison = found.status()
            yield name, model

    def shares(self) -> Iterator[tuple[str, str, ShareStatus]]:
        """Model, canary and its share, of each model that shall have one; as ``models``."""
        for name in list(self._held.rules.models):
            model, asked = self._held.model(name), self._held.asked(name)
            if model is not None and asked is not None:
                yield name, asked.version, view.share(self._held, model, asked, self._clock())

    def evidence(self, model: str) -> EvidenceView:
        """What the judge has seen of the canary of ``model``, and what it makes of it."""
        return trialview.view(self._held, model)

    def trials(self) -> Iterator[tuple[str, Course]]:
        """Each trial that runs, by its model; to be looked at."""
        return self._trials.running()

    def validations(self) -> Iterator[tuple[str, ValidationStatus]]:
        """Model and its last validation, of each model that has one."""
        for name in self._held.rules.models:
            found = trialview.validation(self._validating, name)
            if found is not None:
                yield name, found

    @property
    def holds(self) -> list[Hold]:
        """Canaries whose share may not grow."""
        return [hold for _, hold in sorted(self._held.holds.items())]

    @property
    def shifts(self) -> list[Shift]:
        """Models whose customers all get the last resort."""
        return [shift for _, shift in sorted(self._held.shifts.items())]

    @property
    def stable_down(self) -> list[str]:
        """Models whose canary had to go while stable did not answer, until it does."""
        return sorted(self._held.stable_down)

    @property
    def latches(self) -> list[Latch]:
        """What was reverted and is not cleared."""
        return [latch for _, latch in sorted(self._held.latches.items())]

    async def entries(self, limit: int | None = None) -> list[Entry]:
        """The last entries of the history, oldest first.  Raises StateError."""
        return await asyncio.to_thread(self._recorder.history.entries, limit)

    # ---- from the workers

    def hello(
        self, worker: int, plan_number: int, latches: Sequence[Latch] = (), pid: int = 0
    ) -> None:
        """A worker is there and says what it knows.

        What it knows better is adopted: a later plan number is gone beyond, an unknown latch
        is a revert that was never written down.  An equal number may be another desk's plan,
        so it is gone beyond as well.
        """
        held, now = self._held, self._clock()
        held.workers.hello(worker, pid, plan_number, now)
        later = plan_number > held.plan.number
        unknown = held.unknown(latches, plan_number)
        if unknown:
            self._carrying.revert(unknown, now, Event.LATCH_ADOPTED, beyond=plan_number)
        elif plan_number >= held.plan.number:
            self._carrying.publish(now, beyond=plan_number)
        if later:
            self._note(Event.PLAN_ADOPTED, f"worker {worker} held plan {plan_number}", now)

    def report(self, worker: int, report: Report) -> None:
        """All that one worker counted since its last report."""
        held, now = self._held, self._clock()
        held.workers.report(worker, report, now)
        kept = held.counting.add(report)
        known = [counts for counts in report.models if counts.model in held.rules.models]
        held.fresh |= held.observed.add(worker, kept, known, now)
        held.trials.report(report, kept)
        self._validating.counted(kept, now)
        if report.samples:
            self.sampled(report.samples)
        self.reported(report)

    def observe(self, model: str, seen: Sequence[Observation]) -> None:
        """What was seen elsewhere than by the workers: quality, KPI events, labels, signals.

        With or without a canary: KPI events of stable's customers are what a revert is validated
        by.  Their ``share`` is nought then.
        """
        for it in seen:
            if it.source is Source.KPI and it.arm is Arm.STABLE:
                self._validating.count_kpi(model, it.name)
        if model in self._held.in_force:
            self._trials.observe(model, seen)

    # ---- from what others say of a canary

    def revert_by(self, model: str, version: str, finding: Finding) -> None:
        """Take the canary out now, with the finding as the reason, and latch it."""
        now = self._clock()
        self._reverting.due([latch_for(model, version, finding, now)], now)

    def hold_by(self, model: str, version: str, finding: Finding) -> None:
        """The canary's share may not grow, for the finding's sake."""
        found = self._held.in_force.get(model)
        if found is None or found.canary is None or found.canary.version != version:
            return
        if (model, version, finding.check) not in self._held.holds:
            self._carrying.hold(found, finding, self._clock(), AUTOMATIC)

    def unhold_by(self, model: str, version: str, check: str) -> None:
        """What ``hold_by`` did for this check's sake is taken back; others' holds stay."""
        self._carrying.unhold(model, version, check, self._clock(), AUTOMATIC)

    def lost(self, worker: int) -> None:
        """A worker's channel is gone; what it counted stays."""
        self._held.workers.lost(worker)
        self._held.observed.lost(worker)

    # ---- the loop

    def tick(self) -> None:
        """Judge every canary, revert or hold those that fail, go on writing what is pending."""
        now, held = self._clock(), self._held
        latches = self._judging.trips(held, now)
        more, holds = self._judging.guarded(held, self._trials.flush(now), now)
        latches += [it for it in more if it.model not in {latch.model for latch in latches}]
        if latches:
            self._reverting.due(latches, now)
        for model, finding in holds:
            if model.name in held.in_force:
                self._carrying.hold(model, finding, now, AUTOMATIC)
        if held.stable_down:
            self._reverting.tick(now)
        self._validating.tick(now)
        held.ticked_at = now
        self._recorder.retry(now)

    # ---- from the file

    def reload(self, settings: Settings) -> bool:
        """The file was edited, and what it says is in order: publish it; True when it is in force.

        Making a reverted version stable would give it everybody: that edit is refused, in the
        way of ``reload_refused``.
        """
        held, now = self._held, self._clock()
        found = rules(settings)
        if problems := orders.reverted_stables(found.plan, held):
            self.reload_refused(ConfigError(found.path, problems))
            return False
        if self._refused is not None:
            log.info("%s: the config is in order again", found.path)
        self._refused = None
        changed = changes(held.rules.words, found.words)
        same = not changed and found.plan == held.rules.plan
        held.use(found, now)
        self._validating.keep()
        if not same:
            stale = self._drop_stale(now)
            self._carrying.publish(now)
            self._record_changes(changed, stale, now)
        return True

    def reload_refused(self, error: ConfigError) -> None:
        """The file was edited and is broken: the last good one goes on, and ``status`` says so."""
        log.error("%s", error)
        self._refused = view.Refused(str(error), list(error.problems), self._clock())

    # ---- from operators

    async def set_split(
        self, model: str, version: str | None, percent: float, actor: str, reason: str
    ) -> None:
        """Another canary or share than the file's, until the file's split is edited.

        Without ``version``, that of the canary there is.  Raises OperationRefused.
        """
        await self._operators.set_split(model, version, percent, actor, reason)

    async def clear_split(self, model: str, actor: str, reason: str) -> None:
        """The file's split again.  Raises OperationRefused."""
        await self._operators.clear_split(model, actor, reason)

    async def clear_revert(self, model: str, version: str, actor: str, reason: str) -> None:
        """A reverted version may be canary again.  Raises OperationRefused."""
        await self._operators.clear_revert(model, version, actor, reason)
        self._validating.cleared(model, version, self._clock())

    async def clear_hold(self, model: str, actor: str, reason: str) -> None:
        """The canary's share may grow again.  Raises OperationRefused."""
        await self._operators.clear_hold(model, actor, reason)

    async def clear_shift(self, model: str, actor: str, reason: str) -> None:
        """Everybody gets stable again, not the last resort.  Raises OperationRefused."""
        await self._operators.clear_shift(model, actor, reason)

    async def revert(self, model: str, actor: str, reason: str) -> None:
        """Take the canary out now, and latch it.  Waits for no other operator and no disk.

        Raises OperationRefused when there is no canary to take out.
        """
        await self._operators.revert(model, actor, reason)

    async def close(self) -> None:
        """Finish what operators began, and try once more to write what is pending."""
        await self._operators.finished()
        await asyncio.to_thread(self._trials.close, self._clock())
        await self._recorder.close()

    # ---- its own

    def _note(self, event: Event, message: str, now: float) -> None:
        self._carrying.record(Entry(event, now, AUTOMATIC, message=message))

    def _drop_stale(self, now: float) -> list[Entry]:
        """End the overrides of edited splits; their entries are for after the publishing."""
        held = self._held
        stale = [override for override in held.overrides.values() if not held.fits(override)]
        entries = [orders.dropped(held, override, now) for override in stale]
        for override in stale:
            del held.overrides[override.model]
        return entries

    def _record_changes(self, changed: list[Change], dropped: list[Entry], now: float) -> None:
        for change in changed:
            log.info("config of %s: %s", change.model or "the house", change.message)
            self._carrying.record(
                Entry(
                    event=Event.CONFIG_CHANGED,
                    at=now,
                    actor="file",
                    model=change.model,
                    before=change.before,
                    after=change.after,
                    message=change.message,
                )
            )
        for entry in dropped:
            log.warning("override of %s ended: %s", entry.model, entry.message)
            self._carrying.record(entry)


def _nobody(_samples: Sequence[Sample]) -> None:
    """Nothing is done with samples."""


def _nothing(_report: Report) -> None:
    """Nothing is compared."""


def _no_comparisons(_model: str) -> Mapping[str, View | None]:
    return {}


def _no_ledger() -> None:
    """There is none."""
