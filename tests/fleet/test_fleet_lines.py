"""Channel and control line, on real socket pairs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec
import pytest

from proxy.fleet import control, framing
from proxy.fleet import messages as m
from proxy.fleet.channel import BACKLOG_BOUND, Channel, connect
from proxy.fleet.control import Control
from proxy.measure.tally import Report
from proxy.routing.plan import Plan

UP = msgspec.msgpack.Decoder(m.Up)
DOWN = msgspec.msgpack.Decoder(m.Down)


class Ear:
    """Hears messages and the end, and can be waited for."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.brought: list[socket.socket | None] = []
        self.lost = 0
        self._news = asyncio.Event()

    def message(self, message: Any, brought: socket.socket | None = None) -> None:
        self.heard.append(message)
        self.brought.append(brought)
        self._news.set()

    def end(self) -> None:
        self.lost += 1
        self._news.set()

    async def until(self, messages: int = 0, lost: int = 0) -> None:
        async with asyncio.timeout(5):
            while len(self.heard) < messages or self.lost < lost:
                self._news.clear()
                await self._news.wait()


async def channel_pair() -> tuple[Channel[Any], Ear, Channel[Any], Ear]:
    ours, theirs = socket.socketpair()
    worker, desk = Ear(), Ear()
    one: Channel[Any] = Channel(DOWN, worker.message, worker.end)
    two: Channel[Any] = Channel(UP, desk.message, desk.end)
    await connect(ours, one)
    await connect(theirs, two)
    return one, worker, two, desk


async def test_both_ways_in_order_and_an_end() -> None:
    one, worker, two, desk = await channel_pair()
    one.send(m.Hello(0, 1, 2))
    one.send(m.ReportMessage(Report(0.25)))
    two.send(m.PlanMessage(Plan(3, ())))
    two.send(m.Heartbeat())
    await desk.until(2)
    await worker.until(2)
    assert desk.heard == [m.Hello(0, 1, 2), m.ReportMessage(Report(0.25))]
    assert worker.heard == [m.PlanMessage(Plan(3, ())), m.Heartbeat()]
    one.close()
    await desk.until(lost=1)
    await worker.until(lost=1)
    two.send(m.Heartbeat())  # into the void, silently


async def test_a_peer_that_does_not_read_shows_in_the_backlog() -> None:
    ours, theirs = socket.socketpair()
    ear = Ear()
    one: Channel[Any] = Channel(DOWN, ear.message, ear.end)
    await connect(ours, one)
    sent = 0
    while not one.crowded:
        one.send(m.ReportMessage(Report(0.25, refused={"x" * 60_000: 1})))
        sent += 1
        assert sent < 100
    assert one.backlog > BACKLOG_BOUND
    theirs.close()
    await ear.until(lost=1)


async def test_a_peer_out_of_step_is_cut() -> None:
    ours, theirs = socket.socketpair()
    ear = Ear()
    one: Channel[Any] = Channel(DOWN, ear.message, ear.end)
    await connect(ours, one)
    theirs.sendall(framing.frame(m.Heartbeat()) + b"\x00\x00\x00\x01\xc1")
    await ear.until(1, lost=1)
    assert theirs.recv(1) == b""
    theirs.close()


def control_pair() -> tuple[Control[Any], Ear, Control[Any], Ear]:
    ours, theirs = socket.socketpair()
    parent, child = Ear(), Ear()
    return (
        Control(ours, control.to_parent, parent.message, parent.end),
        parent,
        Control(theirs, control.to_child, child.message, child.end),
        child,
    )


async def test_sockets_arrive_with_their_messages_and_our_copy_is_closed() -> None:
    up, _, down, child = control_pair()
    bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [sock.getsockname()[1] for sock in bound]
    large = Plan(0, (), latches=())
    up.send(m.WorkerBirth(0, large, 1.0), bound[0])
    up.send(m.Reload())
    up.send(m.NewChannel(0), bound[1])
    up.send(m.NewChannel(1), bound[2])
    up.send(m.Stop())
    await child.until(5)
    arrived = [sock.getsockname()[1] for sock in child.brought if sock is not None]
    assert arrived == ports
    assert [sock is not None for sock in child.brought] == [True, False, True, True, False]
    assert all(sock.fileno() < 0 for sock in bound)
    for sock in child.brought:
        if sock is not None:
            sock.close()
    up.close()
    await child.until(lost=1)
    down.close()


async def test_a_message_larger_than_the_sockets_buffer_arrives_whole() -> None:
    up, parent, down, child = control_pair()
    config = bytes(range(256)) * 8000
    down.send(m.Kept(Plan(9, ()), config, 2.0))
    assert down.crowded
    down.send(m.Beat())
    await parent.until(2)
    assert parent.heard == [m.Kept(Plan(9, ()), config, 2.0), m.Beat()]
    assert not down.crowded
    up.close()
    down.close()
    down.send(m.Beat())
    assert not parent.lost
    assert not child.lost


async def test_what_an_ended_peer_said_last_is_heard() -> None:
    up, parent, down, _ = control_pair()
    down.send(m.Ready(1))
    down.close()
    up.read_rest()
    assert parent.heard == [m.Ready(1)]
    assert parent.lost == 1


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"])
async def test_a_control_line_out_of_step_is_lost(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    ear = Ear()
    line: Control[Any] = Control(ours, control.to_parent, ear.message, ear.end)
    theirs.sendall(data)
    await ear.until(lost=1)
    assert ear.heard == []
    theirs.close()
    line.close()
