"""What the shadow answered beside what stable answered, on the same inputs.

The law of this room: pairs in, counts out; nothing is kept of a body, a customer or a request.

    pairing     statuses and latencies of pairs, by shadow version
    group       every figure of one group of pairs, with and without labels (read this first)
    segments    a group for each segment, and for each two of them
    scores, axes        histograms of predictions, and where their bins lie
    drift       how far two of them lie apart
    paired      differences on the same input, with intervals for every look
    labelled, labelled_numbers, labelled_classes    predictions whose truth came
    figures, recalibration, bootstrap    what is read from them
"""

from __future__ import annotations

from proxy.compare.drift import Drift
from proxy.compare.figures import Figure, ScoreFigures
from proxy.compare.group import Group, GroupFigures, GroupOptions, GroupSnapshot
from proxy.compare.paired import PairedDifference, PairedFigures
from proxy.compare.pairing import PairCounts, PairSnapshot, PairSummary
from proxy.compare.scores import FINE, ScoreHistogram
from proxy.compare.segments import (
    SegmentOptions,
    SegmentReport,
    SegmentRow,
    SegmentSnapshot,
    SegmentTable,
)

__all__ = [
    "FINE",
    "Drift",
    "Figure",
    "Group",
    "GroupFigures",
    "GroupOptions",
    "GroupSnapshot",
    "PairCounts",
    "PairSnapshot",
    "PairSummary",
    "PairedDifference",
    "PairedFigures",
    "ScoreFigures",
    "ScoreHistogram",
    "SegmentOptions",
    "SegmentReport",
    "SegmentRow",
    "SegmentSnapshot",
    "SegmentTable",
]
