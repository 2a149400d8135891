"""``pointsman status`` for people: what is wrong first, then a table for each model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from proxy.cli import judged
from proxy.cli.show import RED, YELLOW, clock, duration, indented, percent, plain, share, table
from proxy.errors import Unreachable
from proxy.steering.status import CanaryStatus, ModelStatus, Status
from proxy.terms import Arm, Latch, Outcome

#: The control loop runs ten times a second; ten times as long is worth a word.
LATE = 1.0  # seconds


def read(answer: Any) -> Status:
    """The API's status, checked.  Raises Unreachable when it is another program's, or version's."""
    try:
        return msgspec.convert(answer, Status)
    except msgspec.ValidationError as error:
        raise Unreachable(f"what answers is no pointsman of this version: {error}") from error


def stale(last: RenderableType, why: str) -> RenderableType:
    """The last frame there was, under a line that says so."""
    return Group(plain(f"NOT REACHABLE, this is the last that was heard: {why}", RED), last)


def frame(status: Status) -> RenderableType:
    """Everything, from top to bottom."""
    parts: list[RenderableType] = [_head(status), *alarms(status)]
    for name, model in status.models.items():
        parts += _model(name, model)
    if status.workers:
        parts += [Text(), _workers(status)]
    return Group(*parts)


def _head(status: Status) -> Text:
    words = f"up {duration(status.now - status.started_at)}, plan {status.plan_number}"
    return Text.assemble(
        (f"pointsman {status.version}", "bold"), "  ", words, "  ", plain(status.config.path)
    )


def alarms(status: Status) -> Iterator[RenderableType]:
    """What a person should act on, one line each; nothing when all is well."""
    if status.config.last_error is not None:
        yield plain("CONFIG REFUSED, the one before goes on:", RED)
        for problem in status.config.problems or [status.config.last_error]:
            yield indented(problem, "red")
    if not status.history.ok:
        pending = f"{status.history.pending} entries wait"
        yield plain(f"HISTORY CANNOT BE WRITTEN, {pending}: {status.history.error}", RED)
    if status.evidence is not None and status.evidence.error:
        lost = f"{status.evidence.lost} lines lost"
        yield plain(f"EVIDENCE CANNOT BE WRITTEN, {lost}: {status.evidence.error}", RED)
    if status.ledger is not None and status.ledger.error:
        lost = f"{status.ledger.pending:,} predictions wait, {status.ledger.lost:,} lost"
        yield plain(
            f"LEDGER CANNOT BE WRITTEN, no feedback is taken, {lost}: {status.ledger.error}", RED
        )
    if status.history.repaired:
        yield plain(f"history: {status.history.repaired}", YELLOW)
    if not status.workers:
        yield plain("NO WORKER has reported: nobody carries traffic", RED)
    silent = [str(it.worker) for it in status.workers if it.desk_silent]
    if silent:
        who = ", ".join(silent)
        yield plain(f"DESK NOT HEARD by worker {who}: everybody gets stable there", RED)
    if status.judged_seconds_ago is not None and status.judged_seconds_ago > LATE:
        yield plain(f"DESK LATE: it last judged {duration(status.judged_seconds_ago)} ago", RED)


def _model(name: str, model: ModelStatus) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text(),
        Text.assemble(plain(name, "bold cyan"), "  ", plain(_split(model))),
    ]
    parts += [indented(_latched(latch, model), RED) for latch in model.latches]
    parts += [indented(line, style) for line, style in judged.bound(model)]
    parts += [indented(warning, YELLOW) for warning in model.warnings]
    if model.arms:
        parts.append(_arms(model))
    parts += [indented(line) for line in (*_failed(model), *_shadows(model))]
    parts += [
        indented(f"{it.check}: {judged.word(it)}: {it.message}", judged.STYLE.get(it.verdict, ""))
        for it in model.findings
        if it.verdict != "pass"
    ]
    parts += judged.trial(model)
    parts += [indented(line, YELLOW) for line in _endpoints_out(model)]
    counted = _counted(model)
    return [*parts, indented(counted)] if counted else parts


def _split(model: ModelStatus) -> str:
    """``stable 1, canary 2 asked 5 %, realised 4.9 % by customers and 5.2 % by requests``."""
    words = f"stable {model.stable}"
    if model.canary is None:
        return f"{words}, no canary"
    words = f"{words}, canary {_canary(model.canary)}"
    if model.share is None:
        return words
    realised = [
        f"{share(value)} by {name}"
        for name, value in (
            ("customers", model.share.by_customers),
            ("requests", model.share.by_requests),
        )
        if value is not None
    ]
    if not realised:
        return f"{words}, realised nothing yet"
    last = f"in the last {model.share.seconds:g} s"
    return f"{words}, realised {' and '.join(realised)} {last}"


