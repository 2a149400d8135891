"""The configs of the peers: their shape, and what the programs that are here say of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demo.processes import free_ports
from loadtests.bench import environment
from loadtests.bench.peers import asked_version, envoy, haproxy, nginx, ours, plain
from loadtests.bench.works import CANARY_PERCENT, Shadow, Upstreams, Work
from proxy.settings import load

UPSTREAMS = Upstreams(9001, 9002, 9003)
MIRRORED = Work(Shadow.WELL)
MANY = Work(models=3)


def test_nginx_splits_by_the_header_and_mirrors_when_asked(tmp_path: Path) -> None:
    plain_split = nginx.config(Work(), tmp_path, 8080, UPSTREAMS)
    assert 'split_clients "$http_x_customer_id"' in plain_split
    assert f"{CANARY_PERCENT}% canary;" in plain_split
    assert "mirror" not in plain_split
    assert "9003" not in plain_split
    mirrored = nginx.config(MIRRORED, tmp_path, 8080, UPSTREAMS)
    assert "location /v2/models/model-0/ { mirror /copy; proxy_pass" in mirrored
    assert "upstream shadow { server 127.0.0.1:9003;" in mirrored
    assert nginx.config(MANY, tmp_path, 8080, UPSTREAMS).count("location /v2/models/") == 3


def test_haproxy_hashes_the_header_and_cannot_mirror(tmp_path: Path) -> None:
    peer = haproxy.HAProxy()
    command = peer.command(MANY, tmp_path, 8080, UPSTREAMS)
    written = Path(command[-1]).read_text()
    assert f"req.hdr(X-Customer-Id),xxh32,mod(100) -m int lt {CANARY_PERCENT}" in written
    assert (tmp_path / "models.lst").read_text().splitlines()[2] == "/v2/models/model-2/"
    assert peer.unable(Work()) is None
    assert "no mirror" in str(peer.unable(MIRRORED))


def envoy_routes(config: dict[str, Any]) -> list[dict[str, Any]]:
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return routes


def test_envoy_weighs_clusters_by_the_hash_and_mirrors_when_asked() -> None:
    (route,) = envoy_routes(envoy.config(MIRRORED, 8080, UPSTREAMS))
    action = route["route"]
    assert action["weighted_clusters"]["use_hash_policy"] is True
    assert [each["weight"] for each in action["weighted_clusters"]["clusters"]] == [90, 10]
    assert action["hash_policy"] == [{"header": {"header_name": "X-Customer-Id"}}]
    assert action["request_mirror_policies"] == [{"cluster": "shadow"}]
    routes = envoy_routes(envoy.config(MANY, 8080, UPSTREAMS))
    assert [each["match"]["prefix"] for each in routes][2] == "/v2/models/model-2/"
    assert all("request_mirror_policies" not in each["route"] for each in routes)


@pytest.mark.parametrize("work", [Work(), MIRRORED, Work(models=3, workers=2)])
def test_our_own_config_is_one(work: Work, tmp_path: Path) -> None:
    command = ours.Pointsman().command(work, tmp_path, 8080, UPSTREAMS)
    settings = load(Path(command[-1]))
    assert len(settings.models) == work.models
    model = settings.models["model-0"]
    assert model.split.canary is not None
    assert model.split.canary.percent == CANARY_PERCENT
    assert [each.pairs.percent for each in model.split.shadow] == (
        [100] if work.shadow is Shadow.WELL else []
    )
    assert model.segments


def test_the_plain_proxy_is_told_where_to_go(tmp_path: Path) -> None:
    told = plain.Plain().command(MIRRORED, tmp_path, 8080, UPSTREAMS)[2:]
    assert told == ["8080", "9001", "9002", "9003", "1"]
    assert plain.Plain().command(Work(), tmp_path, 8080, UPSTREAMS)[-2] == "0"


def test_only_our_workers_carry() -> None:
    peer = ours.Pointsman()
    assert peer.carries("python -m proxy.fleet.worker --control 9")
    assert not peer.carries("python -m proxy.app desk --config x --control 9")
    assert not peer.carries("python -m proxy serve --config x")


def runs(program: str) -> bool:
    try:
        return bool(program) and not subprocess.run([program, "-v"], capture_output=True).returncode
    except OSError:
        return False


def here() -> list[Any]:
    """The peers whose program is on this machine; nothing is installed for a test."""
    found: list[Any] = []
    found += [nginx.Nginx()] if runs(nginx.program()) else []
    found += [haproxy.HAProxy()] if not haproxy.HAProxy().missing() else []
    found += [envoy.Envoy()] if environment.ENVOY.is_ready() else []
    return found


def test_the_programs_that_are_here_take_their_configs(tmp_path: Path) -> None:
    check = {"nginx": ["-t"], "haproxy": ["-c"], "envoy": ["--mode", "validate"]}
    for peer in here():
        for number, work in enumerate((Work(), MIRRORED, MANY)):
            if peer.unable(work) is None:
                folder = tmp_path / f"{peer.name}-{number}"
                folder.mkdir()
                command = peer.command(work, folder, free_ports([0])[0], UPSTREAMS)
                done = subprocess.run([*command, *check[peer.name]], capture_output=True, text=True)
                assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_the_stub_tells_the_versions_apart(tmp_path: Path) -> None:
    text = nginx.stub_config(tmp_path, {9001: "1yy", 9002: "2yy"})
    assert "listen 127.0.0.1:9002 backlog=4096; location = /seen { stub_status; }" in text
    assert 'return 200 "2yy"' in text


def test_a_version_has_two_dots(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho /lib/python3.11/envoy version: 9ab/1.40.0/Clean\n")
    program.chmod(0o755)
    assert asked_version([str(program)]) == "1.40.0"
    assert json.dumps(asked_version(["true"])) == '"unknown"'
