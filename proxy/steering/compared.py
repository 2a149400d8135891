"""One comparison as it runs at the desk: what came for it, what is kept, what it says.

Its ``Comparison`` belongs to the pump (comparing.py) alone; everyone else reads the last
``view``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.compare.comparison import Comparison, OtherOptions
from proxy.compare.kinds import SCORES, Kind
from proxy.compare.summary import Summary
from proxy.errors import StateError
from proxy.feedback import Prediction
from proxy.judge.gate import Gate, gate
from proxy.measure.tally import add_counts
from proxy.routing.split import POINTS, point
from proxy.settings import Comparing
from proxy.steering.status import ComparisonStatus
from proxy.store.comparisons import ComparisonFiles, Gap, KeptComparison
from proxy.terms import Arm, CopyResult, Pair

if TYPE_CHECKING:
    from proxy.store.ledger import Joined

log = logging.getLogger(__name__)

#: Labels that a file names: as many as come between a save and the ledger's word that it knows.
JOINS_KEPT: Final = 20_000
GAPS_KEPT: Final = 20
#: Rows of one answer that are logged; labels are about single decisions.
MOST_ROWS: Final = 1_000
#: A copy that was sent, and whose pair was lost: by a worker's bounds, by the desk's.
LOST_WORKER: Final = "pair_dropped"
LOST_DESK: Final = "pair_dropped_desk"
#: Seconds that a pair of the beginning may have been under way to the desk.
_UNDER_WAY: Final = 2.0
_SENT: Final = CopyResult.SENT.value
_LOGGED: Final = SCORES | {Kind.CLASS}
_SALT: Final = b"desk/shadow-predictions"


class View(msgspec.Struct, frozen=True):
    """What a comparison says, as it was at ``summary.at``.

    ``sampling``, 0 to 1, is the share of the customers whose pairs there is time for; ``saved_at``
    is 0 before the first save; ``error`` is why the last one failed.  ``gaps`` are the times in
    which nothing was compared or what was is lost: restarts.
    """

    model: str
    version: str
    stable: str
    began: float
    saved_at: float
    error: str
    sampling: float
    gaps: tuple[Gap, ...]
    summary: Summary
    gate: Gate

    def status(self) -> ComparisonStatus:
        """Its line on the board."""
        found = self.summary
        shift = found.everyone.shift
        return ComparisonStatus(
            since=self.began,
            pairs=found.pairs,
            labels=found.labels,
            agreement=found.agreement.rate if found.rows else None,
            noise=found.noise.agreement,
            shift=shift.mean if shift is not None else None,
            sampling=self.sampling,
            poor=found.fidelity.poor,
            gate=self.gate.verdict,
            sentence=self.gate.sentence,
            error=self.error,
        )


class Running:
    """The comparison of ``version`` with ``stable``, since ``began``."""

    def __init__(self, how: Comparing, model: str, version: str, stable: str, began: float) -> None:
        self.how, self.model, self.version, self.stable = how, model, version, stable
        self.began = began
        self.comparison = Comparison(how.options, model, version, how.reference)
        self.gaps: tuple[Gap, ...] = ()
        self.saved_at = self.viewed_at = 0.0
        self.error = ""
        self.unsaved = self.unseen = False  # something was counted since
        self.view: View | None = None
        self.predictions: list[Prediction] = []  # for the ledger
        self.joins: deque[int] = deque(maxlen=JOINS_KEPT)
        self._known: set[int] = set()
        self.unsettled: list[Joined] = []  # counted, and not in a file yet
        self._copies: dict[str, int] = {}
        self._requests: dict[str, int] = {}
        self._passed = 0
        self._adopt()

    @classmethod
    def again(cls, how: Comparing, kept: KeptComparison, now: float) -> Running:
        """As it was when it was kept; from then until ``now`` is a gap.  Raises OtherOptions."""
        made = cls(how, kept.model, kept.version, kept.stable, kept.began)
        made.comparison = Comparison.restore(how.options, kept.counted, how.reference)
        made.gaps = (*kept.gaps, Gap(kept.at, now))[-GAPS_KEPT:]
        made.joins.extend(kept.joins)
        made._known.update(kept.joins)
        made.saved_at = kept.at
        made.unseen = True
        made._adopt()
        return made

    def _adopt(self) -> None:
        options = self.how.options
        if self.how.logged > 0 and options.kind in _LOGGED:
            self.comparison.on_read = self._log

    def use(self, how: Comparing) -> bool:
        """Go on with other settings; False when they count otherwise."""
        if how is self.how:
            return True
        if how.options.fingerprint() != self.how.options.fingerprint():
            return False
        if how.options != self.how.options:
            try:
                content = self.comparison.snapshot()
                self.comparison = Comparison.restore(how.options, content, how.reference)
            except OtherOptions:
                return False
        self.how, self.unseen = how, True
        self.comparison.reference = how.reference
        self.comparison.on_read = None
        self._adopt()
        return True

    # ---- from the reports, on the loop

    def passed_over(self) -> None:
        self._passed += 1

    def lost(self, n: int = 1) -> None:
        """Pairs that the desk had no room for."""
        self._move(LOST_DESK, n)

    def copied(self, results: Mapping[str, int], dropped: int) -> None:
        """Copies by result, and the pairs of them that a worker dropped."""
        add_counts(self._copies, results)
        if dropped:
            self._move(LOST_WORKER, dropped)

    def answered(self, segment: str, n: int) -> None:
        """Requests that stable answered; of everyone where the segment is ""."""
        self._requests[segment] = self._requests.get(segment, 0) + n

    def _move(self, reason: str, n: int) -> None:
        """A copy whose pair is lost was sent for nothing."""
        self._copies[_SENT] = self._copies.get(_SENT, 0) - n
        self._copies[reason] = self._copies.get(reason, 0) + n

    # ---- the pump's

    def tell(self) -> None:
        """What the reports said goes into the comparison."""
        if self._copies or self._requests:
            self.comparison.tell(self._copies, self._requests)
            self._copies, self._requests = {}, {}
            self._changed()
        if self._passed:
            self.comparison.counts.fidelity.passed_over += self._passed
            self._passed = 0
            self._changed()

    def add(self, pair: Pair) -> None:
        if pair.live.version == pair.shadow.version:
            self.comparison.add_noise(pair)
        else:
            self.comparison.add(pair)
        self._changed()

    def label(self, joined: Joined) -> None:
        """The truth about a request that both predicted; each once, whoever says it again."""
        made, label = joined.prediction, joined.label
        known = joined.id in self._known
        wanted = not self.how.label or label.name == self.how.label
        if made.live == self.stable and made.at >= self.began - _UNDER_WAY and wanted and not known:
            live = msgspec.structs.replace(
                made, version=made.live, arm=Arm.STABLE.value, value=made.live_value
            )
            self.comparison.add_label(live, made, label)
            if len(self.joins) == JOINS_KEPT:
                self._known.discard(self.joins[0])
            self.joins.append(joined.id)
            self._known.add(joined.id)
            self._changed()
        self.unsettled.append(joined)

    def look(self, now: float) -> View:
        """All figures and the gate, as of now; takes some ms for each segment."""
        summary = self.comparison.summary(now)
        return View(
            self.model, self.version, self.stable, self.began, self.saved_at, self.error,
            self.comparison.rate, self.gaps, summary, gate(self.how.criteria, summary),
        )  # fmt: skip

    def kept(self, now: float) -> KeptComparison:
        """What a file holds of it."""
        return KeptComparison(
            self.model, self.version, self.stable, self.began, now, self.comparison.snapshot(),
            tuple(self.joins), self.gaps,
        )  # fmt: skip

    def _changed(self) -> None:
        self.unsaved = self.unseen = True

    def _log(self, pair: Pair, live: list[float | str], shadow: list[float | str]) -> None:
        """For the ledger: so that a label that comes weeks later finds both."""
        key = (pair.customer or pair.request_id).encode()
        percent = self.how.logged
        if percent < 100 and point(_SALT, key) >= int(POINTS * (percent / 100)):
            return
        if len(shadow) > MOST_ROWS:
            return
        value, problem = _value(shadow)
        self.predictions.append(
            Prediction(
                request_id=pair.request_id,
                model=pair.model,
                version=pair.shadow.version,
                arm=Arm.SHADOW.value,
                share=0.0,
                drawn=False,
                customer=pair.customer,
                segments=pair.segments,
                at=pair.at,
                value=value,
                problem=problem,
                live=pair.live.version,
                live_value=_value(live)[0],
            )
        )


def _value(rows: list[float | str]) -> tuple[float | str | list[float | str] | None, str]:
    if any(_odd(it) for it in rows):
        return None, "found null, NaN or infinity"
    return (rows[0], "") if len(rows) == 1 else (rows, "")


def _odd(value: float | str) -> bool:
    return not isinstance(value, str) and value - value != 0.0


def targets(pair: Pair, running: Mapping[str, Running]) -> Iterator[Running]:
    """The comparison that a pair is for, of those of its model; noise is for all of them."""
    stable = pair.live.version
    if stable == pair.shadow.version:
        yield from (it for it in running.values() if it.stable == stable)
        return
    found = running.get(pair.shadow.version)
    if found is not None and found.stable == stable:
        yield found


def size_of(pair: Pair) -> int:
    """Bytes of its bodies."""
    return len(pair.live.body) + len(pair.shadow.body)


def recovered(
    files: ComparisonFiles, how: Comparing, names: tuple[str, str, str], now: float
) -> Running:
    """The comparison of (model, version, stable) as its file says, or afresh.  Blocks."""
    model, version, stable = names
    try:
        kept = files.read(model, version, stable)
        if kept is not None:
            return Running.again(how, kept, now)
    except (StateError, OtherOptions) as error:
        log.warning("%s: the comparison of %s begins afresh: %s", model, version, error)
    return Running(how, model, version, stable, now)
