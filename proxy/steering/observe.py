"""What the workers report, kept for as long as somebody may ask: the last minutes.

Time is an argument.  Windows that a judge may ask for reach back a quarter of an hour, those of
segments and shadows two minutes; all are rings of bounded size.  A canary's windows begin afresh
when it enters, so that what it did in an earlier life is not held against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from proxy.measure import SPAN, ModelTally, ModelWindow, Tally, Window, errors
from proxy.routing.plan import Plan
from proxy.steering.totals import Series, series_of
from proxy.terms import Arm

SHORT_SPAN: Final = 120.0  # seconds


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
        self._decisions: dict[str, ModelWindow] = {}
        self._runs: dict[tuple[str, str], Runs] = {}

    def add(
        self,
        worker: int,
        tallies: Iterable[Tally],
        models: Iterable[ModelTally],
        now: float,
    ) -> set[str]:
        """Take in one worker's report; returns the models that it is about."""
        about: set[str] = set()
        for tally in tallies:
            about.add(tally.model)
            self._window(series_of(tally)).add(tally, now)
            runs = self._runs.get((tally.model, tally.version))
            if runs is not None and tally.arm == Arm.CANARY and not tally.segment:
                runs.add(worker, tally)
        for counts in models:
            about.add(counts.model)
            self._decisions.setdefault(counts.model, ModelWindow()).add(counts, now)
        return about

    def begin(self, model: str, version: str) -> None:
        """``version`` becomes the canary of ``model``: what it did before is forgotten."""
        self.end(model)
        for key in [key for key in self._windows if key[:3] == (model, version, Arm.CANARY)]:
            del self._windows[key]
        self._runs[model, version] = Runs()

    def end(self, model: str) -> None:
        """The canary of ``model`` is none any more; its windows stay, to be looked at."""
        for key in [key for key in self._runs if key[0] == model]:
            del self._runs[key]

    def keep(self, plan: Plan) -> None:
        """Forget all that is about models and versions that ``plan`` does not have."""
        models = {model.name for model in plan.models}
        versions = {(m.name, v.name) for m in plan.models for v in m.versions}
        self._windows = {k: w for k, w in self._windows.items() if k[:2] in versions}
        self._decisions = {k: w for k, w in self._decisions.items() if k in models}
        self._runs = {k: r for k, r in self._runs.items() if k in versions}

    def lost(self, worker: int) -> None:
        for runs in self._runs.values():
            runs.lost(worker)

    def window(self, model: str, version: str, arm: Arm) -> Window:
        """What everybody's requests did there; empty when there were none."""
        return self._windows.get((model, version, arm, "")) or Window()

    def tally(self, model: str, version: str, arm: Arm, seconds: float, now: float) -> Tally:
        """The sum over the last ``seconds``, with its names whether anything came or not."""
        found = self._windows.get((model, version, arm, ""))
        return found.over(seconds, now) if found else Tally(model, version, arm)

    def decisions(self, model: str, seconds: float, now: float) -> ModelTally:
        """What was decided for ``model`` in the last ``seconds``."""
        found = self._decisions.get(model)
        return found.over(seconds, now) if found else ModelTally(model)

    def longest_run(self, model: str, version: str) -> int:
        runs = self._runs.get((model, version))
        return runs.longest if runs else 0

    def _window(self, series: Series) -> Window:
        found = self._windows.get(series)
        if found is None:
            short = bool(series[3]) or series[2] == Arm.SHADOW
            found = self._windows[series] = Window(SHORT_SPAN if short else SPAN)
        return found
