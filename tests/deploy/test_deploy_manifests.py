"""The Kubernetes manifest and the compose file, checked offline.

Schemas say whether a file is well formed; the tests below say whether its parts fit together
and with the config that they carry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from proxy.settings import Settings, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCUMENTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "sidecar.yaml").read_text()))

#: Seconds after which the parent replaces a desk that has gone silent.
DESK_REPLACED = 10
#: The oldest Kubernetes that the manifest is for, and the newest whose schema is here.
RELEASES = ["1.30", str(kubernetes_validate.latest_version())]

#: https://github.com/compose-spec/compose-spec: what of it this project's file may use.
SERVICE_KEYS = {
    "build", "cap_drop", "depends_on", "image", "ports", "read_only", "restart", "security_opt",
    "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip


def document(kind: str) -> Any:
    (found,) = [each for each in DOCUMENTS if each["kind"] == kind]
    return found


POD = document("Deployment")["spec"]["template"]["spec"]
CONTAINERS = {each["name"]: each for each in POD["containers"]}
POINTSMAN = CONTAINERS["pointsman"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The ConfigMap's config, loaded as the mounted file would be."""
    path = tmp_path / "pointsman.yaml"
    path.write_text(document("ConfigMap")["data"]["pointsman.yaml"])
    return load(path)


def endpoints(config: Any) -> Iterator[tuple[str, int]]:
    """Version and port of every endpoint of a config as written."""
    for model in config["models"].values():
        for name, version in model["versions"].items():
            for endpoint in version["endpoints"]:
                yield name, int(endpoint.rsplit(":", 1)[1])


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", [each["kind"] for each in DOCUMENTS])
def test_the_manifest_is_valid(kind: str, release: str) -> None:
    kubernetes_validate.validate(document(kind), release, strict=True)


def test_the_mounted_config_is_the_one_that_is_served() -> None:
    mounts = {mount["name"]: mount for mount in POINTSMAN["volumeMounts"]}
    served = Path(POINTSMAN["args"][-1])
    assert POINTSMAN["args"][:2] == ["serve", "--config"]
    assert Path(mounts["config"]["mountPath"]) == served.parent
    assert served.name in document("ConfigMap")["data"]
    assert "subPath" not in mounts["config"]


def test_the_config_loads_and_fits_the_pod(settings: Settings) -> None:
    ports = {port["name"]: port["containerPort"] for port in POINTSMAN["ports"]}
    assert settings.listen.port == ports["http"]
    assert settings.admin.port == ports["admin"]
    mounts = {mount["name"]: mount["mountPath"] for mount in POINTSMAN["volumeMounts"]}
    assert settings.state_dir == Path(mounts["state"])


def test_every_endpoint_is_a_container_of_the_pod() -> None:
    config = yaml.safe_load(document("ConfigMap")["data"]["pointsman.yaml"])
    for version, port in endpoints(config):
        env = {each["name"]: each["value"] for each in CONTAINERS[f"model-{version}"]["env"]}
        assert env["MLSERVER_HTTP_PORT"] == str(port)


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_no_probe_acts_before_the_desk_is_replaced(probe: str) -> None:
    found = POINTSMAN[probe]
    assert found["httpGet"]["port"] == "admin"
    assert found["periodSeconds"] * (found["failureThreshold"] - 1) > DESK_REPLACED


def test_the_pod_waits_for_the_drain(settings: Settings) -> None:
    """First callers stop coming, then the proxy drains, then the model servers go."""
    before = POINTSMAN["lifecycle"]["preStop"]["sleep"]["seconds"]
    drained = before + settings.drain
    for name in ("model-1", "model-2"):
        after = CONTAINERS[name]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert drained < after < POD["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_container_is_root_or_writes_outside_its_volumes(name: str) -> None:
    context = CONTAINERS[name]["securityContext"]
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] > 0
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"] for volume in POD["volumes"]}
    assert {mount["name"] for mount in CONTAINERS[name]["volumeMounts"]} <= volumes


def test_the_pod_and_the_image_agree_on_the_user() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    user = POD["securityContext"]["runAsUser"]
    assert f"USER {user}:{POD['securityContext']['runAsGroup']}" in dockerfile
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]


def test_callers_reach_the_proxy_and_only_the_monitoring_the_admin_port() -> None:
    labels = document("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert document("Service")["spec"]["selector"] == labels
    assert [port["targetPort"] for port in document("Service")["spec"]["ports"]] == ["http"]
    policy = document("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert {rule["ports"][0]["port"]: "from" in rule for rule in policy["ingress"]} == {
        "http": False,
        "admin": True,
    }


def test_the_compose_file_is_well_formed() -> None:
    assert set(COMPOSE) <= {"name", "services", "volumes", "x-model-server"}
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service.get("depends_on", [])) <= set(services), name
        build = service["build"]
        context = (DEPLOY / build["context"]).resolve()
        assert (context / build["dockerfile"]).is_file(), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        for volume in service["volumes"]:
            source, target = (
                re.sub(r"^\$\{\w+:-(\S+)\}", r"\1", volume).removesuffix(":ro").split(":")
            )
            assert target.startswith("/"), volume
            # What the demo trains is not there before it ran.
            if source.startswith(".") and not source.startswith("../.demo/"):
                assert (DEPLOY / source).exists(), volume
            assert source.startswith(".") or source in COMPOSE["volumes"], volume


def test_the_compose_file_publishes_to_this_host_only() -> None:
    published = COMPOSE["services"]["pointsman"]["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published)


def test_the_compose_file_carries_a_config_that_fits_it() -> None:
    path = DEPLOY / "compose" / "pointsman.yaml"
    settings = load(path)
    service = COMPOSE["services"]["pointsman"]
    folder, state = service["volumes"]
    assert DEPLOY / folder.split(":")[0] == path.parent
    assert state.split(":")[0] in COMPOSE["volumes"]
    assert settings.state_dir == Path(state.split(":")[1])
    assert int(service["stop_grace_period"].removesuffix("s")) > settings.drain
    hosts = set(re.findall(r"http://([\w-]+):8080", path.read_text()))
    assert hosts == set(COMPOSE["services"]) - {"pointsman"}
