"""Alive, and ready: two questions with two answers.

Alive means that this process answers; the orchestrator restarts it otherwise.  Ready means
that traffic sent now would be served.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from proxy.admin.problems import Problem
from proxy.admin.state import DESK


class Worker(Protocol):
    """What readiness reads of one worker in the desk's status."""

    @property
    def worker(self) -> int: ...
    @property
    def draining(self) -> bool: ...


def unready(workers: list[Worker]) -> list[str]:
    """Why no worker may take traffic, one line per worker; empty when at least one may.

    A worker is born with a Plan; that a newer one is on its way does not make it unready.
    """
    if any(not worker.draining for worker in workers):
        return []
    return [f"worker {worker.worker}: draining" for worker in workers] or [
        "no worker has reported yet"
    ]


async def healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    status = request.app[DESK].outline()
    if reasons := unready(list(status.workers)):
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "No worker is ready to take traffic",
            problems=reasons,
            headers={"Retry-After": "1"},
        )
    return web.json_response({"status": "ready", "plan_number": status.plan_number})
