"""Counting what happened, without a look-up per request that an attribute could replace.

A Series is kept for each (model, version, arm, segment); an exchange counts into a Joint of those
that it belongs to.  Labels are written when a report is read, never on the hot path.
"""

from __future__ import annotations

from typing import Final, Protocol

from proxy.measure import bucket
from proxy.measure.tally import ModelTally, Report, Tally, add_counts
from proxy.terms import Logged, Outcome, Pair

# Plain strings: hashing a member of an Enum runs Python code, hashing a str does not.
OK: Final = Outcome.OK.value
UPSTREAM_4XX: Final = Outcome.UPSTREAM_4XX.value
UPSTREAM_5XX: Final = Outcome.UPSTREAM_5XX.value
_ANSWERED: Final = frozenset((OK, UPSTREAM_4XX, UPSTREAM_5XX))
#: What speaks for an endpoint: it answered, and not with a fault of its own.
GOOD: Final = frozenset((OK, UPSTREAM_4XX))
_UPSTREAM_FAILED: Final = frozenset(
    outcome.value
    for outcome in (
        Outcome.UPSTREAM_5XX,
        Outcome.UPSTREAM_CONNECT,
        Outcome.UPSTREAM_PROTOCOL,
        Outcome.UPSTREAM_RESET,
        Outcome.UPSTREAM_TIMEOUT,
    )
)
#: What may wait for the next report; over it, pairs and log lines are dropped and counted.
_PAIR_BYTES: Final = 8 * 1024 * 1024
_PAIRS: Final = 1_000
_LOG_LINES: Final = 10_000
_LOG_BYTES: Final = 8 * 1024 * 1024  # of what callers make long: targets, ids, keys


def answered(status: int) -> str:
    """The outcome of an exchange that the upstream answered whole."""
    return OK if status < 400 else UPSTREAM_4XX if status < 500 else UPSTREAM_5XX


def upstream_failed(outcome: str) -> bool:
    """Whether the outcome is the upstream's fault: only these may feed the judge."""
    return outcome in _UPSTREAM_FAILED


def _joined(counts: dict[int, int], more: dict[int, int]) -> dict[int, int]:
    if not counts:
        return more.copy()
    add_counts(counts, more)
    return counts


