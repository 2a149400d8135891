"""What is told of an exchange beside its counts: an incident when it ends badly, a sample.

Only an exchange whose arm was drawn is evidence for or against a version.  A tester chose his
arm; a request without a key that always goes to stable was not drawn; and while no canary is in
force, or the desk is silent, there is nothing to compare.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from xxhash import xxh3_64_intdigest

from proxy.net import NEVER
from proxy.routing import split
from proxy.routing.plan import SamplePlan, WatchPlan
from proxy.terms import Arm, Incident, Outcome, Sample
from proxy.traffic.ending import Body, Kept
from proxy.traffic.recording import OK, UPSTREAM_4XX, UPSTREAM_5XX, upstream_failed

if TYPE_CHECKING:
    from proxy.traffic.evidence import EvidenceBook
    from proxy.traffic.exchange import Exchange

CALLER_LEFT: Final = Outcome.CALLER_LEFT.value
CANARY: Final = Arm.CANARY.value
#: Ends that can have been too slow: an answer, or a caller who waited for one no longer.  Who
#: broke a rule, or stalled himself, says nothing of the version's pace.
_WAITED: Final = frozenset((OK, UPSTREAM_4XX, CALLER_LEFT))
#: What is less wanted finds room up to here, so that it never takes that of fair evidence.
_HALF: Final = 0.5
_TYPE_CHARS: Final = 256


def was_drawn(exchange: Exchange) -> bool:
    """Whether a canary is in force, and the split chose the arm: the split alone."""
    route = exchange.route
    if route is None or route.canary is None or not route.share.limit or exchange.chosen:
        return False
    return exchange.known or route.missing_random


class Watch:
    """Tells of the incidents of a model with a canary in force; prepared once per Plan.

    ``slow``: nanoseconds; what takes longer is an incident.
    """

    __slots__ = ("_book", "slow")

    def __init__(self, plan: WatchPlan, book: EvidenceBook) -> None:
        self._book = book
        self.slow = NEVER if plan.slow is None else int(plan.slow * 1e9)

    def ended(self, exchange: Exchange, outcome: str, now: int) -> None:
        """It did not end well, or took longer than ``slow``: perhaps that is an incident."""
        slow = now - exchange.started > self.slow and exchange.complete and outcome in _WAITED
        if slow or upstream_failed(outcome):
            self._tell(exchange, outcome, now)

    def saved(self, exchange: Exchange, now: int) -> None:
        """Stable has answered for a canary that failed, or tried to: the incident is the canary's.

        Its seconds are those that the caller waited, the second attempt included.
        """
        self._tell(exchange, _first_failure(exchange.fallback), now)

    def _tell(self, exchange: Exchange, outcome: str, now: int) -> None:
        route, arm = exchange.route, exchange.arm
        assert route is not None
        assert arm is not None
        if not was_drawn(exchange):
            return
        self._book.incident(
            Incident(
                request_id=exchange.request_id.decode(),
                model=route.name,
                version=arm.version,
                arm=arm.arm,
                share=route.share.percent / 100,
                customer=self._book.hashed(exchange.key) if exchange.known else "",
                segments=exchange.segments,
                at=time.time(),
                outcome=outcome,
                seconds=(now - exchange.started) / 1e9,
                fallback=bool(exchange.fallback),
            )
        )


def _first_failure(fallback: str) -> str:
    """The canary's outcome from the words of ``x-fallback``: ``<version>; <reason>``."""
    reason = fallback.rpartition("; ")[2]
    return UPSTREAM_5XX if reason.startswith("status_") else f"upstream_{reason}"


class Sampler:
    """Whose exchanges of one model are kept whole; prepared once per Plan."""

    __slots__ = ("_book", "_canary", "_cap", "_limit", "_prefix")

    def __init__(self, plan: SamplePlan, book: EvidenceBook) -> None:
        self._book = book
        self._limit = split.threshold(plan.percent)
        self._prefix = plan.salt.encode() + b"\0"
        self._canary = plan.canary
        self._cap = plan.bytes

    def offer(self, exchange: Exchange, pieces: list[bytes], now: int) -> None:
        """Begins to keep the exchange, if it is sampled; ``pieces`` came of its body."""
        # split.sampled, prepared; the same for every request of a customer, whatever his arm.
        fair = xxh3_64_intdigest(self._prefix + exchange.key) < self._limit
        if not fair:
            arm = exchange.arm
            if not self._canary or arm is None or arm.arm != CANARY:
                return
        if not self._book.begins(1.0 if fair else _HALF):
            return
        cap, live = self._cap, exchange.live
        if live is None:
            live = exchange.live = Kept(self._book, cap, now)
        else:
            live.cap = max(live.cap, cap)
        live.asked = Asked(self._book, cap, fair)
        live.asked.keep(pieces)


class Asked(Body):
    """The request of an exchange that is sampled; what was answered is the exchange's ``live``.

    ``fair``: sampled whatever its arm.  One that is kept because it is the canary's is good to
    look at, but no evidence: there are none of stable's to compare it with.
    """

    __slots__ = ("_evidence", "_fair")

    def __init__(self, book: EvidenceBook, cap: int, fair: bool) -> None:
        Body.__init__(self, book, cap)
        self._evidence = book
        self._fair = fair

    def conclude(self, exchange: Exchange, live: Kept, outcome: str, now: int) -> None:
        """The exchange is over: hands the sample to the book."""
        book, route, arm, cap = self._evidence, exchange.route, exchange.arm, self.cap
        assert route is not None
        assert arm is not None
        book.under_way -= 1
        if self.lost or live.lost or not exchange.complete:
            book.samples_dropped += 1
            return
        version = route.stable.version if exchange.fallback else arm.version
        status = exchange.status if exchange.spoken else 0  # ours is no answer of theirs
        kind, encoding = exchange.head.content()
        book.sample(
            Sample(
                exchange.request_id.decode(),
                route.name,
                arm.arm,
                share=0.0 if route.canary is None else route.share.percent / 100,
                drawn=self._fair and was_drawn(exchange),
                customer=book.hashed(exchange.key) if exchange.known else "",
                segments=exchange.segments,
                at=time.time(),
                request=self.start(cap),
                request_bytes=self.size,
                request_type=kind[:_TYPE_CHARS],
                answer=live.half(version, outcome, status, now, cap),
                request_encoding=encoding[:_TYPE_CHARS],
                fallback=bool(exchange.fallback),
            )
        )
