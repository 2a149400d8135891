"""Envoy: weighted clusters by the hash of the header, ``request_mirror_policies`` for the copy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.bench import environment
from loadtests.bench.peers import asked_version
from loadtests.bench.works import CANARY_PERCENT, CUSTOMER_HEADER, Shadow, Upstreams, Work, path

_TYPE = "type.googleapis.com/envoy.extensions.filters"


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _route(prefix: str, copied: bool) -> dict[str, Any]:
    weights = {"stable": 100 - CANARY_PERCENT, "canary": CANARY_PERCENT}
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    route: dict[str, Any] = {
        "weighted_clusters": {"clusters": clusters, "use_hash_policy": True},
        "hash_policy": [{"header": {"header_name": CUSTOMER_HEADER}}],
        "timeout": "0s",
    }
    if copied:
        route["request_mirror_policies"] = [{"cluster": "shadow"}]
    return {"match": {"prefix": prefix}, "route": route}


def config(work: Work, port: int, upstreams: Upstreams) -> dict[str, Any]:
    """The whole bootstrap config."""
    copied = work.shadow is not Shadow.NONE
    routes = [_route(path(model, ""), copied) for model in range(work.models)]
    manager = {
        "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "callers",
        "codec_type": "HTTP1",
        "route_config": {"virtual_hosts": [{"name": "models", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPE}.http.router.v3.Router"},
            }
        ],
    }
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    clusters = [_cluster("stable", upstreams.stable), _cluster("canary", upstreams.canary)]
    clusters += [_cluster("shadow", upstreams.shadow)] if copied else []
    return {
        "static_resources": {
            "listeners": [{"address": _address(port), "filter_chains": [chain]}],
            "clusters": clusters,
        }
    }


@dataclass(frozen=True, slots=True)
class Envoy:
    name: str = "envoy"

    def missing(self) -> str | None:
        return environment.missing()

    def version(self) -> str:
        return asked_version([str(environment.envoy()), "--version"])

    def unable(self, work: Work) -> str | None:
        return None

    def command(self, work: Work, folder: Path, port: int, upstreams: Upstreams) -> list[str]:
        file = folder / "envoy.json"
        file.write_text(json.dumps(config(work, port, upstreams), indent=1))
        return [
            str(environment.envoy()), "-c", str(file), "--concurrency", "1",
            "--disable-hot-restart", "--log-level", "warning",
        ]  # fmt: skip

    def carries(self, words: str) -> bool:
        return True
