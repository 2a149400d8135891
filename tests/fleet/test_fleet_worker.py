"""A worker alone, over its control line: what it loads, what it says, when it leaves."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from fleet_running import call

from proxy.fleet import control, listening
from proxy.fleet import messages as m
from proxy.fleet.channel import Channel, connect
from proxy.fleet.control import Control
from proxy.routing.plan import Plan
from proxy.terms import Latch

UP = msgspec.msgpack.Decoder(m.Up)
LATCH = Latch("credit-risk", "3", "error_rate", "12 of 50 failed", {"rate": 0.24}, 1.0, "pointsman")
OURS = {
    "proxy",
    "proxy.errors",
    "proxy.terms",
    "proxy.fleet",
    "proxy.fleet.channel",
    "proxy.fleet.control",
    "proxy.fleet.framing",
    "proxy.fleet.listening",
    "proxy.fleet.logs",
    "proxy.fleet.messages",
    "proxy.fleet.plans",
    "proxy.fleet.reports",
    "proxy.fleet.worker",
}
OUR_ROOMS = {"measure", "wire", "routing", "net", "traffic"}
OTHERS = {"uvloop", "msgspec", "xxhash", "typing_extensions"}  # the last is msgspec's own


class Worker:
    """The process, its control line's other end, and the channel that a desk would have."""

    def __init__(self, process: subprocess.Popen[str], line: socket.socket, port: int) -> None:
        self.process = process
        self.port = port
        self.said: asyncio.Queue[m.ToParent] = asyncio.Queue()
        self.reported: asyncio.Queue[m.Up] = asyncio.Queue()
        self.control: Control[Any] = Control(
            line, control.to_parent, lambda said, _: self.said.put_nowait(said), lambda: None
        )

    async def meet(self) -> Channel[m.Up]:
        """Hand it a new channel, as the parent does, and be the desk at its end."""
        ours, theirs = socket.socketpair()
        channel: Channel[m.Up] = Channel(UP, self.reported.put_nowait, lambda: None)
        await connect(ours, channel)
        self.control.send(m.NewChannel(0), theirs)
        return channel

    async def end(self) -> tuple[int, str]:
        """Its exit code and its stderr."""
        _, words = await asyncio.to_thread(self.process.communicate, timeout=20)
        return self.process.returncode, words


def spawn(*flags: str) -> tuple[subprocess.Popen[str], socket.socket]:
    """A worker's process, and our end of its control line."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, *flags, "-m", "proxy.fleet.worker", "--control"]
    with theirs:
        process = subprocess.Popen(
            [*command, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )
    return process, ours


@asynccontextmanager
async def worker(*flags: str, plan: Plan | None = None) -> AsyncIterator[Worker]:
    bound = listening.bind("127.0.0.1", 0, "listen")
    port = bound.getsockname()[1]
    process, line = spawn(*flags)
    one = Worker(process, line, port)
    one.control.send(m.WorkerBirth(0, plan or Plan(0, ()), 5.0), bound)
    try:
        async with asyncio.timeout(20):
            assert await one.said.get() == m.Ready(process.pid)
        yield one
    finally:
        one.control.close()
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def imported(words: str) -> set[str]:
    """The modules that ``-X importtime`` tells of."""
    rows = (line.split("|") for line in words.splitlines() if line.startswith("import time:"))
    return {row[2].strip() for row in rows} - {"imported package"}


async def bare() -> str:
    """What an interpreter says that runs nothing: Debian's and pip's own hooks."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "importtime", "-c", "pass", stderr=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[1].decode()


async def test_it_loads_the_data_plane_and_nothing_of_the_desk() -> None:
    async with worker("-X", "importtime") as one:
        one.control.close()  # the parent is gone
        code, words = await one.end()
    assert code == 0
    loaded = imported(words) - imported(await bare())
    ours = {name for name in loaded if name.partition(".")[0] == "proxy"}
    strangers = {name for name in ours - OURS if name.split(".")[1] not in OUR_ROOMS}
    assert strangers == set()
    assert "proxy.traffic.plane" in ours
    tops = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    # Python 3.12 looks for Windows' _wmi everywhere.
    assert {top for top in tops if not top.startswith("_")} <= OTHERS | {"proxy"}


async def test_it_says_hello_with_what_it_knows_and_then_reports() -> None:
    async with worker(plan=Plan(7, (), latches=(LATCH,))) as one, asyncio.timeout(20):
        channel = await one.meet()
        assert await one.reported.get() == m.Hello(0, one.process.pid, 7, (LATCH,))
        first = await one.reported.get()
        assert isinstance(first, m.ReportMessage)
        assert first.report.desk_silent
        assert first.report.whole, "a new desk knows of no endpoint"
        assert not (await reported(one)).report.whole
        channel.send(m.PlanMessage(Plan(6, ())))  # from a desk that knows less
        channel.send(m.PlanMessage(Plan(9, ())))
        channel.send(m.Heartbeat())
        while (await reported(one)).report.desk_silent:
            pass
        channel.close()
        again = await one.meet()
        while not isinstance(hello := await one.reported.get(), m.Hello):
            pass
        assert hello.plan_number == 9
        assert (await reported(one)).report.whole
        again.close()


async def reported(one: Worker) -> m.ReportMessage:
    said = await one.reported.get()
    assert isinstance(said, m.ReportMessage)
    return said


async def test_what_a_desk_does_not_read_adds_up_in_the_plane() -> None:
    async with worker() as one, asyncio.timeout(20):
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        one.control.send(m.NewChannel(0), theirs)  # nobody reads the other end
        for _ in range(20):
            assert call(one.port)["status"] == 404
        for _ in range(3):
            await one.said.get()  # it goes on beating
        ours.close()
        await one.meet()
        assert isinstance(await one.reported.get(), m.Hello)
        assert (await reported(one)).report.seconds > 0


async def test_told_to_drain_it_sends_a_last_report_and_leaves() -> None:
    async with worker() as one, asyncio.timeout(20):
        await one.meet()
        assert isinstance(await one.reported.get(), m.Hello)
        assert (await asyncio.to_thread(call, one.port))["status"] == 404
        one.control.send(m.Drain(1.0))
        code, words = await one.end()
        assert (code, words) == (0, "")
        heard = []
        while not one.reported.empty():
            heard.append(one.reported.get_nowait())
        assert isinstance(heard[-1], m.ReportMessage)
        assert heard[-1].report.draining


async def test_a_socket_that_cannot_listen_ends_it_with_words() -> None:
    process, ours = spawn()
    line: Control[Any] = Control(ours, control.to_parent, lambda *_: None, lambda: None)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    line.send(m.WorkerBirth(0, Plan(0, ()), 1.0), udp)
    _, words = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 1
    assert "cannot listen on http://127.0.0.1:" in words
    line.close()
