"""One caller's connection: requests in, in order, one exchange at a time.

What is read here is only framing: where a head ends, where a body ends, what comes after.
What happens to a request stands in exchange.py.
"""

from __future__ import annotations

import asyncio
import logging
from enum import IntEnum
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, cast

from proxy.errors import RequestRefused
from proxy.net import NEVER, reset_connection, unread
from proxy.terms import Outcome, Owner
from proxy.traffic import arriving, ending, uploading, waiting
from proxy.traffic.exchange import Exchange
from proxy.wire import BadChunk, ChunkDecoder, RequestHead

if TYPE_CHECKING:
    from proxy.traffic.plane import Plane

#: Bytes of further requests that are kept while one is being answered (RFC 9112 9.3.2).
_PIPELINED_BYTES: Final = 65_536
#: After an answer that leaves a request unread: how much and how long we go on reading, so
#: that the reset of an early close does not take the answer with it (RFC 9112 9.6).
_LINGER_BYTES: Final = 64 * 1024 * 1024
_LINGER_NS: Final = 2_000_000_000
CALLER_LEFT: Final = Outcome.CALLER_LEFT.value
CALLER_ERROR: Final = Outcome.CALLER_ERROR.value
CALLER_TIMEOUT: Final = Outcome.CALLER_TIMEOUT.value
PROXY_ERROR: Final = Outcome.PROXY_ERROR.value
_LOG: Final = logging.getLogger(__name__)


class Phase(IntEnum):
    """What the next byte from the caller belongs to."""

    HEAD = 0
    FIXED = 1  # a body with a Content-Length
    CHUNKS = 2
    ANSWERING = 3  # the request is whole: what comes is the next one, and waits
    LINGER = 4  # nothing more is served: read and forget
    CLOSED = 5


_AT_HEAD, _FIXED, _CHUNKS, _ANSWERING, _LINGER, _CLOSED = Phase


