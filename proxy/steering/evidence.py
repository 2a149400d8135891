"""From what the workers tell to what the judge is shown, and to the evidence file.

One Trial for each canary in force whose model has guardrails.  It begins with the canary's
version, goes on when only the share changes, and is taken up again after a restart from the
snapshot and the lines on the disk.  Nothing here waits; time is an argument.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from proxy.errors import StateError
from proxy.judge import Evidence, Guardrails, Observation, Source
from proxy.judge.trial import Trial
from proxy.measure import Report, Tally, requests
from proxy.measure.tally import FAILURES, JUDGED
from proxy.routing.plan import ModelPlan
from proxy.steering.shares import Step, changes
from proxy.store import EvidenceWriter, Head, Recovered
from proxy.terms import Arm, Finding, Incident, Newcomers

log = logging.getLogger(__name__)

#: Seconds.  Counts alone change no verdict of harm: they are judged, and written, so often ...
COUNTS_EVERY: Final = 1.0
#: ... and of so many models in one tick; with more models than that, more seldom.
COUNTS_AT_ONCE: Final = 50
#: Of so many in any case, however many models have something else to be judged.
COUNTS_AT_LEAST: Final = 5
_FAILURES: Final = frozenset(FAILURES)
_JUDGED: Final = frozenset(JUDGED)


class Course(msgspec.Struct):
    """One trial as it runs, and what became known of it since the last Evidence."""

    trial: Trial
    guardrails: Guardrails
    version: str
    stable: str
    began: float
    share: float = 0.0
    slow: float | None = None
    failing: tuple[Finding, ...] = ()
    judged_at: float = -1.0
    recovered: bool = False
    steps: list[Step] = []  # the shares before the restart, where it was taken up again
    observations: list[Observation] = msgspec.field(default_factory=list)
    requests: dict[str, list[int]] = msgspec.field(default_factory=dict)
    newcomers: list[Newcomers] = msgspec.field(default_factory=list)
    dropped: int = 0
    seen: dict[str, int] = msgspec.field(default_factory=dict)  # source -> observations in all

    def judge(self, now: float) -> None:
        """Ask the trial what fails: all that a tick has to know."""
        self.failing, self.judged_at = self.trial.failing(now), now

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, in words, which is for people to read: made when they do."""
        return self.trial.findings(self.judged_at)


class Ended(msgspec.Struct, frozen=True):
    """What a model's last trial had found when it ended at ``at``: why its canary is gone."""

    guardrails: Guardrails
    version: str
    stable: str
    began: float
    at: float
    recovered: bool
    findings: tuple[Finding, ...]
    seen: dict[str, int]
    dropped: int


