"""Fills in the Status from what the desk holds.  Only reads.

A thousand models take longer than the desk may be deaf, so they are made one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from proxy import __version__
from proxy.judge import worst
from proxy.measure import Tally, error_rate, errors, histogram, requests
from proxy.routing.plan import CanaryPlan, ModelPlan
from proxy.steering import planning, trialview
from proxy.steering import status as s
from proxy.steering.held import Held
from proxy.steering.observe import ARM_SECONDS, SHARE_SECONDS
from proxy.steering.record import Recorder
from proxy.steering.validating import Validating
from proxy.terms import Arm, Latch


class Refused(msgspec.Struct, frozen=True):
    """The file as it stands now, and why it is not in force."""

    message: str
    problems: list[str]
    at: float


def outline(held: Held, recorder: Recorder, refused: Refused | None, now: float) -> s.Status:
    """Everything but the models, at ``now`` (seconds since the epoch)."""
    return s.Status(
        version=__version__,
        now=now,
        started_at=held.started_at,
        plan_number=held.plan.number,
        config=s.ConfigStatus(
            path=held.rules.path,
            loaded_at=held.loaded_at,
            last_error=refused.message if refused else None,
            problems=refused.problems if refused else [],
            refused_at=refused.at if refused else None,
        ),
        history=_history(recorder),
        workers=_workers(held, now),
        models={},
        connections=_connections(held),
        reverts=list(reversed(held.reverts)),
        judged_seconds_ago=None if held.ticked_at is None else max(0.0, now - held.ticked_at),
        evidence=trialview.evidence(held.trials),
    )


def _history(recorder: Recorder) -> s.HistoryStatus:
    return s.HistoryStatus(
        path=str(recorder.history.path),
        ok=recorder.error is None,
        pending=recorder.pending,
        failures=recorder.failures,
        lost=recorder.lost,
        error=recorder.error,
        repaired=recorder.history.repaired or None,
    )


def _workers(held: Held, now: float) -> list[s.WorkerStatus]:
    return [
        s.WorkerStatus(
            worker=it.worker,
            pid=it.pid,
            plan_number=it.plan_number,
            seen_seconds_ago=max(0.0, now - it.heard),
            connections=it.connections,
            in_flight=it.in_flight,
            copies_in_flight=it.copies_in_flight,
            copies_bytes=it.copies_bytes,
            desk_silent=it.desk_silent,
            draining=it.draining,
        )
        for it in held.workers.all()
    ]


def models(
    held: Held, validating: Validating, clock: Callable[[], float]
) -> Iterator[tuple[str, s.ModelStatus]]:
    """One model after the other, each as it is when it is its turn.

    Between two of them the caller may let the desk go on.  A model that leaves the config
    meanwhile is left out.
    """
    endpoints_of = endpoints(held)
    latches: dict[str, list[Latch]] = {}
    for (of, _), latch in sorted(held.latches.items()):
        latches.setdefault(of, []).append(latch)
    for name in list(held.rules.models):
        model = held.rules.models.get(name)
        if model is not None:
            found = _model(held, model, endpoints_of.get(name, []), latches.get(name, []), clock())
            found.validation = trialview.validation(validating, name)
            yield name, found


def _model(
    held: Held,
    model: ModelPlan,
    endpoints: list[s.EndpointStatus],
    latches: list[Latch],
    now: float,
) -> s.ModelStatus:
    name = model.name
    counts = held.totals.models.get(name)
    findings = held.findings.get(name, ())
    asked = held.asked(name)
    model = planning.shifted(model, held.shifts.get(name))
    judged = (*findings, *held.trials.findings(name))
    down = held.stable_down.get(name)
    return s.ModelStatus(
        stable=model.stable,
        canary=None if asked is None else _canary(held, model, asked),
        share=None if asked is None else share(held, model, asked, now),
        arms=_arms(held, model, asked, endpoints, now),
        shadows=_shadows(held, model),
        findings=[trialview.finding(finding) for finding in findings],
        verdict=worst(judged).name.lower() if judged else None,
        latches=latches,
        endpoints=endpoints,
        fallbacks=dict(counts.fallbacks) if counts else {},
        fallback_failures=counts.fallback_failures if counts else 0,
        missing_keys=counts.missing_keys if counts else 0,
        overrides=counts.overrides if counts else 0,
        refused=dict(counts.refused) if counts else {},
        warnings=[*_latched(held, model), *trialview.warnings(held, name)],
        guardrails=trialview.guardrails(held, name),
        trial=trialview.trial(held, name),
        hold=trialview.hold(held, name),
        shift=trialview.shift(held, name),
        stable_down=None if down is None else down.why,
    )


def _latched(held: Held, model: ModelPlan) -> list[str]:
    latch = held.latches.get((model.name, model.stable))
    if latch is None:
        return []
    return [f"stable is {model.stable}, which was reverted: {latch.message}"]


def _canary(held: Held, model: ModelPlan, asked: CanaryPlan) -> s.CanaryStatus:
    override = held.overrides.get(model.name)
    file = model.canary
    return s.CanaryStatus(
        version=asked.version,
        percent_asked=asked.percent,
        percent_file=file.percent if file and file.version == asked.version else None,
        source="file" if override is None else "override",
        reverted=(model.name, asked.version) in held.latches,
        since=held.since.get(model.name, held.started_at),
        set_by=override.actor if override else None,
        reason=override.reason if override else None,
    )


def share(held: Held, model: ModelPlan, asked: CanaryPlan, now: float) -> s.ShareStatus:
    """The canary's share as asked, and as it came out."""
    lasted = now - held.since.get(model.name, held.started_at)
    # A window's oldest second counts in whole, so it reaches one second further back.
    fitting = [seconds for seconds in SHARE_SECONDS if seconds + 1.0 <= lasted]
    if not fitting:
        return s.ShareStatus(asked.percent / 100, None, None, 0.0)
    seconds = fitting[0]
    decided = held.observed.decisions(model.name, seconds, now)
    canary = held.observed.counts(model.name, asked.version, Arm.CANARY, seconds, now)
    stable = held.observed.counts(model.name, model.stable, Arm.STABLE, seconds, now)
    return s.ShareStatus(
        asked=asked.percent / 100,
        by_customers=_part(decided.get(Arm.CANARY, 0), decided.get(Arm.STABLE, 0)),
        by_requests=_part(sum(canary.outcomes.values()), sum(stable.outcomes.values())),
        seconds=seconds,
    )


