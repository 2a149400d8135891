"""Stand-ins to try the parent with: a plane that answers by itself, a desk that only gathers.

``python fleet_stand_in.py parent JSON`` runs a parent over them; JSON holds Orders' fields and
``desk``, how the desk behaves: well, mute (never beats), dead (exit 1 at once).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from typing import Any

from proxy.fleet import control, logs, parent, worker
from proxy.fleet import messages as m
from proxy.fleet.gather import Gather
from proxy.measure.tally import Report
from proxy.routing.plan import Plan

HELD = 0.5  # seconds that the answer to /hold takes


class Answering(asyncio.Protocol):
    """HTTP enough for http.client: one small JSON answer for each GET."""

    def __init__(self, plane: StandInPlane) -> None:
        self.plane = plane
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.plane.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.plane.open.discard(self)
        self.plane.busy.discard(self)

    def data_received(self, data: bytes) -> None:
        if not data.endswith(b"\r\n\r\n"):
            return
        self.plane.busy.add(self)
        wait = HELD if data.startswith(b"GET /hold") else 0
        asyncio.get_running_loop().call_later(wait, self.answer)

    def answer(self) -> None:
        body = json.dumps(self.plane.describe()).encode()
        close = b"Connection: close\r\n" if self.plane.draining else b""
        head = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (close, len(body))
        self.transport.write(head + body)
        self.plane.busy.discard(self)
        if self.plane.draining:
            self.transport.close()


class StandInPlane:
    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.plan: Plan | None = None
        self.heard = 0.0
        self.draining = False
        self.open: set[Answering] = set()
        self.busy: set[Answering] = set()
        self.server: Any = None

    def describe(self) -> dict[str, Any]:
        assert self.plan is not None
        live = time.monotonic() - self.heard < self.plan.desk_silence
        return {
            "worker": self.worker,
            "pid": os.getpid(),
            "plan": self.plan.number,
            "arm": "canary" if live else "stable",
        }

    async def listen(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Answering(self), sock=sock)

    def apply(self, plan: Plan) -> None:
        self.plan = plan

    def desk_heard(self) -> None:
        self.heard = time.monotonic()

    def report(self, whole: bool = False) -> Report:
        return Report(0.25, connections=len(self.open), draining=self.draining)

    async def drain(self, seconds: float) -> None:
        self.draining = True
        self.server.close()
        for idle in self.open - self.busy:
            idle.transport.close()
        end = time.monotonic() + seconds
        while self.busy and time.monotonic() < end:  # noqa: ASYNC110  a stand-in may poll
            await asyncio.sleep(0.01)


class StandInDesk:
    """Takes what is said, and has one plan more than the workers know."""

    def __init__(self, gather: Gather) -> None:
        self.plan = Plan(1, (), desk_silence=1.0)
        self.gather = gather

    def hello(self, worker: int, plan_number: int, latches: Any, pid: int) -> None:
        if plan_number >= self.plan.number:
            self.plan = Plan(plan_number + 1, (), desk_silence=1.0)
            self.gather.publish(self.plan)

    def report(self, worker: int, report: Report) -> None: ...

    def lost(self, worker: int) -> None: ...


async def desk_life(fd: int, behaviour: str) -> None:
    stop = asyncio.Event()
    gather = Gather(lambda plan: plan, lambda lines: None, lambda error: stop.set())
    gather.serve(StandInDesk(gather))
    mute = behaviour == "mute"

    def hear(message: Any, brought: socket.socket | None) -> None:
        match message:
            case m.NewChannel(worker=number) if brought is not None:
                gather.attach(number, brought)
            case m.DeskBirth() if brought is not None:
                brought.close()
                if not mute:
                    line.send(m.Ready(os.getpid()))
            case m.Stop():
                stop.set()

    line = control.Control(socket.socket(fileno=fd), control.to_child, hear, stop.set)
    if mute:
        line.send(m.Ready(os.getpid()))
    while not stop.is_set():
        await asyncio.sleep(0.1)
        if not mute:
            gather.beat()
            line.send(m.Beat())
    await gather.all_gone(1.0)


def run_parent(asked: dict[str, Any]) -> int:
    behaviour = asked.pop("desk", "well")
    me = [sys.executable, __file__]
    orders = parent.Orders(
        worker=[*me, "worker"],
        desk=[*me, "desk", behaviour],
        listen=("127.0.0.1", asked.pop("port", 0)),
        admin=("127.0.0.1", asked.pop("admin", 0)),
        plan=Plan(0, (), desk_silence=1.0),
        **asked,
    )
    return parent.run(orders)


def main() -> int:
    role, *rest = sys.argv[1:]
    logs.configure(role)
    if role == "parent":
        return run_parent(json.loads(rest[0]))
    if role == "worker":
        return worker.main(rest, StandInPlane)
    behaviour, _, fd = rest
    if behaviour == "dead":
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(desk_life(int(fd), behaviour))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
