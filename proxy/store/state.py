"""What the history adds up to: latches, overrides, the last plan number.

Pure: an entry in, the next state out.  A restart is nothing but folding the file again, so
whatever must survive a restart is an entry.  Unknown events are passed over: an older version
can read a newer file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from proxy.store.entries import Entry, Event
from proxy.terms import Latch

REVERTS_KEPT: Final = 100


class Override(msgspec.Struct, frozen=True):
    """A person's split of one model, in place of the file's.

    ``fingerprint`` is that of the file's split it stands in for: when the file's split is
    edited, the override is over.  ``percent`` runs from 0 to 100 in steps of 0.01.
    """

    model: str
    version: str
    percent: float
    fingerprint: str
    actor: str
    reason: str
    at: float


class Hold(msgspec.Struct, frozen=True):
    """A canary whose share may not grow above ``percent`` (0 to 100), and why.

    Holds until a person clears it, like a latch.
    """

    model: str
    version: str
    percent: float
    reason: str  # the check that asked for it
    message: str
    numbers: dict[str, float]
    at: float
    actor: str


class Shift(msgspec.Struct, frozen=True):
    """Everybody gets ``version``, because ``stable`` did not answer; until a person clears it."""

    model: str
    version: str
    stable: str
    message: str
    at: float
    actor: str


class State(msgspec.Struct):
    """Folded from the history, entry by entry.

    ``latches`` by (model, version); ``cleared`` holds the plan number at which a latch was
    cleared, so that a worker that slept through it cannot bring the latch back; ``files`` is
    the file's last known word on each model; ``reverts`` are the last hundred, oldest first.

    ``holds`` by (model, version, reason); ``passed`` says which checks a person cleared a hold
    of, and when, so that the same evidence does not hold the share again.  By model: ``shifts``;
    the last ``baselines`` entry, the revert that is being validated, the last validation.
    """

    latches: dict[tuple[str, str], Latch] = msgspec.field(default_factory=dict)
    cleared: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    overrides: dict[str, Override] = msgspec.field(default_factory=dict)
    files: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    reverts: list[Entry] = msgspec.field(default_factory=list)
    holds: dict[tuple[str, str, str], Hold] = msgspec.field(default_factory=dict)
    passed: dict[tuple[str, str], dict[str, float]] = msgspec.field(default_factory=dict)
    shifts: dict[str, Shift] = msgspec.field(default_factory=dict)
    baselines: dict[str, Entry] = msgspec.field(default_factory=dict)
    validating: dict[str, Entry] = msgspec.field(default_factory=dict)
    validated: dict[str, Entry] = msgspec.field(default_factory=dict)
    plan_number: int = 0

    def copy(self) -> State:
        """With containers of its own; what is in them is never changed."""
        return State(
            latches=dict(self.latches),
            cleared=dict(self.cleared),
            overrides=dict(self.overrides),
            files=dict(self.files),
            reverts=list(self.reverts),
            holds=dict(self.holds),
            passed={key: dict(checks) for key, checks in self.passed.items()},
            shifts=dict(self.shifts),
            baselines=dict(self.baselines),
            validating=dict(self.validating),
            validated=dict(self.validated),
            plan_number=self.plan_number,
        )


def latch_of(entry: Entry) -> Latch:
    """The latch that a ``reverted`` or ``latch_adopted`` entry stands for.

    An adopted one was made earlier by another desk: ``after`` keeps its own time and actor.
    """
    after = entry.after or {}
    return Latch(
        model=entry.model,
        version=entry.version,
        reason=entry.reason,
        message=entry.message,
        numbers=dict(entry.numbers),
        at=float(after.get("at", entry.at)),
        actor=str(after.get("actor", entry.actor)),
    )


def hold_of(entry: Entry) -> Hold:
    """The hold that a ``held`` entry stands for."""
    return Hold(
        model=entry.model,
        version=entry.version,
        percent=float((entry.after or {}).get("percent", 0.0)),
        reason=entry.reason,
        message=entry.message,
        numbers=dict(entry.numbers),
        at=entry.at,
        actor=entry.actor,
    )


def shift_of(entry: Entry) -> Shift:
    """The shift that a ``shifted`` entry stands for."""
    return Shift(
        model=entry.model,
        version=entry.version,
        stable=str((entry.before or {}).get("stable", "")),
        message=entry.message,
        at=entry.at,
        actor=entry.actor,
    )


def _latch(state: State, entry: Entry) -> None:
    key = (entry.model, entry.version)
    state.latches[key] = latch_of(entry)
    state.cleared.pop(key, None)
    state.reverts.append(entry)
    del state.reverts[:-REVERTS_KEPT]
    if entry.after and "validate_until" in entry.after:
        state.validating[entry.model] = entry


def _unlatch(state: State, entry: Entry) -> None:
    key = (entry.model, entry.version)
    state.latches.pop(key, None)
    state.passed.pop(key, None)
    for held in [it for it in state.holds if it[:2] == key]:
        del state.holds[held]
    state.cleared[key] = entry.plan


def _override(state: State, entry: Entry) -> None:
    after = entry.after or {}
    state.overrides[entry.model] = Override(
        model=entry.model,
        version=entry.version,
        percent=float(after.get("percent", 0.0)),
        fingerprint=str(after.get("fingerprint", "")),
        actor=entry.actor,
        reason=entry.reason,
        at=entry.at,
    )


def _without_override(state: State, entry: Entry) -> None:
    state.overrides.pop(entry.model, None)


def _file(state: State, entry: Entry) -> None:
    if entry.after is None:
        state.files.pop(entry.model, None)
    else:
        state.files[entry.model] = entry.after


def _hold(state: State, entry: Entry) -> None:
    state.holds[entry.model, entry.version, entry.reason] = hold_of(entry)


def _without_hold(state: State, entry: Entry) -> None:
    before = entry.before or {}
    for reason in before.get("reasons", []):
        state.holds.pop((entry.model, entry.version, reason), None)
        if before.get("passed", True):
            state.passed.setdefault((entry.model, entry.version), {})[reason] = entry.at


def _shift(state: State, entry: Entry) -> None:
    state.shifts[entry.model] = shift_of(entry)


def _without_shift(state: State, entry: Entry) -> None:
    state.shifts.pop(entry.model, None)


def _baseline(state: State, entry: Entry) -> None:
    state.baselines[entry.model] = entry


def _validated(state: State, entry: Entry) -> None:
    open_one = state.validating.get(entry.model)
    if open_one is not None and open_one.version == entry.version:
        del state.validating[entry.model]
    state.validated[entry.model] = entry


_FOLD: Final[dict[str, Callable[[State, Entry], None]]] = {
    Event.REVERTED: _latch,
    Event.LATCH_ADOPTED: _latch,
    Event.REVERT_CLEARED: _unlatch,
    Event.SPLIT_SET: _override,
    Event.SPLIT_CLEARED: _without_override,
    Event.CONFIG_CHANGED: _file,
    Event.HELD: _hold,
    Event.HOLD_CLEARED: _without_hold,
    Event.SHIFTED: _shift,
    Event.SHIFT_CLEARED: _without_shift,
    Event.BASELINE: _baseline,
    Event.VALIDATED: _validated,
}


def fold(state: State, entry: Entry) -> None:
    """Take one entry into the state, in place."""
    state.plan_number = max(state.plan_number, entry.plan)
    change = _FOLD.get(entry.event)
    if change is not None:
        change(state, entry)
