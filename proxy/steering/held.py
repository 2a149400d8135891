"""What the desk holds in memory, and the one way in which it changes: a next Plan.

No I/O, no waiting; time is an argument.  ``loop.py`` publishes and writes down what happens
here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from proxy.routing.plan import CanaryPlan, ModelPlan, Plan
from proxy.steering import planning
from proxy.steering.observe import Observed
from proxy.steering.rules import Rules
from proxy.steering.status import RevertStatus
from proxy.steering.totals import Counting, Totals
from proxy.steering.workers import Workers
from proxy.store import REVERTS_KEPT, Entry, Override, State, latch_of
from proxy.terms import Finding, Latch


class Held:
    """Everything that ``status`` shows and the next Plan is made of."""

    def __init__(self, rules: Rules, state: State, now: float) -> None:
        self.rules = rules
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
        self.fresh: set[str] = set()  # models of which something new was observed or decided
        self.observed.keep(rules.plan, rules.thresholds)
        self.counting.keep(rules.plan)
        self.advance(now)

    def advance(self, now: float, beyond: int = 0) -> Plan:
        """Make the next Plan from what is held, numbered above ``beyond`` and the last one.

        A canary that was not in the last Plan begins afresh.
        """
        before = self.published()
        number = max(self.plan.number, beyond) + 1
        self.plan = planning.build(self.rules.plan, self.overrides, self.latches, number)
        self.in_force = {model.name: model for model in self.plan.models if model.canary}
        for name, canary in self.published().items():
            was = before.get(name)
            if canary != was:
                self.since[name] = now
                self.fresh.add(name)
            if canary is None:
                self.observed.end(name)
            elif was is None or was.version != canary.version:
                self.observed.begin(name, canary.version)
                self.findings.pop(name, None)
        return self.plan

    def use(self, rules: Rules, now: float) -> None:
        """Another word of the file; what is about models and versions it lacks is forgotten."""
        self.rules, self.loaded_at = rules, now
        self.observed.keep(rules.plan, rules.thresholds)
        self.fresh |= set(rules.models)
        self.counting.keep(rules.plan)
        for name in [name for name in self.findings if name not in rules.models]:
            del self.findings[name]
        for name in [name for name in self.since if name not in rules.models]:
            del self.since[name]

    def published(self) -> dict[str, CanaryPlan | None]:
        """The canary that each model really has."""
        return {model.name: model.canary for model in self.plan.models}

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

    def unlatch(self, model: str, version: str, number: int) -> None:
        """A person cleared it; ``number`` is that of the Plan which will say so."""
        self.latches.pop((model, version), None)
        self.cleared[model, version] = number

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
