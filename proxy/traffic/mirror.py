"""Who is copied to a shadow, and how much of it may be under way (promise 2).

Over a bound a copy is dropped and counted by reason; nothing here ever pauses a caller.  What
becomes of one stands in copying.py.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.net import Deadlines
from proxy.routing import split
from proxy.routing.plan import ModelPlan, ShadowPlan
from proxy.terms import Arm, CopyResult
from proxy.traffic.board import ArmRoute, Stock, nanoseconds
from proxy.traffic.copying import BYTES, DRAIN, Copy
from proxy.traffic.ending import Kept, PairDraft
from proxy.traffic.rewriting import CopyHead

if TYPE_CHECKING:
    from proxy.traffic.decision import Prepared
    from proxy.traffic.exchange import Exchange
    from proxy.traffic.plane import Plane

STABLE: Final = Arm.STABLE.value
QUEUE: Final = CopyResult.DROPPED_QUEUE.value


class Mirror:
    """One shadow of one model: who is copied to it, and how much of it may be under way."""

    __slots__ = (
        "_everyone", "_filling", "_pairs", "_plan", "_plane", "_queue", "_share", "counts",
        "heads", "held", "in_flight", "route", "wait_ns",
    )  # fmt: skip

    def __init__(self, plane: Plane, model: ModelPlan, shadow: ShadowPlan, stock: Stock) -> None:
        self._plane = plane
        self._queue: deque[Copy] = deque()
        self._filling = False
        self.in_flight = 0
        self.held = 0  # bytes of copies in memory
        self.configure(model, shadow, stock)

    def configure(self, model: ModelPlan, shadow: ShadowPlan, stock: Stock) -> None:
        """Takes a new Plan's bounds; copies under way go on."""
        self._plan = shadow
        self._share = split.copies_share(model, shadow)
        self._everyone = self._share.limit == split.POINTS
        self._pairs = split.pairs_share(model, shadow)
        self.heads = CopyHead(shadow)
        self.counts = stock.recording.model(model.name)
        arm = Arm.NOISE if shadow.noise else Arm.SHADOW
        self.route = ArmRoute(model, shadow.version, arm, stock)
        self.wait_ns = nanoseconds(shadow.deadline)

    def offer(
        self, exchange: Exchange, prepared: Prepared, pieces: list[bytes], now: int
    ) -> Copy | None:
        """Copies the exchange, if it is sampled and there is room for it.

        ``pieces`` came of its body.  The copy is returned if it wants to hear more of the
        exchange: the rest of the body, or what the live version answered.
        """
        if not self._everyone and not self._share.takes(exchange.key):
            return None
        plan = self._plan
        if plan.noise and not _of_stable(exchange):
            return None  # it would be a request to stable that teaches nothing
        full = self.in_flight >= plan.in_flight
        if full and len(self._queue) >= plan.queue:
            self._count(QUEUE)
            return None
        if self.held > plan.bytes or self._plane.draining:
            self._count(DRAIN if self._plane.draining else BYTES)
            return None
        text = prepared.copies.get(self)
        if text is None:
            text = self.heads.text(exchange.head)
            if not exchange.head.varying:
                prepared.copies[self] = text
        draft = self._draft(exchange, now) if self._pairs.limit else None
        copy = Copy(self, exchange, text, draft, pieces, now)
        if prepared.repeatable:
            copy.keep(pieces)
        if full:
            self._queue.append(copy)
            copy.queue()
        else:
            self.in_flight += 1
            copy.start(now)
        return None if draft is None and exchange.complete else copy

    def _draft(self, exchange: Exchange, now: int) -> PairDraft | None:
        """The pair to be, where one is wanted: a shadow is compared with stable, never a canary."""
        arm = exchange.arm
        assert arm is not None
        if arm.arm != STABLE or not self._pairs.takes(exchange.key):
            return None
        if not self._plane.recording.wants_pair():
            self.counts.drop_pair(self._plan.version)
            return None
        cap = self._plan.pair_bytes
        if exchange.live is None:
            exchange.live = Kept(self._plane.recording, cap, now)
        else:
            exchange.live.cap = max(exchange.live.cap, cap)
        return PairDraft(self._plane, exchange, cap)

    def _count(self, result: str) -> None:
        self.counts.count_copy(self._plan.version, result)

    @property
    def deadlines(self) -> Deadlines:
        return self._plane.deadlines

    def hold(self, change: int) -> bool:
        """Counts bytes in or out of memory; False when the bound is passed."""
        self.held += change
        return self.held <= self._plan.bytes

    def over(self, copy: Copy, result: str) -> None:
        """A copy has ended or was given up: its place goes to the next in the queue."""
        self.counts.count_copy(self._plan.version, result)
        if not copy.started:
            self._queue.remove(copy)
            return
        self.in_flight -= 1
        if self._queue and not self._filling:  # else one that was just started is over: no deeper
            self._fill()

    def _fill(self) -> None:
        self._filling = True
        while self._queue and self.in_flight < self._plan.in_flight:
            self.in_flight += 1
            self._queue.popleft().start(perf_counter_ns())
        self._filling = False


def _of_stable(exchange: Exchange) -> bool:
    return exchange.arm is not None and exchange.arm.arm == STABLE
