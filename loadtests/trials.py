"""What the statistical judge costs in one tick; ``python -m loadtests.trials``.

Fifty models with six guardrails, each of them judged for everyone and for eight segments: 2,700
hypotheses.  At the worst every one of them has a bad event in the same tick.  Measured in one
process with the real classes; the figures are those that docs/scale.md quotes.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from proxy.judge import Evidence, Guardrail, Guardrails, Observation, Source, Trial
from proxy.terms import Arm, Newcomers

MODELS: Final = 50
SEGMENTS: Final = tuple(f"region=r{it}" for it in range(8))
SOURCES: Final = (
    Source.ERROR, Source.SLOW, Source.BAD_INPUT, Source.BAD_OUTPUT, Source.KPI, Source.LABEL,
)  # fmt: skip
SHARES: Final = (0.01, 0.05, 0.1)  # that a canary has had; the last one now
TICKS: Final = 15  # at each share before anything is measured
ROUNDS: Final = 7
REQUESTS: Final = {"": (100, 900), **dict.fromkeys(SEGMENTS, (12, 112))}


class Cost(NamedTuple):
    """CPU milliseconds of one tick over all models: the median, and the worst of the rounds."""

    said: str
    median: float
    worst: float


class World:
    """Trials of healthy canaries, and evidence for them.  (Harmful ones are gone after a tick.)"""

    def __init__(self) -> None:
        rules = tuple(Guardrail(it.value, it, segments=SEGMENTS) for it in SOURCES)
        self.trials = [Trial(Guardrails(rules), "m", "2", "1", 0.0) for _ in range(MODELS)]
        self._chance = random.Random(11)
        self._customers = 0
        for share in SHARES:
            for _ in range(TICKS):
                self.add(self.news(share))

    def news(self, share: float, events: bool = True) -> list[Evidence]:
        """A tick's evidence for each model; with a bad event for every hypothesis, or none."""
        return [self._line(share, events) for _ in self.trials]

    def add(self, lines: list[Evidence]) -> None:
        for trial, line in zip(self.trials, lines, strict=True):
            trial.add(line)

    def failing(self) -> int:
        return sum(len(trial.failing(0.0)) for trial in self.trials)

    def findings(self) -> int:
        return sum(len(trial.findings(0.0)) for trial in self.trials)

    def _line(self, share: float, events: bool) -> Evidence:
        seen = tuple(self._observations(share)) if events else ()
        canary = sum(self._chance.random() < share for _ in range(50))
        came = Newcomers("m", "2", share, 0, self._people(canary), self._people(50 - canary))
        return Evidence(0.0, "m", "2", "1", share, seen, REQUESTS, (came,))

    def _observations(self, share: float) -> Iterator[Observation]:
        for source in SOURCES:
            for segment in SEGMENTS:
                arm = Arm.CANARY if self._chance.random() < share else Arm.STABLE
                ((customer, _),) = self._people(1)
                yield Observation(source, arm, share, customer, 0.0, segments=(segment,))

    def _people(self, n: int) -> tuple[tuple[str, int], ...]:
        self._customers += n
        who = range(self._customers - n + 1, self._customers + 1)
        return tuple((f"{it:016x}", (it & -it).bit_length() - 1) for it in who)


def _measured(world: World, events: bool, told: bool) -> list[float]:
    """Milliseconds of each round; ``told``: the findings are put into words as well."""
    spent = []
    for _ in range(ROUNDS):
        lines = world.news(SHARES[-1], events)
        gc.collect()
        start = time.process_time_ns()
        world.add(lines)
        world.failing()
        if told:
            world.findings()
        spent.append((time.process_time_ns() - start) / 1e6)
    return sorted(spent)


def costs() -> list[Cost]:
    rows = []
    world = World()
    for events, what in (
        (False, "requests and customers"),
        (True, "a bad event for every hypothesis as well"),
    ):
        for told, how in ((False, "judged"), (True, "judged, and all findings put into words")):
            spent = _measured(world, events, told)
            rows.append(Cost(f"{what}: {how}", spent[len(spent) // 2], spent[-1]))
    return rows


def main() -> None:
    hypotheses = MODELS * len(SOURCES) * (1 + len(SEGMENTS))
    print(f"One tick over {MODELS} models, {hypotheses:,} hypotheses, CPU\n")
    print("| what came | median | worst |\n| --- | --- | --- |")
    for cost in costs():
        print(f"| {cost.said} | {cost.median:.1f} ms | {cost.worst:.1f} ms |")


if __name__ == "__main__":
    main()