class CallerConnection(asyncio.Protocol):
    """A caller, from accept to close."""

    __slots__ = (
        "_buffer", "_decoder", "_driving", "_head_begun", "_left", "_phase", "_plane",
        "_reading", "_unsent", "_write_paused", "added", "deadline", "exchange", "idle_since",
        "transport", "write",
    )  # fmt: skip

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._phase = _AT_HEAD
        self._buffer = b""
        self._driving = False
        self._head_begun = False
        self._reading = True
        self._write_paused = False
        self._left = 0
        self.exchange: Exchange | None = None
        self.deadline = NEVER

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one but by inheritance
        self.write = self.transport.write
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else "unknown"
        # Host goes on unchanged, so there is no X-Forwarded-Host to add.
        self.added = (
            f"\r\nx-forwarded-for: {address}\r\nx-forwarded-proto: http\r\nvia: 1.1 pointsman"
            "\r\nx-request-id: "
        ).encode()
        if not self._plane.admit(self):
            self._plane.recording.refuse("connections")
            ending.tell(self, None, 503, "connections", "no connection is free", Owner.PROXY)

    def eof_received(self) -> bool:
        # A caller that half-closes has left: close() and shutdown(SHUT_WR) look the same from
        # here, and work for nobody must stop at once.  Envoy and nginx choose the same.
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = _CLOSED
        self._plane.forget(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.abandon(CALLER_LEFT)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._unsent = self.transport.get_write_buffer_size()
        self.deadline = perf_counter_ns() + self._plane.body_ns
        if self.exchange is not None:
            self.exchange.pause_answer()

    def resume_writing(self) -> None:
        self._write_paused = False
        now = perf_counter_ns()
        if self.exchange is not None:
            self.deadline = self._waiting_deadline(now)
            self.exchange.resume_answer()
        elif self._phase is _ANSWERING:
            self._next(now)
        else:
            self.deadline = now + _LINGER_NS

    # --- reading ---

    def data_received(self, data: bytes) -> None:
        """Reads on until nothing more can be read: a loop, for pipelined requests do not nest."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._driving = True
        try:
            while data:
                phase = self._phase
                if phase is _AT_HEAD:
                    data = self._read_head(data)
                elif phase is _FIXED:
                    data = self._read_fixed(data)
                elif phase is _CHUNKS:
                    data = self._read_chunks(data, 0)
                elif phase is _ANSWERING:
                    self._buffer = data
                    if len(data) > _PIPELINED_BYTES:
                        self.pause_reading()
                    return
                elif phase is _LINGER:
                    self._left -= len(data)
                    if self._left <= 0:
                        self.transport.abort()
                    return
                else:
                    return
        except RequestRefused as refused:
            self.refuse(refused)
        except Exception:
            _LOG.exception("a request could not be served")
            self.break_down(self.exchange)
        finally:
            self._driving = False

    def _read_head(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n")
        plane = self._plane
        if end <= 0 or data[0] == 0x0D:
            rest = arriving.check(data, plane.limits)
            if rest is not data:
                return rest
            if not self._head_begun:
                self._head_begun = True
                self.deadline = perf_counter_ns() + plane.head_ns
            self._buffer = data
            return b""
        if end > plane.small_head:
            arriving.check_size(data, end, plane.limits)
        head, cut = plane.heads.read(data, end)
        self._head_begun = False
        now = perf_counter_ns()
        at, length = end + 4, head.length
        end = at + length
        whole = length >= 0 and end <= len(data)
        exchange = self.exchange = Exchange(plane, self, head, cut, now, whole)
        if not whole:
            return self._begin_upload(exchange, data, at, now)
        self._phase = _ANSWERING
        self.deadline = NEVER
        exchange.begin([data[at:end]] if length else [])
        return data[end:]

    def _begin_upload(self, exchange: Exchange, data: bytes, at: int, now: int) -> bytes:
        """The body has not come whole with its head."""
        self.deadline = now + self._plane.body_ns
        length = exchange.head.length
        if length > 0:
            self._phase = _FIXED
            exchange.bytes_in = len(data) - at
            self._left = length - exchange.bytes_in
            exchange.begin([data[at:]] if at < len(data) else [])
            return b""
        self._phase = _CHUNKS
        self._decoder = ChunkDecoder()
        exchange.bytes_in = 0
        exchange.begin([])
        # The exchange may have been refused at once: then the rest is not a body any more.
        return self._read_chunks(data, at) if self._phase is _CHUNKS else data[at:]

    def _read_fixed(self, data: bytes) -> bytes:
        exchange = self.exchange
        assert exchange is not None
        left = self._left - len(data)
        if left > 0:
            self._left = left
            if self._reading:
                self.deadline = perf_counter_ns() + self._plane.body_ns
            uploading.feed(exchange, [data], False, [])
            return b""
        self._phase = _ANSWERING
        self._body_came(exchange)
        end = self._left
        uploading.feed(exchange, [data[:end]], True, [])
        return data[end:]

    def _read_chunks(self, data: bytes, at: int) -> bytes:
        exchange = self.exchange
        assert exchange is not None
        try:
            pieces, end = self._decoder.feed(data, at)
        except BadChunk as bad:
            raise RequestRefused(400, "bad_request", str(bad)) from None
        if end < 0:
            if self._reading:
                self.deadline = perf_counter_ns() + self._plane.body_ns
            if pieces:
                uploading.feed(exchange, pieces, False, [])
            return b""
        self._phase = _ANSWERING
        self._body_came(exchange)
        uploading.feed(exchange, pieces, True, self._decoder.trailers)
        return data[end:]

    def _body_came(self, exchange: Exchange) -> None:
        """All of it: from now on we read to notice a caller who leaves."""
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        # The deadline was the body's, unless we wait for room or for a slow reader.
        if not exchange.queued and not self._write_paused:
            self.deadline = NEVER

    # --- for the exchange ---

    def new_id(self) -> bytes:
        """For an answer to what is no request yet."""
        return next(self._plane.ids)

    def added_lines(self, head: RequestHead) -> bytes:
        """``added``, which is for a plain head, as it is for this one: lines up to a request id."""
        added = self.added
        if head.forwarded_proto:
            added = added.replace(b"x-forwarded-proto: http\r\n", b"")
        if head.minor == 0:
            added = added.replace(b"via: 1.1", b"via: 1.0")  # RFC 9110 7.6.3: as received
        return added

    def pause_reading(self) -> None:
        """The upstream takes no more, or is not there yet: the caller waits."""
        if self._reading and self._phase is not _CLOSED:
            self._reading = False
            self.transport.pause_reading()
            if self._phase is not _ANSWERING and not self._write_paused:
                self.deadline = NEVER

    def resume_reading(self) -> None:
        if self._reading or self._phase is _CLOSED:
            return
        if len(self._buffer) <= _PIPELINED_BYTES:
            self._reading = True
            self.transport.resume_reading()
            if not self._write_paused:
                self.deadline = self._waiting_deadline(perf_counter_ns())

    @property
    def held_back(self) -> bool:
        """Whether the caller waits for us to read on."""
        return not self._reading

    def finished(self, close: bool, now: int) -> None:
        """The answer is written whole; ``close``: the caller was told that it is the last."""
        self.exchange = None
        phase = self._phase
        if close or phase is not _ANSWERING:
            self._linger(phase is _ANSWERING, now)
        elif not self._write_paused:  # else the next request waits until this answer is taken
            self._next(now)

    def cut(self, reset: bool) -> None:
        """Breaks the answer off, so that it cannot be taken for a whole one (RFC 9112 8).

        ``reset`` where the end of the connection would be the end of the body.
        """
        self.exchange = None
        self._phase = _CLOSED
        self.deadline = perf_counter_ns() + self._plane.body_ns
        if reset:
            reset_connection(self.transport)
        else:
            self.transport.close()

    def refuse(self, refused: RequestRefused) -> None:
        """Answers a fault of the caller's, and closes: what follows cannot be trusted."""
        exchange = self.exchange
        if exchange is None:
            self._plane.recording.refuse(refused.reason)
        elif exchange.abandon(CALLER_ERROR):
            self.cut(reset=True)
            return
        status, reason, detail = refused.status, refused.reason, refused.detail
        ending.tell(self, exchange, status, reason, detail, Owner.CALLER)

    def break_down(self, exchange: Exchange | None) -> None:
        """Answers a fault of our own, and closes."""
        if exchange is not None and exchange.route is not None and exchange.abandon(PROXY_ERROR):
            self.cut(reset=True)
        else:
            detail = "the proxy itself failed; its log says why"
            ending.tell(self, exchange, 500, PROXY_ERROR, detail, Owner.PROXY)

    # --- endings ---

    def expire(self, now: int) -> None:
        """The deadline has passed: of a head, a body, an idle connection or a slow reader."""
        exchange, phase = self.exchange, self._phase
        if self._write_paused and (unsent := self.transport.get_write_buffer_size()) < self._unsent:
            self._unsent, self.deadline = unsent, now + self._plane.body_ns  # slow, but it moves
            return
        self.deadline = NEVER
        if exchange is not None and exchange.queued:
            waiting.expire(exchange)
        elif exchange is not None and (self._write_paused or phase in (_FIXED, _CHUNKS)):
            self.stalled(exchange)
        elif phase is _AT_HEAD and self._buffer:
            self._plane.recording.refuse("head_timeout")
            ending.tell(self, None, 408, "head_timeout", "the head stopped coming", Owner.CALLER)
        elif phase is _AT_HEAD:
            self._phase = _CLOSED
            self.transport.close()
        else:
            self.transport.abort()

    def stalled(self, exchange: Exchange) -> None:
        """Ends an exchange whose caller neither sends on nor takes the answer."""
        if exchange.abandon(CALLER_TIMEOUT) or self._write_paused:
            self.cut(reset=True)
        else:
            ending.tell(
                self, exchange, 408, "body_timeout", "the body stopped coming", Owner.CALLER
            )

    def drain(self, idle_before: int) -> None:
        """Closes if it has been idle since ``idle_before``, in nanoseconds.

        One that is between two requests is let be: its next answer says ``close``.  Closed now,
        that request would be lost on its way.
        """
        idle = self._phase is _AT_HEAD and not self._buffer and self.idle_since <= idle_before
        if idle and not unread(self.transport):
            self._phase = _CLOSED
            self.transport.close()

    def _waiting_deadline(self, now: int) -> int:
        if self._phase is _FIXED or self._phase is _CHUNKS:
            return now + self._plane.body_ns
        return NEVER

    def _next(self, now: int) -> None:
        """Ready for another request; perhaps it has come already."""
        self._phase = _AT_HEAD
        self.idle_since = now
        self.deadline = now + self._plane.idle_ns
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self._buffer and not self._driving:
            self.data_received(b"")

    def _linger(self, whole: bool, now: int) -> None:
        """Closes; where something is still coming that we have not read, reads on for a while."""
        if self._phase is _CLOSED:
            return
        coming = not whole or not self._reading or bool(self._buffer)
        self._buffer = b""
        # A caller who is slow to take the rest of the answer gets as long as one who is sending.
        slow = self._write_paused or not coming
        self.deadline = now + (self._plane.body_ns if slow else _LINGER_NS)
        if not coming:
            self._phase = _CLOSED
            self.transport.close()
            return
        self._phase = _LINGER
        self._left = _LINGER_BYTES
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
