"""Feedback at the desk: kept in the ledger, then shown to the judge.

``take`` writes first: what the ledger cannot commit is not taken, and an event that it had
already is no evidence a second time.  What was kept becomes observations, KPI events by the split
itself, labels by the prediction that they meet, now or later (``deliver``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from proxy.feedback import Item, Kpi, Label, Policy, hasher
from proxy.judge import Observation
from proxy.routing.plan import Plan
from proxy.steering import evident
from proxy.steering.evident import Seen
from proxy.steering.shares import Running, Shares, Step
from proxy.steering.signals import Consequences, Signals
from proxy.terms import Arm

if TYPE_CHECKING:
    from proxy.store.ledger import Joined, Ledger, Taken  # half of the commands do without it

#: Observations that the judge is shown at once, and the seconds before the next ones: he takes
#: some 2 us for each, all of them on his next tick.
AT_ONCE: Final = 2_000
PACE: Final = 0.02
#: The kinds and results that ``taken`` counts.
KINDS: Final = ("label", "kpi")
UNREAD: Final = "unread"  # of what was rejected, nobody knows the kind
ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
REJECTED: Final = "rejected"
RESULTS: Final = (ACCEPTED, DUPLICATE, REJECTED)

_NONE: Final = Policy()


class Compares(Protocol):
    """The comparisons, as far as they are needed here: ``label`` never waits, ``room`` until
    there is room for more."""

    def label(self, joined: Sequence[Joined]) -> None: ...

    async def room(self) -> None: ...


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
        self._shares = Shares()
        self.hashed: Callable[[bytes], str] = hasher(hash_key)
        self.signals = Signals(desk, self._shares)
        self.models: frozenset[str] = frozenset()
        #: (kind, result) -> events since the desk's start.
        self.taken: Counter[tuple[str, str]] = Counter()
        #: Of those taken: how many became evidence, and why the others did not.
        self.evidence: Counter[str] = Counter()
        self.joins = 0
        self.waited = 0
        #: Takes the labels that met a shadow's prediction, and confirms them.
        self.comparing: Compares | None = None
        self.use(policies, plan, now)

    def use(self, policies: Mapping[str, Policy], plan: Plan, now: float) -> None:
        """The file was read again."""
        self._policies = policies
        self.signals.use(policies)
        self.follow(plan, now)

    def follow(self, plan: Plan, now: float) -> None:
        """``plan`` is in force from ``now`` on."""
        self.models = frozenset(model.name for model in plan.models)
        self._shares.follow(plan, now)
        self.signals.follow()

    def restore(self, model: str, version: str, began: float, steps: Iterable[Step]) -> None:
        """What was written of a canary that was on trial, from ``began`` on, when the desk went
        down."""
        self._shares.restore(model, version, began, steps)

    async def take(self, items: Sequence[Item], faults: int = 0) -> Receipt:
        """Keep the events and show them to the judge; ``faults`` of others are only counted.

        All or nothing: raises StateError when the ledger cannot commit.
        """
        if not items:
            self._reject(faults)
            return Receipt()
        work = await asyncio.to_thread(_prepared, items)
        taken = await self._ledger.take(work.events)
        self._reject(faults)
        self._count(work, taken)
        trials = self._shares.all()
        found, counts = await asyncio.to_thread(self._seen, taken.joined, taken.kpis, work.keys)
        self.evidence.update(counts)
        await self._show(found, trials)
        self._delivered(taken.joined, taken.kpis)
        if self.comparing is not None:
            await self.comparing.room()
        return Receipt(taken.accepted, taken.duplicates, taken.waiting)

    def deliver(self, joined: Sequence[Joined], kpis: Sequence[Kpi]) -> None:
        """The ledger's callback: predictions have come for labels that waited for them, or what
        another desk took was not shown to the judge any more.

        Of a KPI event only the customer's hash was kept, and the split asks for the key: what
        was not shown at once is no evidence.
        """
        found, counts = self._seen(joined, kpis, {})
        self.joins += len(joined)
        self.evidence.update(counts)
        for model, observations in found.items():
            self._desk.observe(model, observations)
        self._delivered(joined, kpis)

    def _reject(self, faults: int) -> None:
        if faults:
            self.taken[UNREAD, REJECTED] += faults

    def _count(self, work: _Work, taken: Taken) -> None:
        fresh = {"kpi": len(taken.kpis), "label": taken.accepted - len(taken.kpis)}
        for kind, n in (("label", len(work.events) - work.kpis), ("kpi", work.kpis)):
            for result, count in ((ACCEPTED, fresh[kind]), (DUPLICATE, n - fresh[kind])):
                if count:
                    self.taken[kind, result] += count
        self.joins += len(taken.joined)
        self.waited += taken.waiting

    def _delivered(self, joined: Sequence[Joined], kpis: Sequence[Kpi]) -> None:
        """A shadow's are not evidence, and are confirmed by whom they are for."""
        if self.comparing is not None:
            shadows = [it for it in joined if it.prediction.arm == Arm.SHADOW]
            if shadows:
                self.comparing.label(shadows)
                joined = [it for it in joined if it.prediction.arm != Arm.SHADOW]
        if joined or kpis:
            self._ledger.delivered(joined, kpis)

    def _seen(
        self, joined: Sequence[Joined], kpis: Sequence[Kpi], keys: Mapping[str, bytes]
    ) -> tuple[dict[str, list[Observation]], Counter[str]]:
        """Runs beside the loop as well: it reads what the loop only ever replaces whole."""
        seen = self._of_labels(joined)
        for kpi in kpis:
            model, key = kpi.model, keys.get(kpi.event_id, b"")
            found = evident.of_kpi(self._shares.of(model), kpi, key, self._shares.ended(model))
            seen.setdefault(model, []).append(found)
        counts: Counter[str] = Counter()
        return evident.sorted_out(seen, counts), counts

    def _of_labels(self, joined: Sequence[Joined]) -> dict[str, list[Seen]]:
        seen: dict[str, list[Seen]] = {}
        for each in joined:
            made = each.prediction
            seen.setdefault(made.model, []).append(
                evident.of_label(
                    self._shares.of(made.model),
                    self._policies.get(made.model, _NONE),
                    each.label,
                    made,
                )
            )
        return seen

    async def _show(
        self, found: Mapping[str, Sequence[Observation]], trials: Mapping[str, Running]
    ) -> None:
        """What was seen in one trial is never shown to the next one."""
        for model, observations in found.items():
            for start in range(0, len(observations), AT_ONCE):
                if start:
                    await asyncio.sleep(PACE)
                if self._shares.of(model) is trials.get(model):
                    self._desk.observe(model, observations[start : start + AT_ONCE])


class _Work(msgspec.Struct):
    """The events of one request, how many of them are of a KPI, and their customers' keys."""

    events: list[Label | Kpi]
    kpis: int
    keys: dict[str, bytes]  # by event id


def _prepared(items: Sequence[Item]) -> _Work:
    work = _Work([], 0, {})
    for item in items:
        event = item.event
        if isinstance(event, Kpi):
            work.kpis += 1
            work.keys.setdefault(event.event_id, item.key)
        elif not isinstance(event, Label):
            raise TypeError(f"{type(event).__name__} is not kept in the ledger")
        work.events.append(event)
    return work
