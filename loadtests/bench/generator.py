"""The load: a process of its own, an epoll loop without any framework.

    python -m loadtests.bench.generator '{"kind": "steady", "port": 8080, ...}'

An event loop's timers have steps of a millisecond; at 3,000 requests a second one is due every
333 microseconds.  So this waits in select(2), whose steps are microseconds, for the next
arrival or answer, and does nothing else.  It prints its findings as JSON, its own lateness
among them: how long after the scheduled arrival a request really went out.

A request is timed from its *scheduled* arrival, not from when a connection was free to send
it: a proxy that stalls must not thereby postpone the requests that would have felt it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from loadtests.bench import kernel, spread
from loadtests.bench.requests import Answer, Requests, arrival
from loadtests.bench.works import BODY, CONNECTIONS, DOWNLOAD, UPLOAD, Kind

_clock: Final = time.perf_counter_ns
_PR_SET_TIMERSLACK: Final = 29
_ROOM: Final = 1 << 20
#: An event stream: so many events, so many milliseconds apart.
EVENTS: Final = 100
EVENTS_APART: Final = 5
EVENT_STREAMS: Final = 16


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What to do.  ``carrying`` and ``beside`` are processes whose CPU time is taken."""

    kind: Kind
    port: int
    seconds: float = 1.0
    warm: float = 0.2
    rate: int = 0
    connections: int = CONNECTIONS
    models: int = 1
    first: int = 0
    customers: int = 10**15
    carrying: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()


class Found(msgspec.Struct, kw_only=True):
    """What came of it.  Times are microseconds, of requests timed from the scheduled arrival."""

    count: int = 0
    failed: int = 0
    seconds: float = 0.0
    cpu_us: float = 0.0
    beside_us: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    first_byte: float = 0.0
    late_p50: float = 0.0
    late_p99: float = 0.0
    versions: dict[str, int] = {}


class Caller:
    """One keep-alive connection."""

    __slots__ = ("_out", "answer", "due", "load", "sent_at", "sock")

    def __init__(self, load: Load) -> None:
        self.load = load
        self.answer = Answer(_clock)
        self.due = self.sent_at = 0
        self.connect()

    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.load.spec.port), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self._out: memoryview | None = None
        self.load.watch(self)

    def send(self, request: bytes, due: int) -> None:
        self.due, self.sent_at = due, _clock()
        self.answer.expect()
        self._out = memoryview(request)
        self.writable()

    def writable(self) -> None:
        if self._out is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._out = self._out[self.sock.send(self._out) :] or None
        self.load.want(self, self._out is not None)

    def readable(self) -> None:
        try:
            count = self.sock.recv_into(self.load.room)
        except BlockingIOError:
            return
        except ConnectionError:
            count = 0
        if not count:
            self._lost()
        elif self.answer.feed(self.load.room[:count].tobytes()):
            self.load.finished(self)

    def _lost(self) -> None:
        self.load.forget(self)
        self.sock.close()
        self.connect()
        self.answer.expect()
        self.load.finished(self)


