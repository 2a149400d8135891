"""A proxy and a model server that somebody gives: where they are, and whether they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from loadtests.load.errors import LoadError, UnreachableError, UsageError
from loadtests.load.payloads import Payload

_PATIENCE: Final = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody's own proxy, and the stable version behind it."""

    proxy: str
    direct: str
    path: str
    direct_path: str
    customer_header: str
    headers: dict[str, str] = field(default_factory=dict)
    admin: str = ""

    @property
    def urls(self) -> tuple[str, str]:
        """Through the proxy, and straight."""
        return self.proxy + self.path, self.direct + self.direct_path

    @property
    def sent(self) -> dict[str, str]:
        """The headers of every request, but for the customer's key."""
        return {"Content-Type": "application/json", **self.headers}


def address(text: str, option: str) -> str:
    """``http://host:port`` without a path.  Raises UsageError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
        raise UsageError(f"{option}: found {text!r}; allowed: http://HOST:PORT, without a path")
    return f"{parts.scheme}://{parts.netloc}"


async def check(target: Target, payload: Payload) -> None:
    """One request on each way, before any load.

    Raises UnreachableError when nobody answers, LoadError for another answer than 2xx.
    """
    headers = {**target.sent, target.customer_header: payload.customer}
    options = ("--proxy", "--direct")
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        for option, url in zip(options, target.urls, strict=True):
            try:
                async with session.post(url, data=payload.body, headers=headers) as answer:
                    found = await answer.text(errors="replace")
            except (aiohttp.ClientError, TimeoutError) as error:
                why = str(error) or type(error).__name__
                raise UnreachableError(f"{option}: {url} does not answer ({why})") from None
            if not 200 <= answer.status < 300:
                raise LoadError(
                    f"{option}: {url} answered {answer.status} to the first payload (customer "
                    f"{payload.customer}): {found[:300]}\nallowed is 2xx, or every request "
                    "of the run would fail the same way"
                )
        if target.admin:
            await _check_admin(session, target.admin)


async def _check_admin(session: aiohttp.ClientSession, admin: str) -> None:
    try:
        async with session.get(f"{admin}/v1/status") as answer:
            if answer.status == 200:
                return
            found = f"answered {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        found = f"does not answer ({str(error) or type(error).__name__})"
    raise UnreachableError(
        f"--admin: {admin}/v1/status {found}; needed is pointsman's admin address"
    )
