"""The listening sockets, and how a younger instance takes them over without a refused connection.

Every worker has a socket of its own (SO_REUSEPORT), and the kernel spreads new connections over
all that listen on the address, whichever process they belong to.  So a second instance just
starts; when the first one leaves, it steers new connections to the second before it closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import Final

from proxy.errors import CannotListen

#: Connections that may wait in one socket's queue; the kernel caps it (net.core.somaxconn).
BACKLOG: Final = 4096

_LINUX: Final = sys.platform == "linux"
# asm-generic/socket.h; Python names neither.
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
_SO_DETACH_REUSEPORT_BPF: Final = 68
_BPF_RET_K: Final = 0x06
_LISTEN_STATE: Final = "0A"
_TCP_INFO_UNACKED: Final = 24  # struct tcp_info: of a listening socket, the length of its queue

_PLAIN_WORDS: Final = {
    errno.EADDRINUSE: "another program has it and does not share it; stop that one, "
    "or choose another port",
    errno.EACCES: "not permitted; choose a port above 1023, or give the process "
    "CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine has no such address; choose one of its own, "
    "127.0.0.1 or 0.0.0.0",
}


def bind(host: str, port: int, field: str) -> socket.socket:
    """A bound TCP socket that others may share; it does not listen yet.

    It is bound first and listens only when its owner can accept, so that no connection waits
    for a process that is still starting.  ``field`` is the config's word for the address.
    Raises CannotListen.
    """
    where = f"{field}: cannot listen on {_shown(host, port)}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CannotListen(
            f"{where}: {error.strerror or error}; use an address like 127.0.0.1"
        ) from None
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        why = _PLAIN_WORDS.get(error.errno or 0, error.strerror or str(error))
        raise CannotListen(f"{where}: {why}") from None
    sock.setblocking(False)
    return sock


def url(sock: socket.socket) -> str:
    """``http://host:port`` of a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"http://{_shown(host, port)}"


def listen(sock: socket.socket) -> None:
    """Begin to listen (again: no harm).  Raises CannotListen."""
    try:
        sock.listen(BACKLOG)
    except OSError as error:
        why = _PLAIN_WORDS.get(error.errno or 0, error.strerror or str(error))
        raise CannotListen(f"cannot listen on {url(sock)}: {why}") from None
    stop_steering(sock)


def waiting(sock: socket.socket) -> int:
    """Connections in the queue of a listening socket; 0 where the system does not say."""
    if not _LINUX:
        return 0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_UNACKED + 4)
    except OSError:
        return 0
    return int(struct.unpack_from("=I", info, _TCP_INFO_UNACKED)[0])


def listeners(sock: socket.socket) -> int:
    """How many sockets listen on this one's address, its own instance's included.

    0 where the system does not say.
    """
    name = "tcp6" if sock.family == socket.AF_INET6 else "tcp"
    wanted = _proc_address(sock)
    try:
        lines = Path(f"/proc/net/{name}").read_text("ascii").splitlines()[1:]
    except OSError:
        return 0
    rows = (line.split() for line in lines)
    return sum(1 for row in rows if row[1] == wanted and row[3] == _LISTEN_STATE)


def steer_away(sock: socket.socket, own: int) -> int:
    """Send new connections to a younger instance; returns how many sockets that one has.

    The kernel numbers the sockets of an address in the order in which they began to listen, so
    the ``own`` sockets of the elder come first, and closing one moves the last into its place.
    The number chosen is a younger one's while any elder is open, and out of range afterwards,
    which means: spread by hash again.  With nobody younger it is out of range from the start.
    """
    younger = max(0, listeners(sock) - own)
    if _LINUX:
        # One classic BPF instruction: "return this number".
        program = ctypes.create_string_buffer(
            struct.pack("=HBBI", _BPF_RET_K, 0, 0, max(own, younger))
        )
        with contextlib.suppress(OSError):
            sock.setsockopt(
                socket.SOL_SOCKET,
                _SO_ATTACH_REUSEPORT_CBPF,
                struct.pack("@HP", 1, ctypes.addressof(program)),
            )
    return younger


def stop_steering(sock: socket.socket) -> None:
    """Spread new connections by hash: whoever joins is part of the choice from now on."""
    if _LINUX:
        with contextlib.suppress(OSError):  # nobody was steering
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _proc_address(sock: socket.socket) -> str:
    """As /proc/net/tcp writes it: 32-bit words in the machine's byte order, then the port."""
    host, port = sock.getsockname()[:2]
    packed = ipaddress.ip_address(host.partition("%")[0]).packed
    words = (packed[i : i + 4] for i in range(0, len(packed), 4))
    text = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{text}:{port:04X}"
