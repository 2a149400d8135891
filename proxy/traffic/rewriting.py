"""The head and body of a shadow's copy: marked, without credentials, renamed where asked."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from proxy.routing.plan import ShadowPlan

_MEMO: Final = 4096
_AFTER_SEGMENT: Final = frozenset(b"/? ")


class CopyHead:
    """Writes the heads of copies; prepared once per Plan and shadow."""

    __slots__ = (
        "_added",
        "_by",
        "_keeps",
        "_pointer",
        "_prefix",
        "_removed",
        "_value",
        "rewrites_body",
    )

    def __init__(self, plan: ShadowPlan) -> None:
        self._removed = frozenset(name.lower().encode() for name in plan.remove)
        added = "".join(f"\r\n{name}: {value}" for name, value in plan.add)
        self._added = f"\r\nx-shadow: {plan.version}{added}".encode()
        self._prefix = plan.path.prefix.encode() if plan.path else b""
        self._by = plan.path.by.encode() if plan.path else b""
        self.rewrites_body = plan.json is not None
        pointer = plan.json.pointer if plan.json else ""
        self._pointer = [
            part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]
        ]
        self._value = plan.json.value if plan.json else ""
        self._keeps: dict[bytes, bool] = {}

    def build(self, lines: list[bytes], length: int | None, added: bytes) -> bytes:
        """A copy's head with its closing empty line.

        ``lines`` are the live request's; ``length`` is the new Content-Length of a rewritten
        body; ``added`` holds the lines that the proxy adds, its request id last.
        """
        keeps = self._keeps
        kept = [self._request_line(lines[0])]
        for line in lines[1:]:
            keep = keeps.get(line)
            if keep is None:
                keep = self._learn(line)
            if keep:
                kept.append(line)
        if length is not None:
            kept = [k for k in kept if k[: k.find(b":")].lower() not in _LENGTHS]
            kept.append(b"content-length: %d" % length)
        return b"".join((b"\r\n".join(kept), self._added, added, b"\r\n\r\n"))

    def _learn(self, line: bytes) -> bool:
        keep = line[: line.find(b":")].lower() not in self._removed
        if len(self._keeps) >= _MEMO:
            self._keeps.clear()
        self._keeps[line] = keep
        return keep

    def _request_line(self, line: bytes) -> bytes:
        if not self._prefix:
            return line
        method, _, rest = line.partition(b" ")
        if not rest.startswith(self._prefix):
            return line
        behind = rest[len(self._prefix) :]
        if behind[0] not in _AFTER_SEGMENT and not self._prefix.endswith(b"/"):
            return line
        return b"%b %b%b" % (method, self._by, behind)

    def rewrite(self, body: bytes) -> bytes | None:
        """The body with the configured value in its place; None where that cannot be done."""
        try:
            whole: Any = msgspec.json.decode(body)
            place = whole
            for step in self._pointer[:-1]:
                place = place[int(step)] if isinstance(place, list) else place[step]
            if isinstance(place, list):
                place[int(self._pointer[-1])] = self._value
            elif isinstance(place, dict):
                place[self._pointer[-1]] = self._value
            else:
                return None
            return msgspec.json.encode(whole)
        except (
            msgspec.MsgspecError,
            UnicodeDecodeError,
            LookupError,
            ValueError,
            TypeError,
            RecursionError,
        ):
            return None


_LENGTHS: Final = frozenset((b"content-length", b"transfer-encoding"))
