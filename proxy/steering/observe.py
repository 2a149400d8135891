"""What the workers report, kept for as long as somebody may ask: the last minutes.

Time is an argument.  Who asks is the judge, by the thresholds of the model, and ``view.py``.
Nobody asks for segments; their totals are counted in ``totals.py``.  A canary's windows begin
afresh when it enters, so that what it did in an earlier life is not held against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from proxy.judge import OFF, Thresholds
from proxy.measure import SPAN, Decisions, ModelTally, Spans, Steady, Tally, Window, errors
from proxy.routing.plan import Plan
from proxy.terms import Arm

#: (model, version, arm)
Series = tuple[str, str, str]

#: Seconds that ``view`` says an arm's numbers over.
ARM_SECONDS: Final = 60.0

#: The share is said over the longest of these that the present split has lasted, so that the
#: share before the last change is never in it.
SHARE_SECONDS: Final = (300.0, 60.0, 20.0, 5.0, 2.0)

_SHADOW: Final = Spans(ARM_SECONDS, ARM_SECONDS, ARM_SECONDS)
_COPIES: Final = frozenset({Arm.SHADOW.value, Arm.NOISE.value})
_GRACE: Final = 5.0  # seconds beyond the longest span: what was silent for so long is empty


def spans(thresholds: Thresholds) -> Spans:
    """For how long the windows of a model's live arms must remember."""
    return Spans(
        counts=max(SHARE_SECONDS[0], ARM_SECONDS, thresholds.counts_window),
        totals=max(ARM_SECONDS, thresholds.totals_window),
        first_bytes=ARM_SECONDS,
    )


class Runs:
    """The longest run of a canary's failures in any one worker, since it became canary.

    A worker counts a run on across reports, also across the canary's absence.  A run cannot be
    longer than the failures since the beginning, so that is the bound that cuts old ones off.
    """

    def __init__(self) -> None:
        self.longest = 0
        self._failures: dict[int, int] = {}

    def add(self, worker: int, tally: Tally) -> None:
        failures = self._failures.get(worker, 0) + errors(tally)
        self._failures[worker] = failures
        self.longest = max(self.longest, min(tally.longest_streak, failures))

    def lost(self, worker: int) -> None:
        """A successor under the same number begins at nought."""
        self._failures.pop(worker, None)


class Observed:
    """The windows by series, the decisions by model, and the runs of the present canaries."""

    def __init__(self) -> None:
        self._windows: dict[Series, Window] = {}
        self._decisions: dict[str, Decisions] = {}
        self._runs: dict[str, tuple[str, Runs]] = {}  # model -> its canary and the runs
        self._spans: dict[str, Spans] = {}  # model -> of its live arms
        self._clock = Steady()
        #: What has slots, by when it was last added to, the longest silent first.
        self._busy: dict[Window | Decisions, float] = {}

    def steady(self, now: float) -> float:
        """``now`` on the clock of all windows, which never goes back."""
        return self._clock.at(now)

    def add(
        self,
        worker: int,
        tallies: Iterable[Tally],
        models: Iterable[ModelTally],
        now: float,
    ) -> set[str]:
        """Take in one worker's report; returns the models that it is about."""
        now = self._clock.at(now)
        about: set[str] = set()
        for tally in tallies:
            about.add(tally.model)
            if tally.segment:
                continue
            window = self._window((tally.model, tally.version, tally.arm))
            window.add(tally, now)
            self._heard(window, now)
            canary, runs = self._runs.get(tally.model) or ("", None)
            if runs is not None and tally.arm == Arm.CANARY and tally.version == canary:
                runs.add(worker, tally)
        for counts in models:
            about.add(counts.model)
            if counts.customers:
                decisions = self._decisions.get(counts.model)
                if decisions is None:
                    decisions = self._decisions[counts.model] = Decisions(SHARE_SECONDS[0])
                decisions.add(counts.customers, now)
                self._heard(decisions, now)
        return about

    def forget(self, now: float) -> None:
        """Let go of what nothing was added to for so long that nobody may ask for it."""
        now = self._clock.at(now)
        while self._busy:
            found, heard = next(iter(self._busy.items()))
            if now - heard <= SPAN + _GRACE:
                return
            del self._busy[found]
            found.forget(now)

    def begin(self, model: str, version: str) -> None:
        """``version`` becomes the canary of ``model``: what it did before is forgotten."""
        window = self._windows.pop((model, version, Arm.CANARY), None)
        if window is not None:
            self._busy.pop(window, None)
        self._runs[model] = version, Runs()

    def end(self, model: str) -> None:
        """The canary of ``model`` is none any more; its windows stay, to be looked at."""
        self._runs.pop(model, None)

    def keep(self, plan: Plan, thresholds: Mapping[str, Thresholds]) -> None:
        """Forget all that is about models and versions that ``plan`` does not have; remember the
        rest for as long as these thresholds ask."""
        versions = {(m.name, v.name) for m in plan.models for v in m.versions}
        self._spans = {m.name: spans(thresholds.get(m.name, OFF)) for m in plan.models}
        self._windows = {k: w for k, w in self._windows.items() if k[:2] in versions}
        self._decisions = {k: w for k, w in self._decisions.items() if k in self._spans}
        self._runs = {k: r for k, r in self._runs.items() if (k, r[0]) in versions}
        for series, window in self._windows.items():
            window.reach(self._spans_of(series))
        kept = {*self._windows.values(), *self._decisions.values()}
        self._busy = {it: heard for it, heard in self._busy.items() if it in kept}

    def lost(self, worker: int) -> None:
        for _, runs in self._runs.values():
            runs.lost(worker)

    def window(self, model: str, version: str, arm: Arm) -> Window:
        """What everybody's requests did there; empty when there were none."""
        return self._windows.get((model, version, arm)) or Window()

    def tally(self, model: str, version: str, arm: Arm, seconds: float, now: float) -> Tally:
        """The sum over the last ``seconds``, with its names whether anything came or not."""
        found = self._windows.get((model, version, arm))
        return found.over(seconds, self.steady(now)) if found else Tally(model, version, arm)

    def counts(self, model: str, version: str, arm: Arm, seconds: float, now: float) -> Tally:
        """Of ``tally`` only the outcomes, which are remembered for longer."""
        found = self._windows.get((model, version, arm))
        return found.counts(seconds, self.steady(now)) if found else Tally(model, version, arm)

    def decisions(self, model: str, seconds: float, now: float) -> dict[str, int]:
        """Arm -> how many customers of ``model`` it was given in the last ``seconds``."""
        found = self._decisions.get(model)
        return found.over(seconds, self.steady(now)) if found else {}

    def longest_run(self, model: str, version: str) -> int:
        canary, runs = self._runs.get(model) or ("", None)
        return runs.longest if runs is not None and canary == version else 0

    def _window(self, series: Series) -> Window:
        found = self._windows.get(series)
        if found is None:
            found = self._windows[series] = Window(self._spans_of(series))
        return found

    def _spans_of(self, series: Series) -> Spans:
        return _SHADOW if series[2] in _COPIES else self._spans.get(series[0]) or spans(OFF)

    def _heard(self, it: Window | Decisions, now: float) -> None:
        self._busy.pop(it, None)
        self._busy[it] = now
