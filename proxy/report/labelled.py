"""What a comparison says once labels came, and what is decided otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.compare.figures import ScoreFigures
from proxy.compare.labelled_classes import ClassFigures
from proxy.compare.labelled_numbers import NumberFigures
from proxy.compare.summary import Summary
from proxy.judge.gating import LOSS_WORDS
from proxy.report import pictures
from proxy.report.document import Block, Table, Words
from proxy.report.numbers import NOTHING, between, figure, number, paired, percent, rate, signed


def decisions(summary: Summary) -> Iterator[Block]:
    """How many would be decided otherwise, which way, by segment, and what it is worth."""
    everyone = summary.decisions[0]
    at = "" if summary.threshold is None else f" from {number(summary.threshold)} on"
    yield Words(
        f"{everyone.to_yes + everyone.to_no:,} of {everyone.rows:,} would be decided otherwise "
        f"({percent(everyone.flips, 2)}): {everyone.to_yes:,} to yes and {everyone.to_no:,} to no. "
        f"Yes is said{at} to {percent(everyone.stable_yes)} by stable, to "
        f"{percent(everyone.shadow_yes)} by the shadow."
    )
    money = any(it.gain is not None for it in summary.decisions)
    rows = tuple(
        (
            it.segment or "everyone", f"{it.rows:,}", percent(it.flips, 2), f"{it.to_yes:,}",
            f"{it.to_no:,}", percent(it.stable_yes), percent(it.shadow_yes),
            *((signed(it.gain, 2), between(it.gain_low, it.gain_high, 2), f"{it.labelled:,}")
              if money else ()),
        )
        for it in summary.decisions[:40]
    )  # fmt: skip
    columns = ("segment", "rows", "otherwise", "to yes", "to no", "yes: stable", "yes: shadow")
    more = ("gain a row", "95 %", "labels") if money else ()
    yield Table((*columns, *more), rows, frozenset(range(1, len(columns) + len(more))))


def labels(summary: Summary) -> Iterator[Block]:
    """Both versions' figures on the same labelled requests."""
    stable, shadow = summary.everyone.stable, summary.everyone.shadow
    regret = summary.everyone.regret
    if regret is not None and regret.mean is not None:
        word = "not settled yet"
        if regret.low is not None and regret.low > 0:
            word = "the shadow is worse"
        elif regret.high is not None and regret.high < 0:
            word = "the shadow is better"
        yield Words(
            f"On the same {summary.everyone.labelled:,} labelled rows the shadow's "
            f"{LOSS_WORDS.get(summary.everyone.loss, 'loss')} minus stable's is "
            f"{paired(regret, 5)}: {word}."
        )
    if isinstance(stable, ScoreFigures) and isinstance(shadow, ScoreFigures):
        yield _scores(stable, shadow)
        yield pictures.reliability(stable, shadow)
    elif isinstance(stable, NumberFigures) and isinstance(shadow, NumberFigures):
        yield _numbers(stable, shadow)
    elif isinstance(stable, ClassFigures) and isinstance(shadow, ClassFigures):
        yield from _classes(stable, shadow)
    if summary.labels_unfit:
        yield Words(f"{summary.labels_unfit:,} labels fitted no prediction and are left out.")
    if picture := pictures.by_segment(summary, regret=True):
        yield picture


def _scores(stable: ScoreFigures, shadow: ScoreFigures) -> Table:
    told: tuple[tuple[str, Callable[[ScoreFigures], str]], ...] = (
        ("AUC", lambda it: figure(it.auc)),
        ("log loss", lambda it: figure(it.log_loss)),
        ("Brier score", lambda it: figure(it.brier)),
        ("calibration error (ECE)", lambda it: figure(it.ece)),
        ("ECE of perfect calibration", lambda it: number(it.ece_chance)),
        ("calibration slope", lambda it: figure(it.slope, 3)),
        ("calibration intercept", lambda it: figure(it.intercept, 3)),
        ("observed to expected", lambda it: figure(it.observed_to_expected, 3)),
        (f"precision at {stable.threshold:g}", lambda it: rate(it.precision)),
        (f"recall at {stable.threshold:g}", lambda it: rate(it.recall)),
        (f"F1 at {stable.threshold:g}", lambda it: figure(it.f1)),
        ("lift of the top tenth", lambda it: figure(it.lift, 2)),
    )
    rows = tuple((name, say(stable), say(shadow)) for name, say in told)
    note = f"Base rate {rate(stable.base_rate)} of {stable.n:,} labels."
    return Table(("", "stable", "shadow"), rows, frozenset((1, 2)), note=note)


def _numbers(stable: NumberFigures, shadow: NumberFigures) -> Table:
    rows = (
        ("mean absolute error", figure(stable.mae), figure(shadow.mae)),
        ("root mean squared error", figure(stable.rmse), figure(shadow.rmse)),
        ("bias", figure(stable.bias), figure(shadow.bias)),
        ("R squared", number(stable.r2), number(shadow.r2)),
    )
    return Table(("", "stable", "shadow"), rows, frozenset((1, 2)))


def _classes(stable: ClassFigures, shadow: ClassFigures) -> Iterator[Block]:
    rows = [("accuracy", rate(stable.accuracy), rate(shadow.accuracy))]
    rows += [
        (f"among the first {k}", rate(stable.top.get(k)), rate(shadow.top.get(k)))
        for k in sorted({*stable.top, *shadow.top})
    ]
    yield Table(("", "stable", "shadow"), tuple(rows), frozenset((1, 2)))
    theirs = {it.name: it for it in shadow.classes}
    by_class = tuple(
        (
            it.name, f"{it.true:,}", rate(it.recall), rate(theirs[it.name].recall),
            rate(it.precision), rate(theirs[it.name].precision),
        )
        for it in stable.classes[:20]
        if it.name in theirs
    ) or ((NOTHING,) * 6,)  # fmt: skip
    columns = ("class", "labels", "recall: stable", "shadow", "precision: stable", "shadow")
    yield Table(columns, by_class, frozenset((1, 2, 3, 4, 5)), "By class")
