"""A worker's report as one frame, whatever is in it.

What the data plane keeps for a report is bounded, but a cap on bodies that the operator sets far
too high is not its to refuse.  A report that does not fit a frame is told without what is large;
a worker that cannot report would be taken for a dead one.
"""

from __future__ import annotations

from proxy.fleet import messages as m
from proxy.fleet.framing import FrameBroken, frame
from proxy.measure.tally import ModelTally, Report


def framed_report(report: Report) -> bytes:
    """``report`` as a frame; over the largest one without samples, pairs, lines, incidents.

    They go in this order, as far as need be, and are counted as dropped in ``report`` itself.
    Counts and newcomers are never dropped: they are small, and nobody could tell them again.
    Raises FrameBroken when those alone are too large.
    """
    for drop in (_samples, _pairs, _log, _incidents):
        try:
            return frame(m.ReportMessage(report))
        except FrameBroken:
            drop(report)
    return frame(m.ReportMessage(report))


def _samples(report: Report) -> None:
    report.samples_dropped += len(report.samples)
    report.samples = []


def _pairs(report: Report) -> None:
    report.pairs_dropped += len(report.pairs)
    counts = {it.model: it for it in report.models}
    for pair in report.pairs:
        found = counts.get(pair.model)
        if found is None:
            found = counts[pair.model] = ModelTally(pair.model)
            report.models.append(found)
        version = pair.shadow.version
        found.pairs_dropped[version] = found.pairs_dropped.get(version, 0) + 1
    report.pairs = []


def _log(report: Report) -> None:
    report.log_dropped += len(report.log)
    report.log = []


def _incidents(report: Report) -> None:
    report.incidents_dropped += len(report.incidents)
    report.incidents = []
