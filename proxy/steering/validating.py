"""After a revert: whether stable is well again, looked at once, at a fixed moment.

The deadline stands in the history with the revert, so it outlives the desk; what was counted
before a restart does not, and the finding says since when it was counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from proxy.judge import Source
from proxy.judge.recovery import Figures, Result, compare, result
from proxy.measure import Tally
from proxy.routing.plan import ModelPlan
from proxy.steering.baseline import Mark, Marks
from proxy.steering.carry import Carrying
from proxy.steering.held import Held
from proxy.store import Entry, Event, State, finite
from proxy.terms import Arm, Finding

log = logging.getLogger(__name__)

#: Who looks.
AUTOMATIC: Final = "pointsman"
#: Most findings that an entry of the history holds in full; the worst are kept.
MOST_FINDINGS: Final = 40


class Watch(msgspec.Struct):
    """One revert whose outcome is open.  Times are seconds since the epoch."""

    model: str
    version: str  # that was reverted
    at: float
    until: float
    baseline: Figures | None
    mark: Mark | None = None  # from here on is counted; None until stable's plan is known


class Validating:
    """Takes baselines, watches after reverts, and closes them with their numbers."""

    def __init__(self, held: Held, carrying: Carrying, state: State, now: float) -> None:
        self._held = held
        self._carrying = carrying
        self._marks = Marks(held.totals)
        self._baselines: dict[str, tuple[str, float, Figures]] = {}
        self.watches: dict[str, Watch] = {}
        self.closed: dict[str, Entry] = dict(state.validated)
        for name, entry in state.baselines.items():
            found = _figures(entry)
            if found is not None:
                self._baselines[name] = entry.version, entry.at, found
        for entry in state.validating.values():
            self._watch(entry)

    # ---- what is counted

    def counted(self, tallies: Iterable[Tally], now: float) -> None:
        """Something of these series was counted."""
        held = self._held
        for name in {it.model for it in tallies if it.arm == Arm.STABLE and not it.segment}:
            policy, model = held.rules.validations.get(name), held.effective(name)
            if policy is not None and model is not None:
                self._marks.follow(model, policy, now)

    def count_kpi(self, model: str, name: str) -> None:
        if model in self._held.rules.validations:
            self._marks.count_kpi(model, name)

    # ---- a canary begins, a canary goes

    def began(self, model: ModelPlan, now: float) -> None:
        """A canary comes into force: keep what stable did until now."""
        assert model.canary is not None
        before = self._baselines.pop(model.name, None)
        policy = self._held.rules.validations.get(model.name)
        found = self._marks.baseline(model, policy, now) if policy is not None else None
        if found is not None and found.segments:
            self._baselines[model.name] = model.canary.version, now, found
        elif before is None:
            return
        self._carrying.record(
            Entry(
                event=Event.BASELINE,
                at=now,
                actor=AUTOMATIC,
                model=model.name,
                version=model.canary.version,
                after=None if found is None else msgspec.to_builtins(found),
                message=_told(model, found),
            )
        )

    def reverted(self, entry: Entry, now: float) -> None:
        """A canary was taken out; watched when ``entry`` says until when.

        One that is still watched is closed: from now on stable serves another canary's customers
        as well.
        """
        before = self.watches.get(entry.model)
        if before is not None and before.version != entry.version:
            said = f"version {entry.version} was reverted before the time"
            self._close(before, "inconclusive", (), said, now)
        if entry.after is not None and "validate_until" in entry.after:
            self._watch(entry)

    def cleared(self, model: str, version: str, now: float) -> None:
        """The reverted version may come back: what stable does is no answer any more."""
        watch = self.watches.get(model)
        if watch is not None and watch.version == version:
            self._close(watch, "inconclusive", (), "the version was let back before the time", now)

    def _watch(self, entry: Entry) -> None:
        after = entry.after or {}
        at = float(after.get("at", entry.at))
        version, _, baseline = self._baselines.get(entry.model) or ("", 0.0, None)
        self.watches[entry.model] = Watch(
            model=entry.model,
            version=entry.version,
            at=at,
            until=float(after["validate_until"]),
            baseline=baseline if version == entry.version else None,
        )

    # ---- time goes on

    def tick(self, now: float) -> None:
        """Take up what began and what went; close those whose time is over."""
        held = self._held
        while held.begun:
            if (begun := held.in_force.get(held.begun.pop())) is not None:
                self.began(begun, now)
        while held.taken_out:
            self.reverted(held.taken_out.pop(0), now)
        for watch in list(self.watches.values()):
            model = self._held.effective(watch.model)
            if model is None:
                self._close(watch, "inconclusive", (), "the model has left the config", now)
            elif watch.mark is None:
                watch.mark = self._marks.mark(model, now)
            if model is not None and now >= watch.until:
                self._judge(watch, model, now)

    def _judge(self, watch: Watch, model: ModelPlan, now: float) -> None:
        policy = self._held.rules.validations.get(watch.model)
        if policy is None:
            self._close(watch, "inconclusive", (), "validation was switched off", now)
            return
        assert watch.mark is not None
        figures = self._marks.since(watch.mark, model, now)
        if figures is None:
            self._close(watch, "inconclusive", (), "another version is stable now", now)
            return
        rules = self._held.rules.guardrails[watch.model].rules
        directions = {it.of: it.direction for it in rules if it.source is Source.KPI}
        findings = compare(policy, watch.baseline, figures, dict(directions))
        said = next((it.message for it in findings), "nothing was counted")
        worst = max(findings, key=lambda it: it.verdict, default=None)
        if worst is not None and result(findings) != "recovered":
            said = worst.message
        if watch.mark.at > watch.at + 2.0:
            said += f"; counted only in the last {figures.seconds:.0f} s, since a restart"
        self._close(watch, result(findings), findings, said, now)

    def _close(
        self,
        watch: Watch,
        outcome: Result,
        findings: tuple[Finding, ...],
        said: str,
        now: float,
    ) -> None:
        del self.watches[watch.model]
        kept = sorted(findings, key=lambda it: -it.verdict)[:MOST_FINDINGS]
        entry = self._carrying.record(
            Entry(
                event=Event.VALIDATED,
                at=now,
                actor=AUTOMATIC,
                model=watch.model,
                version=watch.version,
                before={"reverted_at": watch.at, "until": watch.until},
                after={"result": outcome, "findings": [_words(it) for it in kept]},
                reason=outcome,
                message=said,
                numbers=finite(kept[0].numbers) if kept else {},
            )
        )
        self.closed[watch.model] = entry
        level = logging.ERROR if outcome == "not_recovered" else logging.WARNING
        log.log(
            level, "validation of the revert of %s %s: %s: %s",
            watch.model, watch.version, outcome.replace("_", " "), said,
        )  # fmt: skip

    def keep(self) -> None:
        """Forget the models that have left the config."""
        models = self._held.rules.models
        self._marks.keep(models)
        for held in (self._baselines, self.closed):
            for name in [name for name in held if name not in models]:
                del held[name]


def _words(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.name.lower(),
        "message": finding.message,
        "numbers": finite(finding.numbers),
    }


def _figures(entry: Entry) -> Figures | None:
    if entry.after is None:
        return None
    try:
        return msgspec.convert(entry.after, Figures)
    except msgspec.ValidationError:
        log.error("history: the baseline of %s cannot be read; its revert will be inconclusive",
                  entry.model)  # fmt: skip
        return None


def _told(model: ModelPlan, found: Figures | None) -> str:
    if found is None or "" not in found.segments:
        return f"nothing is known of stable {model.stable} before the canary"
    everyone = found.segments[""]
    return (
        f"stable {model.stable} failed {everyone.errors} of {everyone.requests} requests in the "
        f"{found.seconds:.0f} s before the canary"
    )
