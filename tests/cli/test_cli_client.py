"""The client against what may stand at an admin address: nothing, a stranger, a slow one."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from proxy.cli.client import AdminClient, admin_url, called, path
from proxy.errors import OperationRefused, Unreachable


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers every request with ``script``, and keeps what was asked."""

    script: ClassVar[tuple[int, str, bytes]] = (200, "application/json", b"{}")
    asked: ClassVar[list[tuple[str, str, bytes]]] = []

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path, body))
        status, kind, answer = self.script
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815  # http.server's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    Scripted.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_nothing_there_names_the_address() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(Unreachable, match=address):
            AdminClient(address).get("/v1/status")


def test_a_silent_peer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="timed out"):
            AdminClient(address, timeout=0.05).get("/v1/status")


@pytest.mark.parametrize(
    "script",
    [
        (200, "text/html", b"<html>"),
        (404, "text/html", b"<html>"),
        (302, "text/html", b""),
        (500, "application/problem+json", b"not json"),
    ],
)
def test_a_stranger_is_not_reached(stranger: str, script: tuple[int, str, bytes]) -> None:
    Scripted.script = script
    with pytest.raises(Unreachable, match="not pointsman"):
        AdminClient(stranger).get("/v1/status")


def test_a_problem_is_a_refusal_in_its_own_words(stranger: str) -> None:
    body = {"detail": "The body has 2 faults", "problems": ["percent: missing", "x: unknown"]}
    Scripted.script = (422, "application/problem+json", json.dumps(body).encode())
    with pytest.raises(OperationRefused) as refused:
        AdminClient(stranger).put("/v1/models/m/split", {})
    assert str(refused.value).splitlines() == [
        "The body has 2 faults",
        "percent: missing",
        "x: unknown",
    ]


def test_names_stay_one_segment(stranger: str) -> None:
    Scripted.script = (200, "application/json", b'{"ok": true}')
    api = AdminClient(stranger)
    assert api.delete(path("models", "a/b ?#%", "split"), {"reason": "x"}) == {"ok": True}
    assert api.get(path("history"), {"limit": "3"}) == {"ok": True}
    assert Scripted.asked == [
        ("DELETE", "/v1/models/a%2Fb%20%3F%23%25/split", b'{"reason": "x"}'),
        ("GET", "/v1/history?limit=3", b""),
    ]


def test_the_environments_proxy_is_not_used(stranger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    Scripted.script = (200, "application/json", b"[]")
    assert AdminClient(stranger).get("/v1/status") == []


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:9901", "http://127.0.0.1:9901"),
        ("http://localhost:9901/", "http://localhost:9901"),
        ("https://desk.example:443", "https://desk.example:443"),
        ("[::1]:9901", "http://[::1]:9901"),
    ],
)
def test_an_admin_address(text: str, url: str) -> None:
    assert admin_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "host:port", "host:99999", "ftp://a:1", "http://u@a:1", "a:1/x", "a:1?x"],
)
def test_what_is_no_admin_address_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="allowed is host:port"):
        admin_url(text)


@pytest.mark.parametrize(
    ("bound", "url"),
    [
        ("127.0.0.1:9901", "http://127.0.0.1:9901"),
        ("0.0.0.0:9901", "http://127.0.0.1:9901"),
        ("[::]:9901", "http://[::1]:9901"),
        (":9901", "http://127.0.0.1:9901"),
        ("[fd00::7]:9901", "http://[fd00::7]:9901"),
    ],
)
def test_a_wildcard_is_called_on_loopback(bound: str, url: str) -> None:
    assert called(bound) == url
