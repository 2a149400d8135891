"""A sidecar in a process of its own whose memory is read, origins in threads, plain callers."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
BLOCK = bytes(MIB)
SIDECAR = Path(__file__).with_name("loopback_sidecar.py")
HAS_PROC = Path("/proc/self/status").exists()

Play = Callable[[socket.socket], None]


class Sidecar:
    """A running one; ``counted`` is what its reports said, once it has ended."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.counted: dict[str, Any] = {}

    def peak(self) -> int:
        """The most memory that it ever had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def call(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@contextlib.contextmanager
def sidecar(*ports: int, **shadow: Any) -> Iterator[Sidecar]:
    """In front of an origin, and of a shadow with these bounds where there is a second port."""
    words = [sys.executable, str(SIDECAR), json.dumps({"ports": ports, "shadow": shadow})]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        one = Sidecar(child, int(child.stdout.readline()))
        try:
            yield one
        finally:
            child.stdin.close()
            one.counted = json.loads(child.stdout.read() or "{}")
            assert child.wait(20) == 0


@contextlib.contextmanager
def origin(play: Play) -> Iterator[int]:
    """The port of threads that play ``play``, one for each connection."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    threads: list[threading.Thread] = []

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(ConnectionError):
            play(sock)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listening.accept()
                threads.append(threading.Thread(target=one, args=(sock,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for thread in [accepting, *threads]:
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
        if not got:
            raise ConnectionResetError(f"ended {size} bytes early")
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


def drip(over: threading.Event) -> Play:
    """Reads a byte a second until it is over."""

    def play(sock: socket.socket) -> None:
        while not over.wait(1.0) and sock.recv(1):
            pass

    return play


def ask(sock: socket.socket, upload: int, answer: int) -> None:
    sock.sendall(b"POST /m/%d HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % (answer, upload))
    for _ in range(upload // len(BLOCK)):
        sock.sendall(BLOCK)


def take(sock: socket.socket, answer: int) -> None:
    said, came = head(sock)
    assert said.startswith(b"HTTP/1.1 200 ")
    swallow(sock, answer - came)


def exchange(sock: socket.socket, upload: int, answer: int) -> None:
    ask(sock, upload, answer)
    take(sock, answer)


def together(callers: int, work: Callable[[], None]) -> None:
    """``work`` in so many threads; what one of them raises is raised."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failed:
        raise failed[0]