class Trials:
    """The trials of all models.  ``folder`` holds the evidence files; None: nothing is kept."""

    def __init__(self, folder: Path | None, clock: Callable[[], float]) -> None:
        self._courses: dict[str, Course] = {}
        self._ended: dict[str, Ended] = {}
        self._news: set[str] = set()  # models of which something was observed
        self._counted: dict[str, None] = {}  # of which more was counted, the longest waiting first
        self.writer = None if folder is None else EvidenceWriter(folder, self._head, clock=clock)

    # ---- a canary comes and goes

    def begin(self, model: ModelPlan, rules: Guardrails, now: float, recover: bool) -> None:
        """The canary of ``model`` comes into force; with ``recover`` it may have been before."""
        canary = model.canary
        assert canary is not None
        if not recover or not self._judges(rules):
            self.end(model.name, now)
        if not self._judges(rules):
            return
        course = self._recovered(model, rules) if recover else None
        if course is None:
            trial = Trial(rules, model.name, canary.version, model.stable, now)
            course = Course(trial, rules, canary.version, model.stable, now)
        self._courses[model.name] = course
        self.follow(model)
        course.judge(now)
        self._news.add(model.name)

    def follow(self, model: ModelPlan) -> None:
        """The same canary, with the share and the time limit that it has now."""
        course = self._courses.get(model.name)
        if course is not None and model.canary is not None:
            course.share = model.canary.percent / 100.0
            course.slow = model.watch.slow if model.watch is not None else None

    def end(self, name: str, now: float) -> None:
        """There is no such canary any more: nothing of it counts for another one."""
        self._news.discard(name)
        self._counted.pop(name, None)
        course = self._courses.pop(name, None)
        if course is None:
            return
        self._ended[name] = Ended(
            guardrails=course.guardrails,
            version=course.version,
            stable=course.stable,
            began=course.began,
            at=now,
            recovered=course.recovered,
            findings=course.findings,
            seen=course.seen,
            dropped=course.trial.dropped + course.dropped,
        )
        if self.writer is not None:
            self.writer.end(name, now)

    def keep(self, models: Container[str]) -> None:
        """Forget the last trials of models that the config does not have any more."""
        self._ended = {name: it for name, it in self._ended.items() if name in models}

    def change(self, model: ModelPlan, rules: Guardrails, now: float) -> None:
        """Other guardrails for the canary that there is."""
        course = self._courses.get(model.name)
        if course is None:
            if model.canary is not None and self._judges(rules):
                self.begin(model, rules, now, recover=False)
            return
        if course.guardrails == rules:
            return
        if not self._judges(rules):
            self.end(model.name, now)
            del self._ended[model.name]
            return
        self._flush(model.name, course, now)
        course.trial, course.guardrails = Trial.restore(rules, course.trial.snapshot()), rules
        course.judge(now)
        self._news.add(model.name)
        if self.writer is not None:
            self.writer.renew(model.name)

    @staticmethod
    def _judges(rules: Guardrails) -> bool:
        return bool(rules.rules) or rules.sample_ratio is not None

    def _recovered(self, model: ModelPlan, rules: Guardrails) -> Course | None:
        """What the disk holds of the trial of this canary against this stable version."""
        assert model.canary is not None
        if self.writer is None:
            return None
        version = model.canary.version
        try:
            found = self.writer.recover(model.name, version)
            if found is None or found.header.stable != model.stable:
                return None
            trial = _taken_up(found, rules)
        except (OSError, StateError, ValueError) as error:
            log.error("evidence of %s: cannot be used, the trial begins anew: %s",
                      model.name, error)  # fmt: skip
            return None
        began = found.header.began
        course = Course(trial, rules, version, model.stable, began, recovered=True)
        course.steps = changes(Step(it.at, round(it.share * 100, 2)) for it in found.lines)
        log.info("trial of %s %s: taken up again from a snapshot and %d lines of "
                 "evidence", model.name, version, len(found.lines))  # fmt: skip
        return course

    def _head(self, model: str, version: str) -> Head:
        """What stands at the head of a new evidence file; called by the writer within ``add``."""
        course = self._courses[model]
        return Head(course.trial.snapshot(), course.guardrails, course.began)

    # ---- what becomes known

    def report(self, report: Report, kept: Iterable[Tally]) -> None:
        """All that one worker told; ``kept`` are its tallies that are of the config."""
        if not self._courses:
            return
        for tally in kept:
            course = self._courses.get(tally.model)
            if course is not None:
                self._count(course, tally)
        hit: set[str] = set()
        for incident in report.incidents:
            course = self._courses.get(incident.model)
            if course is not None and self._is_of(course, incident.arm, incident.version):
                course.observations += observations(incident, course.slow)
                hit.add(incident.model)
        for newcomers in report.newcomers:
            course = self._courses.get(newcomers.model)
            if course is not None and newcomers.version == course.version:
                course.newcomers.append(newcomers)
                self._counted[newcomers.model] = None
        if report.incidents_dropped:
            hit = hit or set(self._courses)
            for name in hit:
                self._courses[name].dropped += report.incidents_dropped
        self._news |= hit

    def observe(self, model: str, seen: Iterable[Observation]) -> None:
        """What was seen elsewhere than by the workers: quality, KPIs, labels, signals."""
        course = self._courses.get(model)
        if course is not None:
            before = len(course.observations)
            course.observations += seen
            if len(course.observations) > before:
                self._news.add(model)

    @staticmethod
    def _is_of(course: Course, arm: str, version: str) -> bool:
        return (arm == Arm.CANARY and version == course.version) or (
            arm == Arm.STABLE and version == course.stable
        )

    def _count(self, course: Course, tally: Tally) -> None:
        n = requests(tally)
        if n and self._is_of(course, tally.arm, tally.version):
            counts = course.requests.get(tally.segment)
            if counts is None:
                counts = course.requests[tally.segment] = [0, 0]
            counts[tally.arm == Arm.STABLE] += n
            self._counted[tally.model] = None

    # ---- what follows

    def flush(self, now: float) -> list[str]:
        """Give the judge what became known; returns the models whose findings are new.

        Observations count on this very tick.  Requests and newcomers alone only move the rates,
        and wait for the second to be over.
        """
        ripe = sorted(self._news)
        room = max(COUNTS_AT_LEAST, COUNTS_AT_ONCE - len(ripe))
        for name in self._counted:
            course = self._courses.get(name)
            early = course is not None and abs(now - course.judged_at) < COUNTS_EVERY
            if early or not room:
                break
            if name not in self._news:
                ripe.append(name)
                room -= 1
        self._news.clear()
        changed = dict.fromkeys(name for name in ripe if name in self._courses)
        for name in ripe:
            self._counted.pop(name, None)
        for name in changed:
            course = self._courses[name]
            self._flush(name, course, now)
            course.judge(now)
        return list(changed)

    def _flush(self, name: str, course: Course, now: float) -> None:
        if not (course.observations or course.requests or course.newcomers or course.dropped):
            return
        evidence = Evidence(
            at=now,
            model=name,
            version=course.version,
            stable=course.stable,
            share=course.share,
            observations=tuple(course.observations),
            requests={segment: (n[0], n[1]) for segment, n in course.requests.items()},
            newcomers=tuple(course.newcomers),
            dropped=course.dropped,
        )
        for seen in course.observations:
            course.seen[seen.source] = course.seen.get(seen.source, 0) + 1
        course.observations, course.requests, course.newcomers = [], {}, []
        course.dropped = 0
        if self.writer is not None:
            self.writer.add(evidence)  # before the trial: its snapshot stands before the line
        course.trial.add(evidence)

    def course(self, name: str) -> Course | None:
        """The trial of a model's canary, to be looked at."""
        return self._courses.get(name)

    def ended(self, name: str) -> Ended | None:
        """The model's last trial, while there is no other one."""
        return None if name in self._courses else self._ended.get(name)

    def findings(self, name: str) -> tuple[Finding, ...]:
        course = self._courses.get(name)
        return course.findings if course is not None else ()

    def running(self) -> Iterator[tuple[str, Course]]:
        yield from list(self._courses.items())

    def close(self, now: float) -> None:
        """Hand over what waits, and let the writer finish.  Blocks: call it in a thread."""
        for name in {*self._news, *self._counted}:
            course = self._courses.get(name)
            if course is not None:
                self._flush(name, course, now)
        if self.writer is not None:
            self.writer.close()


