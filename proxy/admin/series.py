"""Fills the table of metrics from the desk: its totals since the start, its status now.

One function per part of the table; each only reads.  What there is of for every model is done in
steps, between which the desk may go on: a series is of one moment, two series need not be.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.admin.metrics import Board
from proxy.admin.turns import in_turns
from proxy.routing.plan import ModelPlan
from proxy.steering import Feedback, ReleaseDesk, Status, Totals
from proxy.terms import Arm

ALL = "all"  # the arm of a series that is about no single one
NO_ARM = "none"  # the arm of a version that has no part in the split

#: So many take a few milliseconds.
STEPS_AT_ONCE = 50


def exposition(desk: ReleaseDesk, feedback: Feedback | None = None) -> bytes:
    """Everything about ``desk`` in the text format of Prometheus, 0.0.4."""
    made = Board()
    for _ in fill(made, desk, feedback):
        pass
    return made.text()


async def exposition_in_turns(desk: ReleaseDesk, feedback: Feedback | None = None) -> bytes:
    """The same, without keeping the desk from its work for long."""
    made = Board()
    async for _ in in_turns(fill(made, desk, feedback), STEPS_AT_ONCE):
        pass
    return made.text()


def fill(made: Board, desk: ReleaseDesk, feedback: Feedback | None = None) -> Iterator[None]:
    """Put all there is on the board, in steps."""
    totals = desk.totals
    yield from _traffic(made, totals)
    yield from _models(made, totals, desk)
    yield from _pairs(made, totals)
    _reverts(made, totals)
    yield from _judged(made, desk)
    yield from _shares(made, desk)
    yield from _endpoints(made, desk)
    status = desk.outline()
    _connections(made, status)
    _workers(made, status)
    _house(made, totals, status)
    if feedback is not None:
        _feedback(made, feedback)


def _traffic(made: Board, totals: Totals) -> Iterator[None]:
    for key in list(totals.series):
        tally = totals.series.get(key)
        if tally is None:
            continue  # its version has left the config
        yield
        *labels, segment = key
        for outcome, n in tally.outcomes.items():
            if segment:
                made.add("pointsman_segment_requests_total", (*labels, segment, outcome), n)
            else:
                made.add("pointsman_requests_total", (*labels, outcome), n)
        if segment:
            continue
        series = (tally.model, tally.version, tally.arm)
        made.add_durations("pointsman_request_seconds", series, tally.total)
        made.add_durations("pointsman_first_byte_seconds", series, tally.first_byte)
        made.add("pointsman_request_bytes_total", series, tally.bytes_in)
        made.add("pointsman_answer_bytes_total", series, tally.bytes_out)


def _models(made: Board, totals: Totals, desk: ReleaseDesk) -> Iterator[None]:
    known = {(m.name, v.name) for m in desk.plan.models for v in m.versions}
    for model, counts in list(totals.models.items()):
        yield
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
        for version, results in counts.copies.items():
            if (model, version) not in known:
                continue  # the counts of a model outlive a shadow that left the config
            for result, n in results.items():
                labels = (model, version, Arm.SHADOW, result)
                made.add("pointsman_shadow_copies_total", labels, n)


def _pairs(made: Board, totals: Totals) -> Iterator[None]:
    for model, version in totals.pairs.versions():
        yield
        for kind, n in totals.pairs.kinds(model, version).items():
            made.add("pointsman_shadow_pairs_total", (model, version, Arm.SHADOW, kind), n)
    made.add("pointsman_pairs_dropped_total", (), totals.pairs_dropped)
    made.add("pointsman_incidents_dropped_total", (), totals.incidents_dropped)
    made.add("pointsman_samples_dropped_total", (), totals.samples_dropped)


def _reverts(made: Board, totals: Totals) -> None:
    for (model, reason), n in totals.reverts.items():
        made.add("pointsman_reverts_total", (model, Arm.CANARY, reason), n)


def _judged(made: Board, desk: ReleaseDesk) -> Iterator[None]:
    """Trials, holds, shifts and validations."""
    for name, course in desk.trials():
        yield
        canary = (name, course.version, Arm.CANARY)
        for it in course.findings:
            labels = (*canary, it.check)
            made.add("pointsman_guardrail_verdict", labels, it.verdict)
            for number in ("e_value", "needed"):
                if number in it.numbers:
                    made.add(f"pointsman_guardrail_{number}", labels, it.numbers[number])
        for source, n in course.seen.items():
            made.add("pointsman_trial_observations_total", (*canary, source), n)
    for name, version in sorted({(it.model, it.version) for it in desk.holds}):
        made.add("pointsman_held", (name, version, Arm.CANARY), 1)
    for shift in desk.shifts:
        made.add("pointsman_shifted", (shift.model, shift.version, Arm.STABLE), 1)
    for name in desk.stable_down:
        made.add("pointsman_stable_down", (name, Arm.STABLE), 1)
    for name, found in desk.validations():
        yield
        made.add("pointsman_revert_validation", (name, Arm.STABLE, found.result or "running"), 1)


def _shares(made: Board, desk: ReleaseDesk) -> Iterator[None]:
    for name, version, found in desk.shares():
        yield
        shares = {
            "asked": found.asked,
            "by_customers": found.by_customers,
            "by_requests": found.by_requests,
        }
        for kind, share in shares.items():
            if share is not None:
                made.add("pointsman_share_ratio", (name, version, Arm.CANARY, kind), share)
    known = {model.name for model in desk.plan.models}
    for latch in desk.latches:
        if latch.model in known:
            made.add("pointsman_latched", (latch.model, latch.version, Arm.CANARY), 1)


def _arm_of(model: ModelPlan | None, version: str) -> str:
    """The part that a version has in the split; live arms before shadows."""
    if model is None:
        return NO_ARM
    if version == model.stable:
        return Arm.STABLE
    if model.canary is not None and version == model.canary.version:
        return Arm.CANARY
    return Arm.SHADOW if any(s.version == version for s in model.shadows) else NO_ARM


def _endpoints(made: Board, desk: ReleaseDesk) -> Iterator[None]:
    plans = {model.name: model for model in desk.plan.models}
    for name, endpoints in desk.endpoints().items():
        yield
        if name not in plans:
            continue
        for it in endpoints:
            labels = (name, it.version, _arm_of(plans[name], it.version), it.endpoint)
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


def _feedback(made: Board, feedback: Feedback) -> None:
    for (kind, result), n in sorted(feedback.taken.items()):
        made.add("pointsman_feedback_total", (kind, result), n)
    for result, n in sorted(feedback.evidence.items()):
        made.add("pointsman_feedback_evidence_total", (result,), n)
    made.add("pointsman_feedback_joined_total", (), feedback.joins)
    made.add("pointsman_feedback_waited_total", (), feedback.waited)
    for (source, effect), n in sorted(feedback.signals.counts.items()):
        made.add("pointsman_signals_total", (source, effect), n)


def _house(made: Board, totals: Totals, status: Status) -> None:
    for reason, n in totals.refused.items():
        made.add("pointsman_refused_total", (reason,), n)
    made.add("pointsman_log_lines_dropped_total", (), totals.log_dropped)
    made.add("pointsman_counts_dropped_total", ("unknown_version",), totals.unknown)
    made.add("pointsman_counts_dropped_total", ("too_many_segments",), totals.over_cap)
    if status.evidence is not None:
        made.add("pointsman_evidence_lines_lost_total", (), status.evidence.lost)
        made.add("pointsman_evidence_ok", (), not status.evidence.error)
    if (ledger := status.ledger) is not None:
        made.add("pointsman_ledger_ok", (), not ledger.error)
        made.add("pointsman_ledger_lost_total", (), ledger.lost)
    made.add("pointsman_plan_number", (), status.plan_number)
    if status.judged_seconds_ago is not None:
        made.add("pointsman_desk_silence_seconds", (), status.judged_seconds_ago)
    made.add("pointsman_config_ok", (), status.config.last_error is None)
    made.add("pointsman_config_loaded_timestamp_seconds", (), status.config.loaded_at)
    made.add("pointsman_history_ok", (), status.history.ok)
    made.add("pointsman_history_pending", (), status.history.pending)
    made.add("pointsman_start_timestamp_seconds", (), status.started_at)
    made.add("pointsman_build_info", (status.version,), 1)
