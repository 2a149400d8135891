"""What the processes say to each other.  Plain tagged structs; times are seconds.

Two conversations: the *channel* between a worker and the desk (a Plan goes down, a Tally
comes up), and the *control* line between the parent and each child.  Where a message brings a
file descriptor, its docstring says so.
"""

from __future__ import annotations

import msgspec

from proxy.measure.tally import Report
from proxy.routing.plan import Plan
from proxy.terms import Latch

# ---- channel: desk -> worker


class PlanMessage(msgspec.Struct, frozen=True, tag="plan"):
    plan: Plan


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """The desk's loop has just observed and judged; without it workers send all to stable."""


# ---- channel: worker -> desk


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first message on every new channel: what this worker already knows.

    A desk that died before it wrote a revert down learns it from here.
    """

    worker: int
    pid: int
    plan_number: int
    latches: tuple[Latch, ...] = ()


class ReportMessage(msgspec.Struct, frozen=True, tag="report"):
    report: Report


Down = PlanMessage | Heartbeat
Up = Hello | ReportMessage


# ---- control: parent -> child


class WorkerBirth(msgspec.Struct, frozen=True, tag="worker_birth"):
    """The first message to a worker; brings its bound socket."""

    worker: int
    plan: Plan
    drain: float


class DeskBirth(msgspec.Struct, frozen=True, tag="desk_birth"):
    """The first message to a desk; brings the admin socket.

    ``config`` is the content of the last config file that was accepted, for a desk that finds
    the file broken since.
    """

    config: bytes
    drain: float


class NewChannel(msgspec.Struct, frozen=True, tag="new_channel"):
    """Brings one end of a socket pair; ``worker`` is the worker at one of the two ends."""

    worker: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Stop taking traffic, finish what runs, cut it after ``seconds``.  A desk is not ready."""

    seconds: float


class Reload(msgspec.Struct, frozen=True, tag="reload"):
    """Read the config again now (SIGHUP)."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """All workers are gone: write down what there is and leave."""


# ---- control: child -> parent


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The child serves."""

    pid: int


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """The child's loop turns."""


class Kept(msgspec.Struct, frozen=True, tag="kept"):
    """From the desk: what the parent gives to children born from now on."""

    plan: Plan
    config: bytes
    drain: float


ToChild = WorkerBirth | DeskBirth | NewChannel | Drain | Reload | Stop
ToParent = Ready | Beat | Kept
