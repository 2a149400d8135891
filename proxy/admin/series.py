"""Fills the table of metrics from the desk: its totals since the start, its status now.

One function per part of the table; each only reads.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from proxy.admin.metrics import Board
from proxy.routing.plan import ModelPlan, Plan
from proxy.steering import ReleaseDesk, Status, Totals
from proxy.steering.status import ModelStatus
from proxy.terms import Arm

ALL = "all"  # the arm of a series that is about no single one
NO_ARM = "none"  # the arm of a version that has no part in the split


def exposition(desk: ReleaseDesk) -> bytes:
    """Everything about ``desk`` in the text format of Prometheus, 0.0.4."""
    registry = CollectorRegistry()
    registry.register(_Desk(desk))
    return generate_latest(registry)


class _Desk(Collector):
    """A custom collector: the numbers are kept by the desk, not by prometheus_client."""

    def __init__(self, desk: ReleaseDesk) -> None:
        self._desk = desk

    def collect(self):  # type: ignore[no-untyped-def]
        return board(self._desk.totals, self._desk.status(), self._desk.plan).collect()


def board(totals: Totals, status: Status, plan: Plan) -> Board:
    """The table, filled."""
    made = Board()
    _traffic(made, totals)
    _decisions(made, totals)
    _shadows(made, totals, {(m.name, v.name) for m in plan.models for v in m.versions})
    _reverts(made, totals)
    for name, model in status.models.items():
        _model(made, name, model)
    models = {model.name: model for model in plan.models}
    for name, model in status.models.items():
        _endpoints(made, name, model, models.get(name))
    _connections(made, status)
    _workers(made, status)
    _house(made, totals, status)
    return made


def _traffic(made: Board, totals: Totals) -> None:
    for (model, version, arm, segment), tally in totals.series.items():
        labels = (model, version, arm)
        for outcome, n in tally.outcomes.items():
            if segment:
                made.add("pointsman_segment_requests_total", (*labels, segment, outcome), n)
            else:
                made.add("pointsman_requests_total", (*labels, outcome), n)
        if segment:
            continue
        made.add_durations("pointsman_request_seconds", labels, tally.total)
        made.add_durations("pointsman_first_byte_seconds", labels, tally.first_byte)
        made.add("pointsman_request_bytes_total", labels, tally.bytes_in)
        made.add("pointsman_answer_bytes_total", labels, tally.bytes_out)


def _decisions(made: Board, totals: Totals) -> None:
    for model, counts in totals.models.items():
        for arm, n in counts.customers.items():
            made.add("pointsman_decisions_total", (model, arm), n)
        made.add("pointsman_missing_keys_total", (model, ALL), counts.missing_keys)
        made.add("pointsman_tester_overrides_total", (model, ALL), counts.overrides)
        made.add("pointsman_held_too_large_total", (model, ALL), counts.held_too_large)
        made.add("pointsman_replays_total", (model, ALL), counts.replays)
        for reason, n in counts.refused.items():
            made.add("pointsman_model_refused_total", (model, ALL, reason), n)
        for reason, n in counts.fallbacks.items():
            made.add("pointsman_fallbacks_total", (model, Arm.CANARY, reason), n)
        made.add("pointsman_fallback_failures_total", (model, Arm.CANARY), counts.fallback_failures)


def _shadows(made: Board, totals: Totals, known: set[tuple[str, str]]) -> None:
    """Only ``known`` versions: the counts of a model outlive a shadow that left the config."""
    for model, counts in totals.models.items():
        for version, results in counts.copies.items():
            if (model, version) not in known:
                continue
            for result, n in results.items():
                labels = (model, version, Arm.SHADOW, result)
                made.add("pointsman_shadow_copies_total", labels, n)
    for model, versions in totals.pairs.snapshot().models.items():
        for version, pairs in versions.items():
            for kind in ("agree", "differ", "missing"):
                labels = (model, version, Arm.SHADOW, kind)
                made.add("pointsman_shadow_pairs_total", labels, getattr(pairs, kind))
    made.add("pointsman_pairs_dropped_total", (), totals.pairs_dropped)


def _reverts(made: Board, totals: Totals) -> None:
    for (model, reason), n in totals.reverts.items():
        made.add("pointsman_reverts_total", (model, Arm.CANARY, reason), n)


def _model(made: Board, name: str, model: ModelStatus) -> None:
    if model.canary is not None and model.share is not None:
        shares = {
            "asked": model.share.asked,
            "by_customers": model.share.by_customers,
            "by_requests": model.share.by_requests,
        }
        for kind, share in shares.items():
            if share is not None:
                labels = (name, model.canary.version, Arm.CANARY, kind)
                made.add("pointsman_share_ratio", labels, share)
    for latch in model.latches:
        made.add("pointsman_latched", (name, latch.version, Arm.CANARY), 1)


def _arm_of(model: ModelPlan | None, version: str) -> str:
    """The part that a version has in the split; live arms before shadows."""
    if model is None:
        return NO_ARM
    if version == model.stable:
        return Arm.STABLE
    if model.canary is not None and version == model.canary.version:
        return Arm.CANARY
    return Arm.SHADOW if any(s.version == version for s in model.shadows) else NO_ARM


def _endpoints(made: Board, name: str, model: ModelStatus, plan: ModelPlan | None) -> None:
    for it in model.endpoints:
        labels = (name, it.version, _arm_of(plan, it.version), it.endpoint)
        made.add("pointsman_endpoint_in_flight", labels, it.in_flight)
        made.add("pointsman_endpoint_ejected", labels, it.ejected_by)


def _connections(made: Board, status: Status) -> None:
    for it in status.connections:
        made.add("pointsman_endpoint_connections", (it.endpoint, it.traffic), it.connections)


def _workers(made: Board, status: Status) -> None:
    for it in status.workers:
        labels = (str(it.worker),)
        made.add("pointsman_worker_plan_number", labels, it.plan_number)
        made.add("pointsman_worker_silence_seconds", labels, it.seen_seconds_ago)
        made.add("pointsman_worker_connections", labels, it.connections)
        made.add("pointsman_worker_in_flight", labels, it.in_flight)
        made.add("pointsman_worker_draining", labels, it.draining)
        made.add("pointsman_worker_desk_silent", labels, it.desk_silent)


def _house(made: Board, totals: Totals, status: Status) -> None:
    for reason, n in totals.refused.items():
        made.add("pointsman_refused_total", (reason,), n)
    made.add("pointsman_log_lines_dropped_total", (), totals.log_dropped)
    made.add("pointsman_counts_dropped_total", ("unknown_version",), totals.unknown)
    made.add("pointsman_counts_dropped_total", ("too_many_segments",), totals.over_cap)
    made.add("pointsman_plan_number", (), status.plan_number)
    if status.judged_seconds_ago is not None:
        made.add("pointsman_desk_silence_seconds", (), status.judged_seconds_ago)
    made.add("pointsman_config_ok", (), status.config.last_error is None)
    made.add("pointsman_config_loaded_timestamp_seconds", (), status.config.loaded_at)
    made.add("pointsman_history_ok", (), status.history.ok)
    made.add("pointsman_history_pending", (), status.history.pending)
    made.add("pointsman_start_timestamp_seconds", (), status.started_at)
    made.add("pointsman_build_info", (status.version,), 1)
