"""What tests of copies have in common."""

from __future__ import annotations

from dialogue import Scene, Wire
from dialogue_bytes import ok, post
from dialogue_plans import model, shadow
from dialogue_stage import Stage


def copies(scene: Scene, version: str = "3") -> dict[str, int]:
    return scene.model().copies.get(version, {})


def shadowed(stage: Stage, **more: object) -> Scene:
    return stage(model(shadows=(shadow(**more),)))  # type: ignore[arg-type]


def burst(scene: Scene, n: int, raw: bytes = post()) -> None:
    """``n`` requests that stable answers, one after the other."""
    for _ in range(n):
        caller = scene.caller()
        caller >> raw
        scene["1"] << ok()
        assert caller.answer().status == 200
        caller.leave()


def busy(scene: Scene) -> list[Wire]:
    return [wire for wire in scene["3"].open if wire.protocol.busy]
