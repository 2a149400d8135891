"""Which model a request is for, from its target and host.

The longest prefix of whole path segments wins; at equal prefix a model that names the host
beats one that does not.  The cost of a miss grows with the depth of the path, never with the
number of models, and a hit is one look-up.

Paths are compared as RFC 3986 section 6.2.2 says: ``%2D`` and ``-`` are the same octet to
every server behind us, so they may not lead to two models.  Dot segments stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from proxy.routing.plan import ModelPlan

_MEMO_ENTRIES: Final = 4096
_NOBODY: Final = -1
_MEMO_BYTES: Final = 512  # of target and host; longer ones are looked up afresh

_ESCAPED: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_NOT_A_TARGET_OCTET: Final = re.compile(rb"[^\x21-\x7e]")
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)


def _canonical_escape(found: re.Match[bytes]) -> bytes:
    octet = int(found[0][1:], 16)
    return bytes((octet,)) if octet in _UNRESERVED else found[0].upper()


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _canonical(path: bytes) -> bytes:
    return _ESCAPED.sub(_canonical_escape, path) if b"%" in path else path


def _bare(host: bytes) -> bytes:
    """The host without its port, in lower case; an IPv6 address keeps its brackets."""
    host = host.strip().lower()
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1]
    return host.partition(b":")[0]


def place(model: ModelPlan) -> tuple[bytes, bytes | None]:
    """Where a model stands in the table; two models may not stand in the same place.

    The prefix in canonical form without a closing slash, and the host, or None for any.
    """
    prefix = _NOT_A_TARGET_OCTET.sub(_escape, model.path_prefix.encode())
    host = None if model.host is None else _bare(model.host.encode())
    return _canonical(prefix.removesuffix(b"/")), host


class Table:
    """All models of a Plan, found by target and host.  Of two in the same place the first wins."""

    __slots__ = ("_hosted", "_longest", "_memo", "_places")

    def __init__(self, models: Iterable[ModelPlan]) -> None:
        self._places: dict[bytes, dict[bytes | None, int]] = {}
        self._memo: dict[bytes | tuple[bytes, bytes], int] = {}
        self._hosted = False
        for index, model in enumerate(models):
            prefix, host = place(model)
            self._places.setdefault(prefix, {}).setdefault(host, index)
            self._hosted |= host is not None
        self._longest = max(map(len, self._places), default=0)

    def find(self, target: bytes, host: bytes) -> int | None:
        """The index of the model that serves ``target``, or None.

        ``target`` is the request target as received, with or without a query; ``host`` is
        the Host line's value, with or without a port, ``b""`` when there is none.
        """
        found = self._memo.get((target, host) if self._hosted else target)
        if found is None:
            found = self._find_path(target.partition(b"?")[0], host)
        return found if found >= 0 else None

    def _find_path(self, path: bytes, host: bytes) -> int:
        known = (path, host) if self._hosted else path
        found = self._memo.get(known)
        if found is None:
            found = self._search(path, host)
            if len(path) + len(host) <= _MEMO_BYTES:
                if len(self._memo) >= _MEMO_ENTRIES:
                    self._memo.clear()
                self._memo[known] = found
        return found

    def _search(self, target: bytes, host: bytes) -> int:
        if not target.startswith(b"/") and b"://" in target:
            # RFC 9112 section 3.2.2: the authority of an absolute-form target replaces Host.
            authority, slash, path = target.partition(b"://")[2].partition(b"/")
            host, target = authority.rpartition(b"@")[2], (slash + path) or b"/"
        path, host = _canonical(target), _bare(host)
        end = len(path)
        if end > self._longest:
            end = path.rfind(b"/", 0, self._longest + 1)
        while end >= 0:
            here = self._places.get(path[:end])
            if here is not None:
                found = here.get(host, here.get(None))
                if found is not None:
                    return found
            end = path.rfind(b"/", 0, end)
        return _NOBODY
