"""One connection to an upstream: bytes of answers in, heads and payload out to a sink.

The sink is an exchange or a shadow's copy.  Bytes that arrive while no request is under way
are never anybody's answer: they close the connection (RFC 9112 section 9.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
from enum import IntEnum
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, Protocol, cast

from proxy.errors import AnswerBroken
from proxy.net import NEVER, Deadlines
from proxy.terms import Outcome
from proxy.wire import CHUNKED, UNTIL_CLOSE, AnswerBook, AnswerHead, BadChunk, ChunkDecoder

if TYPE_CHECKING:
    from proxy.traffic.pools import UpstreamPool

_HEAD_BYTES: Final = 65_536
_LAST_READS: Final = 16
_INTERIM_ANSWERS: Final = 16  # 1xx for one request (RFC 9110 15.2 sets no bound; a flood is one)
_BOOK: Final = AnswerBook()
_RECALL: Final = _BOOK.recall
NO_LINES: Final[list[bytes]] = []
_LOG: Final = logging.getLogger(__name__)
PROTOCOL: Final = Outcome.UPSTREAM_PROTOCOL.value
RESET: Final = Outcome.UPSTREAM_RESET.value
TIMEOUT: Final = Outcome.UPSTREAM_TIMEOUT.value


class Sink(Protocol):
    """Who an answer is for."""

    def interim(self, head: AnswerHead) -> None:
        """A 1xx answer; the final one is still to come."""

    def answer(
        self,
        head: AnswerHead,
        pieces: list[bytes],
        complete: bool,
        trailers: list[bytes],
        now: int,
    ) -> None:
        """The final head, with what came of the body in the same read at ``now``."""

    def more(self, pieces: list[bytes], complete: bool, trailers: list[bytes]) -> None:
        """More of the body."""

    def failed(self, outcome: str, detail: str, *, untouched: bool) -> None:
        """The upstream broke off; the connection is gone.

        ``untouched``: a kept connection that closed before anything of an answer came, as
        servers close idle ones; the request was most likely never read.
        """

    def broke_down(self) -> None:
        """A fault of our own while the answer was read; the connection is gone."""

    def pause_sending(self) -> None:
        """The upstream takes no more for now."""

    def resume_sending(self) -> None:
        """The upstream takes more again."""


class Phase(IntEnum):
    """Where the connection is in its exchange."""

    IDLE = 0
    HEAD = 1
    FIXED = 2
    CHUNKS = 3
    REST = 4  # a body that ends with the connection
    CLOSED = 5


# Module constants: an attribute of an Enum class is a slow look-up.
_IDLE, _AT_HEAD, _FIXED, _CHUNKS, _REST, _CLOSED = Phase


class UpstreamConnection(asyncio.Protocol):
    """A connection of a pool, and the answer that is being read from it."""

    __slots__ = (
        "_buffer", "_deadlines", "_decoder", "_full", "_interims", "_interims_of", "_keep",
        "_left", "_phase", "_poll", "_to_head", "_total", "born", "deadline", "idle_since", "pool",
        "served", "sink", "transport", "write",
    )  # fmt: skip

    def __init__(self, pool: UpstreamPool, deadlines: Deadlines) -> None:
        self.pool = pool
        self.deadline = NEVER
        self.served = 0
        self._deadlines = deadlines
        self._phase = _IDLE
        self._left = 0
        self._keep = True
        self._interims = self._interims_of = 0  # how many 1xx, and to which request
        self.sink: Sink | None = None
        self._buffer = b""
        self._full = False  # it takes no more for now
        self._poll: select.poll | None = None

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one but by inheritance
        self.write = self.transport.write
        self.born = self.idle_since = perf_counter_ns()
        self.pool.opened()
        self._deadlines.add(self)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        sink, phase = self.sink, self._phase
        try:
            if phase is _AT_HEAD:
                self._read_head(data)
            elif phase is _FIXED:
                self._read_fixed(data)
            elif phase is _CHUNKS:
                self._read_chunks(data, 0, None)
            elif phase is _REST and sink is not None:
                sink.more([data], False, [])
            else:
                self.discard()
        except Exception:
            _LOG.exception("an answer could not be passed on")
            self.discard()
            if sink is not None:
                sink.broke_down()

    def eof_received(self) -> bool:
        # Not close(): that would wait until what is still unsent has gone, perhaps for ever.
        self.transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self.sink is not None:
            self._read_last()
        phase, self._phase = self._phase, _CLOSED
        self.pool.closed()
        self._deadlines.discard(self)
        if phase is _IDLE:
            self.pool.forget(self)
        sink, self.sink = self.sink, None
        if sink is None:
            return
        if phase is _REST and exc is None:
            sink.more([], True, [])
        elif phase is _AT_HEAD and not self._buffer:
            untouched = self.served > 1 and self._interims_of != self.served
            sink.failed(RESET, "closed the connection before an answer", untouched=untouched)
        else:
            detail = "closed the connection in the middle of its answer"
            sink.failed(RESET, detail, untouched=False)

    def _read_last(self) -> None:
        """Reads an answer that came just before the reset, when it was a write that failed.

        A server that refuses an upload early answers and closes without reading the rest.
        """
        sock = self.transport.get_extra_info("socket")
        if sock is None:
            return
        with contextlib.suppress(OSError):
            for _ in range(_LAST_READS):
                data = os.read(sock.fileno(), _HEAD_BYTES)
                if not data:
                    return
                self.data_received(data)
                if self.sink is None:
                    return

    def pause_writing(self) -> None:
        self._full = True
        if self.sink is not None:
            self.sink.pause_sending()

    def resume_writing(self) -> None:
        self._full = False
        if self.sink is not None:
            self.sink.resume_sending()

    # --- for the pool ---

    def stale(self) -> bool:
        """Whether something arrived unread: the end of the stream, or bytes nobody asked for.

        One system call before each reuse; without it those bytes would be the next answer.
        """
        return self._poll is not None and bool(self._poll.poll(0))

    def discard(self) -> None:
        """Closes it at once; its sink, if any, hears nothing more, and nobody gets it again."""
        if self._phase is _IDLE:
            self.pool.forget(self)
        self._phase = _CLOSED
        self.sink = None
        self.transport.abort()

    # --- for the sink ---

    def assign(self, sink: Sink, to_head: bool, deadline: int, total: int) -> None:
        """Makes ``sink`` the one whose request is written next; deadlines in nanoseconds."""
        self.sink = sink
        self._to_head = to_head
        self._phase = _AT_HEAD
        self._total = total
        self.deadline = deadline if deadline < total else total
        self.served += 1

    def extend(self, deadline: int) -> None:
        """Moves the deadline, but never past the total one."""
        self.deadline = deadline if deadline < self._total else self._total

    @property
    def busy(self) -> bool:
        """Whether a request is under way on it."""
        return self.sink is not None

    def expire(self, now: int) -> None:
        """The deadline has passed."""
        sink = self.sink
        if sink is None:
            self.discard()
            return
        waited = "before an answer" if self._phase is _AT_HEAD else "in the middle of its answer"
        total = " (total deadline)" if now >= self._total else ""
        self.discard()
        sink.failed(TIMEOUT, f"was silent for too long {waited}{total}", untouched=False)

    # --- reading ---

    def _read_head(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > _HEAD_BYTES:
                self._break("the answer's head is over 64 KiB")
            else:
                self._buffer = data
            return
        head = None if self._to_head else _RECALL(data[:end])
        if head is not None:
            self._read_final(head, data, end + 4)
            return
        try:
            head = _BOOK.scan(data[:end], self._to_head)
        except AnswerBroken as broken:
            self._break(str(broken))
            return
        if head.status < 200:
            self._read_interim(head, data[end + 4 :])
        else:
            self._read_final(head, data, end + 4)

    def _read_interim(self, head: AnswerHead, rest: bytes) -> None:
        if self._interims_of != self.served:
            self._interims, self._interims_of = 0, self.served
        self._interims += 1
        if head.status == 101:
            self._break("switched protocols, which nobody asked for")
        elif self._interims > _INTERIM_ANSWERS:
            self._break(f"sent more than {_INTERIM_ANSWERS} interim answers")
        else:
            assert self.sink is not None
            self.sink.interim(head)
            if rest and self._phase is _AT_HEAD:
                self._read_head(rest)

    def _read_final(self, head: AnswerHead, data: bytes, at: int) -> None:
        sink, now = self.sink, perf_counter_ns()
        assert sink is not None
        if head.close:
            self._keep = False
        length = head.length
        left = at + length - len(data)
        if length >= 0 and left <= 0:
            if left < 0:
                self._keep = False  # surplus bytes: never the next caller's answer
                data = data[:left]
            self._phase = _IDLE
            self.sink = None
            sink.answer(head, [data[at:]] if length else [], True, NO_LINES, now)
            self._let_go(now)
        elif length >= 0:
            self._phase = _FIXED
            self._left = left
            sink.answer(head, [data[at:]], False, NO_LINES, now)
        elif length == CHUNKED:
            self._phase = _CHUNKS
            self._decoder = ChunkDecoder()
            self._read_chunks(data, at, head)
        else:
            assert length == UNTIL_CLOSE
            self._phase = _REST
            sink.answer(head, [data[at:]], False, NO_LINES, now)

    def _read_fixed(self, data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            assert self.sink is not None
            self.sink.more([data], False, [])
            return
        if left < 0:
            self._keep = False  # surplus bytes: never the next caller's answer
            data = data[:left]
        self._finish_more([data], [])

    def _read_chunks(self, data: bytes, at: int, head: AnswerHead | None) -> None:
        decoder = self._decoder
        try:
            pieces, end = decoder.feed(data, at)
        except BadChunk as bad:
            self._break(str(bad))
            return
        complete = end >= 0
        sink = self.sink
        assert sink is not None
        if complete:
            if end < len(data):
                self._keep = False
            self._done()
        if head is not None:
            sink.answer(head, pieces, complete, decoder.trailers, perf_counter_ns())
        else:
            sink.more(pieces, complete, decoder.trailers)
        if complete:
            self._let_go(perf_counter_ns())

    def _finish_more(self, pieces: list[bytes], trailers: list[bytes]) -> None:
        sink = self.sink
        assert sink is not None
        self._done()
        sink.more(pieces, True, trailers)
        self._let_go(perf_counter_ns())

    def _done(self) -> None:
        """The answer is whole: from here on no byte belongs to this exchange."""
        self._phase = _IDLE
        self.sink = None
        self.deadline = NEVER

    def _let_go(self, now: int) -> None:
        """Back to the pool, unless the sink or the upstream wants it closed."""
        if self._phase is not _IDLE or self.transport.is_closing():
            return
        if self._keep and not self._full:
            self.pool.free(self, now)  # which sets its deadline
        else:
            # What is still unsent belongs to a request that has its answer: nobody reads it.
            self.discard()

    def spoil(self) -> None:
        """The request was not sent whole: the connection must not be kept."""
        self._keep = False

    def _break(self, detail: str) -> None:
        sink = self.sink
        self.discard()
        if sink is not None:
            sink.failed(PROTOCOL, detail, untouched=False)