class Streaks:
    """How many Series of one (model, version, arm) end in failures, with a streak under way."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0


class Series:
    """The running Tally of one (model, version, arm, segment)."""

    __slots__ = ("_book", "_streaks", "tally", "touched")

    def __init__(
        self, book: Recording, streaks: Streaks, model: str, version: str, arm: str, segment: str
    ) -> None:
        self._book = book
        self._streaks = streaks
        self.tally = Tally(model, version, arm, segment)
        self.touched = False

    def touch(self) -> None:
        """Something is counted: it will be in the report."""
        if not self.touched:
            self.touched = True
            self._book.touched.append(self)

    def add(self, outcome: str, first_byte: int, total: int) -> None:
        """Counts one exchange of any kind; see `record`."""
        tally = self.tally
        tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
        if outcome in _ANSWERED:
            add_counts(tally.first_byte, {bucket(first_byte): 1})
            add_counts(tally.total, {bucket(total): 1})
        if outcome in GOOD:
            if tally.streak:
                self._streaks.running -= 1
            tally.streak = 0
        elif outcome in _UPSTREAM_FAILED:
            if not tally.streak:
                self._streaks.running += 1
            tally.streak += 1
            tally.longest_streak = max(tally.longest_streak, tally.streak)

    def take_in(self, joint: Joint) -> None:
        """Adds what was counted for several Series at once."""
        self.touch()
        tally, counts = self.tally, joint.in_one_read
        tally.bytes_in += joint.bytes_in
        tally.bytes_out += joint.bytes_out
        if counts:
            tally.outcomes[OK] = tally.outcomes.get(OK, 0) + sum(counts.values())
            # Mostly there is nothing else, and copying is quicker than adding.
            tally.first_byte = _joined(tally.first_byte, counts)
            tally.total = _joined(tally.total, counts)

    def take(self) -> Tally:
        """The Tally so far; counting goes on in a fresh one, with the streak still running."""
        full = self.tally
        self.tally = Tally(full.model, full.version, full.arm, full.segment, streak=full.streak)
        self.touched = False
        return full


class Joint:
    """The Series that an exchange counts into: everyone's, and each of its segments'.

    Most answers are good and come in one read, so that their first byte is their last: those are
    counted here, once for all the Series, and added to each when a report is made.  So are bytes.
    """

    __slots__ = ("_book", "bytes_in", "bytes_out", "in_one_read", "several", "streaks", "touched")

    def __init__(self, book: Recording, streaks: Streaks, several: tuple[Series, ...]) -> None:
        self._book = book
        self.streaks = streaks
        self.several = several
        self.in_one_read: dict[int, int] = {}  # by bucket
        self.bytes_in = self.bytes_out = 0
        self.touched = False

    def touch(self) -> None:
        """Something is counted: it will be in the next report."""
        self.touched = True
        self._book.joints.append(self)

    def share_out(self) -> None:
        """Gives each Series what was counted here."""
        for series in self.several:
            series.take_in(self)
        self.in_one_read = {}
        self.bytes_in = self.bytes_out = 0
        self.touched = False


def record(
    joint: Joint, outcome: str, first_byte: int, total: int, bytes_in: int, bytes_out: int
) -> None:
    """Counts one exchange for everyone and for its segments.

    Times in nanoseconds, bytes of bodies.
    """
    if not joint.touched:
        joint.touch()
    joint.bytes_in += bytes_in
    joint.bytes_out += bytes_out
    # While nothing of the version has failed last, a good answer has no streak to end.
    if outcome is OK and first_byte == total and not joint.streaks.running:
        counts, at = joint.in_one_read, bucket(total)
        counts[at] = counts.get(at, 0) + 1
    else:
        for series in joint.several:
            series.add(outcome, first_byte, total)


class ModelCounts:
    """The running ModelTally of one model."""

    __slots__ = ("_book", "name", "tally")

    def __init__(self, book: Recording, name: str) -> None:
        self._book = book
        self.name = name
        self.tally: ModelTally | None = None  # None: untouched since the last report

    def running(self) -> ModelTally:
        """The tally to count into; whoever asks will be in the next report."""
        tally = self.tally
        if tally is None:
            tally = self.tally = ModelTally(self.name)
            self._book.touched_models.append(self)
        return tally

    def count_copy(self, shadow: str, result: str) -> None:
        copies = (self.tally or self.running()).copies
        results = copies.get(shadow)
        if results is None:
            results = copies[shadow] = {}
        results[result] = results.get(result, 0) + 1

    def drop_pair(self, shadow: str) -> None:
        dropped = self.running().pairs_dropped
        dropped[shadow] = dropped.get(shadow, 0) + 1

    def count_fallback(self, reason: str) -> None:
        fallbacks = self.running().fallbacks
        fallbacks[reason] = fallbacks.get(reason, 0) + 1

    def count_refused(self, reason: str) -> None:
        refused = self.running().refused
        refused[reason] = refused.get(reason, 0) + 1

    def take(self) -> ModelTally | None:
        """The counts so far, or None if nothing was counted."""
        full, self.tally = self.tally, None
        return None if full == ModelTally(self.name) else full


class Pot(Protocol):
    """Room for bytes of bodies that are kept for the desk."""

    held: int

    def room_for(self, size: int, cap: int) -> bool: ...


class Lease:
    """Bytes of one body that are kept for a pair; given back when nobody keeps it any more.

    The halves of a pair end in many ways and in any order, and some pairs are never made.
    """

    __slots__ = ("_book", "_size")

    def __init__(self, book: Pot) -> None:
        self._book = book
        self._size = 0

    def holds(self, size: int, cap: int) -> bool:
        """Whether there is room for ``size`` bytes in all; then they are taken."""
        if not self._book.room_for(size - self._size, cap):
            return False
        self._book.held += size - self._size
        self._size = size
        return True

    def __del__(self) -> None:
        self._book.held -= self._size


class Recording:
    """All that one worker counts between two reports."""

    __slots__ = (
        "_log", "_log_bytes", "_log_dropped", "_models", "_pair_bytes", "_pairs",
        "_refused", "_series", "_streaks", "held", "joints", "pairs_dropped", "touched",
        "touched_models",
    )  # fmt: skip

    def __init__(self) -> None:
        self.joints: list[Joint] = []  # touched since the last report, as the next two
        self.touched: list[Series] = []
        self.touched_models: list[ModelCounts] = []
        self._series: dict[tuple[str, str, str, str], Series] = {}
        self._streaks: dict[tuple[str, str, str], Streaks] = {}
        self._models: dict[str, ModelCounts] = {}
        self._refused: dict[str, int] = {}
        self._pairs: list[Pair] = []
        self._pair_bytes = 0
        self.pairs_dropped = 0
        self.held = 0  # bytes of answers that are kept for pairs to come
        self._log_bytes = 0
        self._log: list[Logged] = []
        self._log_dropped = 0

    def series(self, model: str, version: str, arm: str, segment: str = "") -> Series:
        """The Series of these labels; the same one under every Plan."""
        key = (model, version, arm, segment)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(self, self._streaks_of(*key[:3]), *key)
        return found

    def joint(self, model: str, version: str, arm: str, segments: tuple[str, ...]) -> Joint:
        """Everyone's Series and those of ``segments``; whoever asks keeps it.

        There are as many as segments can be combined: they must not outlive a Plan here.
        """
        several = tuple(self.series(model, version, arm, label) for label in ("", *segments))
        return Joint(self, self._streaks_of(model, version, arm), several)

    def _streaks_of(self, model: str, version: str, arm: str) -> Streaks:
        return self._streaks.setdefault((model, version, arm), Streaks())

    def model(self, name: str) -> ModelCounts:
        found = self._models.get(name)
        if found is None:
            found = self._models[name] = ModelCounts(self, name)
        return found

    def refuse(self, reason: str) -> None:
        """Counts a request that was refused before it was anybody's."""
        self._refused[reason] = self._refused.get(reason, 0) + 1

    def wants_pair(self) -> bool:
        """Whether there is room for one more pair before the next report; counts it if not.

        Asked before a pair is begun, so that one that nobody will see costs nothing.
        """
        if len(self._pairs) < _PAIRS and self._pair_bytes + self.held < _PAIR_BYTES:
            return True
        self.pairs_dropped += 1
        return False

    def room_for(self, size: int, cap: int) -> bool:
        """Whether so many more bytes may be kept for pairs to come.

        Two answers of ``cap`` bytes fit where there is nothing else.
        """
        return self._pair_bytes + self.held + size <= max(_PAIR_BYTES, 2 * cap)

    def pair(self, pair: Pair) -> None:
        size = len(pair.live.body) + len(pair.shadow.body)
        if self._pairs and self._pair_bytes + size > _PAIR_BYTES:
            self.pairs_dropped += 1
            self.model(pair.model).drop_pair(pair.shadow.version)
            return
        self._pair_bytes += size
        self._pairs.append(pair)

    def log(self, line: Logged) -> None:
        size = len(line.target) + len(line.request_id) + len(line.customer)
        if len(self._log) >= _LOG_LINES or self._log_bytes + size > _LOG_BYTES:
            self._log_dropped += 1
        else:
            self._log_bytes += size
            self._log.append(line)

    def report(self, seconds: float) -> Report:
        """Everything since the last report, which took ``seconds``."""
        joints, self.joints = self.joints, []
        for joint in joints:
            joint.share_out()
        touched, self.touched = self.touched, []
        models, self.touched_models = self.touched_models, []
        report = Report(
            seconds=seconds,
            tallies=[series.take() for series in touched],
            models=[t for t in (m.take() for m in models) if t is not None],
            refused=self._refused,
            pairs=self._pairs,
            pairs_dropped=self.pairs_dropped,
            log=self._log,
            log_dropped=self._log_dropped,
        )
        self._refused, self._pairs, self._log = {}, [], []
        self._pair_bytes = self.pairs_dropped = self._log_dropped = self._log_bytes = 0
        return report
