"""Small made-up records for the load tests' pure parts."""

from __future__ import annotations

from typing import Any

from loadtests.load.job import DIRECT, PROXIED, Exchange

START = 1000.0


def proxied(at: float = 0.0, ms: float = 2.0, **given: Any) -> Exchange:
    """A good answer of stable through the proxy, sent ``at`` seconds after the start."""
    given = {"customer": "4711", "status": 200, "arm": "stable"} | given
    return Exchange(at=START + at, way=PROXIED, ms=ms, **given)


def direct(at: float = 0.0, ms: float = 1.0, **given: Any) -> Exchange:
    given = {"customer": "4711", "status": 200} | given
    return Exchange(at=START + at, way=DIRECT, ms=ms, **given)


def failed(at: float = 0.0, error: str = "status_500", **given: Any) -> Exchange:
    return proxied(at, status=500, error=error, **given)
