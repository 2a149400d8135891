"""What the world said later, as plain data: labels, KPI events, downstream signals.

Times are seconds since the epoch.  ``customer`` is always the keyed hash: keys are hashed where
they come in, and never kept (promise 12).
"""

from __future__ import annotations

import msgspec


class Label(msgspec.Struct, frozen=True, tag="label"):
    """The truth about one prediction, by ``request_id``; or about those that ``model`` made for
    ``customer`` from ``since`` to ``until``."""

    event_id: str
    name: str
    value: float | str | bool
    at: float  # when the truth became known
    request_id: str = ""
    model: str = ""
    customer: str = ""
    since: float | None = None
    until: float | None = None


class Kpi(msgspec.Struct, frozen=True, tag="kpi"):
    """Something that a customer did, or that it was worth."""

    event_id: str
    name: str
    value: float
    model: str
    customer: str
    at: float


class Signal(msgspec.Struct, frozen=True, tag="signal"):
    """A downstream system's own alarm.  ``model`` "" is about all; ``resolved`` takes it back.

    ``alarm`` names what goes on between the two, "" for a source that has just one of a kind;
    ``version`` is whose fault the source says it is, and ``customer`` whom it is about.
    """

    event_id: str
    source: str
    model: str
    severity: str
    summary: str
    at: float
    link: str = ""
    resolved: bool = False
    alarm: str = ""
    version: str = ""
    customer: str = ""


class Prediction(msgspec.Struct, frozen=True):
    """One logged prediction, as labels find it.

    ``value`` is what was predicted: a number, a class, a list of either for a batch; None where
    the answer could not be read, and ``problem`` says why.
    """

    request_id: str
    model: str
    version: str
    arm: str
    share: float  # the canary's, 0 to 1, at the time
    drawn: bool
    customer: str
    segments: tuple[str, ...]
    at: float
    value: float | str | list[float | str] | None
    problem: str = ""
    #: Of a shadow's: the live version that answered the same request, and what it predicted.
    live: str = ""
    live_value: float | str | list[float | str] | None = None


Event = Label | Kpi | Signal