def _part(these: int, others: int) -> float | None:
    return these / (these + others) if these + others else None


def _arms(
    held: Held,
    model: ModelPlan,
    asked: CanaryPlan | None,
    endpoints: list[s.EndpointStatus],
    now: float,
) -> dict[str, s.ArmStatus]:
    roles = [(str(Arm.STABLE), model.stable, Arm.STABLE)]
    if asked is not None:
        roles.append((str(Arm.CANARY), asked.version, Arm.CANARY))
    roles += [(f"shadow:{it.version}", it.version, Arm.SHADOW) for it in model.shadows]
    return {
        role: _arm(
            held.observed.tally(model.name, version, arm, ARM_SECONDS, now),
            sum(it.in_flight for it in endpoints if it.version == version),
        )
        for role, version, arm in roles
    }


def _arm(tally: Tally, in_flight: int) -> s.ArmStatus:
    p50, p95, p99 = _quantiles(tally.total)
    first_byte_p50, first_byte_p95, first_byte_p99 = _quantiles(tally.first_byte)
    return s.ArmStatus(
        version=tally.version,
        requests=requests(tally),
        errors=errors(tally),
        error_rate=_number(error_rate(tally)),
        outcomes=dict(tally.outcomes),
        p50=p50,
        p95=p95,
        p99=p99,
        first_byte_p50=first_byte_p50,
        first_byte_p95=first_byte_p95,
        first_byte_p99=first_byte_p99,
        in_flight=in_flight,
    )


def _quantiles(buckets: dict[int, int]) -> list[float | None]:
    return [_number(it) for it in histogram.quantiles(buckets, (0.50, 0.95, 0.99))]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shadows(held: Held, model: ModelPlan) -> dict[str, s.ShadowStatus]:
    counts = held.totals.models.get(model.name)
    copies = counts.copies if counts else {}
    return {
        it.version: s.ShadowStatus(
            percent=it.percent,
            copies=dict(copies.get(it.version, {})),
            pairs=replace(held.totals.pairs.of(model.name, it.version), differences={}),
        )
        for it in model.shadows
    }


def _connections(held: Held) -> list[s.ConnectionsStatus]:
    return [
        s.ConnectionsStatus(endpoint, "shadow" if shadow else "live", number)
        for (endpoint, shadow), number in sorted(held.workers.connections().items())
    ]


def endpoints(held: Held) -> dict[str, list[s.EndpointStatus]]:
    """By model: every worker's view of an endpoint, added up."""
    connections = held.workers.connections()
    noise = {(it.name, it.noise.version) for it in held.plan.models if it.noise is not None}
    named: set[tuple[str, str, str, bool]] = set()
    found: dict[tuple[str, str, str], s.EndpointStatus] = {}
    for _, it in held.workers.endpoints():
        key = (it.model, it.version, it.endpoint)
        row = found.setdefault(key, s.EndpointStatus(it.version, it.endpoint, 0, 0, False, 0, ""))
        row.in_flight += it.in_flight
        if (*key, it.shadow) not in named:
            named.add((*key, it.shadow))
            row.connections += connections.get((it.endpoint, it.shadow), 0)
        if it.shadow and (it.model, it.version) in noise:
            continue  # its copies fail alone: the live version is judged by its own
        row.ejected = row.ejected or it.ejected
        row.ejected_by += it.ejected
        row.reason = row.reason or it.reason
    by_model: dict[str, list[s.EndpointStatus]] = {}
    for (model, _, _), row in sorted(found.items()):
        by_model.setdefault(model, []).append(row)
    return by_model
