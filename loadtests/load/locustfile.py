"""The callers.  Runs in Locust's own environment, as ``locust -f`` does.

Every customer calls both ways in the same run: the n-th caller of one way has the payloads of
the n-th of the other.  A caller sends one request in each period, at a moment within it that is
drawn anew each time; a fixed pace would have the same callers meet again and again.
"""
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import itertools
import json
import os
import random
import time
from pathlib import Path
from typing import Any, ClassVar, TextIO

import gevent
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from locust import FastHttpUser, LoadTestShape, events, task

from loadtests.load import job
from loadtests.load.job import DIRECT, PROXIED, Exchange

JOB = job.load(Path(os.environ[job.VARIABLE]))
CROWD: list[dict[str, str]] = [
    json.loads(line) for line in Path(JOB.payloads).read_text().splitlines()
]
RECORD: TextIO = Path(JOB.record).open("w", buffering=1)  # noqa: SIM115  open to the end


@events.test_start.add_listener
def begin(**_: Any) -> None:
    RECORD.write(job.began_line(time.time()))


class Load(LoadTestShape):  # type: ignore[misc]
    """As many callers as the job's stages say, half of them on each way."""

    def tick(self) -> tuple[int, float] | None:
        """Locust asks once a second: a stage that ends before it asks again is waited for."""
        now, end = self.get_run_time(), 0.0
        for stage in JOB.stages:
            end += stage.seconds
            if now >= end:
                continue
            if end - now >= 1.0:
                return 2 * stage.users, max(100.0, 4.0 * stage.users)
            gevent.sleep(end - now)
            now = end
        return None


class Caller(FastHttpUser):  # type: ignore[misc]
    """One of a crowd that calls one way; any customer may be on the line."""

    abstract = True
    way: ClassVar[str]
    numbers: ClassVar[Any]
    connection_timeout = JOB.patience
    network_timeout = JOB.patience

    def on_start(self) -> None:
        number = next(self.numbers)
        self._crowd = random.Random(f"{JOB.seed} {number}")
        # Moments of its own: were both ways' n-th callers to send together, the longer way would
        # always find the model server busy with the shorter one's request.
        self._moments = random.Random(f"{JOB.seed} {self.way} {number}")
        self._period_began = time.monotonic()
        gevent.sleep(self._moments.random() * JOB.period)

    def wait_time(self) -> float:
        """To the moment drawn in the next period; a period that is over is left out."""
        now = time.monotonic()
        self._period_began = max(self._period_began + JOB.period, now - JOB.period)
        due = self._period_began + self._moments.random() * JOB.period
        return max(0.0, due - now)

    @task
    def call(self) -> None:
        one = self._crowd.choice(CROWD)
        headers = {**JOB.headers, JOB.customer_header: one["customer"]}
        exchange = Exchange(at=time.time(), way=self.way, customer=one["customer"], ms=0.0)
        began = time.perf_counter()
        with self.client.post(
            JOB.urls[self.way],
            data=one["body"].encode(),
            headers=headers,
            name=self.way,
            catch_response=True,
            stream=JOB.stream,
        ) as answer:
            read(answer, exchange, began)
            answer.request_meta["response_time"] = exchange.ms
            if exchange.error:
                answer.failure(exchange.error)
            else:
                answer.success()
        RECORD.write(job.line(exchange))


class Proxied(Caller):
    way = PROXIED
    host = JOB.urls[PROXIED]
    numbers = itertools.count()


class Direct(Caller):
    way = DIRECT
    host = JOB.urls[DIRECT]
    numbers = itertools.count()


def read(answer: Any, exchange: Exchange, began: float) -> None:
    """Fill in what came of the request that was sent at ``began``."""
    exchange.status = answer.status_code
    fault = answer.request_meta["exception"]
    if exchange.status:
        exchange.arm = str(answer.headers.get("x-model-arm", ""))
        exchange.fallback = "x-fallback" in answer.headers
    if exchange.status >= 400:
        exchange.error = f"status_{exchange.status}"
    elif fault is not None:
        exchange.error = kind(fault)
    elif JOB.stream:
        exchange.error = read_events(answer, exchange, began)
    taken = time.perf_counter() - began
    exchange.ms = taken * 1000 if JOB.stream else answer.request_meta["response_time"]


def read_events(answer: Any, exchange: Exchange, began: float) -> str:
    """Time each event; returns the kind of error, if any.

    Locust's own iterator waits for a kilobyte, and takes a stream that broke for one that ended.
    """
    source, last, data, gaps = answer._response, 0.0, b"", []
    try:
        while line := source.readline(b"\n"):
            if not line.startswith(b"data:"):
                continue
            data, now = line, time.perf_counter()
            if last:
                gaps.append((now - last) * 1000)
            else:
                exchange.first_ms = (now - began) * 1000
            last = now
    except (OSError, HTTPParseError) as fault:
        return "timeout" if isinstance(fault, TimeoutError) else "truncated"
    finally:
        exchange.gaps = tuple(gaps)
    whole = source.message_complete and JOB.last_event.encode() in data
    return "" if last and whole else "truncated"


def kind(fault: BaseException) -> str:
    """A word for what went wrong below HTTP."""
    words = {
        TimeoutError: "timeout",
        ConnectionRefusedError: "connection_refused",
        ConnectionResetError: "connection_reset",
        HTTPConnectionClosed: "connection_closed",
        HTTPParseError: "broken_answer",
    }
    return next((word for type_, word in words.items() if isinstance(fault, type_)), "other")
