"""Whole request heads, remembered: a caller's next request mostly differs in the customer alone.

A head is remembered without the value of one field, the customer's.  The same head with
another value then costs a search, two slices and one dict hit, however many lines it has; what
was learned of it (memo of a Plan's decisions, the bytes that go on) is there already.

Behind a gateway a request id or a trace is another one in each request as well.  Such values are
cut out too where the head is not known otherwise, and each request gets a head of its own, made of
the one that is remembered.

Why this is safe: the value is cut from the first occurrence of the field's name to the end of
its line, and holds nothing that could be more than a value.  So what is left together with the
value gives back exactly one head, and every line of it but the cut one was read before.
"""

from __future__ import annotations

import re
from collections.abc import KeysView
from typing import Final

from proxy.wire.request import RULED, RequestBook, RequestHead

_HEADS: Final = 4096
_HEAD_BYTES: Final = 2048
#: Spellings of each customer's field that are looked for: ``X-Customer-Id``, ``x-customer-id``.
_SPELLINGS: Final = 4
#: After the memory has filled up and was emptied, so many heads go by before it learns again:
#: where every head is another (a trace id in each), remembering would cost more than it gives.
_REST: Final = 8 * _HEADS
#: A value as it stands trimmed in its line.
_VALUE: Final = re.compile(rb"[!-~](?:[ -~]*[!-~])?")


#: Fields that a gateway writes anew into each request.  One that the Plan reads is left alone.
VARYING: Final = frozenset(
    (
        b"x-request-id", b"x-correlation-id", b"traceparent", b"tracestate", b"x-b3-traceid",
        b"x-b3-spanid", b"x-b3-parentspanid", b"x-amzn-trace-id", b"x-cloud-trace-context",
    )
)  # fmt: skip
_VARIED: Final = b"\0"


def _varying_lines(block: bytes, wanted: KeysView[bytes]) -> dict[bytes, bytes] | None:
    """The lines of ``VARYING`` fields by name; None where one cannot be cut."""
    found: dict[bytes, bytes] = {}
    for line in block.split(b"\r\n")[1:]:
        written, _, value = line.partition(b": ")
        name = line[: line.find(b":")].lower()
        if name in VARYING and name not in wanted:
            if name in found or len(name) != len(written) or _VALUE.fullmatch(value) is None:
                return None
            found[name] = line
    return found