def _canary(canary: CanaryStatus) -> str:
    words = f"{canary.version} asked {percent(canary.percent_asked)}"
    if canary.source == "override":
        by = canary.set_by or "an operator"
        file = "none" if canary.percent_file is None else percent(canary.percent_file)
        words += f" (set by {by}; the file says {file})"
    return f"{words}, REVERTED" if canary.reverted else words


def _latched(latch: Latch, model: ModelStatus) -> str:
    why = latch.message or latch.reason
    words = f"REVERTED {latch.version} at {clock(latch.at)} by {latch.actor}: {why}"
    return f"{words} (it is stable now)" if latch.version == model.stable else words


def _arms(model: ModelStatus) -> RenderableType:
    numbers = ("requests", "errors", "rate", "p50", "p95", "p99", "first byte p95", "in flight")
    shown = table("arm", "version", *numbers, right=numbers)
    for name, arm in model.arms.items():
        role = name.partition(":")[0]
        shown.add_row(
            plain(role, _ARM_STYLE.get(role, "")),
            plain(arm.version),
            f"{arm.requests:,}",
            Text(f"{arm.errors:,}", "red" if arm.errors else ""),
            "-" if arm.error_rate is None else share(arm.error_rate).replace(" ", ""),
            *(duration(q) for q in (arm.p50, arm.p95, arm.p99, arm.first_byte_p95)),
            f"{arm.in_flight:,}",
        )
    return shown


_ARM_STYLE: dict[str, str] = {Arm.STABLE: "green", Arm.CANARY: "yellow", Arm.SHADOW: "blue"}


def _failed(model: ModelStatus) -> Iterator[str]:
    """What did not end well in the last minute, whoever's fault it was."""
    for name, arm in model.arms.items():
        ends = {outcome: n for outcome, n in arm.outcomes.items() if n and outcome != Outcome.OK}
        if ends:
            words = ", ".join(f"{outcome} {n:,}" for outcome, n in ends.items())
            yield f"{name.partition(':')[0]} {arm.version}: {words}"


def _shadows(model: ModelStatus) -> Iterator[str]:
    """Copies by result and pairs, since the desk's start."""
    for version, it in model.shadows.items():
        copies = ", ".join(f"{result} {n:,}" for result, n in it.copies.items()) or "none"
        words = f"shadow {version} at {percent(it.percent)}: copies {copies}"
        pairs = it.pairs
        if pairs.pairs:
            words += f"; pairs {pairs.pairs:,}: status agrees {pairs.agree:,}, differs"
            words += f" {pairs.differ:,}, no answer {pairs.missing:,}"
        if pairs.difference_p50 is not None:
            more = "slower" if pairs.difference_p50 >= 0 else "faster"
            words += f"; {duration(abs(pairs.difference_p50))} {more} at the median"
        yield words


def _endpoints_out(model: ModelStatus) -> Iterator[str]:
    for it in model.endpoints:
        if it.ejected:
            workers = f"{it.ejected_by} worker{'' if it.ejected_by == 1 else 's'}"
            reason = f": {it.reason}" if it.reason else ""
            yield f"endpoint {it.endpoint} of {it.version} taken out by {workers}{reason}"


def _counted(model: ModelStatus) -> str:
    """The rest, where it is not nought."""
    words = [f"fallbacks to stable {sum(model.fallbacks.values()):,}"] if model.fallbacks else []
    if model.fallback_failures:
        words.append(f"fallbacks that failed {model.fallback_failures:,}")
    if model.missing_keys:
        words.append(f"without a key {model.missing_keys:,}")
    if model.overrides:
        words.append(f"testers {model.overrides:,}")
    if model.refused:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(model.refused.items()))
        words.append(f"refused {sum(model.refused.values()):,} ({reasons})")
    return ", ".join(words)


def _workers(status: Status) -> RenderableType:
    shown = table(
        "worker", "pid", "plan", "connections", "in flight", "copies in flight", "seen", "state",
        right=("pid", "plan", "connections", "in flight", "copies in flight", "seen"),
    )  # fmt: skip
    for it in status.workers:
        states = ["draining"] if it.draining else []
        states += ["desk not heard"] if it.desk_silent else []
        states += ["old plan"] if it.plan_number != status.plan_number else []
        shown.add_row(
            str(it.worker),
            str(it.pid),
            str(it.plan_number),
            f"{it.connections:,}",
            f"{it.in_flight:,}",
            f"{it.copies_in_flight:,}",
            f"{duration(it.seen_seconds_ago)} ago",
            Text(", ".join(states) or "ok", YELLOW if states else "green"),
        )
    return shown
