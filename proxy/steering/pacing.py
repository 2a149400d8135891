"""How much comparing there is time for: a budget of CPU, and a share of the customers that fits.

Pure: time is an argument, and what was spent is told.
"""

from __future__ import annotations

from typing import Final

#: Of the budget, what pairs may take; figures and files have the rest.
FOR_PAIRS: Final = 0.8
#: Seconds between two looks at what came.
SETTLE_EVERY: Final = 0.5
#: The share of customers never falls below it: a comparison of nobody says nothing.
LEAST: Final = 0.001
#: Smaller changes of it are not made, and no larger ones at once upwards.
_STEP: Final = 1.1
_UP: Final = 1.25
#: After a crowd: what is left of the rate, and how fast more is dared again.
_BACK: Final = 0.7
_DARE: Final = 1.03
#: How fast the cost of a pair is learned: a part of the difference at each look.
_LEARNING: Final = 0.3
#: The longest pause: labels and stops are not to wait for longer.
_LONGEST: Final = 0.5


class Pacing:
    """``budget``, 0 to 1, is the share of one core.  ``rate``, 0 to 1, that of the customers
    whose pairs there is time for."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.rate = 1.0
        self._cost = 0.0  # seconds a pair
        self._offered = 0
        self._done = 0
        self._spent = 0.0
        self._debt = 0.0
        self._since: float | None = None
        self._ceiling = 1.0

    def offered(self) -> None:
        """A pair came, taken or not."""
        self._offered += 1

    def compared(self, pairs: int, seconds: float) -> None:
        """So many pairs took so much CPU."""
        self._done += pairs
        self._spent += seconds
        self._debt += seconds

    def worked(self, seconds: float) -> None:
        """Something else took so much CPU."""
        self._debt += seconds

    def pause(self) -> float:
        """Seconds to rest, so that what was spent since the last rest fits the budget."""
        debt, self._debt = self._debt, 0.0
        wanted = debt * (1.0 - self.budget) / self.budget
        if wanted > _LONGEST:
            self._debt = (wanted - _LONGEST) * self.budget / (1.0 - self.budget)
            return _LONGEST
        return wanted

    def settle(self, now: float, *, crowded: bool = False) -> bool:
        """Look at what came since; True when ``rate`` has changed.

        ``crowded``: more waits than should.  Then there is less time than the budget allows, for
        the loop has others to serve.
        """
        if self._since is None:
            self._since = now
            return False
        seconds = now - self._since
        if seconds < SETTLE_EVERY:
            return False
        offered, self._offered = self._offered / seconds, 0
        if self._done:
            cost = self._spent / self._done
            self._cost += (cost - self._cost) * (_LEARNING if self._cost else 1.0)
        self._done, self._spent, self._since = 0, 0.0, now
        self._ceiling = self.rate * _BACK if crowded else min(1.0, self._ceiling * _DARE)
        return self._adjust(offered)

    def _adjust(self, offered: float) -> bool:
        """``offered`` pairs a second came."""
        room = FOR_PAIRS * self.budget / self._cost if self._cost else float("inf")
        wanted = min(1.0, room / offered) if offered else 1.0
        wanted = max(LEAST, min(wanted, self.rate * _UP, self._ceiling))
        full = wanted >= 1.0 > self.rate
        if not full and self.rate / _STEP < wanted < self.rate * _STEP:
            return False
        changed, self.rate = wanted != self.rate, wanted
        return changed
