"""Where a request's work in the data plane is done: bytecodes and calls, by part.

    python -m loadtests.where

The interpreter's own count, of the same requests that `loadtests.plane` sends.  It does not
depend on the machine or on what else runs, so that a change of a single percent can be seen.
What a bytecode costs does (some 4 ns here), and work in C (joining, hashing) counts as one.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Final

from loadtests.plane import ANSWER, SAMPLED, SEGMENTS, SHADOWS, WATCH, plan, requests, staged
from proxy.routing.plan import Plan

#: Once to get warm, and once again, so that no customer is new any more.
COUNTED: Final = 200
#: The parts of the way, and the modules that do the work of each.
PARTS: Final = (
    ("reading heads and framing", ("memory", "request", "answer", "connection", "forward")),
    ("the exchange itself", ("exchange", "again", "waiting", "admission")),
    ("deciding", ("decision", "split", "match", "keys", "board")),
    ("choosing and keeping connections", ("upstreams", "pools", "pool", "health")),
    ("recording", ("recording", "histogram", "ending")),
    ("telling the judge", ("census", "evidence", "watching")),
    ("the copy", ("mirror", "copying", "rewriting")),
)


class Counts:
    """Bytecodes and calls per module, while it is the interpreter's trace function."""

    def __init__(self) -> None:
        self.bytecodes: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Counts:
        module = Path(frame.f_code.co_filename).stem
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "call":
            self.calls[module] += 1
        elif event == "opcode":
            self.bytecodes[module] += 1
        return self


def count(scenario: Plan) -> Counts:
    """What ``COUNTED`` requests take, once everything is warm."""
    _, caller, upstreams = staged(scenario)
    counts = Counts()
    for number, request in enumerate(requests(COUNTED) * 2):
        if number == COUNTED:
            # Python 3.12 tells of bytecodes only if somebody had asked before it began to trace.
            sys._getframe().f_trace_opcodes = True
            sys.settrace(counts)
        caller.data_received(request)
        for upstream in upstreams:
            if upstream.busy:
                upstream.data_received(ANSWER)
    sys.settrace(None)
    return counts


def rows(counts: Counts) -> list[tuple[str, float, float]]:
    """Part, bytecodes and calls per request; what no part names is the benchmark's own."""
    return [
        (
            part,
            sum(counts.bytecodes[module] for module in modules) / COUNTED,
            sum(counts.calls[module] for module in modules) / COUNTED,
        )
        for part, modules in PARTS
    ]


def main() -> None:
    for name, shadows, watch in (
        ("split", (), WATCH),
        ("split, 10 % sampled", (), SAMPLED),
        ("split, 100 % mirror", SHADOWS, WATCH),
    ):
        found = rows(count(plan(shadows, SEGMENTS, 1, watch)))
        print(f"{name + ', a segment':<40} bytecodes   calls")
        for part, bytecodes, calls in found:
            print(f"  {part:<38} {bytecodes:9.0f} {calls:7.1f}")
        whole = (sum(row[1] for row in found), sum(row[2] for row in found))
        print(f"  {'in all':<38} {whole[0]:9.0f} {whole[1]:7.1f}")


if __name__ == "__main__":
    main()
