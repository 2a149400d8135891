"""The desk's side of the channels, over real socket pairs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from proxy.fleet import messages as m
from proxy.fleet.channel import Channel, connect
from proxy.fleet.framing import Splitter, frame
from proxy.fleet.gather import Gather
from proxy.measure.tally import Report
from proxy.routing.plan import Plan
from proxy.terms import Latch, Logged

DOWN = msgspec.msgpack.Decoder(m.Down)


class Desk:
    """Notes what it is told; ``broken`` makes it unable to take a report."""

    def __init__(self) -> None:
        self.plan = Plan(4, ())
        self.told: list[Any] = []
        self.broken = False

    def hello(self, worker: int, plan_number: int, latches: Sequence[Latch], pid: int) -> None:
        self.told.append(("hello", worker, plan_number, pid))

    def report(self, worker: int, report: Report) -> None:
        if self.broken:
            raise RuntimeError("the judge has fallen over")
        self.told.append(("report", worker))

    def lost(self, worker: int) -> None:
        self.told.append(("lost", worker))


def sealed(plan: Plan) -> Plan:
    return replace(plan, hash_key=plan.hash_key or "key")


class Room:
    def __init__(self) -> None:
        self.desk = Desk()
        self.lines: list[Logged] = []
        self.failures: list[Exception] = []
        self.gather = Gather(sealed, self.lines.extend, self.failures.append)

    async def worker(self, number: int) -> tuple[Channel[m.Down], list[m.Down]]:
        """A worker's end of a new channel, and what it hears."""
        ours, theirs = socket.socketpair()
        heard: list[m.Down] = []
        channel: Channel[m.Down] = Channel(DOWN, heard.append, lambda: None)
        await connect(ours, channel)
        self.gather.attach(number, theirs)
        return channel, heard


async def until(what: Any) -> None:
    async with asyncio.timeout(5):
        while not what():  # noqa: ASYNC110  several sides move
            await asyncio.sleep(0.005)


async def test_a_worker_hears_plans_and_beats_from_its_hello_on() -> None:
    room = Room()
    channel, heard = await room.worker(0)  # before there is a desk
    channel.send(m.Hello(0, 4711, 3))
    room.gather.serve(room.desk)
    await until(lambda: len(heard) == 2)
    assert room.desk.told == [("hello", 0, 3, 4711)]
    _, silent = await room.worker(1)
    room.gather.beat()
    room.desk.plan = Plan(5, ())
    room.gather.publish(room.desk.plan)
    room.gather.beat()
    await until(lambda: len(heard) == 5)
    assert heard == [
        m.PlanMessage(Plan(4, (), hash_key="key")),
        m.Heartbeat(),
        m.Heartbeat(),
        m.PlanMessage(Plan(5, (), hash_key="key")),
        m.Heartbeat(),
    ]
    assert silent == []
    await room.gather.close()


async def test_a_new_channel_of_the_same_worker_takes_the_place_of_the_old() -> None:
    room = Room()
    room.gather.serve(room.desk)
    first, _ = await room.worker(0)
    first.send(m.Hello(0, 1, 4))
    await until(lambda: room.desk.told)
    second, _ = await room.worker(0)
    second.send(m.Hello(0, 2, 4))
    second.send(m.ReportMessage(Report(0.25)))
    await until(lambda: len(room.desk.told) == 4)
    assert room.desk.told == [("hello", 0, 4, 1), ("lost", 0), ("hello", 0, 4, 2), ("report", 0)]
    assert not await room.gather.all_gone(0.01)
    second.close()
    assert await room.gather.all_gone(5)
    assert room.desk.told[-1] == ("lost", 0)
    await room.gather.close()


async def test_a_desk_that_cannot_take_a_report_is_a_failure_and_not_a_gap() -> None:
    room = Room()
    room.gather.serve(room.desk)
    channel, _ = await room.worker(0)
    channel.send(m.Hello(0, 1, 4))
    room.desk.broken = True
    channel.send(m.ReportMessage(Report(0.25)))
    await until(lambda: room.failures)
    assert "fallen over" in str(room.failures[0])
    await room.gather.close()


async def test_a_worker_that_does_not_read_gets_only_the_newest_plan_later() -> None:
    room = Room()
    room.gather.serve(room.desk)
    ours, theirs = socket.socketpair()
    room.gather.attach(0, theirs)
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(ours, frame(m.Hello(0, 1, 0)))
    await until(lambda: room.desk.told)
    big = "x" * 100_000
    for number in range(5, 25):
        room.desk.plan = Plan(number, (), hash_key=big)
        room.gather.publish(room.desk.plan)
    splitter, numbers = Splitter(), []
    while not numbers or numbers[-1] != 24:
        room.gather.beat()
        async with asyncio.timeout(5):
            data = await loop.sock_recv(ours, 1 << 20)
        messages = [DOWN.decode(body) for body in splitter.feed(data)]
        numbers += [one.plan.number for one in messages if isinstance(one, m.PlanMessage)]
    assert numbers == sorted(numbers)
    assert len(numbers) < 20
    ours.close()
    await room.gather.close()