def _taken_up(found: Recovered, rules: Guardrails) -> Trial:
    """The trial as it was, by the guardrails that held then; what of ``rules`` is another one
    since begins afresh.  ValueError when it is of another kind."""
    header = found.header
    if found.snapshot is None:
        trial = Trial(header.guardrails, header.model, header.version, header.stable, header.began)
    else:
        trial = Trial.restore(header.guardrails, found.snapshot)
    for line in found.lines:
        trial.add(line)
    if header.guardrails != rules:
        trial = Trial.restore(rules, trial.snapshot())
    return trial


def observations(incident: Incident, slow: float | None) -> Iterator[Observation]:
    """What one exchange counts as: a failure, a slow answer, one that stable gave instead.

    ``slow`` in seconds is the least time limit that any guardrail names.
    """
    arm, outcome = Arm(incident.arm), incident.outcome

    def seen(source: Source, name: str, value: float = 1.0) -> Observation:
        return Observation(
            source=source,
            arm=arm,
            share=incident.share,
            customer=incident.customer,
            at=incident.at,
            name=name,
            value=value,
            segments=incident.segments,
        )

    if outcome in _FAILURES:
        yield seen(Source.ERROR, outcome)
    if slow is not None and incident.seconds > slow and outcome in _JUDGED:
        yield seen(Source.SLOW, "", incident.seconds)
    if incident.fallback:
        yield seen(Source.FALLBACK, outcome)
