"""Who may talk to the admin door from a browser: nobody else's page.

There is no authentication yet, so whoever reaches the port may use it.  A web page must not
be made to reach it for somebody else: not by DNS rebinding (the ``Host`` must be ours), not
by a cross-site write (``Origin``, ``Sec-Fetch-Site`` and a JSON content type, which a plain
form cannot send without asking first).
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware

from proxy.admin.feedback import CONTENT_TYPES
from proxy.admin.problems import Handler, Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Read by probes and scrapers, which call by whatever name the network gave us.
NETWORK_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

_JSON = frozenset({"application/json"})

#: The same on every answer: nothing here is for another site's page, or for a cache.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def host_name(authority: str) -> str:
    """The name or address of a ``Host`` value, without its port and brackets, in lower case."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.rpartition(":")[0].lower() if ":" in authority else authority.lower()


def is_address(name: str) -> bool:
    """Whether ``name`` is an IP address.  Rebinding needs a name: an address cannot be rebound."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """``localhost``, a name under it (RFC 6761, 6.3), or a loopback address."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return is_address(name) and ip_address(name).is_loopback


def check_host(request: web.Request, admin_host: str) -> None:
    """Raises Problem 421 when the ``Host`` is a name that is not this door's.

    Probes and scrapers may use any name once the operator has bound the door to a network.
    """
    if request.path in NETWORK_PATHS and not is_loopback(admin_host):
        return
    found = request.headers.getall("Host", [])
    name = host_name(found[0]) if len(found) == 1 else ""
    if name == admin_host or is_loopback(name) or is_address(name):
        return
    raise Problem(
        HTTPStatus.MISDIRECTED_REQUEST,
        f"The Host {', '.join(found) or '(none)'} is not this admin address; "
        f"allowed are localhost, an IP address, or the host of `admin` in the config "
        f"({admin_host})",
    )


def check_origin(request: web.Request) -> None:
    """Raises Problem 403 when another site's page is behind a write."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    ours = {f"{scheme}://{request.headers.get('Host', '')}" for scheme in ("http", "https")}
    if site in ("none", "same-origin") and (origin is None or origin in ours):
        return
    raise Problem(
        HTTPStatus.FORBIDDEN,
        f"A page of {origin or 'another site'} may not change anything here; "
        "use the command line, or a page of this address",
    )


def check_content_type(request: web.Request) -> None:
    """Raises Problem 415 for a write that is not JSON, a DELETE without a body excepted.

    Feedback may also come as what else is made of JSON (feedback.py).
    """
    if request.method == "DELETE" and not request.can_read_body:
        return
    allowed = CONTENT_TYPES.get(request.path, _JSON)
    if request.content_type in allowed and "Content-Type" in request.headers:
        return
    needed = " or ".join(sorted(allowed))
    raise Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"The Content-Type is {request.headers.get('Content-Type', '(none)')}; "
        f"a write needs {needed}",
        headers={"Accept": ", ".join(sorted(allowed))},
    )


def guard(admin_host: str) -> Middleware:
    """The middleware that holds these rules for a door bound to ``admin_host``."""
    ours = admin_host.strip("[]").lower()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request, ours)
        if request.method not in SAFE_METHODS:
            check_origin(request)
            check_content_type(request)
        return await handler(request)

    return check


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """An ``on_response_prepare`` signal: every answer carries ``HEADERS``, and no versions."""
    response.headers["Server"] = "pointsman"
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
