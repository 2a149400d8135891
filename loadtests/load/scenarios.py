"""The scenarios.  Read this first.

Each is data: how many callers when, what is done to the proxy or its upstreams meanwhile (by
name; ``acts.py`` does it), and which figures it has beside those that all have (``measures.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from loadtests.load.job import Stage

#: Seconds at the start in which connections open and code warms up; only errors count then.
WARM_UP: Final = 2.0
#: Seconds at the end in which the same holds: ending its callers, Locust is slow to read answers.
COOL_DOWN: Final = 0.5


class Needs(StrEnum):
    """What a scenario must be able to do besides calling."""

    NOTHING = "nothing more"
    ADMIN = "the admin address"
    HOUSE = "upstreams of our own"


class Act(StrEnum):
    """What is done while the callers call."""

    NOTHING = "nothing"
    SHADOW = "shadow"  # a shadow comes and goes
    FAILING = "failing"  # the canary goes bad
    RELOADS = "reloads"  # the config is edited again and again


@dataclass(frozen=True, slots=True)
class Load:
    """A stretch of the run: its share of the time, and times the usual callers."""

    phase: str
    share: float
    times: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load test; ``phases`` are the names that its budget may use."""

    name: str
    does: str
    loads: tuple[Load, ...] = (Load("steady", 1.0, 1.0),)
    act: Act = Act.NOTHING
    needs: Needs = Needs.NOTHING
    act_phases: tuple[str, ...] = ()
    seconds: float = 20.0
    users: int = 40  # on each way
    rate: float = 100.0  # requests a second on each way
    stream: bool = False
    trial: str = ""  # what becomes of the version on trial
    figures: tuple[str, ...] = ()  # rows that only this one has

    @property
    def phases(self) -> tuple[str, ...]:
        return self.act_phases or tuple(load.phase for load in self.loads)

    def stages(self, seconds: float, users: int) -> list[Stage]:
        """The callers' numbers over a run of ``seconds``, with what comes before and after it."""
        stages = [
            Stage(load.share * seconds, max(1, round(users * load.times))) for load in self.loads
        ]
        first, last = stages[0].users, stages[-1].users
        return [Stage(WARM_UP, first), *stages, Stage(COOL_DOWN, last)]


_SHADOW_FIGURES: Final = ("copies", *(f"shadow_adds_{p}_ms" for p in ("p50", "p95", "p99")))

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("steady", "the same load all the time"),
        Scenario(
            "ramp",
            "the load doubles, and doubles again",
            loads=(Load("low", 0.33, 0.5), Load("middle", 0.33, 1.0), Load("high", 0.34, 2.0)),
        ),
        Scenario(
            "spike",
            "three times the callers at once, then back",
            loads=(Load("before", 0.35, 1.0), Load("spike", 0.3, 3.0), Load("after", 0.35, 1.0)),
        ),
        Scenario(
            "slow-shadow",
            "a shadow that takes 1.5 s for each copy comes and goes",
            act=Act.SHADOW,
            needs=Needs.HOUSE,
            act_phases=("alone", "shadowed"),
            trial="slow",
            figures=_SHADOW_FIGURES,
        ),
        Scenario(
            "hung-shadow",
            "a shadow that never answers comes and goes",
            act=Act.SHADOW,
            needs=Needs.HOUSE,
            act_phases=("alone", "shadowed"),
            trial="hung",
            figures=_SHADOW_FIGURES,
        ),
        Scenario(
            "failing-canary",
            "the canary of 20 % begins to fail every second request",
            act=Act.FAILING,
            needs=Needs.HOUSE,
            act_phases=("good", "failing"),
            figures=(
                "reverts",
                "revert_seconds",
                "canary_answers",
                "errors_elsewhere",
                "errors_after_revert",
                "answers_after_revert",
            ),
        ),
        Scenario(
            "reload-storm",
            "the config is edited twice a second, now and then into nonsense",
            act=Act.RELOADS,
            needs=Needs.ADMIN,
            act_phases=("storm",),
            figures=("reloads",),
        ),
        Scenario(
            "long-streams",
            "answers of 40 events over two seconds",
            users=20,
            rate=8.0,
            stream=True,
            figures=(
                "truncated_streams",
                *(f"added_first_event_{p}_ms" for p in ("p50", "p95", "p99")),
                *(f"added_gap_{p}_ms" for p in ("p50", "p95", "p99")),
            ),
        ),
    )
}
