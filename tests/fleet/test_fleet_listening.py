"""Listening sockets: refusals a person understands, and the hand-over to a younger instance."""

from __future__ import annotations

import socket
import sys

import pytest

from proxy.errors import CannotListen
from proxy.fleet import listening

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's steering is Linux's")


def accepted(sock: socket.socket) -> int:
    count = 0
    while True:
        try:
            sock.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def call(sock: socket.socket, times: int) -> None:
    for _ in range(times):
        socket.create_connection(sock.getsockname()[:2], 2).close()


@pytest.fixture
def group():  # type: ignore[no-untyped-def]
    """Makes sockets on one port, and closes them."""
    made: list[socket.socket] = []

    def more(count: int) -> list[socket.socket]:
        port = made[0].getsockname()[1] if made else 0
        for _ in range(count):
            made.append(listening.bind("127.0.0.1", port, "listen"))
            port = made[0].getsockname()[1]
            listening.listen(made[-1])
        return made[-count:]

    yield more
    for sock in made:
        sock.close()


def test_a_port_that_another_program_has_is_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen) as error:
            listening.bind("127.0.0.1", port, "admin")
    assert str(error.value) == (
        f"admin: cannot listen on 127.0.0.1:{port}: another program has it and does not share "
        "it; stop that one, or choose another port"
    )


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("203.0.113.7", "this machine has no such address"),
        ("no such host", "use an address like 127.0.0.1"),
    ],
)
def test_an_address_that_is_not_ours_is_refused_in_words(host: str, words: str) -> None:
    with pytest.raises(CannotListen, match=words):
        listening.bind(host, 0, "listen")


def test_a_bound_socket_takes_no_connection_before_it_listens() -> None:
    with listening.bind("127.0.0.1", 0, "listen") as sock:
        with pytest.raises(ConnectionRefusedError):
            call(sock, 1)
        listening.listen(sock)
        call(sock, 1)
        assert accepted(sock) == 1


@LINUX
def test_neighbours_and_queues_are_counted(group) -> None:  # type: ignore[no-untyped-def]
    one, two = group(2)
    assert listening.listeners(one) == 2
    call(one, 5)
    assert listening.waiting(one) + listening.waiting(two) == 5
    accepted(one)
    accepted(two)
    assert listening.waiting(one) + listening.waiting(two) == 0


@LINUX
@pytest.mark.parametrize(("elder", "younger"), [(1, 1), (2, 2), (1, 3), (2, 3)])
def test_all_new_connections_go_to_the_younger_while_the_elder_closes(  # type: ignore[no-untyped-def]
    group, elder: int, younger: int
) -> None:
    old = group(elder)
    new = group(younger)
    assert listening.steer_away(old[0], elder) == younger
    while old:
        call(new[0], 20)
        assert [accepted(sock) for sock in old] == [0] * len(old)
        old.pop(0).close()
    assert sum(accepted(sock) for sock in new) == 20 * elder
    # Nobody steers any more: the last rule is out of range, and the hash spreads again.
    call(new[0], 40 * younger)
    assert all(accepted(sock) for sock in new)


@LINUX
def test_with_nobody_younger_steering_changes_nothing(group) -> None:  # type: ignore[no-untyped-def]
    old = group(2)
    assert listening.steer_away(old[0], 2) == 0
    call(old[0], 60)
    assert all(accepted(sock) for sock in old)


@LINUX
def test_a_newcomer_ends_the_steering(group) -> None:  # type: ignore[no-untyped-def]
    old = group(1)
    new = group(1)
    listening.steer_away(old[0], 1)
    newest = group(1)
    call(old[0], 90)
    assert all(accepted(sock) for sock in [*old, *new, *newest])


def test_ipv6_when_the_machine_has_it() -> None:
    try:
        sock = listening.bind("::1", 0, "listen")
    except CannotListen:
        return
    with sock:
        listening.listen(sock)
        assert listening.url(sock).startswith("http://[::1]:")
        assert listening.listeners(sock) in (0, 1)
        assert sys.platform != "linux" or listening.listeners(sock) == 1
