"""One model's stable version beside one shadow: pairs and labels in, a summary out.

Bounded whatever comes: bodies are read and forgotten, tables and examples have their limits.  All
state is sums, so that comparisons of several workers or of before and after a restart merge.

The border to pairing.py: ``PairCounts`` counts statuses and latencies of every shadow there is, at
no cost to speak of; a ``Comparison`` reads what the answers say, and is made where the operator
says how.  It holds a ``PairSeries`` of its own, so its summary needs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from proxy.compare import summarizing
from proxy.compare.decisions import Decisions
from proxy.compare.differ import Difference, comparator
from proxy.compare.drift import Reference
from proxy.compare.examples import Example, Unread, said
from proxy.compare.group import Group
from proxy.compare.kinds import SCORES, Kind
from proxy.compare.noise import Differing
from proxy.compare.options import Options
from proxy.compare.reading import OURS, Reading, read
from proxy.compare.segments import SegmentTable
from proxy.compare.state import Counts, Snapshot, count_class
from proxy.compare.summary import Summary
from proxy.feedback import Label, Prediction, Unfitting
from proxy.feedback.loss import class_name, event
from proxy.measure import ANSWERED, histogram
from proxy.measure.tally import add_counts
from proxy.payload import Value
from proxy.routing.split import POINTS, point
from proxy.terms import OWNER, Half, Owner, Pair

_SALT: Final = b"compare/sample"
_NANO: Final = 1_000_000_000


OnRead = Callable[[Pair, list[float | str], list[float | str]], None]


class OtherOptions(ValueError):
    """What was counted by other options is not continued; begin afresh, and say so."""


class Comparison:
    """Not shared between threads.

    ``rate``, 0 to 1, is the share of the customers whose pairs are looked at; set it lower when
    there is more than time for.  A customer that is taken at one rate is taken at every higher.
    """

    def __init__(
        self,
        options: Options,
        model: str,
        version: str,
        reference: Reference | None = None,
        *,
        stable: str = "",
    ) -> None:
        """``reference``: of the predictions in training (drift.reference_of).  ``stable``: the
        version that is compared with, "" for whichever answers; pairs whose live half is another
        version's, a canary's, are left out.  When stable changes, begin afresh."""
        self.options, self.model, self.version = options, model, version
        self.reference, self.stable = reference, stable
        self.rate = 1.0
        #: Is told what both versions predicted, a row each, of every pair that is compared.
        self.on_read: OnRead | None = None
        self.counts = Counts()
        self.everyone = Group(options.group())
        self.segments = SegmentTable(options.segments())
        self.decisions = Decisions(options.decision)
        self._compare = comparator(options.kind, options.comparing())

    # ---- pairs

    def takes(self, pair: Pair) -> bool:
        """Whether this pair's customer is in the sample; a request without one by its id."""
        rate = self.rate
        if rate >= 1.0:
            return True
        return point(_SALT, (pair.customer or pair.request_id).encode()) < int(POINTS * rate)

    def add(self, pair: Pair) -> bool:
        """One pair of stable and shadow; False when it was passed over by the sample, or is
        not with stable."""
        counts = self.counts
        if self.stable and pair.live.version != self.stable:
            counts.fidelity.others += 1
            return False
        counts.series.add(pair.live, pair.shadow)
        if not self.takes(pair):
            counts.fidelity.passed_over += 1
            return False
        self._noted(pair)
        compared = self._compared(pair)
        if compared is not None:
            counts.fidelity.note(pair.segments, pair.live.body_bytes, compared=compared)
        return True

    def add_noise(self, pair: Pair) -> None:
        """Two answers of stable itself to the same request."""
        first, second = read(pair.live, self.options.read), read(pair.shadow, self.options.read)
        if first.problem or second.problem or len(first.rows) != len(second.rows):
            self.counts.fidelity.problem(f"noise:{first.problem or second.problem or 'rows'}")
            return
        found = [self._compare(a, b) for a, b in zip(first.rows, second.rows, strict=True)]
        _book(self.counts.noise, found)

    def _noted(self, pair: Pair) -> None:
        """Statuses, latencies and times, whatever the bodies say."""
        counts, live, shadow = self.counts, pair.live, pair.shadow
        counts.fidelity.from_stable(live.version)
        if pair.at > 0:
            counts.since = min(counts.since or pair.at, pair.at)
            counts.until = max(counts.until, pair.at)
        counts.fidelity.pairs += 1
        answered = _answered(live)
        if answered and OWNER[shadow.outcome] is not Owner.PROXY:
            counts.stable_answered += 1
            counts.shadow_failed += not _answered(shadow)
        if live.outcome in ANSWERED and shadow.outcome in ANSWERED:
            counts.fidelity.whole += 1
            if live.seconds and shadow.seconds:
                _time(counts.stable_seconds, live.seconds)
                _time(counts.shadow_seconds, shadow.seconds)

    def _compared(self, pair: Pair) -> bool | None:
        """Whether the answers could be held against each other; None when both refused alike."""
        counts = self.counts
        live, shadow = read(pair.live, self.options.read), read(pair.shadow, self.options.read)
        if live.problem == shadow.problem == "status" and _alike(pair):
            counts.fidelity.refused += 1
            return None
        answered = shadow.problem not in ("missing", "status")
        counts.shadow_answered += answered
        self._unread("stable", pair, pair.live, live)
        self._unread("shadow", pair, pair.shadow, shadow)
        if answered and shadow.problem and shadow.problem not in OURS:
            counts.shadow_broken += 1
        if live.problem or shadow.problem:
            return False
        if len(live.rows) != len(shadow.rows):
            counts.shadow_broken += 1
            text = f"found {len(shadow.rows)} rows; stable answered {len(live.rows)}"
            found = Reading(self.options.kind, (), "shape", text)
            self._unread("shadow", pair, pair.shadow, found)
            return False
        self._rows(pair, live.rows, shadow.rows)
        return True

    def _rows(self, pair: Pair, live: tuple[Value, ...], shadow: tuple[Value, ...]) -> None:
        counts = self.counts
        if self.on_read is not None:
            self.on_read(pair, [self._plain(a) for a in live], [self._plain(b) for b in shadow])
        found = [self._compare(a, b) for a, b in zip(live, shadow, strict=True)]
        agreed, flips = _book(counts.shadow, found)
        if pair.at > 0:
            counts.timeline.add(pair.at, len(found), agreed, flips)
        broken, by_class = False, self.options.kind is Kind.CLASS
        for row, (a, b, it) in enumerate(zip(live, shadow, found, strict=True)):
            flip = it.flip
            if self.options.decision:
                flip = bool(self.decisions.add(pair.segments, a, b)) or flip
            first, second = self._plain(a), self._plain(b)
            broken = broken or (second != second and first == first)
            if by_class:
                count_class(counts.stable_classes, str(first))
                count_class(counts.shadow_classes, str(second))
            self.everyone.add_pair(first, second, it.agree)
            self.segments.add_pair(pair.segments, first, second, it.agree)
            if not it.agree or flip:
                self._example(pair, row, it, flip, (a, b))
        counts.shadow_broken += broken

    def _plain(self, value: Value) -> float | str:
        """A row as the tables take it: a number, the name of a class, or nothing."""
        kind = self.options.kind
        if kind in SCORES:
            assert isinstance(value, float)
            return value
        return _class_of(value) if kind is Kind.CLASS else ""

    def _example(
        self, pair: Pair, row: int, it: Difference, flip: bool, values: tuple[Value, Value]
    ) -> None:
        if not self.counts.examples.wants(pair.request_id, it.distance):
            return
        stable, shadow = map(said, values) if self.options.show_values else ("", "")
        distance = it.distance if it.distance < float("inf") else None
        self.counts.examples.add(
            Example(pair.request_id, row, pair.customer, pair.segments, pair.at, distance, flip,
                    stable, shadow)
        )  # fmt: skip

    def _unread(self, side: str, pair: Pair, half: Half, found: Reading) -> None:
        if found.problem:
            name = f"{side}:{found.problem}"
            self.counts.fidelity.problem(name)
            self.counts.unread.add(name, Unread(pair.request_id, half.version, pair.at, found.text))

    # ---- what others know

    def tell(
        self,
        copies: Mapping[str, int] | None = None,
        requests: Mapping[str, int] | None = None,
        late: int = 0,
    ) -> None:
        """What was counted elsewhere since the last call: copies by CopyResult; requests that
        stable answered, by segment ("" is everyone); halves that came too late to be paired."""
        add_counts(self.counts.fidelity.copies, dict(copies or {}))
        add_counts(self.counts.fidelity.requests, dict(requests or {}))
        self.counts.fidelity.late += late

    def add_label(self, stable: Prediction, shadow: Prediction, label: Label) -> None:
        """The truth about a request that both predicted; each label once.  What does not fit is
        counted in ``labels_unfit``, and in nothing else."""
        try:
            values = self._labelled(stable, shadow, label)
        except (Unfitting, ValueError, TypeError, OverflowError):
            self.counts.labels_unfit += 1
            return
        first, second, truth = values
        self.counts.labels += 1
        self.everyone.add_label(first, second, truth)
        self.segments.add_label(stable.segments, first, second, truth)
        if self.options.decision:
            came = (
                truth if isinstance(truth, bool) else str(truth) in self.options.decision.positive
            )
            self.decisions.add_label(stable.segments, first, second, came)

    def _labelled(
        self, stable: Prediction, shadow: Prediction, label: Label
    ) -> tuple[float | str, float | str, float | str | bool]:
        kind = self.options.kind
        first, second = _single(stable), _single(shadow)
        if kind is Kind.CLASS:
            return class_name(first), class_name(second), class_name(label.value)
        if kind not in SCORES or isinstance(first, str) or isinstance(second, str):
            raise Unfitting(f"a {kind} has no label")
        if first - first or second - second or first != first or second != second:
            raise Unfitting("a prediction is no finite number")
        if kind is Kind.PROBABILITY:
            return float(first), float(second), bool(event(self.options.label, label.value))
        if isinstance(label.value, str):
            raise Unfitting("the label is a text, no number")
        return float(first), float(second), float(label.value)

    # ---- state

    def merge(self, other: Comparison) -> None:
        """Add what another one of the same versions and options counted; it is used up."""
        if self._name() != other._name():
            raise OtherOptions("comparisons of other versions or options cannot be merged")
        self.counts.merge(other.counts)
        self.everyone.merge(other.everyone)
        self.segments.merge(other.segments)
        self.decisions.merge(other.decisions)

    def snapshot(self) -> bytes:
        """Everything that was counted, to ``restore`` it exactly."""
        return msgspec.msgpack.encode(
            Snapshot(
                *self._name(), self.counts, self.everyone.snapshot(),
                self.segments.snapshot(), self.decisions.counts,
            )
        )  # fmt: skip

    @classmethod
    def restore(
        cls, options: Options, content: bytes, reference: Reference | None = None
    ) -> Comparison:
        """Raises OtherOptions when it was counted by other options, or is no snapshot."""
        try:
            kept = msgspec.msgpack.decode(content, type=Snapshot)
        except msgspec.DecodeError as error:
            raise OtherOptions(f"found no comparison: {str(error)[:120]}") from None
        made = cls(options, kept.model, kept.version, reference, stable=kept.stable)
        if options.fingerprint() != kept.fingerprint:
            raise OtherOptions("what was compared until now was compared by other options")
        made.counts = kept.counts
        made.everyone = Group.restore(kept.everyone)
        made.segments = SegmentTable.restore(
            msgspec.structs.replace(kept.segments, options=options.segments())
        )
        made.decisions.counts = kept.decisions
        return made

    def summary(self, now: float, *, brief: bool = False) -> Summary:
        """All figures as they are at ``now``; costs some ms a segment.  ``brief``: all that a gate
        asks for, at a tenth of the cost by segment."""
        return summarizing.summary(self, now, brief=brief)

    def _name(self) -> tuple[str, str, str, str]:
        return self.model, self.version, self.stable, self.options.fingerprint()


def _book(into: Differing, found: list[Difference]) -> tuple[int, int]:
    """Rows of one pair; how many agree, and how many flip."""
    agreed = flips = 0
    for it in found:
        agreed += it.agree
        flips += it.flip
        into.distances.add(it.distance)
    if len(found) == 1:
        into.note(found[0].paths)
    into.agreement.add(len(found), agreed, flips)
    return agreed, flips


def _answered(half: Half) -> bool:
    return half.outcome in ANSWERED and 200 <= half.status < 300


def _alike(pair: Pair) -> bool:
    return pair.live.status // 100 == pair.shadow.status // 100 == 4


def _time(buckets: dict[int, int], seconds: float) -> None:
    found = histogram.bucket(round(seconds * _NANO))
    buckets[found] = buckets.get(found, 0) + 1


def _class_of(value: Value) -> str:
    if isinstance(value, list):
        scores = [it for it in value if isinstance(it, int | float) and it == it]
        if value and len(scores) == len(value):
            return str(scores.index(max(scores)))
        return str(value[0]) if value else ""
    return "" if value is None else str(value)


def _single(prediction: Prediction) -> float | str:
    value = prediction.value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, list):
        raise Unfitting("no single prediction")
    return value
