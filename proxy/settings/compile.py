"""Settings to what the engines understand: the Plan of the data plane, the judge's thresholds.

Pure.  Nothing is checked here: ``load`` let only what fits through.
"""

from __future__ import annotations

import hashlib

import msgspec

from proxy.feedback import Policy
from proxy.judge import Guardrails, Source, policy
from proxy.judge.recovery import Validation
from proxy.routing import plan
from proxy.settings.comparing import noise_plan
from proxy.settings.feedback import policy as feedback_policy
from proxy.settings.guardrails import compiled
from proxy.settings.schema import Model, Settings
from proxy.settings.serving import Version
from proxy.settings.shadows import Headers, Shadow
from proxy.settings.watching import watch_plan


def compile_plan(settings: Settings, number: int = 0) -> plan.Plan:
    """The Plan as the file says it: no overrides, no latches."""
    listener = settings.limits
    log = settings.access_log
    return plan.Plan(
        number=number,
        models=tuple(compile_model(settings, name) for name in settings.models),
        limits=plan.ListenerLimits(
            connections=listener.connections,
            request_line=listener.request_line,
            head_bytes=listener.head_bytes,
            head_lines=listener.head_lines,
            head_seconds=listener.head_timeout,
            body_seconds=listener.body_timeout,
            idle_seconds=listener.idle_timeout,
        ),
        desk_silence=settings.desk_silence,
        access_log=plan.AccessLog(percent=log.percent, customers=log.customers) if log else None,
        shadow_marker_from_outside=settings.shadow_marker_from_outside,
        busy_poll=settings.busy_poll,
    )


def compile_model(settings: Settings, name: str) -> plan.ModelPlan:
    """One model as the file says it."""
    model = settings.models[name]
    canary = model.split.canary
    fallback = model.fallback
    secret = settings.tester_secret(name)
    return plan.ModelPlan(
        name=name,
        path_prefix=model.match.path_prefix,
        host=model.match.host,
        stable=model.split.stable,
        versions=tuple(_version(version, it) for version, it in model.versions.items()),
        customer=model.customer.key_source() if model.customer else None,
        missing=model.customer.missing if model.customer else "stable",
        segments=tuple(
            plan.SegmentPlan(name=dimension, source=it.key_source(), values=it.values)
            for dimension, it in model.segments.items()
        ),
        salt=split_salt(settings, name, canary.version if canary else ""),
        canary=plan.CanaryPlan(version=canary.version, percent=canary.percent) if canary else None,
        shadows=tuple(_shadow(name, shadow) for shadow in model.split.shadow),
        deadlines=_deadlines(model),
        limits=_limits(model),
        safe_to_repeat=model.safe_to_repeat,
        fallback=plan.Fallback(statuses=fallback.statuses, first_byte=fallback.first_byte)
        if fallback
        else plan.Fallback(),
        testers=plan.Testers(header=model.testers.header, secret=secret)
        if model.testers and secret
        else None,
        watch=watch_plan(name, model, watched(model_guardrails(model))),
        noise=noise_plan(name, model),
    )


def watched(rules: Guardrails) -> plan.WatchPlan | None:
    """What the workers must tell so that these can be judged; None: nothing."""
    if not rules.rules and rules.sample_ratio is None:
        return None
    slow = [it.over for it in rules.rules if it.source is Source.SLOW and it.over is not None]
    return plan.WatchPlan(slow=min(slow, default=None))


def split_salt(settings: Settings, model: str, canary: str) -> str:
    """The salt of a model's split when ``canary`` is on trial: the file's, or one by name."""
    return settings.models[model].split.salt or f"{model}/split/{canary}"


def thresholds(settings: Settings) -> dict[str, policy.Thresholds]:
    """What reverts the canary of each model; all empty where the file says ``off``."""
    return {name: _thresholds(model) for name, model in settings.models.items()}


def feedback_policies(settings: Settings) -> dict[str, Policy]:
    """What labels and signals bring about, of each model."""
    return {
        name: feedback_policy(model.labels, model.signals)
        for name, model in settings.models.items()
    }


def guardrails_by_model(settings: Settings) -> dict[str, Guardrails]:
    """What the sequential judge looks at, of each model."""
    return {name: model_guardrails(model) for name, model in settings.models.items()}


def model_guardrails(model: Model) -> Guardrails:
    """The guardrails of one model, their segments written out."""
    values = {name: segment.values for name, segment in model.segments.items()}
    return compiled(model.guardrails, values)


def validations(settings: Settings) -> dict[str, Validation]:
    """How stable is watched after a revert, of each model that has it watched."""
    return {
        name: Validation(**dict(model.validation))
        for name, model in settings.models.items()
        if model.validation is not None
    }


def last_resorts(settings: Settings) -> dict[str, str]:
    """Model -> the version that takes over when stable does not answer."""
    return {n: it.last_resort for n, it in settings.models.items() if it.last_resort is not None}


def fingerprint(settings: Settings, model: str) -> str:
    """Of the file's split of a model: who is stable, who the canary, its share and salt.

    16 hex digits.  An operator's override holds until this changes; what shadows get is no
    part of it.
    """
    split = settings.models[model].split
    canary = split.canary and [split.canary.version, split.canary.percent]
    written = msgspec.json.encode([split.stable, canary, split.salt])
    return hashlib.sha256(written).hexdigest()[:16]


def _version(name: str, version: Version) -> plan.VersionPlan:
    return plan.VersionPlan(
        name=name,
        endpoints=version.endpoints,
        pool=plan.PoolLimits(**dict(version.pool)),
        ejection=plan.Ejection(**dict(version.ejection)),
        health=plan.HealthProbe(**dict(version.health)) if version.health else None,
    )


def _removed(headers: Headers) -> tuple[str, ...]:
    kept = {name.lower() for name in headers.keep}
    asked = tuple(name.lower() for name in headers.remove)
    names = dict.fromkeys((*plan.ShadowPlan("", 0, "").remove, *asked))
    return tuple(name for name in names if name not in kept)


def _shadow(model: str, shadow: Shadow) -> plan.ShadowPlan:
    path, body = shadow.rewrite.path, shadow.rewrite.json_body
    return plan.ShadowPlan(
        version=shadow.version,
        percent=shadow.percent,
        salt=f"{model}/shadow/{shadow.version}",
        in_flight=shadow.in_flight,
        queue=shadow.queue,
        bytes=shadow.bytes,
        deadline=shadow.deadline,
        add=tuple(shadow.headers.add.items()),
        remove=_removed(shadow.headers),
        path=plan.PathRewrite(prefix=path.prefix, by=path.by) if path else None,
        json=plan.JsonRewrite(pointer=body.pointer, value=body.value) if body else None,
        pair_percent=shadow.pairs.percent,
        pair_bytes=shadow.pairs.body,
        pair_salt=f"{model}/pairs/{shadow.version}",
    )


def _deadlines(model: Model) -> plan.Deadlines:
    return plan.Deadlines(**dict(model.deadlines))


def _limits(model: Model) -> plan.ModelLimits:
    return plan.ModelLimits(**dict(model.limits))


def _thresholds(model: Model) -> policy.Thresholds:
    written = model.thresholds
    return policy.Thresholds(
        error_rate=policy.ErrorRate(**dict(written.error_rate)) if written.error_rate else None,
        latency=tuple(policy.Latency(**dict(it)) for it in written.latency),
        consecutive_failures=written.consecutive_failures,
    )
