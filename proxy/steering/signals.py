"""Downstream alarms: whom they are about, and what the operator wants of them.

A signal that reverts takes the way of every revert; one that holds is a cause of its own, which
its resolution takes back.  Nothing here clears a latch.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from proxy.feedback import Item, Policy, Signal
from proxy.judge import Observation, Source
from proxy.steering import evident
from proxy.steering.shares import Running, Shares
from proxy.terms import Finding, Verdict

#: The check under which a signal stands in a finding, a latch, a hold and the metrics.
SIGNAL: Final = "signal"

REVERT: Final = "revert"
HOLD: Final = "hold"
NOTE: Final = "note"
RESOLVED: Final = "resolved"  # took its hold back, or had none
EARLY: Final = "early"  # began before the canary came
ELSEWHERE: Final = "elsewhere"  # names a model without a canary, or another version
DUPLICATE: Final = "duplicate"
EFFECTS: Final = (REVERT, HOLD, NOTE, RESOLVED, EARLY, ELSEWHERE, DUPLICATE)

#: Signals that are remembered, so that a repeat is known.
REMEMBERED: Final = 10_000
#: Alarms that may hold one canary.  With more, only a person can tell that all are over.
MOST_CAUSES: Final = 1_000
_TOO_MANY: Final = ("", "")  # no source is called so
#: Signals that are acted on before others have their turn on the loop: each may be about all.
AT_ONCE: Final = 10
#: The last ones, to be looked at.
RECENT: Final = 50
#: What stands in the metrics for a source that the config does not name.
OTHER: Final = "other"

_NONE: Final = Policy()


class Consequences(Protocol):
    """What follows from feedback, at the desk.  Nothing here waits."""

    def observe(self, model: str, observations: Sequence[Observation]) -> None:
        """Show these to the judge of the model's canary."""

    def revert_by(self, model: str, version: str, finding: Finding) -> None:
        """Take the canary out now, with the finding as the reason, and latch it."""

    def hold_by(self, model: str, version: str, finding: Finding) -> None:
        """The canary's share may not grow."""

    def unhold_by(self, model: str, version: str, check: str) -> None:
        """What ``hold_by`` did for this check's sake is taken back; others' holds stay."""


class Noted(msgspec.Struct):
    """What became of the signals of one request: by effect, how often."""

    accepted: int = 0
    duplicates: int = 0
    effects: dict[str, int] = {}


class Heard(msgspec.Struct):
    """A signal, and what it brought about."""

    signal: Signal
    effects: list[str]


class Signals:
    """Acts on signals by the file's policy."""

    def __init__(self, desk: Consequences, shares: Shares) -> None:
        self._desk = desk
        self._shares = shares
        self._policies: Mapping[str, Policy] = {}
        self._named: frozenset[str] = frozenset()
        self._heard: OrderedDict[str, None] = OrderedDict()
        #: (model, canary) -> the alarms that hold it.
        self._holding: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self.recent: deque[Heard] = deque(maxlen=RECENT)
        #: (source, effect) -> how often.  Sources that no config names are one.
        self.counts: Counter[tuple[str, str]] = Counter()

    def use(self, policies: Mapping[str, Policy]) -> None:
        """The file was read again.  What holds goes on holding."""
        self._policies = policies
        self._named = frozenset(name for it in policies.values() for name in it.signals)

    def follow(self) -> None:
        """Another plan is in force: who is canary no more is held no more."""
        for model, version in list(self._holding):
            running = self._shares.of(model)
            if running is None or running.version != version:
                del self._holding[model, version]

    async def take(self, items: Sequence[Item]) -> Noted:
        """Act on each signal, once; a repeat does nothing."""
        noted = Noted(effects={})
        for done, item in enumerate(items, 1):
            if done % AT_ONCE == 0:
                await asyncio.sleep(0)
            signal = item.event
            assert isinstance(signal, Signal)
            if self._known(signal.event_id):
                noted.duplicates += 1
                effects = {DUPLICATE}
            else:
                noted.accepted += 1
                effects = self._act(signal, item.key)
                self.recent.append(Heard(signal, sorted(effects)))
            source = signal.source if signal.source in self._named else OTHER
            for effect in effects:
                self.counts[source, effect] += 1
                noted.effects[effect] = noted.effects.get(effect, 0) + 1
        return noted

    def _known(self, event_id: str) -> bool:
        if event_id in self._heard:
            self._heard.move_to_end(event_id)
            return True
        self._heard[event_id] = None
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return False

    def _act(self, signal: Signal, key: bytes) -> set[str]:
        """What it brought about, over all the models that it is about."""
        names = [signal.model] if signal.model else list(self._policies)
        about = [(name, it) for name in names if (it := self._shares.of(name)) is not None]
        effects = {self._on(name, running, signal, key) for name, running in about}
        return effects or {RESOLVED if signal.resolved else ELSEWHERE}

    def _on(self, model: str, running: Running, signal: Signal, key: bytes) -> str:
        if signal.version and signal.version != running.version:
            return ELSEWHERE
        if signal.resolved:
            self._take_back(model, running.version, signal)
            return RESOLVED
        if signal.at < running.came:
            return EARLY
        if key:
            seen = evident.of_customer(
                running, key, signal.customer, signal.at, Source.SIGNAL, signal.source
            )
            if isinstance(seen, Observation):
                self._desk.observe(model, [seen])
        effect = self._policies.get(model, _NONE).effect(signal.source)
        finding = found(signal, effect)
        if effect == REVERT:
            self._desk.revert_by(model, running.version, finding)
        elif effect == HOLD:
            causes = self._holding.setdefault((model, running.version), set())
            room = len(causes) < MOST_CAUSES
            causes.add((signal.source, signal.alarm) if room else _TOO_MANY)
            self._desk.hold_by(model, running.version, finding)
        return effect

    def _take_back(self, model: str, version: str, signal: Signal) -> None:
        """Once the last alarm that holds a canary is over, signals hold it no more."""
        causes = self._holding.get((model, version))
        if causes is None or (signal.source, signal.alarm) not in causes:
            return
        causes.remove((signal.source, signal.alarm))
        if not causes:
            del self._holding[model, version]
            self._desk.unhold_by(model, version, SIGNAL)


def found(signal: Signal, effect: str) -> Finding:
    """The signal as a finding: who said what."""
    details = ", ".join(filter(None, [signal.severity, signal.link]))
    message = f"{signal.source} reports: {signal.summary}{f' ({details})' if details else ''}"
    does = _DOES.get(effect, "none")
    return Finding(SIGNAL, Verdict.FAIL, message, {"signal_at": signal.at}, does)


_DOES: Final[dict[str, Literal["revert", "hold", "none"]]] = {REVERT: "revert", HOLD: "hold"}
