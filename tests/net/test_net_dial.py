"""Dialling, tasks with an owner, and what waits unread."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.net import ScriptedTransport, Tasks, dial, unread
from proxy.routing.plan import Endpoint


class Quiet(asyncio.Protocol):
    """Does not read by itself."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()


@pytest.mark.parametrize("unix", [False, True])
async def test_it_connects(unix: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as listening:
        listening.bind(path if unix else ("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        where = Endpoint(unix=path) if unix else Endpoint(*listening.getsockname())
        made = await dial(where, Quiet, 5)
        sock, _ = await asyncio.get_running_loop().sock_accept(listening)
        assert not unread(made.transport)
        sock.send(b"surplus")
        assert unread(made.transport)
        sock.close()
        assert unread(made.transport)
        made.transport.abort()
        await asyncio.sleep(0)


async def test_it_says_why_not() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await dial(Endpoint("127.0.0.1", port), Quiet, 5)
    with pytest.raises(FileNotFoundError):
        await dial(Endpoint(unix="/nowhere/s"), Quiet, 5)


async def test_it_gives_up_in_time() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        with pytest.raises(TimeoutError):
            await dial(Endpoint(*listening.getsockname()), Quiet, 0.02)
        for filler in fillers:
            filler.close()


def test_without_a_socket_nothing_is_unread() -> None:
    assert not unread(ScriptedTransport())


async def test_tasks_end_with_their_owner() -> None:
    tasks, ended = Tasks(), []

    async def work(n: int) -> None:
        try:
            await asyncio.sleep(3600 if n else 0)
        finally:
            ended.append(n)

    for n in range(3):
        assert tasks.start(work(n), f"work {n}").get_name() == f"work {n}"
    await asyncio.sleep(0.01)
    assert (len(tasks), ended) == (2, [0])
    await tasks.cancel()
    assert (len(tasks), sorted(ended)) == (0, [0, 1, 2])
