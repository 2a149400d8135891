"""Feedback at the desk: kept in the ledger, then shown to the judge.

``take`` writes first: what the ledger cannot commit is not taken, and an event that it had
already is no evidence a second time.  What was kept becomes observations, KPI events by the split
itself, labels by the prediction that they meet, now or later (``joined``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from proxy.feedback import Item, Kpi, Label, Policy, Prediction, hasher
from proxy.judge import Evidence, Observation
from proxy.routing.plan import Plan
from proxy.steering import evident
from proxy.steering.evident import Seen
from proxy.steering.signals import Consequences, Signals
from proxy.steering.trials import Trials

#: Observations that the judge is shown before others have their turn on the loop.
AT_ONCE: Final = 2_000
#: The kinds and results that ``taken`` counts.
KINDS: Final = ("label", "kpi")
UNREAD: Final = "unread"  # of what was rejected, nobody knows the kind
ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
REJECTED: Final = "rejected"
RESULTS: Final = (ACCEPTED, DUPLICATE, REJECTED)

_NONE: Final = Policy()


class Joined(Protocol):
    """A label and the prediction that it is about."""

    @property
    def label(self) -> Label: ...
    @property
    def prediction(self) -> Prediction: ...


class Taken(Protocol):
    """What the ledger did with events, all of them or none.

    ``fresh`` are the ids of those that it did not have yet; ``joined`` the labels among them that
    met their predictions; ``waiting`` is how many did not.
    """

    @property
    def fresh(self) -> Collection[str]: ...
    @property
    def joined(self) -> Sequence[Joined]: ...
    @property
    def waiting(self) -> int: ...


class Ledger(Protocol):
    """What feedback needs of the ledger.  ``take`` raises StateError when it cannot commit."""

    async def take(self, events: Sequence[Label | Kpi]) -> Taken: ...

    @property
    def waiting(self) -> int:
        """Labels that wait for their predictions, all together."""


class Receipt(msgspec.Struct):
    """What became of the events of one request."""

    accepted: int = 0
    duplicates: int = 0
    waiting: int = 0


class Feedback:
    """Takes events and signals, and tells ``desk`` what follows.

    ``policies`` are the file's, by model; ``hash_key`` the house's (promise 12).
    """

    def __init__(
        self,
        desk: Consequences,
        ledger: Ledger,
        hash_key: str,
        policies: Mapping[str, Policy],
        plan: Plan,
        now: float,
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._policies = policies
        self._trials = Trials()
        self.hashed: Callable[[bytes], str] = hasher(hash_key)
        self.signals = Signals(desk, self._trials)
        self.models: frozenset[str] = frozenset()
        #: (kind, result) -> events since the desk's start.
        self.taken: Counter[tuple[str, str]] = Counter()
        #: Of those taken: how many became evidence, and why the others did not.
        self.evidence: Counter[str] = Counter()
        self.joins = 0
        self.use(policies, plan, now)

    def use(self, policies: Mapping[str, Policy], plan: Plan, now: float) -> None:
        """The file was read again."""
        self._policies = policies
        self.signals.use(policies)
        self.follow(plan, now)

    def follow(self, plan: Plan, now: float) -> None:
        """``plan`` is in force from ``now`` on."""
        self.models = frozenset(model.name for model in plan.models)
        self._trials.follow(plan, now)
        self.signals.follow()

    def restore(self, model: str, version: str, began: float, evidence: Iterable[Evidence]) -> None:
        """What was written of a canary that was on trial, from ``began`` on, when the desk went
        down."""
        self._trials.restore(model, version, began, evidence)

    @property
    def waiting(self) -> int:
        """Labels that wait for their predictions, all together."""
        return self._ledger.waiting

    async def take(self, items: Sequence[Item], faults: int = 0) -> Receipt:
        """Keep the events and show them to the judge; ``faults`` of others are only counted.

        All or nothing: raises StateError when the ledger cannot commit.
        """
        taken = await self._ledger.take([_event(item) for item in items]) if items else None
        if faults:
            self.taken[UNREAD, REJECTED] += faults
        if taken is None:
            return Receipt()
        fresh = taken.fresh
        found, counts, kinds = await asyncio.to_thread(self._seen, items, fresh, taken.joined)
        self.joins += len(taken.joined)
        self.evidence.update(counts)
        self.taken.update(kinds)
        await self._show(found)
        accepted = sum(n for (_, result), n in kinds.items() if result == ACCEPTED)
        return Receipt(accepted, len(items) - accepted, taken.waiting)

    def joined(self, joined: Sequence[Joined]) -> None:
        """Predictions have come for labels that waited for them: the ledger's callback."""
        found = evident.sorted_out(self._of_labels(joined), self.evidence)
        self.joins += len(joined)
        for model, observations in found.items():
            self._desk.observe(model, observations)

    def _seen(
        self, items: Sequence[Item], fresh: Collection[str], joined: Sequence[Joined]
    ) -> tuple[dict[str, list[Observation]], Counter[str], Counter[tuple[str, str]]]:
        """Runs beside the loop: it reads what the loop only ever replaces whole."""
        seen, kinds, left = self._of_labels(joined), Counter[tuple[str, str]](), set(fresh)
        for item in items:
            event = item.event
            kind = KINDS[isinstance(event, Kpi)]
            if event.event_id not in left:
                kinds[kind, DUPLICATE] += 1
                continue
            left.remove(event.event_id)  # a second one of the same request is a duplicate
            kinds[kind, ACCEPTED] += 1
            if isinstance(event, Kpi):
                running = self._trials.of(event.model)
                seen.setdefault(event.model, []).append(evident.of_kpi(running, event, item.key))
        counts: Counter[str] = Counter()
        return evident.sorted_out(seen, counts), counts, kinds

    def _of_labels(self, joined: Sequence[Joined]) -> dict[str, list[Seen]]:
        seen: dict[str, list[Seen]] = {}
        for each in joined:
            made = each.prediction
            seen.setdefault(made.model, []).append(
                evident.of_label(
                    self._trials.of(made.model),
                    self._policies.get(made.model, _NONE),
                    each.label,
                    made,
                )
            )
        return seen

    async def _show(self, found: Mapping[str, Sequence[Observation]]) -> None:
        for model, observations in found.items():
            for start in range(0, len(observations), AT_ONCE):
                self._desk.observe(model, observations[start : start + AT_ONCE])
                await asyncio.sleep(0)


def _event(item: Item) -> Label | Kpi:
    event = item.event
    if not isinstance(event, Label | Kpi):
        raise TypeError(f"{type(event).__name__} is not kept in the ledger")
    return event
