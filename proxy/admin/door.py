"""The web application of the admin address: rooms behind one guarded door."""

from __future__ import annotations

import socket
from http import HTTPStatus

from aiohttp import web

from proxy import __version__
from proxy.admin import api, compared, feedback, guard, health, problems, series
from proxy.admin.metrics import CONTENT_TYPE
from proxy.admin.problems import Problem
from proxy.admin.state import COMPARISONS, DESK, RELOAD, SAMPLES, Reload
from proxy.steering import Comparisons, Feedback, ReleaseDesk, Samples

LARGEST_BODY = 1024 * 1024  # bytes; the largest write is a split with its reason

INDEX = f"""pointsman {__version__}: admin address

GET    /healthz                                alive
GET    /readyz                                 may take traffic
GET    /metrics                                for Prometheus
GET    /v1/status                              models, arms, workers, reverts
GET    /v1/plan                                the plan in force, without secrets
GET    /v1/explain?model=M&customer=KEY        where a customer goes, and why
GET    /v1/history?limit=100                   what was done, by whom and why
PUT    /v1/models/M/split                      {{"percent": 5, "version": "2", "reason": "..."}}
DELETE /v1/models/M/split                      the config file's split counts again
POST   /v1/models/M/revert                     everybody to stable, latched
DELETE /v1/models/M/reverts/VERSION            a reverted version may be canary again
DELETE /v1/models/M/hold                       the canary's share may grow again
DELETE /v1/models/M/shift                      stable again, in the place of the last resort
GET    /v1/models/M/evidence                   what the judge has seen, and makes of it
GET    /v1/models/M/compare?shadow=V           how each shadow compares with stable, and its gate
GET    /v1/models/M/quality                    which data-quality rules were broken, by version
POST   /v1/reload                              read the config file now
POST   /v1/feedback                            labels and KPI events, one or many
POST   /v1/signals                             alarms of downstream systems
GET    /v1/signals                             the last ones, and what they brought about

Writes are JSON (Content-Type: application/json) and may name "reason" and "actor";
feedback and signals may be JSON lines or CloudEvents as well.
Errors are application/problem+json (RFC 9457).
"""


async def index(_request: web.Request) -> web.Response:
    return web.Response(text=INDEX)


async def metrics(request: web.Request) -> web.Response:
    return web.Response(
        body=await series.exposition_in_turns(
            request.app[DESK], request.app.get(feedback.FEEDBACK), request.app[COMPARISONS]
        ),
        headers={"Content-Type": CONTENT_TYPE},
    )


async def _no_reload() -> None:
    raise Problem(HTTPStatus.CONFLICT, "This desk does not read a config file")


def build(
    desk: ReleaseDesk,
    *,
    host: str = "127.0.0.1",
    reload: Reload = _no_reload,
    feedback_desk: Feedback | None = None,
    samples: Samples | None = None,
    comparisons: Comparisons | None = None,
) -> web.Application:
    """The admin application over ``desk``.

    ``host`` is the host of ``admin`` in the config: the one name, besides loopback ones and
    addresses, that a ``Host`` header may carry.  ``reload`` reads the config file, gives it to
    the desk and raises ConfigError when it is refused.  ``feedback_desk`` takes what is said
    later; without it there is no ledger, and feedback is refused.  ``samples`` are what data
    quality was looked at in, ``comparisons`` what the shadows are held against stable in.
    """
    app = web.Application(
        middlewares=[problems.middleware, guard.guard(host)], client_max_size=LARGEST_BODY
    )
    app[DESK] = desk
    app[RELOAD] = reload
    app[SAMPLES] = samples
    app[COMPARISONS] = comparisons
    app.on_response_prepare.append(guard.add_headers)
    app.add_routes(
        [
            web.get("/", index),
            web.get("/healthz", health.healthz),
            web.get("/readyz", health.readyz),
            web.get("/metrics", metrics),
            *api.routes,
            *compared.routes,
        ]
    )
    feedback.add(app, feedback_desk)
    return app


async def serve(app: web.Application, sock: socket.socket) -> web.AppRunner:
    """Answer on an already listening socket, until ``cleanup()`` of what is returned."""
    # What is packed is unpacked where it may be large (packed.py), and refused elsewhere.
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=1.0, auto_decompress=False
    )
    await runner.setup()
    await web.SockSite(runner, sock).start()
    return runner
