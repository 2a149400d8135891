"""Every error of the admin door becomes one shape: problem+json (RFC 9457).

A handler raises what it knows (``Problem``, or an error of the house's tree) and the one
middleware here turns it into the answer.  Nothing that was not raised on purpose shows its
text to the caller: it is logged, and the answer says where to look.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from proxy.errors import ConfigError, OperationRefused, StateError

CONTENT_TYPE = "application/problem+json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("pointsman.admin")


class Problem(Exception):
    """An answer of ``status`` that says what was found and what is allowed.

    ``problems`` holds one line per fault when there is more than one thing to put right;
    ``more`` are further members of the answer (RFC 9457, 3.2).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        problems: list[str] | None = None,
        headers: dict[str, str] | None = None,
        more: dict[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.problems = problems or []
        self.headers = headers or {}
        self.more = more or {}


def answer(problem: Problem, instance: str) -> web.Response:
    """The problem as a response; ``instance`` is the path that was asked for.

    ``type`` stays ``about:blank``, so ``title`` is the status's own phrase (RFC 9457, 4.2.1).
    """
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        **problem.more,
    }
    if problem.problems:
        body["problems"] = problem.problems
    return web.Response(
        status=problem.status,
        body=json.dumps(body).encode(),
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )


def from_error(error: Exception, request: web.Request) -> Problem | None:
    """The problem that an error on purpose stands for; None when it was not on purpose."""
    match error:
        case Problem():
            return error
        case OperationRefused():
            return Problem(HTTPStatus.CONFLICT, str(error))
        case ConfigError():
            detail = f"{error.source}: the config was refused; the old one goes on"
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=error.problems)
        case StateError():
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        case web.HTTPNotFound():
            detail = f"There is nothing at {request.path}; GET / lists what there is"
            return Problem(error.status, detail)
        case web.HTTPMethodNotAllowed():
            allowed = sorted(error.allowed_methods)
            detail = f"{request.path} takes {', '.join(allowed)}, not {request.method}"
            return Problem(error.status, detail, headers={"Allow": ", ".join(allowed)})
        case web.HTTPRequestEntityTooLarge():
            detail = f"The body is too large: at most {request.client_max_size} bytes are read"
            return Problem(error.status, detail)
        case web.HTTPException():
            return Problem(error.status, error.reason)
    return None


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: whatever goes wrong further in leaves as a problem."""
    try:
        return await handler(request)
    except Exception as error:
        problem = from_error(error, request)
        if problem is None:
            log.exception("%s %s failed", request.method, request.path)
            detail = "pointsman failed at this request; its log says how"
            problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
        return answer(problem, request.path)
