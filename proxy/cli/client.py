"""The admin API of a running pointsman, called with the standard library.

Short timeouts and no proxies from the environment: the address is this host's or its pod's,
and a person waits at the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from proxy.errors import OperationRefused, Unreachable

TIMEOUT = 5.0  # seconds, for connecting and for each read
LONG_TIMEOUT = 60.0  # of what is written to a database before it is answered
LARGEST_ANSWER = 64 * 1024 * 1024  # bytes; a status of 1,000 models is a few MiB


class NotNow(OperationRefused):
    """Nothing was done, and the same may be asked again in ``seconds``."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(words)
        self.seconds = seconds


class _NoRedirects(HTTPRedirectHandler):
    """The admin API never redirects, so whoever does is somebody else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def path(*parts: str) -> str:
    """The path of an API call; each part is one segment, whatever is in it."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


class AdminClient:
    """Calls one admin address, ``http://host:port``.

    Every call raises Unreachable when nothing, or something else, answers there, and
    OperationRefused with what the API said when it refused.
    """

    def __init__(self, address: str, timeout: float = TIMEOUT) -> None:
        self.address = address.rstrip("/")
        self._timeout = timeout
        self._opener: OpenerDirector = build_opener(ProxyHandler({}), _NoRedirects())

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("PUT", path, body)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("POST", path, body)

    def delete(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("DELETE", path, body)

    def submit(self, path: str, body: bytes, content_type: str = "application/json") -> Any:
        """POST items of which some may be refused; the answer says which, 422 when all are.

        Raises NotNow when nothing was taken and it may be sent again.
        """
        request = Request(self.address + path, body, method="POST")  # noqa: S310  # as above
        request.add_header("Content-Type", content_type)
        try:
            with self._opener.open(request, timeout=LONG_TIMEOUT) as answer:
                return self._read(answer)
        except HTTPError as error:
            with error:
                return self._half_refused(error)
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error

    def _half_refused(self, error: HTTPError) -> Any:
        """The answer's members where they say what was rejected; else raises what it means."""
        after = error.headers.get("Retry-After", "")
        if error.code == HTTPStatus.UNPROCESSABLE_ENTITY:
            found = self._problem(error)
            if isinstance(found, dict) and "rejected" in found:
                return found
            raise _refused(found)
        refusal = self._refusal(error)
        if error.code == HTTPStatus.SERVICE_UNAVAILABLE and after.isdigit():
            raise NotNow(str(refusal), min(float(after), 60.0))
        raise refusal

    def _silent(self, error: Exception) -> Unreachable:
        reason = getattr(error, "reason", None) or error
        return Unreachable(f"no pointsman answers at {self.address}: {reason}")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = Request(self.address + path, method=method)  # noqa: S310  # http(s): admin_url
        request.add_header("Accept", "application/json, application/problem+json")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return self._read(answer)
        except HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error

    def _read(self, answer: HTTPResponse | HTTPError) -> Any:
        try:
            return json.loads(answer.read(LARGEST_ANSWER))
        except ValueError as error:
            detail = f"what answers at {self.address} is not pointsman: its answer is not JSON"
            raise Unreachable(detail) from error

    def _refusal(self, error: HTTPError) -> OperationRefused | Unreachable:
        """What a status of 400 and above means: the API's own words, or a stranger's."""
        try:
            return _refused(self._problem(error))
        except Unreachable as stranger:
            return stranger

    def _problem(self, error: HTTPError) -> Any:
        """The problem+json of a refusal.  Raises Unreachable when it is somebody else's."""
        if error.headers.get_content_type() != "application/problem+json":
            detail = f"what answers at {self.address} is not pointsman: {error.code} {error.reason}"
            raise Unreachable(detail)
        return self._read(error)


def _refused(problem: Any) -> OperationRefused:
    lines = [str(problem.get("detail") or problem.get("title") or problem.get("status"))]
    return OperationRefused("\n".join([*lines, *map(str, problem.get("problems", []))]))


def admin_url(text: str) -> str:
    """``host:port`` or ``http://host:port`` as the latter.  ValueError says what is allowed."""
    wrong = ValueError(f"{text!r} is no admin address; allowed is host:port or http://host:port")
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise wrong
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise wrong
    return f"{parts.scheme}://{parts.netloc}"


def called(bound: str) -> str:
    """The URL of a door bound to ``host:port``: a wildcard is called on loopback."""
    host, _, port = bound.rpartition(":")
    wildcards = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104
    return admin_url(f"{wildcards.get(host, host)}:{port}")
