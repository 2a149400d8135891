"""Which workers there are, and how each one said it was.  Time is an argument."""

from __future__ import annotations

from collections import Counter

import msgspec

from proxy.measure import EndpointState, Report

#: (model, version, endpoint, shadow)
Place = tuple[str, str, str, bool]


class Worker(msgspec.Struct):
    """One worker as the desk knows it.  ``heard`` is seconds since the epoch."""

    worker: int
    heard: float
    pid: int = 0
    plan_number: int = 0  # of the plan that it said it holds
    connections: int = 0
    in_flight: int = 0
    copies_in_flight: int = 0
    copies_bytes: int = 0
    desk_silent: bool = False
    draining: bool = False
    endpoints: dict[Place, EndpointState] = msgspec.field(default_factory=dict)
    pools: dict[tuple[str, bool], int] = msgspec.field(default_factory=dict)  # open connections


class Workers:
    """All workers that have said something and were not lost since."""

    def __init__(self) -> None:
        self._known: dict[int, Worker] = {}

    def hello(self, worker: int, pid: int, plan_number: int, now: float) -> None:
        """A new worker, or an old one on a new channel."""
        self._known[worker] = Worker(worker, now, pid=pid, plan_number=plan_number)

    def report(self, worker: int, report: Report, now: float) -> None:
        known = self._known.setdefault(worker, Worker(worker, now))
        known.heard = now
        known.connections, known.in_flight = report.connections, report.in_flight
        known.copies_in_flight, known.copies_bytes = report.copies_in_flight, report.copies_bytes
        known.desk_silent, known.draining = report.desk_silent, report.draining
        known.plan_number = report.plan_number
        if report.whole:
            known.endpoints.clear()
            known.pools.clear()
        for state in report.gone:
            known.endpoints.pop(_place(state), None)
        for state in report.endpoints:
            known.endpoints[_place(state)] = state
        for pool in report.pools:
            if pool.connections:
                known.pools[pool.endpoint, pool.shadow] = pool.connections
            else:
                known.pools.pop((pool.endpoint, pool.shadow), None)

    def lost(self, worker: int) -> None:
        self._known.pop(worker, None)

    def all(self) -> list[Worker]:
        return [self._known[worker] for worker in sorted(self._known)]

    def endpoints(self) -> list[tuple[int, EndpointState]]:
        """Each endpoint as each worker sees it."""
        return [(it.worker, state) for it in self.all() for state in it.endpoints.values()]

    def connections(self) -> dict[tuple[str, bool], int]:
        """Open connections by endpoint, copies' apart, over all workers."""
        total: Counter[tuple[str, bool]] = Counter()
        for it in self.all():
            total.update(it.pools)
        return dict(total)


def _place(state: EndpointState) -> Place:
    return state.model, state.version, state.endpoint, state.shadow
