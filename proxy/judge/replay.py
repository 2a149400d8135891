"""Recorded evidence through a trial once more: would this rule have fired, and when?

Pure: lines in, moments out.  Where the lines come from is the caller's business.
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.judge.evidence import Evidence
from proxy.judge.trial import Trial
from proxy.terms import Finding, Verdict

#: Points of a path that are kept; twice as many, and every other one goes.
_MOST_POINTS: Final = 4096


class Moment(msgspec.Struct, frozen=True):
    """A check came to another verdict.  ``seconds`` since the canary began."""

    seconds: float
    at: float  # seconds since the epoch
    check: str
    verdict: str  # not_yet | inconclusive | pass | fail
    effect: str  # of a fail: revert | hold | none
    message: str
    numbers: dict[str, float]


class Replayed(msgspec.Struct, frozen=True):
    """One trial.  ``reverted`` and ``held``: the first moment that would have; None: none.

    ``paths``: check -> (seconds since the canary began, log of the e-value), for drawing.
    """

    model: str
    version: str
    stable: str
    began: float
    seconds: float  # until the last line
    lines: int
    reverted: Moment | None
    held: Moment | None
    timeline: tuple[Moment, ...]
    findings: tuple[Finding, ...]  # as they stand after the last line
    paths: dict[str, tuple[tuple[float, float], ...]]


class Replay:
    """Feeds a trial and takes down what changes.

    ``first_line``: so many lines of the trial came before the first that is replayed.
    """

    def __init__(self, trial: Trial, first_line: int = 0) -> None:
        self.trial = trial
        self.first_line = first_line
        self.lines = 0
        self._until = trial.began
        self._timeline: list[Moment] = []
        self._verdicts: dict[str, Verdict] = {}
        self._paths: dict[str, list[tuple[float, float]]] = {}
        self._findings: tuple[Finding, ...] = ()

    def add(self, line: Evidence) -> None:
        """One line.  ValueError for another canary's."""
        self.trial.add(line)
        self.lines += 1
        self._until = max(self._until, line.at)
        found = self.trial.findings(line.at)
        before = {finding.check: finding for finding in self._findings}
        for finding in found:
            if finding is not before.get(finding.check):
                self._note(finding, line.at)
        self._findings = found

    def result(self) -> Replayed:
        trial = self.trial
        moments = [it for it in self._timeline if it.verdict == "fail"]
        return Replayed(
            trial.model,
            trial.version,
            trial.stable,
            trial.began,
            self._until - trial.began,
            self.lines,
            next((it for it in moments if it.effect == "revert"), None),
            next((it for it in moments if it.effect == "hold"), None),
            tuple(self._timeline),
            self._findings,
            {check: tuple(path) for check, path in self._paths.items()},
        )

    def _note(self, finding: Finding, at: float) -> None:
        seconds = at - self.trial.began
        if "log_e" in finding.numbers:
            path = self._paths.setdefault(finding.check, [])
            path.append((seconds, finding.numbers["log_e"]))
            if len(path) >= 2 * _MOST_POINTS:
                path[:] = thinned(path)
        if self._verdicts.get(finding.check) is not finding.verdict:
            self._verdicts[finding.check] = finding.verdict
            self._timeline.append(
                Moment(
                    seconds,
                    at,
                    finding.check,
                    finding.verdict.name.lower(),
                    finding.effect,
                    finding.message,
                    finding.numbers,
                )
            )


def thinned(path: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of every two neighbours the higher, and the last as it is: no crossing is lost."""
    pairs = zip(path[0:-1:2], path[1:-1:2], strict=False)
    return [*(max(pair, key=lambda it: it[1]) for pair in pairs), path[-1]]