class HeadMemory:
    """Reads request heads through a RequestBook, and remembers them.

    ``customers`` are the lower-case names of the fields that tell customers apart.  One that has
    a rule of its own, such as Host, is not cut out: the rule depends on its value.  A head with
    two of them is not remembered (it would differ in two values), nor is one with a ``secret``.
    """

    __slots__ = ("_book", "_customers", "_heads", "_marks", "_rest", "_secrets", "_varying_marks")

    def __init__(
        self,
        book: RequestBook,
        customers: frozenset[bytes] = frozenset(),
        secrets: frozenset[bytes] = frozenset(),
    ) -> None:
        self._book = book
        self._customers = customers - RULED - secrets
        self._secrets = secrets
        self._heads: dict[bytes, RequestHead] = {}
        self._marks: tuple[bytes, ...] = ()  # CRLF, name, colon, space
        self._varying_marks: tuple[tuple[bytes, bytes], ...] = ()  # the same, and the name
        self._rest = 0

    def read(self, data: bytes, end: int) -> tuple[RequestHead, bytes]:
        """The head in ``data[:end]`` without its closing empty line, and the value cut out of it.

        The value is ``b""`` where none was.  Raises RequestRefused.
        """
        block = data[:end]
        if end > _HEAD_BYTES:
            return self._book.scan(block), b""
        for mark in self._marks:
            before, found, rest = block.partition(mark)
            if not found:
                continue
            value, _, after = rest.partition(b"\r\n")
            head = self._heads.get(before + mark + after)
            if head is None:
                break
            if value.isalnum() or _VALUE.fullmatch(value) is not None:
                return head, value
            return self._book.scan(block), b""
        else:
            head = self._heads.get(block)
            if head is not None:
                return head, b""
        if self._varying_marks:
            known = self._recall_varied(block)
            if known is not None:
                return known
        return self._learn(block)

    def _learn(self, block: bytes) -> tuple[RequestHead, bytes]:
        head = self._book.scan(block)
        if self._rest:
            self._rest -= 1
            return head, b""
        wanted = (head.wanted or {}).keys()
        names = self._customers & wanted
        if len(names) > 1 or self._secrets & wanted:
            return head, b""
        varying = _varying_lines(block, wanted)
        if varying is None:
            return head, b""
        if varying:
            return self._learn_varied(block, head, names, varying)
        if not names:
            self._keep(block, head)
            return head, b""
        return head, self._cut(block, head, *names)

    # --- heads that have more than the customer of their own ---

    def _recall_varied(self, block: bytes) -> tuple[RequestHead, bytes] | None:
        rest, values = self._without_varying(block)
        if not values:
            return None
        value = b""
        for mark in self._marks:
            before, found, behind = rest.partition(mark)
            if found:
                value, _, after = behind.partition(b"\r\n")
                rest = before + mark + after
                if _VALUE.fullmatch(value) is None:
                    return None
                break
        head = self._heads.get(_VARIED + rest)
        return None if head is None else (head.varied(values), value)

    def _without_varying(self, block: bytes) -> tuple[bytes, dict[bytes, bytes]]:
        """The head without the values of such fields, and those values; their lines stay."""
        values = {}
        for mark, name in self._varying_marks:
            before, found, rest = block.partition(mark)
            if found:
                value, line_end, after = rest.partition(b"\r\n")
                if _VALUE.fullmatch(value) is not None:
                    values[name] = value
                    block = before + mark + line_end + after
        return block, values

    def _learn_varied(
        self, block: bytes, head: RequestHead, names: frozenset[bytes], varying: dict[bytes, bytes]
    ) -> tuple[RequestHead, bytes]:
        """Remembers a head without its customer and without the values of its own.

        It is found under a name that no other head can have: bytes as they stand hold no NUL.
        """
        for name, line in varying.items():
            mark = b"\r\n%b: " % line[: len(name)]
            if (mark, name) not in self._varying_marks:
                if len(self._varying_marks) >= _SPELLINGS * len(VARYING):
                    self._empty()
                    return head, b""
                self._varying_marks += ((mark, name),)
        rest, values = self._without_varying(block)
        shared = head.shared({name: head.lines.index(line) for name, line in varying.items()
                              if line in head.lines}, values)  # fmt: skip
        value = b""
        if names:
            value = self._cut(rest, shared, next(iter(names)), _VARIED)
            if not value:
                return head, b""
        else:
            self._keep(_VARIED + rest, shared)
        return shared.varied(values), value

    def _cut(self, block: bytes, head: RequestHead, name: bytes, under: bytes = b"") -> bytes:
        """Remembers a head without its customer; the value, where that could be done."""
        assert head.wanted is not None
        values = head.wanted[name]
        value = values[0]
        if len(values) > 1 or _VALUE.fullmatch(value) is None:
            return b""
        named = (at for at, x in enumerate(head.lines) if x[: x.find(b":")].lower() == name)
        at = next(named, 0)
        line = head.lines[at]
        mark = b"\r\n%b: " % line[: len(name)]
        if line != mark[2:] + value or not self._marks_it(mark):
            return b""
        head.cut, head.cut_line = name, at
        head.leave_out(value)
        before, _, rest = block.partition(mark)
        self._keep(under + before + mark + rest.partition(b"\r\n")[2], head)
        return value

    def _marks_it(self, mark: bytes) -> bool:
        """Whether ``mark`` is looked for, from now on at the latest."""
        if mark in self._marks:
            return True
        if len(self._marks) >= _SPELLINGS * len(self._customers):
            self._empty()  # perhaps somebody plays with spellings: learn anew from who is there
            return False
        self._marks += (mark,)
        return True

    def _keep(self, block: bytes, head: RequestHead) -> None:
        if len(self._heads) >= _HEADS:
            self._empty()
        else:
            self._heads[block] = head

    def _empty(self) -> None:
        # Both at once: a head that was cut must not be found where its mark is not looked for.
        self._heads.clear()
        self._marks = ()
        self._varying_marks = ()
        self._rest = _REST

    def forget(self) -> None:
        """Lets go of what was prepared for the heads; the heads are remembered."""
        for head in self._heads.values():
            head.prepared = None

    def __len__(self) -> int:
        return len(self._heads)
