"""The pictures of a comparison's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from proxy.compare.figures import ScoreFigures
from proxy.compare.labelled import CalibrationBin
from proxy.compare.paired import PairedFigures
from proxy.compare.segments import SegmentRow
from proxy.compare.summary import Step, Summary
from proxy.judge.gating import LOSS_WORDS
from proxy.report.chart import Axis, Bound, Chart, Line, draw
from proxy.report.document import Picture, Table
from proxy.report.forest import Estimate, Forest, draw_forest
from proxy.report.numbers import between, number, percent, signed

_MOST_ROWS: Final = 24
_HOUR: Final = 3_600.0


def reliability(stable: ScoreFigures, shadow: ScoreFigures) -> Picture:
    """What was foretold beside what came true, a point for each bin."""
    lines = [
        Line(name, tuple((it.predicted, it.observed) for it in found.reliability_curve))
        for name, found in (("stable", stable), ("shadow", shadow))
    ]
    lines.append(Line("perfect", ((0.0, 0.0), (1.0, 1.0))))
    chart = Chart(
        "",
        Axis("mean prediction of the bin", low=0.0, high=1.0),
        Axis("share that came true", low=0.0, high=1.0),
        tuple(lines),
    )
    rows = tuple(
        (name, f"{it.low:.2f} to {it.high:.2f}", str(it.n), number(it.predicted),
         number(it.observed))
        for name, found in (("stable", stable), ("shadow", shadow))
        for it in found.reliability_curve
    )  # fmt: skip
    table = Table(
        ("version", "bin", "labels", "predicted", "came true"), rows, frozenset((2, 3, 4)),
        "Reliability",
    )  # fmt: skip
    said = (
        "A version whose line lies on the diagonal says what comes true; above it, it says too "
        f"little, below it too much. Bins of few labels scatter{_few(stable.reliability_curve)}."
    )
    return Picture(draw([chart], "Reliability", said, "reliability"), said, table)


def _few(bins: Sequence[CalibrationBin]) -> str:
    few = sum(it.n < 30 for it in bins)
    return f": {few} of {len(bins)} have under 30" if few else ""


def distribution(summary: Summary) -> Picture | None:
    bins = summary.distribution
    if not bins:
        return None
    last = bins[-1]
    stable = *((it.low, it.stable) for it in bins), (last.high, last.stable)
    shadow = *((it.low, it.shadow) for it in bins), (last.high, last.shadow)
    lines = Line("stable", stable, steps=True), Line("shadow", shadow, steps=True)
    chart = Chart(
        "",
        Axis("prediction", low=bins[0].low, high=bins[-1].high),
        Axis("share of the predictions", "percent", low=0.0),
        lines,
    )
    said = "How often either version predicts what, on the same requests."
    return Picture(draw([chart], "Distribution of predictions", said, "distribution"), said)


def over_time(summary: Summary) -> Picture | None:
    """Agreement with its interval, from the first hour on."""
    moments = summary.timeline
    if len(moments) < 2:
        return None
    start = moments[0].at

    def line(name: str, field: str) -> Line:
        return Line(name, tuple((it.at - start, getattr(it, field)) for it in moments))

    low = min(it.low for it in moments)
    floor = summary.noise.agreement
    bounds = (Bound("stable with itself", floor),) if floor is not None else ()
    chart = Chart(
        "",
        Axis("since the first pair", "duration"),
        Axis("rows that agree", "percent", low=max(0.0, min(low, floor or 1.0) - 0.02), high=1.0),
        (line("agreement", "agreement"), line("lower end of 95 %", "low"),
         line("upper end", "high")),
        bounds,
    )  # fmt: skip
    width = moments[0].seconds / _HOUR
    said = (
        f"Each point is {width:g} h of pairs. A level that changes says that something else did: "
        "the inputs, a feature, or one of the versions."
    )
    rows = tuple(
        (f"{(it.at - start) / _HOUR:g} h", str(it.pairs), percent(it.agreement),
         f"{percent(it.low)} to {percent(it.high)}")
        for it in moments[-_MOST_ROWS:]
    )  # fmt: skip
    table = Table(("since the first", "pairs", "agree", "95 %"), rows, frozenset((1, 2)),
                  "Agreement over time, the last steps")  # fmt: skip
    return Picture(draw([chart], "Agreement over time", said, "time"), said, table)


def distances(summary: Summary) -> Picture | None:
    """The share of rows within a distance: of shadow and stable, and of stable and itself."""
    found = [("shadow against stable", summary.distances)]
    if summary.noise.state != "unknown":
        found.append(("stable against itself", summary.noise_distances))
    points = {name: _points(steps) for name, steps in found}
    if not any(len(it) > 1 for it in points.values()):
        return None
    lines = tuple(Line(name, it, steps=True) for name, it in points.items())
    chart = Chart(
        "",
        Axis(summary.agreement.distance, "log"),
        Axis("rows that are no farther", "percent", low=0.0, high=1.0),
        lines,
    )
    said = (
        "The farther left and up, the nearer. Where both lines run together, the shadow is no "
        "farther from stable than stable is from itself."
    )
    return Picture(draw([chart], "How far apart", said, "distances"), said)


def _points(steps: Sequence[Step]) -> tuple[tuple[float, float], ...]:
    return tuple((it.distance, it.share) for it in steps if it.distance > 0.0)


def by_segment(summary: Summary, *, regret: bool) -> Picture | None:
    """The shift, or the regret, of everyone and of each segment with their intervals."""
    rows = list(_rows(summary, regret=regret))
    if not rows:
        return None
    shown = rows[:_MOST_ROWS]
    title = "Regret by segment" if regret else "Shift by segment"
    label = (
        f"{LOSS_WORDS.get(summary.everyone.loss, 'loss')}, shadow minus stable"
        if regret
        else "prediction, shadow minus stable"
    )
    forest = Forest(title, label, tuple(_estimate(*it) for it in shown))
    said = (
        "Mean difference on the same requests, with the interval that holds at every look. "
        "A diamond marks a segment that stands out after all segments are counted in (e-BH)"
        + (f"; the first {_MOST_ROWS} of {len(rows)} rows." if len(rows) > _MOST_ROWS else ".")
    )
    table = Table(
        ("segment", "rows", "mean difference", "interval", "stands out"),
        tuple((name, str(it.n), signed(it.mean), between(it.low, it.high), "yes" if out else "")
              for name, it, out in shown),
        frozenset((1, 2)),
        title,
    )  # fmt: skip
    return Picture(draw_forest(forest, said, "regret" if regret else "shift"), said, table)


def _rows(summary: Summary, *, regret: bool) -> Iterator[tuple[str, PairedFigures, bool]]:
    everyone = summary.everyone.regret if regret else summary.everyone.shift
    if everyone is None or everyone.mean is None:
        return
    yield "everyone", everyone, False
    worst = summary.segments.worst_regret if regret else summary.segments.worst_shift
    rows = summary.segments.rows
    single = [row for row in rows if len(row.segments) == 1]
    # Pairs of segments only where they are among the worst.
    double = [rows[at] for at in worst if len(rows[at].segments) == 2][:6]
    for row in (*single, *double):
        found = row.figures.regret if regret else row.figures.shift
        if found is not None and found.mean is not None:
            yield _name(row), found, row.regret_stands_out if regret else row.shift_stands_out


def _name(row: SegmentRow) -> str:
    return f"{row.name} ({row.merged})" if row.merged else row.name


def _estimate(name: str, found: PairedFigures, out: bool) -> Estimate:
    assert found.mean is not None
    low = found.mean if found.low is None else found.low
    high = found.mean if found.high is None else found.high
    return Estimate(name, found.mean, low, high, f"{signed(found.mean)}, n {found.n:,}", out)
