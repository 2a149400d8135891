"""Carrying a due revert out, or what stands in for it while stable does not answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from proxy.routing.plan import ModelPlan
from proxy.steering.carry import Carrying
from proxy.steering.held import Held, StableDown
from proxy.steering.lastgood import STABLE_DOWN, Step, answering, decide, last_resort
from proxy.store import Shift
from proxy.terms import Arm, Finding, Latch, Verdict

log = logging.getLogger(__name__)


class Reverting:
    """The rule of lastgood.py, carried out.  Nothing here waits."""

    def __init__(self, held: Held, carrying: Carrying) -> None:
        self._held = held
        self._carrying = carrying

    def due(self, latches: Sequence[Latch], now: float, by_person: bool = False) -> None:
        """These canaries must go: now, to the last resort, or once there is where to go."""
        held = self._held
        going: list[Latch] = []
        shifts: list[Shift] = []
        down: dict[str, StableDown] = {}
        for latch in latches:
            model = held.in_force.get(latch.model)
            if model is None or model.canary is None or model.canary.version != latch.version:
                continue
            step, why = decide(held, model, latch.reason, now, by_person)
            if step is Step.WAIT:
                self._wait(model, latch, why, now)
                continue
            going.append(latch)
            if why:
                down[model.name] = StableDown(now, why)
            if step is Step.SHIFT:
                shifts.append(_shift(model, last_resort(held, model) or "", why, latch))
        if not going:
            return
        self._carrying.revert(going, now, shifts=shifts)
        for shift in shifts:
            down.pop(shift.model)
        for name, found in down.items():
            log.critical(
                "%s: everybody was given back to stable, and %s; there is no last resort: "
                "look at stable now", name, found.why,
            )  # fmt: skip
        held.stable_down.update(down)

    def tick(self, now: float) -> None:
        """Look again at the models whose stable did not answer."""
        for name, found in list(self._held.stable_down.items()):
            model = self._held.effective(name)
            if model is None:
                del self._held.stable_down[name]
                continue
            stable = answering(self._held, name, model.stable, Arm.STABLE, now)
            if found.waiting is not None:
                self._look_again(model, found.waiting, stable.up, now)
            elif stable.up:
                del self._held.stable_down[name]
                log.warning("%s: stable %s answers again", name, model.stable)

    def _look_again(self, model: ModelPlan, latch: Latch, stable_up: bool, now: float) -> None:
        held = self._held
        canary = model.canary
        if canary is None or canary.version != latch.version:
            del held.stable_down[model.name]
            return
        if stable_up:
            del held.stable_down[model.name]
            log.warning("%s: stable %s answers again: the revert that waited is due", model.name,
                        model.stable)  # fmt: skip
            self.due([latch], now)
        elif last_resort(held, model) is not None:
            self.due([latch], now)
        elif answering(held, model.name, canary.version, Arm.CANARY, now).down:
            self.due([latch], now, by_person=True)  # nothing answers: there is nothing to wait for

    def _wait(self, model: ModelPlan, latch: Latch, why: str, now: float) -> None:
        held = self._held
        if model.name in held.stable_down:
            return
        assert model.canary is not None
        held.stable_down[model.name] = StableDown(now, why, latch)
        message = (
            f"the revert of version {latch.version} ({latch.reason}: {latch.message}) waits, "
            f"because {why}, and the canary answers"
        )
        log.critical("%s: %s", model.name, message)
        if (model.name, latch.version, STABLE_DOWN) not in held.holds:
            finding = Finding(STABLE_DOWN, Verdict.FAIL, message, latch.numbers, "hold")
            self._carrying.hold(model, finding, now, latch.actor)


def _shift(model: ModelPlan, version: str, why: str, latch: Latch) -> Shift:
    return Shift(
        model=model.name,
        version=version,
        stable=model.stable,
        message=f"canary {latch.version} had to go ({latch.reason}), and {why}",
        at=latch.at,
        actor=latch.actor,
    )
