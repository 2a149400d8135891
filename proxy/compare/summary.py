"""All that a comparison says, as one plain struct: what report, API, metrics and gate read.

JSON-able: no number in it is NaN or infinite but where a type says ``float | None``.
"""

from __future__ import annotations

import msgspec

from proxy.compare.decisions import DecisionSummary
from proxy.compare.drift import Drift
from proxy.compare.examples import Example, Unread
from proxy.compare.fidelity import Fidelity
from proxy.compare.figures import ScoreFigures
from proxy.compare.group import GroupFigures
from proxy.compare.kinds import Kind
from proxy.compare.noise import NoiseSummary, PathCount
from proxy.compare.pairing import PairSummary
from proxy.compare.segments import SegmentReport
from proxy.compare.timeline import Moment


class AgreementSummary(msgspec.Struct, frozen=True):
    """``rate`` of the rows, its 95 % interval at one look and its standard error, which knows
    that rows of one request go together.  ``whole``: pairs all of whose rows agree.  ``flips``:
    rows with another decision, class or first item.  Distances as in ``kinds.DISTANCE``; None
    where they are infinite or there are none."""

    pairs: int
    rows: int
    rate: float
    low: float
    high: float
    error: float
    whole: int
    flips: int
    tolerance: float
    distance: str = ""
    distance_p50: float | None = None
    distance_p95: float | None = None
    distance_p99: float | None = None


class Latency(msgspec.Struct, frozen=True):
    """Of the answers of one version in pairs, in seconds; None without any."""

    n: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Bin(msgspec.Struct, frozen=True):
    """Shares of either version's predictions in [low, high)."""

    low: float
    high: float
    stable: float
    shadow: float


class Step(msgspec.Struct, frozen=True):
    """A share of the rows that is no farther apart than ``distance``."""

    distance: float
    share: float


class Summary(msgspec.Struct, frozen=True):
    """One model's stable version beside one shadow.

    ``pairs`` and ``rows`` are those that were compared, from ``since`` to ``until`` (seconds
    since the epoch, 0 where no time is known).  ``stable_answered``: pairs in which stable
    answered with 2xx; of these the shadow failed in ``shadow_failed``.  ``shadow_answered``: pairs
    in which the shadow answered so; of these ``shadow_broken`` could not be read by its own fault
    or held no number.  ``everyone`` and ``segments`` hold the figures of scores and labels.
    ``training``: either version's predictions against the reference profile.
    """

    model: str
    version: str
    stable: str
    kind: Kind
    at: float
    since: float
    until: float
    pairs: int
    rows: int
    agreement: AgreementSummary
    noise: NoiseSummary
    fidelity: Fidelity
    everyone: GroupFigures
    segments: SegmentReport
    statuses: PairSummary
    stable_latency: Latency = Latency()
    shadow_latency: Latency = Latency()
    stable_answered: int = 0
    shadow_failed: int = 0
    shadow_answered: int = 0
    shadow_broken: int = 0
    labels: int = 0
    labels_unfit: int = 0
    threshold: float | None = None
    paths: tuple[PathCount, ...] = ()
    decisions: tuple[DecisionSummary, ...] = ()
    timeline: tuple[Moment, ...] = ()
    distances: tuple[Step, ...] = ()
    noise_distances: tuple[Step, ...] = ()
    distribution: tuple[Bin, ...] = ()
    class_drift: Drift | None = None
    classes: dict[str, tuple[int, int]] = {}
    training_stable: Drift | None = None
    training_shadow: Drift | None = None
    farthest: tuple[Example, ...] = ()
    fair: tuple[Example, ...] = ()
    unread: dict[str, tuple[Unread, ...]] = {}

    @property
    def labelled_share(self) -> float:
        """Of the compared rows, those with a label."""
        return self.everyone.labelled / self.rows if self.rows else 0.0

    @property
    def has_scores(self) -> bool:
        """Whether predictions are numbers, and have a mean."""
        return self.everyone.shift is not None

    @property
    def shadow_scores(self) -> ScoreFigures | None:
        found = self.everyone.shadow
        return found if isinstance(found, ScoreFigures) else None

    @property
    def stable_scores(self) -> ScoreFigures | None:
        found = self.everyone.stable
        return found if isinstance(found, ScoreFigures) else None

    def segment(self, name: str) -> GroupFigures | None:
        """The figures of one single segment, None when it is not told by itself."""
        found = (it.figures for it in self.segments.rows if it.segments == (name,))
        return next(found, None)

    def segment_names(self) -> list[str]:
        """The single segments, the small ones left out."""
        return [
            it.segments[0] for it in self.segments.rows if len(it.segments) == 1 and not it.merged
        ]
