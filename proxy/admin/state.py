"""What the handlers share, kept in the application under typed keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from proxy.steering import Comparisons, ReleaseDesk, Samples

#: Reads the config file again and gives it to the desk; raises ConfigError when it is refused.
Reload = Callable[[], Awaitable[None]]

DESK = web.AppKey("desk", ReleaseDesk)
RELOAD = web.AppKey[Reload]("reload")
COMPARISONS = web.AppKey[Comparisons | None]("comparisons")
SAMPLES = web.AppKey[Samples | None]("samples")
