"""What the desk holds in memory, and the one way in which it changes: a next Plan.

No I/O, no waiting; time is an argument.  ``loop.py`` publishes and writes down what happens
here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.steering import planning
from proxy.steering.evidence import Trials
from proxy.steering.observe import Observed
from proxy.steering.rules import Rules
from proxy.steering.status import RevertStatus
from proxy.steering.totals import Counting, Totals
from proxy.steering.workers import Workers
from proxy.store import REVERTS_KEPT, Entry, Hold, Override, State, latch_of
from proxy.terms import Finding, Latch


class StableDown(msgspec.Struct, frozen=True):
    """A canary had to go while stable did not answer.

    ``waiting`` is the revert that is put off until stable answers, or the canary does not.
    """

    since: float
    why: str
    waiting: Latch | None = None


class Held:
    """Everything that ``status`` shows and the next Plan is made of."""

    def __init__(self, rules: Rules, state: State, trials: Trials, now: float) -> None:
        self.rules = rules
        self.trials = trials
        self.holds = state.holds
        self.passed = state.passed
        self.shifts = state.shifts
        self.stable_down: dict[str, StableDown] = {}
        self.begun: list[str] = []  # models whose canary has come since somebody last looked
        self.taken_out: list[Entry] = []  # reverts since then
        self.latches = state.latches
        self.cleared = state.cleared  # (model, version) -> plan number that cleared the latch
        self.overrides = state.overrides
        self.started_at = now
        self.loaded_at = now
        self.ticked_at: float | None = None
        self.totals = Totals()
        self.counting = Counting(self.totals)
        self.observed = Observed()
        self.workers = Workers()
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self.since: dict[str, float] = {}  # model -> when its canary and share came into force
        self.reverts: deque[RevertStatus] = deque(
            (reverted(entry) for entry in state.reverts), maxlen=REVERTS_KEPT
        )
        self.plan = Plan(state.plan_number, ())
        self.in_force: dict[str, ModelPlan] = {}  # the plan's models that have a canary
        self._models: dict[str, ModelPlan] = {}  # all of them
        self._recover = True  # the first canaries may have been there before this desk
        self.fresh: set[str] = set()  # models of which something new was observed or decided
        self.observed.keep(rules.plan, rules.thresholds)
        self.counting.keep(rules.plan)
        self.advance(now)
        self._recover = False

    @property
    def orders(self) -> planning.Orders:
        """What stands beside the file, as it is now."""
        return planning.Orders(self.overrides, self.latches, self.holds, self.shifts)

    def advance(self, now: float, beyond: int = 0) -> Plan:
        """Make the next Plan from what is held, numbered above ``beyond`` and the last one.

        A canary that was not in the last Plan begins afresh.
        """
        before = self._models
        number = max(self.plan.number, beyond) + 1
        self.plan = planning.build(self.rules.plan, self.orders, number)
        self._models = {model.name: model for model in self.plan.models}
        self.in_force = {model.name: model for model in self.plan.models if model.canary}
        for name, model in self._models.items():
            self._follow(before.get(name), model, now)
        for name in before.keys() - self._models.keys():
            self.trials.end(name, now)
        return self.plan

    def _follow(self, before: ModelPlan | None, model: ModelPlan, now: float) -> None:
        """A model's canary goes on, ends or begins; another stable, or other customers drawn for
        the canary, is another comparison."""
        name, canary = model.name, model.canary
        was = before.canary if before is not None else None
        if canary != was:
            self.since[name] = now
            self.fresh.add(name)
        if canary is None:
            self.observed.end(name)
            self.trials.end(name, now)
            return
        if was is None or was.version != canary.version:
            self.observed.begin(name, canary.version)
            self.findings.pop(name, None)
            self._begin(model, now)
        elif before is not None and (before.stable, before.salt) != (model.stable, model.salt):
            self._begin(model, now)
        else:
            self.trials.follow(model)

    def _begin(self, model: ModelPlan, now: float) -> None:
        self.stable_down.pop(model.name, None)
        self.trials.begin(model, self.rules.guardrails[model.name], now, self._recover)
        if not self._recover:
            self.begun.append(model.name)

    def use(self, rules: Rules, now: float) -> None:
        """Another word of the file; what is about models and versions it lacks is forgotten."""
        self.rules, self.loaded_at = rules, now
        self.observed.keep(rules.plan, rules.thresholds)
        self.fresh |= set(rules.models)
        self.counting.keep(rules.plan)
        for found in (self.findings, self.since, self.stable_down):
            for name in [name for name in found if name not in rules.models]:
                del found[name]
        self.trials.keep(rules.models)
        for name, model in self.in_force.items():
            if name in rules.models:
                self.trials.change(model, rules.guardrails[name], now)

    def published(self) -> dict[str, CanaryPlan | None]:
        """The canary that each model really has."""
        return {model.name: model.canary for model in self.plan.models}

    def effective(self, name: str) -> ModelPlan | None:
        """A model as it is published."""
        return self._models.get(name)

    def hold_of(self, name: str) -> Hold | None:
        """The hold on the canary that a model is asked to have."""
        asked = self.asked(name)
        return None if asked is None else planning.bound_of(self.holds, name, asked.version)

    def model(self, name: str) -> ModelPlan | None:
        """What the file says of a model."""
        return self.rules.models.get(name)

    def asked(self, name: str) -> CanaryPlan | None:
        """The canary that the file or an override wants, latched or not."""
        model = self.rules.models.get(name)
        if model is None:
            return None
        return planning.overridden(model, self.overrides.get(name)).canary

    def fits(self, override: Override) -> bool:
        """Whether the file's split is still the one it stands in for, and has its version."""
        return self.rules.fingerprints.get(
            override.model
        ) == override.fingerprint and not planning.unfit(
            self.rules.models.get(override.model), override.version
        )

    def latch(self, latches: Iterable[Latch]) -> None:
        for latch in latches:
            self.latches[latch.model, latch.version] = latch
            self.cleared.pop((latch.model, latch.version), None)
            self.stable_down.pop(latch.model, None)

    def hold(self, hold: Hold) -> None:
        self.holds[hold.model, hold.version, hold.reason] = hold

    def reasons(self, model: str, version: str) -> list[str]:
        """The checks that hold this version's share."""
        return sorted(why for name, held, why in self.holds if (name, held) == (model, version))

    def unhold(self, model: str, version: str, reasons: Iterable[str], at: float | None) -> None:
        """Let go of these holds.

        Where a person cleared them, ``at`` that time, these checks do not hold this trial again.
        """
        for reason in reasons:
            self.holds.pop((model, version, reason), None)
            if at is not None:
                self.passed.setdefault((model, version), {})[reason] = at

    def has_passed(self, model: str, version: str, check: str, since: float) -> bool:
        """Whether a person cleared a hold by this check since the trial began."""
        return self.passed.get((model, version), {}).get(check, -1.0) >= since

    def unlatch(self, model: str, version: str, number: int) -> None:
        """A person cleared it; ``number`` is that of the Plan which will say so."""
        self.latches.pop((model, version), None)
        self.cleared[model, version] = number
        self.unhold(model, version, self.reasons(model, version), None)
        self.passed.pop((model, version), None)

    def unknown(self, latches: Iterable[Latch], plan_number: int) -> list[Latch]:
        """Those that a worker knows and the desk does not.

        A worker whose plan is older than the clearing of a latch only missed the clearing.
        """
        return [
            latch
            for latch in latches
            if (latch.model, latch.version) not in self.latches
            and plan_number > self.cleared.get((latch.model, latch.version), -1)
        ]


def reverted(entry: Entry) -> RevertStatus:
    """A ``reverted`` or ``latch_adopted`` entry as ``status`` shows it."""
    latch = latch_of(entry)
    return RevertStatus(
        at=latch.at,
        model=latch.model,
        version=latch.version,
        percent=(entry.before or {}).get("percent"),
        actor=latch.actor,
        reason=latch.reason,
        message=latch.message,
        numbers=latch.numbers,
        plan_number=entry.plan,
    )
