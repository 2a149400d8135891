"""A gibibyte each way, and a shadow that hangs: the memory of the proxy's process stays flat."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GIB = 1024**3
BLOCK = bytes(1024 * 1024)
SIDECAR = Path(__file__).with_name("loopback_sidecar.py")
GROWTH = 40 * 1024 * 1024

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from /proc"
)


@contextlib.contextmanager
def sidecar(*ports: int) -> Iterator[tuple[int, Callable[[], int]]]:
    """The port of a running one, and what tells the most memory it ever had, in bytes."""
    words = [sys.executable, str(SIDECAR), *map(str, ports)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        port = int(child.stdout.readline())

        def peak() -> int:
            status = Path(f"/proc/{child.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            assert found is not None
            return int(found[1]) * 1024

        yield port, peak
        child.stdin.close()
        assert child.wait(20) == 0


@contextlib.contextmanager
def origin(play: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a thread that plays ``play`` on each connection, one after the other."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listening.accept()
                with sock, contextlib.suppress(ConnectionError):
                    play(sock)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def head(sock: socket.socket) -> tuple[bytes, int]:
    """A head, and how much of the body came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = sock.recv(65_536)
        if not got:
            raise ConnectionResetError
        data += got
    first, _, rest = data.partition(b"\r\n\r\n")
    return first, len(rest)


def swallow(sock: socket.socket, size: int) -> None:
    room = bytearray(len(BLOCK))
    while size > 0:
        got = sock.recv_into(room)
        assert got, f"ended {size} bytes early"
        size -= got


def give_and_take(sock: socket.socket) -> None:
    """Takes whatever length is announced, then answers with the length that the path asks for."""
    while True:
        request, came = head(sock)
        found = re.search(rb"content-length: (\d+)", request, re.IGNORECASE)
        swallow(sock, int(found[1]) - came if found else 0)
        size = int(request.split()[1].rpartition(b"/")[2])
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // len(BLOCK)):
            sock.sendall(BLOCK)


def exchange(sock: socket.socket, upload: int, answer: int) -> None:
    sock.sendall(b"POST /m/%d HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % (answer, upload))
    for _ in range(upload // len(BLOCK)):
        sock.sendall(BLOCK)
    said, came = head(sock)
    assert said.startswith(b"HTTP/1.1 200 ")
    swallow(sock, answer - came)


@pytest.mark.parametrize(("upload", "answer"), [(GIB, 0), (0, GIB)], ids=["upload", "answer"])
def test_a_gibibyte_streams_through_in_flat_memory(upload: int, answer: int) -> None:
    with (
        origin(give_and_take) as port,
        sidecar(port) as (proxy, peak),
        socket.create_connection(("127.0.0.1", proxy), timeout=60) as caller,
    ):
        exchange(caller, len(BLOCK), len(BLOCK))
        before = peak()
        exchange(caller, upload, answer)
        assert peak() - before < GROWTH


def test_a_shadow_that_reads_nothing_costs_no_more_than_its_bound() -> None:
    """A quarter of a gibibyte of uploads is copied; 16 MiB in all may wait."""
    release = threading.Event()
    with (
        origin(give_and_take) as port,
        origin(lambda _: release.wait() and None) as shadow,
        sidecar(port, shadow) as (proxy, peak),
    ):
        with socket.create_connection(("127.0.0.1", proxy), timeout=60) as caller:
            exchange(caller, len(BLOCK), 0)
            before = peak()
            for _ in range(32):
                exchange(caller, 8 * len(BLOCK), 0)
            assert peak() - before < GROWTH
        release.set()
