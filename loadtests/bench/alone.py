"""What only pointsman is asked: customers without number, and its memory."""

from __future__ import annotations

import socket
from typing import Final

from loadtests.bench.errors import BenchError
from loadtests.bench.requests import Answer, template
from loadtests.bench.rounds import Session
from loadtests.bench.visits import Visit, visit
from loadtests.bench.works import MIB, OURS, SPLIT, Behind, Contender, Kind, Shadow, Work

CUSTOMERS: Final = 1_000_000
FEW: Final = 10
FEW_LABEL: Final = "pointsman, ten customers"
MANY_LABEL: Final = "pointsman, a million customers"
CUSTOMERS_ROW: Final = "customers"
MEMORY_ROW: Final = "memory"
_GIBIBYTE: Final = 1024 * MIB
_FLOW: Final = 10.0  # seconds of one stretch of new customers


def run(session: Session) -> None:
    """Both."""
    if OURS not in session.peers:
        return
    ours = session.peers[OURS]
    session.step(f"{CUSTOMERS:,} customers pass through pointsman")
    with visit(Contender(OURS, OURS, Work()), ours, session.place) as one:
        _customers(one, session)
    session.step("gibibytes pass through pointsman")
    work = Work(Shadow.WELL, behind=Behind.RICH)
    for number in range(min(session.rounds, 3)):
        with visit(Contender(OURS, OURS, work), ours, session.place) as one:
            session.results.add(MEMORY_ROW, OURS, number, _memory(one, session.seconds))


def _customers(one: Visit, session: Session) -> None:
    """Ten customers and new ones in turns, in the one process that has seen a million."""
    seen = 0.0
    while seen < CUSTOMERS:
        seen += one.take(SPLIT, _FLOW)["count"]
    for number in range(session.rounds):
        labels = [(FEW_LABEL, FEW), (MANY_LABEL, 0)]
        for label, customers in labels if number % 2 else reversed(labels):
            figures = one.take(SPLIT, session.seconds, customers)
            session.results.add(CUSTOMERS_ROW, label, number, figures)
    session.results.note(f"{seen:,.0f} customers had passed before the two were compared")


def _memory(one: Visit, seconds: float) -> dict[str, float]:
    """MB of the worker: after a few requests; and the most there ever was, under load."""
    idle = one.memory()
    one.generate(one.spec(Kind.CLOSED, seconds))
    loaded = one.memory("VmHWM")
    pass_through(one.port, _GIBIBYTE, 0)
    pass_through(one.port, 0, _GIBIBYTE)
    return {
        "idle_mb": idle / 1e6,
        "loaded_mb": loaded / 1e6,
        "large_mb": one.memory("VmHWM") / 1e6,
    }


def pass_through(port: int, upload: int, answer: int) -> None:
    """One request with a body of ``upload`` bytes and an answer of ``answer``, in pieces.

    Raises BenchError when the answer is not the whole of a 200.
    """
    block = bytes(MIB)
    before, _ = template(0, b"", f"answer-{answer}" if answer else "infer")
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sock.sendall(before + b"1\r\nContent-Length: %d\r\n\r\n" % upload)
        for _ in range(upload // MIB):
            sock.sendall(block)
        reading = Answer(lambda: 1)
        while not reading.feed(data := sock.recv(MIB)):
            if not data:
                raise BenchError("pointsman closed the connection amid an answer")
        if not reading.good:
            raise BenchError("pointsman did not answer 200 to a large body")