class Load:
    """The loop: callers by their descriptor, and what to do when one has its answer."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.room = memoryview(bytearray(_ROOM))
        self.found = Found()
        self.on_finished: Callable[[Caller], None] = lambda caller: None
        self._epoll = select.epoll()
        self._callers: dict[int, Caller] = {}
        self._writing: set[int] = set()
        self._cpu = (0, 0)
        self._began = 0

    def watch(self, caller: Caller) -> None:
        self._callers[caller.sock.fileno()] = caller
        self._epoll.register(caller.sock.fileno(), select.EPOLLIN)

    def forget(self, caller: Caller) -> None:
        self._writing.discard(caller.sock.fileno())
        self._callers.pop(caller.sock.fileno())
        self._epoll.unregister(caller.sock.fileno())

    def want(self, caller: Caller, writing: bool) -> None:
        number = caller.sock.fileno()
        if writing == (number in self._writing):
            return
        self._writing.symmetric_difference_update({number})
        self._epoll.modify(number, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def finished(self, caller: Caller) -> None:
        self.on_finished(caller)

    def turn(self, until: int) -> None:
        """Wait for answers, at most until then, and read them."""
        wait = (until - _clock()) / 1e9
        if wait > 0 and not select.select([self._epoll], [], [], wait)[0]:
            return
        for number, event in self._epoll.poll(0):
            caller = self._callers.get(number)
            if caller is not None:
                if event & select.EPOLLOUT:
                    caller.writable()
                if event & ~select.EPOLLOUT:
                    caller.readable()

    def begin(self) -> None:
        """From here on, it counts."""
        self.found = Found()
        self._cpu = (kernel.cpu_ns(self.spec.carrying), kernel.cpu_ns(self.spec.beside))
        self._began = _clock()

    def end(self) -> None:
        self.found.seconds = (_clock() - self._began) / 1e9
        self.found.cpu_us = (kernel.cpu_ns(self.spec.carrying) - self._cpu[0]) / 1000
        self.found.beside_us = (kernel.cpu_ns(self.spec.beside) - self._cpu[1]) / 1000

    def judge(self, caller: Caller) -> None:
        """Count the answer that a caller has."""
        self.found.count += 1
        if not caller.answer.good:
            self.found.failed += 1
        version = caller.answer.first.decode(errors="replace")
        self.found.versions[version] = self.found.versions.get(version, 0) + 1


def _times(nanoseconds: Sequence[int]) -> tuple[float, float, float]:
    ordered = sorted(nanoseconds)
    p50, p90, p99 = (spread.quantile(ordered, q) / 1000 for q in (0.50, 0.90, 0.99))
    return p50, p90, p99


def steady(spec: Spec) -> Found:
    """Open loop: ``rate`` requests a second for ``warm`` and then ``seconds``."""
    load = Load(spec)
    requests = Requests(spec.models, BODY, "infer", spec.first, spec.customers)
    idle = deque(Caller(load) for _ in range(spec.connections))
    waiting: deque[int] = deque()
    took: list[int] = []
    late: list[int] = []

    def finished(caller: Caller) -> None:
        took.append(_clock() - caller.due)
        load.judge(caller)
        if waiting:
            caller.send(next(requests), waiting.popleft())
        else:
            idle.append(caller)

    load.on_finished = finished
    warm = int(spec.rate * spec.warm)
    total = warm + int(spec.rate * spec.seconds)
    start = _clock() + 10_000_000
    number, due = 0, start
    while number < total:
        if _clock() < due:
            load.turn(due)
            continue
        if number == warm:
            took.clear()
            late.clear()
            load.begin()
        if idle:
            late.append(_clock() - due)
            idle.popleft().send(next(requests), due)
        else:
            waiting.append(due)
        number += 1
        due = arrival(number, spec.rate, start)
    load.end()
    patience = _clock() + 5_000_000_000
    while len(idle) < spec.connections and _clock() < patience:
        load.turn(patience)
    found = load.found
    found.failed += spec.connections - len(idle)
    found.p50, found.p90, found.p99 = _times(took)
    found.late_p50, _, found.late_p99 = _times(late)
    return found


def closed(spec: Spec) -> Found:
    """Closed loop: each connection asks again as soon as it has its answer."""
    load = Load(spec)
    body = {Kind.UPLOAD: b"x" * UPLOAD}.get(spec.kind, BODY)
    leaf = {Kind.ANSWER: f"answer-{DOWNLOAD}"}.get(spec.kind, "infer")
    requests = Requests(spec.models, body, leaf, spec.first, spec.customers)
    callers = [Caller(load) for _ in range(spec.connections)]
    took: list[int] = []

    def finished(caller: Caller) -> None:
        took.append(_clock() - caller.due)
        load.judge(caller)
        caller.send(next(requests), _clock())

    load.on_finished = finished
    for caller in callers:
        caller.send(next(requests), _clock())
    begin = _clock() + int(spec.warm * 1e9)
    while _clock() < begin:
        load.turn(begin)
    took.clear()
    load.begin()
    end = _clock() + int(spec.seconds * 1e9)
    while _clock() < end:
        load.turn(end)
    load.end()
    load.found.p50, load.found.p90, load.found.p99 = _times(took)
    return load.found


def events(spec: Spec) -> Found:
    """Event streams: so many at once, one after the other until ``seconds`` are over."""
    load = Load(spec)
    leaf = f"events-{EVENTS}-{EVENTS_APART}"
    requests = Requests(spec.models, BODY, leaf, spec.first, spec.customers)
    streams = max(1, round(spec.seconds * 1000 / (EVENTS * EVENTS_APART)))
    left = Counter(dict.fromkeys(range(EVENT_STREAMS), streams))
    numbers: dict[Caller, int] = {}
    began: list[int] = []

    def finished(caller: Caller) -> None:
        began.append(caller.answer.began_at - caller.sent_at)
        load.judge(caller)
        left[numbers[caller]] -= 1
        if left[numbers[caller]]:
            caller.send(next(requests), _clock())

    load.on_finished = finished
    for number in range(EVENT_STREAMS):
        numbers[Caller(load)] = number
    load.begin()
    start = _clock()
    for caller, number in numbers.items():  # spread over the pause between two events
        until = start + number * EVENTS_APART * 1_000_000 // EVENT_STREAMS
        while _clock() < until:
            load.turn(until)
        caller.send(next(requests), _clock())
    patience = _clock() + int((2 * spec.seconds + 5) * 1e9)
    while any(left.values()) and _clock() < patience:
        load.turn(patience)
    load.end()
    load.found.failed += sum(left.values())
    load.found.first_byte = _times(began)[0]
    load.found.count *= EVENTS
    return load.found


def run(spec: Spec) -> Found:
    """Make the load that ``spec`` asks for."""
    if spec.kind is Kind.STEADY:
        return steady(spec)
    return events(spec) if spec.kind is Kind.EVENTS else closed(spec)


def main(words: Sequence[str]) -> Any:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()  # nothing here is cyclic in number; a pause would be told as the proxy's
    return msgspec.to_builtins(run(msgspec.json.decode(words[0], type=Spec)))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
