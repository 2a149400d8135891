"""What the shadow answered beside what stable answered, on the same inputs.

The law of this room: pairs in, counts out; nothing is kept of a body, a customer or a request but
a few examples, and of these a predicted value only where the operator allows it.

    comparison  one stable version beside one shadow: pairs and labels in (read this first)
    state       what it counts beside its tables, and how all of it is kept
    options     how they are compared
    summary, summarizing        all that is said of it, as one plain struct
    kinds, reading              answers to rows of predictions, or to why there are none
    differ, texts, documents    how far two rows are apart
    agreement, noise, timeline  how often they agree, beside stable and itself, over time
    decisions, examples         who would be decided otherwise; a few of them
    fidelity    whether the numbers can be trusted: what was lost, and whom it hits
    recorded    lines of recorded answers
    pairing     statuses and latencies of every shadow's pairs, whatever the answers say
    group       every figure of one group of pairs, with and without labels
    segments    a group for each segment, and for each two of them
    scores, axes        histograms of predictions, and where their bins lie
    drift       how far two of them lie apart
    paired      differences on the same input, with intervals for every look
    labelled, labelled_numbers, labelled_classes    predictions whose truth came
    figures, recalibration, bootstrap    what is read from them
"""

from __future__ import annotations

from proxy.compare.comparison import Comparison, OtherOptions
from proxy.compare.decisions import DecisionRule, Worth
from proxy.compare.differ import Tolerances
from proxy.compare.drift import Drift
from proxy.compare.fidelity import Fidelity, FidelityOptions
from proxy.compare.figures import Figure, ScoreFigures
from proxy.compare.group import Group, GroupFigures, GroupOptions, GroupSnapshot
from proxy.compare.kinds import Kind
from proxy.compare.options import Options
from proxy.compare.paired import PairedDifference, PairedFigures
from proxy.compare.pairing import PairCounts, PairSnapshot, PairSummary
from proxy.compare.reading import ReadOptions
from proxy.compare.scores import FINE, ScoreHistogram
from proxy.compare.segments import (
    SegmentOptions,
    SegmentReport,
    SegmentRow,
    SegmentSnapshot,
    SegmentTable,
)
from proxy.compare.summary import Summary

__all__ = [
    "FINE",
    "Comparison",
    "DecisionRule",
    "Drift",
    "Fidelity",
    "FidelityOptions",
    "Figure",
    "Group",
    "GroupFigures",
    "GroupOptions",
    "GroupSnapshot",
    "Kind",
    "Options",
    "OtherOptions",
    "PairCounts",
    "PairSnapshot",
    "PairSummary",
    "PairedDifference",
    "PairedFigures",
    "ReadOptions",
    "ScoreFigures",
    "ScoreHistogram",
    "SegmentOptions",
    "SegmentReport",
    "SegmentRow",
    "SegmentSnapshot",
    "SegmentTable",
    "Summary",
    "Tolerances",
    "Worth",
]
