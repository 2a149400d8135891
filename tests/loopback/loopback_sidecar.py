"""A Plane in a process of its own, so that its memory can be read: ORIGIN [SHADOW] as ports."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop

from proxy.routing.plan import Endpoint, ModelPlan, Plan, ShadowPlan, VersionPlan
from proxy.traffic import Plane


async def main(ports: list[int]) -> None:
    versions = tuple(
        VersionPlan(name, (Endpoint("127.0.0.1", port),))
        for name, port in zip(("1", "3"), ports, strict=False)
    )
    shadows = (ShadowPlan("3", 100, salt="shadow"),) if len(ports) > 1 else ()
    plane = Plane(0)
    model = ModelPlan("m", "/m", stable="1", versions=versions, shadows=shadows)
    plane.apply(Plan(1, (model,), desk_silence=1e6))
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    sock.setblocking(False)
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    await plane.listen(sock)
    end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not end.done():
        await asyncio.sleep(0.1)
        plane.report()
    await plane.drain(1)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main([int(port) for port in sys.argv[1:]]))
