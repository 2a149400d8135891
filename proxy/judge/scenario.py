"""What is simulated: one canary release in numbers, from the customers to the looks.

Rates and shares run from 0 to 1, times are seconds.  Plain data; the draw is in simulate.py.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Activity = Literal["even", "log-normal", "pareto"]

#: More than this and a release's draw no longer fits comfortably into memory.
MOST_CUSTOMERS: Final = 5_000_000
MOST_TICKS: Final = 1_000_000


class Step(msgspec.Struct, frozen=True):
    """So long the canary has this share of the customers."""

    share: float
    seconds: float


class Scenario(msgspec.Struct, frozen=True):
    """One release.  ValueError says which number is out of range, and what is allowed.

    With ``customers`` None every request comes from another customer.  ``activity`` is how
    requests spread over customers: evenly, log-normal with sigma ``spread``, or Pareto with shape
    ``spread``.  A request fails with chance ``base_rate`` (times ``effect`` in the canary), and
    whenever one does, its customer fails ``failures`` times in a row: the retries.  ``drift`` is
    the base rate at the end over that at the beginning, for both arms, geometric in between.
    ``tick`` is the time between two looks.
    """

    base_rate: float = 0.01
    effect: float = 1.0
    customers: int | None = 10_000
    requests_per_second: float = 20.0
    activity: Activity = "log-normal"
    spread: float = 1.5
    failures: int = 1
    drift: float = 1.0
    steps: tuple[Step, ...] = (Step(0.05, 7200.0),)
    tick: float = 10.0

    def __post_init__(self) -> None:
        _within("base_rate", self.base_rate, 0.0, 1.0)
        _within("effect", self.effect, 0.0, 1e6)
        _within("requests_per_second", self.requests_per_second, 1e-6, 1e9)
        _within("failures", self.failures, 1, 1000)
        _within("drift", self.drift, 1e-3, 1e3)
        _within("tick", self.tick, 1e-3, 1e6)
        if self.customers is not None:
            _within("customers", self.customers, 2, MOST_CUSTOMERS)
        if self.activity not in get_args(Activity):
            allowed = ", ".join(get_args(Activity))
            raise ValueError(f"activity {self.activity!r}: must be one of {allowed}")
        if self.activity == "pareto":
            _within("spread", self.spread, 1.01, 100.0, " for pareto: under it no mean exists")
        else:
            _within("spread", self.spread, 0.0, 5.0)
        worst = self.base_rate * max(1.0, self.effect) * max(1.0, self.drift)
        if worst > 1.0:
            raise ValueError(
                f"base_rate x effect x drift is {worst:g}: a share of requests, at most 1"
            )
        self._check_steps()

    def _check_steps(self) -> None:
        if not self.steps:
            raise ValueError("steps: found none; allowed is one share or more")
        for step in self.steps:
            _within("share", step.share, 1e-4, 0.9999)
            _within("seconds of a step", step.seconds, self.tick, 1e9)
        shares = [step.share for step in self.steps]
        if shares != sorted(shares):
            said = ", ".join(f"{share:g}" for share in shares)
            raise ValueError(f"shares {said}: each must be at least the one before it")
        if self.ticks > MOST_TICKS:
            raise ValueError(f"{self.ticks} looks: at most {MOST_TICKS}; take a longer tick")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Each step's number of ticks, at least one."""
        return tuple(max(1, round(step.seconds / self.tick)) for step in self.steps)

    @property
    def ticks(self) -> int:
        return sum(self.lengths)

    @property
    def per_tick(self) -> float:
        """Requests of all customers together in one tick, without the retries."""
        return self.requests_per_second * self.tick


def _within(name: str, value: float, low: float, high: float, why: str = "") -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} {value:g}: must be from {low:g} to {high:g}{why}")
