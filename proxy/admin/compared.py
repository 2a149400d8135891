"""What the shadows' comparisons say: over the API, and as metrics."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from proxy.admin.api import answer, asked, model_plan
from proxy.admin.metrics import Board
from proxy.admin.problems import Problem
from proxy.admin.state import COMPARISONS, DESK
from proxy.compare.figures import Figure, ScoreFigures
from proxy.compare.group import GroupFigures
from proxy.steering import ComparisonView
from proxy.terms import Arm

routes = web.RouteTableDef()
#: What becomes of a pair.
PAIRS: Final = ("compared", "refused", "not_compared", "passed_over")
SCORES: Final = ("auc", "brier", "log_loss", "ece")
VERDICTS: Final = ("pass", "inconclusive", "fail")


@routes.get("/v1/models/{model}/compare")
async def get_compare(request: web.Request) -> web.Response:
    """The summary and the gate of each shadow's comparison, or of ``shadow``'s, as of now."""
    wanted = asked(request, frozenset({"shadow"})).get("shadow")
    model, comparisons = request.match_info["model"], request.app[COMPARISONS]
    model_plan(request.app[DESK].plan, model)
    found = comparisons.of(model) if comparisons is not None else {}
    if wanted is not None and wanted not in found:
        raise Problem(HTTPStatus.NOT_FOUND, _none(model, wanted, list(found)))
    views = []
    for version in [wanted] if wanted is not None else sorted(found):
        view = await comparisons.look(model, version) if comparisons is not None else None
        if view is not None:
            views.append(told(view))
    return answer({"model": model, "comparisons": views})


def _none(model: str, wanted: str, found: list[str]) -> str:
    known = ", ".join(sorted(found)) or "none (a model with compare and a shadow has one)"
    return f"There is no comparison of {model!r} with shadow {wanted!r}; there are: {known}"


def told(view: ComparisonView) -> Any:
    """As plain data; the verdicts of findings in words."""
    found = msgspec.json.decode(msgspec.json.encode(view))
    for finding, said in zip(view.gate.findings, found["gate"]["findings"], strict=True):
        said["verdict"] = finding.verdict.name.lower()
    return found


def fill(made: Board, view: ComparisonView) -> None:
    """One comparison's series."""
    summary, shadow = view.summary, (view.model, view.version, Arm.SHADOW.value)
    fidelity, everyone = summary.fidelity, summary.everyone
    lost = max(0, fidelity.pairs - fidelity.compared - fidelity.refused)
    counts = (fidelity.compared, fidelity.refused, lost, fidelity.passed_over)
    for kind, n in zip(PAIRS, counts, strict=True):
        made.add("pointsman_compare_pairs", (*shadow, kind), n)
    made.add("pointsman_compare_sampling_ratio", shadow, view.sampling)
    if summary.rows:
        made.add("pointsman_compare_agreement_ratio", shadow, summary.agreement.rate)
    if everyone.shift is not None and everyone.shift.mean is not None:
        made.add("pointsman_compare_shift", shadow, everyone.shift.mean)
    if everyone.drift is not None and everyone.drift.psi is not None:
        made.add("pointsman_compare_psi", shadow, everyone.drift.psi)
    made.add("pointsman_compare_labels", shadow, summary.labels)
    for name, value in _scores(everyone, shadow=True):
        made.add("pointsman_compare_score", (*shadow, name), value)
    for verdict in VERDICTS:
        made.add("pointsman_compare_gate", (*shadow, verdict), view.gate.verdict == verdict)
    if view.saved_at:
        made.add("pointsman_compare_saved_timestamp_seconds", shadow, view.saved_at)


def fill_stable(made: Board, views: Iterator[ComparisonView]) -> None:
    """What stable does to itself, and its own scores: once for each model, as the comparison
    with the most pairs saw it."""
    best: dict[str, ComparisonView] = {}
    for view in views:
        known = best.get(view.model)
        if known is None or view.summary.pairs > known.summary.pairs:
            best[view.model] = view
    for view in best.values():
        noise = view.summary.noise.agreement
        if noise is not None:
            labels = (view.model, view.stable, Arm.NOISE.value)
            made.add("pointsman_compare_agreement_ratio", labels, noise)
        for name, value in _scores(view.summary.everyone, shadow=False):
            labels = (view.model, view.stable, Arm.STABLE.value)
            made.add("pointsman_compare_score", (*labels, name), value)


def _scores(group: GroupFigures, *, shadow: bool) -> Iterator[tuple[str, float]]:
    found = group.shadow if shadow else group.stable
    if not isinstance(found, ScoreFigures):
        return
    for name in SCORES:
        figure: Figure | None = getattr(found, name)
        if figure is not None:
            yield name, figure.value
