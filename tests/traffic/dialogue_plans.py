"""Plans for dialogues: one model ``m``, its versions on ports that name them."""

from __future__ import annotations

from typing import Any, Final

from proxy.routing.plan import (
    CanaryPlan,
    Endpoint,
    KeySource,
    ModelPlan,
    Plan,
    PoolLimits,
    ShadowPlan,
    VersionPlan,
)

PORTS: Final = {"1": 9001, "2": 9002, "3": 9003, "4": 9004, "1b": 9011}
VERSIONS: Final = {port: version for version, port in PORTS.items()}


def model(
    *, canary: float | None = None, shadows: tuple[ShadowPlan, ...] = (), **more: Any
) -> ModelPlan:
    """Model ``m`` under every path: stable 1, canary 2, shadows as asked."""
    fields: dict[str, Any] = {
        "name": "m",
        "path_prefix": "/",
        "stable": "1",
        "versions": versions("1", "2", "3", "4"),
        "customer": KeySource("header", "X-Customer-Id"),
        "canary": None if canary is None else CanaryPlan("2", canary),
        "shadows": shadows,
    }
    return ModelPlan(**(fields | more))


def versions(*names: str, pool: PoolLimits | None = None) -> tuple[VersionPlan, ...]:
    return tuple(
        VersionPlan(name, (Endpoint("127.0.0.1", PORTS[name]),), pool or PoolLimits())
        for name in names
    )


def plan(*models: ModelPlan, **more: Any) -> Plan:
    return Plan(more.pop("number", 1), models, **({"desk_silence": 3600.0} | more))


def shadow(version: str = "3", percent: float = 100, **more: Any) -> ShadowPlan:
    return ShadowPlan(version, percent, **({"salt": "s", "pair_salt": "p"} | more))
