"""Which endpoint of a version may take the next request: taking out, trying again, choosing.

    WELL   --failures in a row-->             OUT
    OUT    --its time is over, chosen-->      TRIAL
    TRIAL  --success-->                       WELL
    TRIAL  --failure-->                       OUT, for longer
    OUT    --chosen for want of others, success-->  WELL

The time out doubles from ``shortest`` to ``longest`` and halves again with good time.  A
failed probe takes an endpoint out beside all that: a passing one takes back only what the
probe did, for a health page may be well where predictions are not.  Times are seconds on a
clock that never goes back.  Only the upstream's own failures belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from proxy.routing.plan import Ejection

_MOST_DOUBLINGS: Final = 32  # a millisecond has grown to 50 days by then


class State(Enum):
    """What the outcomes of requests say of an endpoint."""

    WELL = "well"
    OUT = "out"
    TRIAL = "trial"


class EndpointHealth:
    """One endpoint as one worker sees it.  ``choose`` hands out its trials."""

    __slots__ = (
        "_ejection",
        "_good_since",
        "_grown",
        "_pressed",
        "_probe_failed",
        "_reason",
        "_span",
        "_trial_since",
        "failed_at",
        "state",
        "streak",
        "turn",
        "until",
        "well",
    )

    def __init__(self, ejection: Ejection) -> None:
        self._ejection = ejection
        self.state = State.WELL
        self.well = True  # WELL, and no probe has failed: may take any request
        self.streak = 0  # upstream failures in a row
        self.until = 0.0  # end of the time out
        self.failed_at = 0.0  # the last failure
        self.turn = 0  # when it was last chosen, in turns
        self._grown = 0  # how often the next time out is doubled
        self._span = 0.0  # how long the last time out was
        self._good_since = 0.0
        self._trial_since = 0.0
        self._pressed = False  # OUT, but chosen for want of others
        self._probe_failed = False
        self._reason = ""

    def configure(self, ejection: Ejection) -> None:
        """Takes a new Plan's rules; a time out that runs already keeps its length."""
        self._ejection = ejection

    @property
    def ejected(self) -> bool:
        """Out for now; `choose` takes it only for a trial, or for want of others."""
        return not self.well

    @property
    def reason(self) -> str:
        """Why it is out, for a person to read; empty when it is not."""
        if self.state is State.WELL:
            return "the health check fails" if self._probe_failed else ""
        return f"{self._reason}; the health check fails" if self._probe_failed else self._reason

    @property
    def severity(self) -> int:
        """How bad: 0 well, 1 the probe says so, 2 requests say so, 3 both."""
        return self._probe_failed + 2 * (self.state is not State.WELL)

    def open(self, now: float) -> bool:
        """Whether it may take the next request: well, or due for a trial.

        A trial that has brought no outcome for as long as the time out lasted makes room for
        another, so that a lost outcome never keeps an endpoint out for good.
        """
        if self.well:
            return True
        if self._probe_failed:
            return False
        if self.state is State.TRIAL:
            return now - self._trial_since >= self._span
        return now >= self.until

    def chosen(self, now: float) -> None:
        """A request goes to it, though it is not well: a trial, or for want of others."""
        if self.state is State.WELL:
            return
        if self.open(now):
            self.state = State.TRIAL
            self._trial_since = now
        else:
            self._pressed = True

    def succeeded(self, now: float) -> None:
        """It answered a request (whatever it thinks of the caller).

        An answer to a request from before the time out changes nothing.
        """
        self.streak = 0
        if not self.well and (self.state is State.TRIAL or self._pressed):
            self.state = State.WELL
            self.well = not self._probe_failed
            self._pressed = False
            self._good_since = now

    def failed(self, now: float) -> None:
        """A request failed by its fault: refused, timed out, broken off, or answered 5xx."""
        self.streak += 1
        self.failed_at = now
        self._pressed = False
        if self.state is State.TRIAL:
            self._eject(now, "failed its trial")
        elif self.state is State.WELL and self.streak >= self._ejection.after:
            self._forgive(now)
            self._eject(now, f"{self.streak} upstream failures in a row")

    def undecided(self) -> None:
        """A request ended without saying anything of the endpoint, as when a caller left.

        If it was the trial, the next request may be one.
        """
        self._pressed = False
        if self.state is State.TRIAL:
            self.state = State.OUT

    def probe_passed(self, now: float) -> None:
        """The active check passed: takes back what a failed check did, and no more."""
        if self._probe_failed:
            self._probe_failed = False
            self.well = self.state is State.WELL
            self._good_since = max(self._good_since, now)

    def probe_failed(self, now: float) -> None:
        """The active check failed: out until one passes."""
        self._probe_failed = True
        self.well = False
        self.failed_at = now

    def _eject(self, now: float, reason: str) -> None:
        shortest, longest = self._ejection.shortest, self._ejection.longest
        self._span = _doubled(shortest, self._grown, longest)
        if self._span < longest and self._grown < _MOST_DOUBLINGS:
            self._grown += 1
        self.state = State.OUT
        self.well = False
        self.until = now + self._span
        self._reason = f"{reason}; out for {self._span:g} s"

    def _forgive(self, now: float) -> None:
        """Halves the next time out for each such time that was good."""
        good = now - self._good_since
        while self._grown > 0:
            good -= _doubled(self._ejection.shortest, self._grown, self._ejection.longest)
            if good < 0:
                return
            self._grown -= 1


def _doubled(shortest: float, times: int, longest: float) -> float:
    return min(shortest * 2.0**times, longest)


def choose(endpoints: Sequence[EndpointHealth], in_flight: Sequence[int], now: float) -> int:
    """The index of the endpoint that takes the next request (there must be one at least).

    The least in flight of those that are open, at a tie the one that waited longest for its
    turn.  When none is open, the least bad: taking out the last one would help nobody.
    """
    if len(endpoints) == 1:
        only = endpoints[0]
        if not only.well:
            only.chosen(now)
        return 0
    best, least, first, latest = -1, 0, 0, 0
    for index, endpoint in enumerate(endpoints):
        turn, load = endpoint.turn, in_flight[index]
        if turn > latest:
            latest = turn
        if (best < 0 or load < least or (load == least and turn < first)) and (
            endpoint.well or endpoint.open(now)
        ):
            best, least, first = index, load, turn
    if best < 0:
        best = _least_bad(endpoints, in_flight)
    taken = endpoints[best]
    taken.turn = latest + 1
    if not taken.well:
        taken.chosen(now)
    return best


def _least_bad(endpoints: Sequence[EndpointHealth], in_flight: Sequence[int]) -> int:
    """By what is wrong, then by the oldest failure, so that a dead one is left at once."""

    def badness(index: int) -> tuple[int, float, int, int]:
        endpoint = endpoints[index]
        return endpoint.severity, endpoint.failed_at, in_flight[index], endpoint.turn

    return min(range(len(endpoints)), key=badness)
