"""Who may talk to the admin door from a browser, rule by rule."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from admin_world import Door

from proxy.admin import build, serve
from proxy.admin.guard import host_name, is_address, is_loopback


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("localhost:9901", "localhost"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.1:9901", "127.0.0.1"),
        ("[::1]:9901", "::1"),
        ("[::1]", "::1"),
        ("evil.example:80", "evil.example"),
        ("", ""),
    ],
)
def test_a_host_is_read_without_its_port(authority: str, name: str) -> None:
    assert host_name(authority) == name


@pytest.mark.parametrize(
    ("name", "loopback"),
    [
        ("localhost", True),
        ("pointsman.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.7", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_a_name_or_an_address(name: str, loopback: bool) -> None:
    assert is_loopback(name) is loopback


def test_an_address_cannot_be_rebound() -> None:
    assert is_address("10.0.0.7")
    assert is_address("fd00::7")
    assert not is_address("10.0.0.7.evil.example")


SPLIT = "/v1/models/credit-risk/split"


async def refused(door: Door, method: str, path: str, headers: dict[str, str], **more: Any) -> int:
    """The status of a request that must be answered with a problem."""
    status, body, answer = await door.ask(method, path, headers=headers, **more)
    assert answer.content_type == "application/problem+json", body
    return status


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9901", "127.0.0.1", "[::1]:9901", "10.0.0.7:9901"]
)
async def test_our_own_names_and_addresses_are_served(door: Door, host: str) -> None:
    assert (await door.ask("GET", "/v1/status", headers={"Host": host}))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:9901", "a, b", ""])
@pytest.mark.parametrize("path", ["/", "/v1/status", "/metrics", "/readyz", "/nothing"])
async def test_a_rebound_name_is_refused(door: Door, host: str, path: str) -> None:
    assert await refused(door, "GET", path, {"Host": host}) in (404, 421)
    if path != "/nothing":
        assert await refused(door, "GET", path, {"Host": host}) == 421


async def test_probes_may_use_any_name_of_a_door_on_a_network(door: Door) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    runner = await serve(build(door.desk, host="0.0.0.0"), sock)
    door.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    named = {"Host": "pointsman.models.svc:9901"}
    try:
        assert (await door.ask("GET", "/metrics", headers=named))[0] == 200
        assert (await door.ask("GET", "/healthz", headers=named))[0] == 200
        assert await refused(door, "GET", "/v1/status", named) == 421
        assert await refused(door, "PUT", SPLIT, named, json={"percent": 50}) == 421
    finally:
        await runner.cleanup()


async def test_the_configured_name_is_ours(door: Door) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    runner = await serve(build(door.desk, host="Desk.example"), sock)
    door.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    try:
        assert (await door.ask("GET", "/v1/status", headers={"Host": "desk.example:1"}))[0] == 200
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", SPLIT), ("DELETE", SPLIT), ("POST", "/v1/models/credit-risk/revert")],
)
async def test_another_sites_page_changes_nothing(
    door: Door, headers: dict[str, str], method: str, path: str
) -> None:
    before = door.desk.plan.number
    assert await refused(door, method, path, headers, json={"percent": 50}) == 403
    assert door.desk.plan.number == before


async def test_our_own_page_may_write(door: Door) -> None:
    headers = {"Origin": door.url, "Sec-Fetch-Site": "same-origin"}
    assert (await door.ask("PUT", SPLIT, headers=headers, json={"percent": 6}))[0] == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_what_a_form_can_send_is_no_write(door: Door, kind: str) -> None:
    headers = {"Content-Type": kind}
    body = b'{"percent": 50}'
    assert await refused(door, "PUT", SPLIT, headers, data=body) == 415
    assert await refused(door, "POST", "/v1/reload", headers, data=body) == 415
    assert await refused(door, "DELETE", SPLIT, headers, data=body) == 415


async def test_no_answer_is_for_other_sites_or_caches(door: Door) -> None:
    for path in ("/", "/metrics", "/v1/status", "/nothing"):
        _, _, answer = await door.ask("GET", path)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "pointsman"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_preflights_are_not_answered(door: Door) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    status, _, answer = await door.ask("OPTIONS", SPLIT, headers=asked)
    assert status == 405
    assert "Access-Control-Allow-Origin" not in answer.headers
