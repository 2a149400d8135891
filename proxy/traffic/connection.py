"""One caller's connection: requests in, in order, one exchange at a time.

What is read here is only framing: where a head ends, where a body ends, what comes after.
What happens to a request stands in exchange.py.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import IntEnum
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, cast

from proxy.errors import RequestRefused
from proxy.net import NEVER
from proxy.terms import Outcome, Owner
from proxy.traffic.exchange import Exchange
from proxy.wire import BadChunk, ChunkDecoder, RequestHead, problem

if TYPE_CHECKING:
    from proxy.traffic.plane import Plane

#: Bytes of further requests that are kept while one is being answered (RFC 9112 9.3.2).
_PIPELINED_BYTES: Final = 65_536
#: After an answer that leaves a request unread: how much and how long we go on reading, so
#: that the reset of an early close does not take the answer with it (RFC 9112 9.6).
_LINGER_BYTES: Final = 1024 * 1024
_LINGER_NS: Final = 2_000_000_000
_BLANK_LINES: Final = 4  # before a request line: RFC 9112 2.2 says ignore, not for ever
CALLER_LEFT: Final = Outcome.CALLER_LEFT.value
CALLER_ERROR: Final = Outcome.CALLER_ERROR.value
CALLER_TIMEOUT: Final = Outcome.CALLER_TIMEOUT.value
_RESET: Final = struct.pack("ii", 1, 0)
_TOKEN_START: Final = frozenset(
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


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
        "_added", "_buffer", "_decoder", "_driving", "_left", "_phase", "_plane", "_reading",
        "_write_paused", "deadline", "exchange", "transport", "write",
    )  # fmt: skip

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._phase = _AT_HEAD
        self._buffer = b""
        self._driving = False
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
        if ":" in address:
            address = f'"[{address}]"'
        # Host goes on unchanged, so there is no X-Forwarded-Host to add.
        self._added = (
            f"\r\nx-forwarded-for: {address}\r\nx-forwarded-proto: http\r\nvia: 1.1 pointsman"
            "\r\nx-request-id: "
        ).encode()
        if not self._plane.admit(self):
            detail = "all connections of this proxy are taken; try again"
            self.answer_problem(503, "connections", detail, Owner.PROXY, None)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._drive(data)

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
        self.deadline = perf_counter_ns() + self._plane.body_ns
        if self.exchange is not None:
            self.exchange.pause_answer()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self.exchange is not None:
            self.deadline = self._waiting_deadline(perf_counter_ns())
            self.exchange.resume_answer()
        else:
            self._next(perf_counter_ns())

    # --- reading ---

    def _drive(self, data: bytes) -> None:
        """Reads on until nothing more can be read: a loop, for pipelined requests do not nest."""
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
                else:
                    self._left -= len(data)
                    if self._left <= 0:
                        self.transport.abort()
                    return
        except RequestRefused as refused:
            self.refuse(refused)
        finally:
            self._driving = False

    def _read_head(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n")
        if end <= 0 or data[0] == 0x0D:
            return self._read_partial_head(data)
        plane = self._plane
        limits = plane.limits
        if end > 512:
            _check_size(data, end, limits.request_line, limits.head_bytes, limits.head_lines)
        head = plane.book.scan(data[:end])
        return self._begin(head, data, end + 4)

    def _read_partial_head(self, data: bytes) -> bytes:
        """Blank lines before a head, and heads that have not come whole."""
        if data[0] == 0x0D:
            blank = 0
            while data.startswith(b"\r\n", blank) and blank < 2 * _BLANK_LINES:
                blank += 2
            if blank:
                return data[blank:]
            if data != b"\r":
                raise RequestRefused(400, "bad_request", "the request begins with blank lines")
        elif data[0] not in _TOKEN_START:
            raise RequestRefused(400, "bad_request", "this is no HTTP/1.1 request")
        limits = self._plane.limits
        _check_size(data, len(data), limits.request_line, limits.head_bytes, limits.head_lines)
        if data.count(b"\n") != data.count(b"\r\n"):
            raise RequestRefused(400, "bad_request", "a line of the head ends with a bare LF")
        if not self._buffer:
            self.deadline = min(self.deadline, perf_counter_ns() + self._plane.head_ns)
        self._buffer = data
        return b""

    def _begin(self, head: RequestHead, data: bytes, at: int) -> bytes:
        length = head.length
        exchange = self.exchange = Exchange(self._plane, self, head)
        if length == 0:
            self._phase = _ANSWERING
            self.deadline = NEVER
            exchange.begin([], True)
            return data[at:]
        if length > 0:
            end = at + length
            if end <= len(data):
                self._phase = _ANSWERING
                self.deadline = NEVER
                exchange.begin([data[at:end]], True)
                return data[end:]
            self._phase = _FIXED
            self._left = end - len(data)
            self.deadline = perf_counter_ns() + self._plane.body_ns
            exchange.begin([data[at:]] if at < len(data) else [], False)
            return b""
        self._phase = _CHUNKS
        self._decoder = ChunkDecoder()
        self.deadline = perf_counter_ns() + self._plane.body_ns
        exchange.begin([], False)
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
            exchange.feed([data], False, [])
            return b""
        self._phase = _ANSWERING
        self.deadline = NEVER
        if left == 0:
            exchange.feed([data], True, [])
            return b""
        exchange.feed([data[:left]], True, [])
        return data[left:]

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
                exchange.feed(pieces, False, [])
            return b""
        self._phase = _ANSWERING
        self.deadline = NEVER
        exchange.feed(pieces, True, self._decoder.trailers)
        return data[end:]

    # --- for the exchange ---

    def added_lines(self, head: RequestHead) -> bytes:
        """The lines that the proxy adds to a request, up to the value of X-Request-Id."""
        added = self._added
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
            if not self._write_paused:
                self.deadline = NEVER

    def resume_reading(self) -> None:
        if not self._reading and self._phase is not _CLOSED:
            self._reading = True
            self.transport.resume_reading()
            if not self._write_paused:
                self.deadline = self._waiting_deadline(perf_counter_ns())

    def wait_until(self, deadline: int) -> None:
        """The exchange waits for room: ``expire`` will be its own."""
        self.deadline = deadline

    def finished(self, close: bool, now: int) -> None:
        """The answer is written whole; ``close``: the caller was told that it is the last."""
        self.exchange = None
        if close or self._phase is not _ANSWERING:
            self._linger(self._phase is _ANSWERING)
            return
        self._phase = _AT_HEAD
        if not self._write_paused:
            self._next(now)

    def cut(self, reset: bool) -> None:
        """Breaks the answer off, so that it cannot be taken for a whole one (RFC 9112 8).

        ``reset`` where the end of the connection would be the end of the body.
        """
        self.exchange = None
        self._phase = _CLOSED
        if reset:
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
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
        self.answer_problem(refused.status, refused.reason, refused.detail, Owner.CALLER, exchange)

    def answer_problem(
        self,
        status: int,
        reason: str,
        detail: str,
        owner: Owner,
        exchange: Exchange | None,
        *,
        close: bool = True,
        extra: bytes = b"",
    ) -> None:
        """Answers for ourselves: the only place where an error becomes bytes."""
        self.write(
            problem(
                status,
                reason,
                detail,
                owner=owner,
                request_id=exchange.request_id.decode() if exchange is not None else "",
                close=close,
                bodiless=exchange is not None and exchange.head.method == b"HEAD",
                extra=extra,
                retry_after=1 if status == 503 else None,
            )
        )
        self.finished(close, perf_counter_ns())

    # --- endings ---

    def expire(self, now: int) -> None:
        """The deadline has passed: of a head, a body, an idle connection or a slow reader."""
        exchange, phase = self.exchange, self._phase
        self.deadline = NEVER
        if exchange is not None and exchange.queued:
            exchange.expire_queued()
        elif exchange is not None and self._write_paused:
            self._time_out(exchange)
        elif exchange is not None and phase in (_FIXED, _CHUNKS):
            if self._time_out(exchange):
                return
            detail = "the request's body stopped coming"
            self.answer_problem(408, "body_timeout", detail, Owner.CALLER, exchange)
        elif phase is _AT_HEAD and self._buffer:
            self._plane.recording.refuse("head_timeout")
            self.answer_problem(408, "head_timeout", "the head stopped coming", Owner.CALLER, None)
        elif phase is _AT_HEAD and not self._write_paused:
            self.transport.close()
        else:
            self.transport.abort()

    def _time_out(self, exchange: Exchange) -> bool:
        """Ends an exchange whose caller stalled; whether that cut an answer off."""
        spoken = exchange.abandon(CALLER_TIMEOUT)
        if spoken or self._write_paused:
            self.cut(reset=True)
            return True
        return False

    def drain(self) -> None:
        """No more requests: closes now if idle, else after the answer under way."""
        if self._phase is _AT_HEAD and not self._buffer and self.exchange is None:
            self._phase = _CLOSED
            self.transport.close()

    def _waiting_deadline(self, now: int) -> int:
        if self._phase is _FIXED or self._phase is _CHUNKS:
            return now + self._plane.body_ns
        return NEVER

    def _next(self, now: int) -> None:
        """Ready for another request; perhaps it has come already."""
        if self._phase is not _AT_HEAD:
            return
        self.deadline = now + self._plane.idle_ns
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self._buffer and not self._driving:
            data, self._buffer = self._buffer, b""
            self._drive(data)

    def _linger(self, whole: bool) -> None:
        """Closes; where something of a request is still coming, reads on for a while first."""
        if self._phase is _CLOSED:
            return
        self._buffer = b""
        if whole:
            self._phase = _CLOSED
            self.transport.close()
            return
        self._phase = _LINGER
        self._left = _LINGER_BYTES
        self.deadline = perf_counter_ns() + _LINGER_NS
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()


def _check_size(data: bytes, end: int, request_line: int, head_bytes: int, lines: int) -> None:
    """Raises RequestRefused for a head that is too long, before it is taken apart."""
    if end > request_line:
        first = data.find(b"\r\n", 0, request_line + 2)
        if first < 0:
            detail = f"the request line is over {request_line} bytes"
            raise RequestRefused(414, "request_line", detail)
    if end > head_bytes:
        raise RequestRefused(431, "head_bytes", f"the head is over {head_bytes} bytes")
    if data.count(b"\r\n", 0, end) > lines:
        raise RequestRefused(431, "head_lines", f"the head has over {lines} lines")
