"""What a canary is allowed: the thresholds of one model, as plain data.

Rates run from 0 to 1 and times are seconds.  A bound is ``absolute``, or ``relative`` to what
the stable arm does in the same window, or both; each is checked by itself.
"""

from __future__ import annotations

from typing import Final

import msgspec

#: Seconds: without a request in them, a streak of none says nothing.
STREAK_WINDOW: Final = 60.0


def _check(
    name: str, absolute: float | None, relative: float | None, window: float, min_requests: int
) -> None:
    if absolute is None and relative is None:
        raise ValueError(f"{name}: needs absolute, relative or both")
    if relative is not None and not relative > 0.0:
        raise ValueError(f"{name}.relative {relative}: must be over 0")
    if not window >= 1.0:
        raise ValueError(f"{name}.window {window} s: must be at least 1 s")
    if min_requests < 1:
        raise ValueError(f"{name}.min_requests {min_requests}: must be at least 1")


class ErrorRate(msgspec.Struct, frozen=True):
    """At most this share of the canary's requests may fail by its own fault.

    ``relative`` 3.0 allows three times the stable arm's rate, with one error added to the stable
    ones so that a stable arm without any does not forbid the first one of the canary.
    """

    absolute: float | None = None
    relative: float | None = None
    window: float = 60.0
    min_requests: int = 50

    def __post_init__(self) -> None:
        if self.absolute is not None and not 0.0 <= self.absolute <= 1.0:
            raise ValueError(f"error_rate.absolute {self.absolute}: must be from 0 to 1")
        _check("error_rate", self.absolute, self.relative, self.window, self.min_requests)


class Latency(msgspec.Struct, frozen=True):
    """At most this long may the ``quantile`` of the canary's answers take, in total."""

    quantile: float = 0.95
    absolute: float | None = None
    relative: float | None = None
    window: float = 60.0
    min_requests: int = 50

    def __post_init__(self) -> None:
        if not 0.0 < self.quantile < 1.0:
            raise ValueError(f"latency.quantile {self.quantile}: must be between 0 and 1")
        if self.absolute is not None and not self.absolute > 0.0:
            raise ValueError(f"latency.absolute {self.absolute} s: must be over 0 s")
        _check("latency", self.absolute, self.relative, self.window, self.min_requests)


class Thresholds(msgspec.Struct, frozen=True):
    """All that is checked for one model.  ``Thresholds()`` checks nothing: see ``DEFAULT``."""

    error_rate: ErrorRate | None = None
    latency: tuple[Latency, ...] = ()
    consecutive_failures: int | None = None  # that many in one worker trip it

    def __post_init__(self) -> None:
        limit = self.consecutive_failures
        if limit is not None and limit < 1:
            raise ValueError(f"consecutive_failures {limit}: must be at least 1")

    @property
    def counts_window(self) -> float:
        """For how many seconds a Window has to remember outcomes; 0 when nothing needs them."""
        rate = self.error_rate.window if self.error_rate is not None else 0.0
        return max(rate, STREAK_WINDOW if self.consecutive_failures is not None else 0.0)

    @property
    def totals_window(self) -> float:
        """For how many seconds a Window has to remember total times; 0 when nothing needs them."""
        return max((bound.window for bound in self.latency), default=0.0)


#: What holds when the operator writes nothing.
DEFAULT: Final = Thresholds(error_rate=ErrorRate(absolute=0.10), consecutive_failures=20)

#: What holds when the operator writes ``thresholds: off``.
OFF: Final = Thresholds()
