"""How many of the pairs there is time for: a rate that follows what comparing really costs.

The owner measures and sets ``Comparison.rate``; nothing here knows a clock.
"""

from __future__ import annotations

from typing import Final

#: Under this share of the customers nothing is learned of anybody.
LEAST: Final = 1.0 / 1024.0
#: Seconds between two changes: shorter ones measure the chance of single pairs.
EVERY: Final = 1.0
#: The rate that would use up the budget is aimed at less sharply on its way up.
_FASTEST: Final = 1.25


class Pace:
    """``budget`` is the share of one core, 0 to 1, that comparing may take.

    ``spent(seconds, now)`` after a batch of pairs gives the rate for the next one: 1 while there
    is time for all, less where there is not.  Going down is quick, going up is slow, and the
    sample stays the same customers (Comparison.takes).
    """

    def __init__(self, budget: float = 0.5) -> None:
        if not 0.0 < budget <= 1.0:
            raise ValueError(f"budget {budget}: must be over 0, and at most 1")
        self.budget = budget
        self.rate = 1.0
        self._since: float | None = None
        self._spent = 0.0

    def spent(self, seconds: float, now: float) -> float:
        """``seconds`` of computing since the last call; ``now`` on any clock that goes on."""
        self._spent += seconds
        if self._since is None:
            self._since = now
        passed = now - self._since
        if passed >= EVERY:
            used = self._spent / passed
            wanted = self.rate * self.budget / used if used > 0.0 else 1.0
            self.rate = min(1.0, max(LEAST, min(wanted, self.rate * _FASTEST)))
            self._since, self._spent = now, 0.0
        return self.rate
