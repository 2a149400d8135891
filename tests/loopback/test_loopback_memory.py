"""Large bodies, slow callers and slow shadows: the memory of the proxy's process stays flat."""

from __future__ import annotations

import contextlib
import threading

import pytest
from loopback_memory import (
    BLOCK,
    HAS_PROC,
    MIB,
    Sidecar,
    ask,
    drip,
    exchange,
    give_and_take,
    origin,
    sidecar,
    take,
    together,
)

GIB = 1024 * MIB
GROWTH = 40 * MIB

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="memory is read from /proc")


def warm(proxy: Sidecar) -> int:
    """The memory after a first exchange each way."""
    with proxy.call() as caller:
        exchange(caller, len(BLOCK), len(BLOCK))
    return proxy.peak()


@pytest.mark.parametrize(("upload", "answer"), [(GIB, 0), (0, GIB)], ids=["upload", "answer"])
def test_a_gibibyte_streams_through_in_flat_memory(upload: int, answer: int) -> None:
    with origin(give_and_take) as port, sidecar(port) as proxy:
        before = warm(proxy)
        with proxy.call() as caller:
            exchange(caller, upload, answer)
        assert proxy.peak() - before < GROWTH


@pytest.mark.parametrize(("upload", "answer"), [(16 * MIB, 0), (0, 16 * MIB)], ids=["up", "down"])
def test_many_large_bodies_at_once(upload: int, answer: int) -> None:
    """Half a gibibyte in all; each caller may hold a few reads of it in the proxy."""
    with origin(give_and_take) as port, sidecar(port) as proxy:
        before = warm(proxy)

        def work() -> None:
            with proxy.call() as caller:
                exchange(caller, upload, answer)

        together(32, work)
        assert proxy.peak() - before < GROWTH


def test_callers_that_read_slowly_hold_their_upstreams_back() -> None:
    """Forty answers of 16 MiB that nobody takes for a while wait in the model server."""
    with origin(give_and_take) as port, sidecar(port) as proxy, contextlib.ExitStack() as stack:
        before = warm(proxy)
        callers = [stack.enter_context(proxy.call()) for _ in range(40)]
        for caller in callers:
            ask(caller, 0, 16 * MIB)
        with proxy.call() as one:  # and the others are served
            for _ in range(20):
                exchange(one, MIB, MIB)
        assert proxy.peak() - before < GROWTH
        for caller in callers:
            take(caller, 16 * MIB)
        assert proxy.peak() - before < GROWTH


def test_an_upstream_that_reads_slowly_holds_its_callers_back() -> None:
    over = threading.Event()
    with origin(drip(over)) as port, sidecar(port) as proxy, contextlib.ExitStack() as stack:
        with proxy.call() as caller:
            ask(caller, 0, 0)
        before = proxy.peak()
        for _ in range(40):
            caller = stack.enter_context(proxy.call())
            caller.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                ask(caller, 64 * MIB, 0)
        assert proxy.peak() - before < GROWTH
        over.set()


@pytest.mark.parametrize("callers", [1, 4])
def test_a_shadow_that_reads_a_byte_a_second_costs_no_more_than_its_bound(callers: int) -> None:
    """Half a gibibyte of uploads is copied; 16 MiB in all may wait, and no caller does."""
    over = threading.Event()
    uploads = 64 // callers
    with (
        origin(give_and_take) as port,
        origin(drip(over)) as shadow,
        sidecar(port, shadow, bytes=16 * MIB) as proxy,
    ):
        before = warm(proxy)

        def work() -> None:
            with proxy.call() as caller:
                for _ in range(uploads):
                    exchange(caller, 8 * MIB, 0)

        together(callers, work)
        assert proxy.peak() - before < GROWTH
        over.set()
    copies = {what: n for what, n in proxy.counted.items() if "pairs" not in what}
    assert sum(copies.values()) == 64 + 1, "every copy is accounted for"
    assert copies["dropped_bytes"] > 0
    assert copies.get("sent", 0) < 8


@pytest.mark.parametrize("body", [64 * 1024, 4 * MIB])
def test_pairs_of_large_answers_are_bounded_by_bytes(body: int) -> None:
    """Eight at a time keep up to ``body`` of each half; 8 MiB in all, and the rest is counted."""
    with (
        origin(give_and_take) as port,
        origin(give_and_take) as shadow,
        sidecar(port, shadow, pair_bytes=body) as proxy,
    ):
        before = warm(proxy)

        def work() -> None:
            with proxy.call() as caller:
                for _ in range(8):
                    exchange(caller, 0, 4 * MIB)

        together(8, work)
        assert proxy.peak() - before < GROWTH + 4 * 8 * MIB  # kept, encoded, framed and sent
    counted = proxy.counted
    assert counted["pairs"] > 0
    assert counted["pairs"] + counted["pairs_dropped"] <= counted["sent"] == 64 + 1
    assert (counted["pairs_dropped"] > 0) == (body > MIB)
