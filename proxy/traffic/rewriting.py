"""The head and body of a shadow's copy: marked, without credentials, renamed where asked."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from proxy.routing.plan import ShadowPlan
from proxy.wire import RequestHead

_AFTER_SEGMENT: Final = frozenset(b"/? ")
_LENGTHS: Final = frozenset((b"content-length", b"transfer-encoding"))


class CopyText(msgspec.Struct, frozen=True):
    """A copy's head but for what each request adds: ``before``, perhaps the value, ``after``.

    ``valued``: the value that was cut out of the live head goes to the shadow as well.
    ``rewriter``: who rewrites the body, if it is rewritten.
    """

    before: bytes
    valued: bool
    after: bytes
    rewriter: CopyHead | None


class CopyHead:
    """Writes the heads of copies; prepared once per Plan and shadow."""

    __slots__ = ("_added", "_by", "_pointer", "_prefix", "_removed", "_rewrites", "_value")

    def __init__(self, plan: ShadowPlan) -> None:
        self._removed = frozenset(name.lower().encode() for name in plan.remove)
        added = "".join(f"\r\n{name}: {value}" for name, value in plan.add)
        self._added = f"\r\nx-shadow: {plan.version}{added}".encode()
        self._prefix = plan.path.prefix.encode() if plan.path else b""
        self._by = plan.path.by.encode() if plan.path else b""
        self._rewrites = plan.json is not None
        pointer = plan.json.pointer if plan.json else ""
        self._pointer = [
            part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]
        ]
        self._value = plan.json.value if plan.json else ""

    def text(self, head: RequestHead) -> CopyText:
        """What a copy's head says, from that of the live request."""
        before, after = [self._request_line(head.lines[0])], [b""]
        kept, valued = before, False
        for at, line in enumerate(head.lines[1:], 1):
            if line[: line.find(b":")].lower() in self._removed:
                continue
            kept.append(line)
            if at == head.cut_line:
                kept, valued = after, True
        behind = b"\r\n".join(after) if len(after) > 1 else b""
        text = b"\r\n".join(before)
        return CopyText(text, valued, behind + self._added, self if self._rewrites else None)

    def resized(self, text: CopyText, value: bytes, length: int) -> bytes:
        """The head in one piece, with the Content-Length of a rewritten body."""
        lines = (text.before + (value if text.valued else b"") + text.after).split(b"\r\n")
        kept = [line for line in lines if line[: line.find(b":")].lower() not in _LENGTHS]
        return b"\r\n".join((*kept, b"content-length: %d" % length))

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
