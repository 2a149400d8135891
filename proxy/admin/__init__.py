"""The operators' door: API, health, metrics, on the admin address.

The law of the room: it translates.  JSON to calls of the desk and back, errors to
problem+json, totals to Prometheus' text.  It decides nothing about traffic, and no worker
loads it.

    app = build(desk, host=..., reload=...)      runner = await serve(app, sock)
"""

from __future__ import annotations

from proxy.admin.door import build, serve
from proxy.admin.series import exposition
from proxy.admin.state import Reload

__all__ = ["Reload", "build", "exposition", "serve"]
