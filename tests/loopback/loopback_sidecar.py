"""A Plane in a process of its own, set up as a worker is, so that its memory can be read.

The argument is JSON: ``ports`` of the origin and perhaps a shadow's, ``shadow`` its bounds.
Prints its port; when its stdin ends, what its reports said of copies and pairs, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from typing import Any

import uvloop

from proxy.fleet.framing import frame
from proxy.fleet.messages import ReportMessage
from proxy.fleet.worker import settle_memory
from proxy.routing.plan import Endpoint, ModelPlan, Plan, ShadowPlan, VersionPlan
from proxy.traffic import Plane


def look(plane: Plane, counted: Counter[str]) -> None:
    report = plane.report()
    frame(ReportMessage(report))  # as it would go to the desk
    for tally in report.models:
        for results in tally.copies.values():
            counted.update(results)
    counted["pairs"] += len(report.pairs)
    counted["pairs_dropped"] += report.pairs_dropped


async def main(asked: dict[str, Any]) -> None:
    versions = tuple(
        VersionPlan(name, (Endpoint("127.0.0.1", port),))
        for name, port in zip(("1", "3"), asked["ports"], strict=False)
    )
    copies = ShadowPlan("3", 100, salt="shadow", **asked["shadow"])
    shadows = (copies,) if len(versions) > 1 else ()
    plane = Plane(0)
    model = ModelPlan("m", "/m", stable="1", versions=versions, shadows=shadows)
    plane.apply(Plan(1, (model,), desk_silence=1e6))
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    sock.setblocking(False)
    settle_memory()
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    await plane.listen(sock)
    counted: Counter[str] = Counter()
    end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not end.done():
        await asyncio.sleep(0.1)
        look(plane, counted)
    await plane.drain(1)
    look(plane, counted)
    sys.stdout.write(json.dumps(counted))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(sys.argv[1])))
