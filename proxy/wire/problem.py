"""Errors become answers here and nowhere else: RFC 9457 problem bodies that say what and whose."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from proxy.terms import Owner

#: RFC 9110's names, where some Pythons have those of its predecessor.
_RENAMED: Final = {413: "Content Too Large", 414: "URI Too Long"}


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    owner: Owner,
    request_id: str = "",
    close: bool = True,
    bodiless: bool = False,
    extra: bytes = b"",
    retry_after: int | None = None,
) -> bytes:
    """A whole HTTP/1.1 answer in bytes.

    ``reason`` is a short word (also the metric's label), ``detail`` a sentence, ``owner``
    whose side the fault is on; ``extra`` holds more header lines, each with its CRLF;
    ``bodiless`` leaves the body out, for HEAD.
    """
    phrase = _RENAMED.get(status) or HTTPStatus(status).phrase
    fields = {
        "type": f"urn:pointsman:problem:{reason}",
        "title": phrase,
        "status": status,
        "detail": detail,
        "owner": str(owner),
    }
    if request_id:
        fields["instance"] = f"urn:pointsman:request:{request_id}"
    body = msgspec.json.encode(fields)
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
    ]
    if request_id:
        lines.append(f"x-request-id: {request_id}")
    if retry_after is not None:
        lines.append(f"retry-after: {retry_after}")
    if close:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n" + extra + b"\r\n"
    return head if bodiless else head + body
