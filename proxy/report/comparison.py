"""A comparison's summary and its gate, as a report that a data-science lead would sign.

First the verdict in a sentence, then whether the numbers can be trusted, then the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.compare.drift import Drift
from proxy.compare.fidelity import Fidelity
from proxy.compare.figures import Figure
from proxy.compare.summary import Summary
from proxy.judge.gate import Gate
from proxy.report import pictures
from proxy.report.document import (
    Block,
    Cell,
    Document,
    Section,
    Table,
    Tone,
    Words,
)
from proxy.report.labelled import decisions, labels
from proxy.report.numbers import (
    NOTHING,
    between,
    clock,
    milliseconds,
    number,
    paired,
    percent,
    several,
    signed,
)
from proxy.terms import Verdict

_TONES: Final[dict[Verdict, Tone]] = {Verdict.PASS: "good", Verdict.FAIL: "bad"}
_GATE: Final[dict[str, Tone]] = {"pass": "good", "fail": "bad", "inconclusive": "unsure"}
_MOST_SEGMENTS: Final = 40


def document(summary: Summary, gate: Gate | None = None) -> Document:
    """The report.  Without a gate the verdict is only what the fidelity says."""
    name = summary.model or "model"
    return Document(
        title=f"{name}: {_version(summary.version)} beside {_version(summary.stable)}",
        verdict=_verdict(summary, gate),
        facts=tuple(_facts(summary)),
        sections=tuple(_sections(summary, gate)),
        foot=(
            "Intervals are of 95 % at one look, but for shifts and regrets, which hold at every "
            "look. Customers are keyed hashes; no request and no answer is in this file."
        ),
    )


def _version(name: str) -> str:
    return f"version {name}" if name[:1].isdigit() else name or "shadow"


def _verdict(summary: Summary, gate: Gate | None) -> Words:
    if gate is not None:
        return Words(gate.sentence, _GATE[gate.verdict])
    if summary.fidelity.poor:
        return Words(f"The fidelity is poor: {'; '.join(summary.fidelity.reasons)}.", "unsure")
    rate = percent(summary.agreement.rate)
    return Words(f"{rate} of the predictions agree. No criteria were given to judge by.")


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "compared", f"{several(summary.pairs, 'pair')}, {several(summary.rows, 'prediction')}"
    if summary.since:
        yield "from, to", f"{clock(summary.since)} to {clock(summary.until)}"
    yield "kind", str(summary.kind)
    share = f" ({percent(summary.labelled_share)})" if summary.labels else ""
    yield "labels", f"{several(summary.labels, 'label')}{share}"
    yield "made", clock(summary.at)


def _sections(summary: Summary, gate: Gate | None) -> Iterator[Section]:
    if gate is not None:
        yield Section("Verdict", (_criteria(gate),))
    yield Section("Fidelity", tuple(_fidelity(summary)))
    if not summary.rows and not summary.labels:
        return
    yield Section("Agreement", tuple(_agreement(summary)))
    if summary.has_scores:
        yield Section("Predictions", tuple(_predictions(summary)))
    elif summary.classes:
        yield Section("Classes", tuple(_classes(summary)))
    if summary.decisions:
        yield Section("Decisions", tuple(decisions(summary)))
    if summary.everyone.labelled:
        yield Section("With labels", tuple(labels(summary)))
    if summary.segments.rows:
        yield Section("Segments", tuple(_segments(summary)))
    if summary.shadow_latency.n or summary.shadow_failed:
        yield Section("The shadow itself", tuple(_itself(summary)))
    if summary.farthest or summary.fair:
        yield Section("Examples", tuple(_examples(summary)))


def _criteria(gate: Gate) -> Table:
    rows = tuple((it.check, _word(it.verdict), it.message) for it in gate.findings)
    note = (
        "Missing data is never a pass. Statistical bounds hold at every look; together they are "
        "wrong with the chance that the gate allows, 5 % unless told otherwise."
    )
    return Table(("criterion", "verdict", "what was found"), rows, note=note)


def _word(verdict: Verdict) -> Cell:
    return Cell(verdict.name.lower().replace("_", " "), _TONES.get(verdict, "unsure"))


def _fidelity(summary: Summary) -> Iterator[Block]:
    found = summary.fidelity
    if found.poor:
        for reason in found.reasons:
            yield Words(f"Poor: {reason}.", "unsure")
    else:
        yield Words("Nothing that was lost on the way makes these numbers doubtful.", "good")
    yield Table(("step", "count", "share"), tuple(_way(found)), frozenset((1, 2)))
    for note in found.notes:
        yield Words(f"{note[:1].upper()}{note[1:]}.")
    if found.problems:
        yield _problems(summary)
    if found.coverage:
        rows = tuple(
            (it.segment, f"{it.pairs:,}", percent(it.compared), percent(it.requests),
             percent(it.lost))
            for it in found.coverage[:_MOST_SEGMENTS]
        )  # fmt: skip
        columns = ("segment", "pairs", "of all compared", "of all requests", "lost")
        yield Table(columns, rows, frozenset((1, 2, 3, 4)), "Coverage")


def _way(found: Fidelity) -> Iterator[tuple[str, str, str]]:
    """From copies to what was compared."""
    if found.sent or found.dropped:
        yield "copies sent", f"{found.sent:,}", percent(found.realised)
        for why, n in found.dropped.items():
            yield f"copies {why.replace('_', ' by ', 1)}", f"{n:,}", ""
    if found.passed_over:
        yield "pairs passed over", f"{found.passed_over:,}", percent(1.0 - found.sampled)
    yield "pairs", f"{found.pairs:,}", ""
    yield "with both halves", f"{found.whole:,}", percent(found.pairing)
    if found.refused:
        yield "refused by both alike", f"{found.refused:,}", ""
    yield "compared", f"{found.compared:,}", percent(found.readable)
    if found.size_lost is not None and found.size_compared is not None:
        yield "mean answer that was compared", f"{found.size_compared:,.0f} bytes", ""
        yield "mean answer that was not", f"{found.size_lost:,.0f} bytes", ""


def _problems(summary: Summary) -> Table:
    rows = []
    for name, n in summary.fidelity.problems.items():
        side, _, problem = name.partition(":")
        example = next(iter(summary.unread.get(name, ())), None)
        said = f"{example.text} ({example.request_id})" if example else ""
        rows.append((side, problem, f"{n:,}", said))
    return Table(("side", "problem", "answers", "such as"), tuple(rows), frozenset((2,)),
                 "What could not be compared")  # fmt: skip


def _agreement(summary: Summary) -> Iterator[Block]:
    found, noise = summary.agreement, summary.noise
    yield Words(_agreement_said(summary))
    rows = [
        ("rows that agree", percent(found.rate, 2),
         f"{percent(found.low, 2)} to {percent(found.high, 2)}",
         percent(noise.agreement, 2)),
        (f"distance of the nearer half ({found.distance})", number(found.distance_p50), "",
         number(noise.distance_p50)),
        ("distance of 95 %", number(found.distance_p95), "", number(noise.distance_p95)),
        ("distance of 99 %", number(found.distance_p99), "", number(noise.distance_p99)),
        ("pairs all of whose rows agree", f"{found.whole:,} of {found.pairs:,}", "", ""),
        ("rows that flip", f"{found.flips:,}", "", ""),
    ]  # fmt: skip
    columns = ("", "shadow and stable", "95 %", "stable and itself")
    yield Table(columns, tuple(rows), frozenset((1, 2, 3)))
    for picture in (pictures.distances(summary), pictures.over_time(summary)):
        if picture is not None:
            yield picture
    if summary.paths:
        rows_of = tuple((it.pointer, percent(it.share), percent(it.noise)) for it in summary.paths)
        yield Table(("place", "differs in", "by itself in"), rows_of, frozenset((1, 2)),
                    "Where documents differ")  # fmt: skip


def _agreement_said(summary: Summary) -> str:
    noise = summary.noise
    within = f"Two predictions agree within {number(summary.agreement.tolerance)}"
    if noise.state == "unknown":
        said = f"only {several(noise.pairs, 'pair')} are known" if noise.pairs else "is not known"
        return f"{within}. How often stable agrees with itself {said}."
    if noise.state == "still":
        return f"{within}. Stable never disagreed with itself in {several(noise.pairs, 'pair')}."
    more = between((noise.excess_low or 0.0) * 100, (noise.excess_high or 0.0) * 100, 2)
    word = "within" if (noise.excess_low or 0.0) <= 0.0 else "beyond"
    points = signed((noise.excess or 0.0) * 100, 2)
    return (
        f"{within}. Stable disagrees with itself in {percent(1 - (noise.agreement or 0.0))} of "
        f"{several(noise.pairs, 'pair')}; the shadow disagrees {points} points more ({more}), "
        f"which is {word} the noise."
    )


def _predictions(summary: Summary) -> Iterator[Block]:
    everyone = summary.everyone
    if everyone.shift is not None and everyone.shift.mean is not None:
        yield Words(
            f"On the same requests the mean prediction goes from {number(everyone.stable_mean)} to "
            f"{number(everyone.shadow_mean)}: {paired(everyone.shift)}."
        )
    if picture := pictures.distribution(summary):
        yield picture
    yield _drifts(summary)
    if picture := pictures.by_segment(summary, regret=False):
        yield picture


def _drifts(summary: Summary) -> Table:
    found = [("shadow against stable", summary.everyone.drift)]
    found.append(("stable against training", summary.training_stable))
    found.append(("shadow against training", summary.training_shadow))
    rows = tuple(_drift(name, it) for name, it in found if it is not None)
    note = (
        "PSI and Jensen-Shannon over tenths of the reference; in brackets what chance alone "
        "stays under, 95 times of 100. KS is the largest distance of the distributions."
    )
    columns = ("", "PSI", "drift", "Jensen-Shannon", "KS", "p", "mean shift")
    return Table(columns, rows, frozenset((1, 3, 4, 5, 6)), "Distribution", note if rows else "")


def _drift(name: str, it: Drift) -> tuple[str, ...]:
    def chance(value: float | None, under: float | None) -> str:
        return NOTHING if value is None else f"{value:.4f} ({number(under, 2)})"

    shift = (
        NOTHING
        if it.mean_shift is None
        else f"{signed(it.mean_shift)} ({between(it.mean_low, it.mean_high)})"
    )
    return (
        name, chance(it.psi, it.psi_chance), it.psi_word, chance(it.js, it.js_chance),
        number(it.ks), number(it.ks_p, 2), shift,
    )  # fmt: skip


def _classes(summary: Summary) -> Iterator[Block]:
    stable = sum(n for n, _ in summary.classes.values()) or 1
    shadow = sum(n for _, n in summary.classes.values()) or 1
    rows = tuple(
        (name, f"{a:,}", percent(a / stable), f"{b:,}", percent(b / shadow))
        for name, (a, b) in list(summary.classes.items())[:20]
    )
    columns = ("class", "stable", "share", "shadow", "share")
    note = ""
    if summary.class_drift is not None and summary.class_drift.psi is not None:
        it = summary.class_drift
        note = f"PSI {number(it.psi)}: {it.psi_word} drift; Jensen-Shannon {number(it.js)}."
    yield Table(columns, rows, frozenset((1, 2, 3, 4)), note=note)


def _segments(summary: Summary) -> Iterator[Block]:
    rows = summary.segments.rows
    worst = list(dict.fromkeys((*summary.segments.worst_regret, *summary.segments.worst_shift)))
    single = [at for at, it in enumerate(rows) if len(it.segments) == 1]
    shown = list(dict.fromkeys((*worst, *single)))[:_MOST_SEGMENTS]
    table = tuple(
        (
            f"{rows[at].name} ({rows[at].merged})" if rows[at].merged else rows[at].name,
            f"{rows[at].figures.pairs:,}",
            _agree(rows[at].figures.agreement),
            _standing(paired(rows[at].figures.shift), rows[at].shift_stands_out),
            f"{rows[at].figures.labelled:,}",
            _standing(paired(rows[at].figures.regret), rows[at].regret_stands_out),
        )
        for at in shown
    )
    left = len(rows) - len(shown)
    said = [summary.segments.note] if summary.segments.note else []
    if left > 0:
        said.append(
            f"Left out: {several(left, 'row')} of two segments whose intervals hold nought."
        )
    columns = ("segment", "rows", "agree", "shift", "labels", "regret")
    yield Words("The worst slices first, by how far their interval lies from nought.")
    yield Table(columns, table, frozenset((1, 2, 3, 4, 5)), note=" ".join(said))


def _agree(found: Figure | None) -> str:
    return percent(found.value if found else None)


def _standing(text: str, out: bool) -> str | Cell:
    """Marked by a sign as well, for who sees no colour."""
    return Cell(f"\u25c6 {text}", "bad") if out else text


def _itself(summary: Summary) -> Iterator[Block]:
    stable, shadow = summary.stable_latency, summary.shadow_latency
    rows = [
        ("answers timed", f"{stable.n:,}", f"{shadow.n:,}"),
        ("half within", milliseconds(stable.p50), milliseconds(shadow.p50)),
        ("95 % within", milliseconds(stable.p95), milliseconds(shadow.p95)),
        ("99 % within", milliseconds(stable.p99), milliseconds(shadow.p99)),
        ("failed where stable answered", "",
         f"{summary.shadow_failed:,} of {summary.stable_answered:,}"),
        ("answers broken by its own fault", "",
         f"{summary.shadow_broken:,} of {summary.shadow_answered:,}"),
    ]  # fmt: skip
    found = summary.statuses
    said = ""
    if found.difference_p50 is not None:
        said = (
            "On the same request, shadow minus stable: "
            f"{milliseconds(found.difference_p50)} in the middle, 5 % under "
            f"{milliseconds(found.difference_p05)}, 5 % over {milliseconds(found.difference_p95)}."
        )
    yield Table(("", "stable", "shadow"), tuple(rows), frozenset((1, 2)), note=said)
    if found.differ:
        classes = sorted({*found.statuses, *(it for row in found.statuses.values() for it in row)})
        cells = tuple(
            (f"stable {live}", *(f"{found.statuses.get(live, {}).get(it, 0):,}" for it in classes))
            for live in classes
        )
        columns = ("", *(f"shadow {it}" for it in classes))
        yield Table(columns, cells, frozenset(range(1, len(columns))), "Statuses")


def _examples(summary: Summary) -> Iterator[Block]:
    for title, found in (("The farthest apart", summary.farthest), ("A fair sample", summary.fair)):
        if not found:
            continue
        values = any(it.stable or it.shadow for it in found)
        rows = tuple(
            (it.request_id + (f", row {it.row}" if it.row else ""), it.customer or NOTHING,
             ", ".join(it.segments) or NOTHING,
             "cannot be compared" if it.distance is None else number(it.distance),
             "yes" if it.flip else "", *((it.stable, it.shadow) if values else ()))
            for it in found
        )  # fmt: skip
        columns = ("request", "customer", "segments", "distance", "flips")
        note = "" if values else "Predicted values are not kept, as configured."
        yield Table((*columns, *(("stable", "shadow") if values else ())), rows, frozenset((3,)),
                    title, note)  # fmt: skip
