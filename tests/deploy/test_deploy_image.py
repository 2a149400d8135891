"""The Dockerfile, without a container engine: its build steps run in a clean folder.

The RUN lines of the first stage run as they stand, with the image's folders moved under a
temporary one; what they build must start, answer its health check and stop on SIGTERM.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
ENVIRONMENT = "/opt/pointsman"


class Step(NamedTuple):
    stage: int
    word: str
    rest: str


def steps(dockerfile: Path) -> list[Step]:
    """The instructions of a Dockerfile, continued lines joined, comments dropped."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    found: list[Step] = []
    stage = -1
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, rest = line.split(maxsplit=1)
        stage += word == "FROM"
        found.append(Step(stage, word, re.sub(r"\s+", " ", rest)))
    return found


def final(word: str) -> list[str]:
    """What the image's last stage says with ``word``."""
    every = steps(DOCKERFILE)
    return [step.rest for step in every if step.stage == every[-1].stage and step.word == word]


def copy(rest: str, to: Path) -> None:
    """COPY as the builder does it: a folder's contents, or files into a folder."""
    *sources, target = shlex.split(rest)
    into = to / target
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, into, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)


def run(command: str, cwd: Path, path: str) -> None:
    result = subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=cwd,
        env={**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        pytest.fail(
            f"the Dockerfile's step `{command}` ended with {result.returncode}; without a "
            f"package registry it cannot run.\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}",
            pytrace=False,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the first stage leaves for the second."""
    image = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", str(image / "base")], check=True)
    path = f"{image / 'base' / 'bin'}:/usr/bin:/bin"
    cwd = image
    for step in steps(DOCKERFILE):
        if step.stage != 0:
            break
        if step.word == "WORKDIR":
            cwd = image / step.rest.lstrip("/")
            cwd.mkdir(parents=True)
        elif step.word == "COPY":
            copy(step.rest, cwd)
        elif step.word == "RUN":
            run(step.rest.replace(ENVIRONMENT, str(image / ENVIRONMENT.lstrip("/"))), cwd, path)
    return image / ENVIRONMENT.lstrip("/")


class Running(NamedTuple):
    process: subprocess.Popen[bytes]
    admin: str


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def running(environment: Path, tmp_path: Path) -> Iterator[Running]:
    """The image's ENTRYPOINT and CMD, with a config whose ports are free."""
    admin = f"127.0.0.1:{free_port()}"
    config = tmp_path / "pointsman.yaml"
    config.write_text(
        f"listen: 127.0.0.1:{free_port()}\nadmin: {admin}\nstate_dir: {tmp_path / 'state'}\n"
        "models:\n  m:\n    match: {path_prefix: /m}\n    customer: {header: X-Customer-Id}\n"
        f'    versions: {{"1": {{endpoints: [http://127.0.0.1:{free_port()}]}}}}\n'
        '    split: {stable: "1"}\n'
    )
    command = json.loads(final("ENTRYPOINT")[0]) + json.loads(final("CMD")[0])
    command = [str(config) if word.startswith("/etc/pointsman/") else word for word in command]
    process = subprocess.Popen(
        command, env=container(environment), cwd=tmp_path, executable=environment / "bin/pointsman"
    )
    try:
        yield Running(process, admin)
    finally:
        process.kill()
        process.wait()


def container(environment: Path) -> dict[str, str]:
    """The bare environment of a container without a home."""
    return {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.mark.registry
@pytest.mark.timeout(300)
class TestBuilt:
    def test_it_holds_the_command_and_no_pip(self, environment: Path) -> None:
        said = subprocess.run(
            ["pointsman", "--version"],
            env=container(environment),
            executable=environment / "bin/pointsman",
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.fullmatch(r"pointsman \d+\.\d+\.\d+\S*\n", said.stdout)
        assert not list((environment / "bin").glob("pip*"))

    def test_its_packages_are_the_runtime_lock(self, environment: Path) -> None:
        listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
        said = subprocess.run(
            [environment / "bin/python", "-c", listing], capture_output=True, text=True, check=True
        )
        installed = {re.sub(r"[-_.]+", "-", name).lower() for name in said.stdout.split()}
        lock = (ROOT / "requirements/runtime.txt").read_text()
        locked = set(re.findall(r"^([a-z0-9][a-z0-9.-]*)==", lock, re.MULTILINE))
        assert "pointsman" in installed
        assert installed - {"pointsman"} <= locked

    def test_it_starts_and_is_healthy_and_drains(self, environment: Path, running: Running) -> None:
        kind, check = re.sub(r"--\S+ ", "", final("HEALTHCHECK")[0]).split(maxsplit=1)
        assert kind == "CMD"
        command = [str(environment / "bin/python"), *json.loads(check)[1:]]
        env = {**container(environment), "POINTSMAN_ADMIN": running.admin}
        until = time.monotonic() + 30
        while subprocess.run(command, env=env, capture_output=True).returncode:
            assert running.process.poll() is None, "pointsman ended instead of serving"
            assert time.monotonic() < until, "the health check never passed"
            time.sleep(0.1)
        running.process.terminate()
        assert running.process.wait(timeout=30) == 0


def test_the_final_stage_is_what_an_orchestrator_asks_for() -> None:
    assert final("USER") == ["10001:10001"]
    assert final("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(final("ENTRYPOINT")[0]) == ["pointsman"]
    assert json.loads(final("CMD")[0]) == ["serve", "--config", "/etc/pointsman/pointsman.yaml"]
    assert final("VOLUME") == ["/var/lib/pointsman"]
    assert final("COPY") == [f"--from=build {ENVIRONMENT} {ENVIRONMENT}"]
    assert f"PATH={ENVIRONMENT}/bin:$PATH" in final("ENV")[0]


def test_the_health_check_leaves_the_parent_time_to_replace_a_desk() -> None:
    options = dict(re.findall(r"--(\S+)=(\d+)s?", final("HEALTHCHECK")[0]))
    assert int(options["interval"]) * (int(options["retries"]) - 1) > 10


@pytest.mark.parametrize("dockerfile", [DOCKERFILE, ROOT / "deploy" / "model-server.Dockerfile"])
def test_packages_come_from_the_lock_only(dockerfile: Path) -> None:
    for step in steps(dockerfile):
        if step.word == "RUN" and re.search(r"\bpip\b.* (install|wheel)\b", step.rest):
            assert re.search(r"--require-hashes|--no-index|--no-deps", step.rest), step.rest


@pytest.mark.parametrize("dockerfile", [DOCKERFILE, ROOT / "deploy" / "model-server.Dockerfile"])
def test_no_image_runs_as_root(dockerfile: Path) -> None:
    users = [step.rest for step in steps(dockerfile) if step.word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_what_is_copied_is_sent_to_the_builder() -> None:
    """.dockerignore shuts everything out but what it names."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    allowed = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    for dockerfile in (DOCKERFILE, ROOT / "deploy" / "model-server.Dockerfile"):
        for step in steps(dockerfile):
            if step.word == "COPY" and not step.rest.startswith("--from"):
                for source in step.rest.split()[:-1]:
                    assert (ROOT / source).exists(), source
                    assert source.split("/")[0] in allowed, source
