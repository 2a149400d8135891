"""HAProxy: an ACL on the hash of the header; it cannot mirror."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.peers import asked_version
from loadtests.bench.works import (
    CANARY_PERCENT,
    CUSTOMER_HEADER,
    Shadow,
    Upstreams,
    Work,
    path,
)

_CONFIG: Final = """\
global
    nbthread 1
    maxconn 8192

defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    http-reuse always
    option http-no-delay

frontend callers
    bind 127.0.0.1:{port}
    acl known path_beg -f {models}
    acl canary req.hdr({header}),xxh32,mod(100) -m int lt {percent}
    http-request deny deny_status 404 unless known
    use_backend canary if canary
    default_backend stable

backend stable
    server stable 127.0.0.1:{stable}

backend canary
    server canary 127.0.0.1:{canary}
"""


def config(models: Path, port: int, upstreams: Upstreams) -> str:
    """The whole haproxy.cfg; ``models`` is the file with the models' paths."""
    return _CONFIG.format(
        port=port,
        models=models,
        header=CUSTOMER_HEADER,
        percent=CANARY_PERCENT,
        stable=upstreams.stable,
        canary=upstreams.canary,
    )


def _program() -> str:
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin") or ""


@dataclass(frozen=True, slots=True)
class HAProxy:
    name: str = "haproxy"

    def missing(self) -> str | None:
        return None if _program() else "HAProxy is not here: apt-get install haproxy"

    def version(self) -> str:
        return asked_version([_program(), "-v"])

    def unable(self, work: Work) -> str | None:
        return None if work.shadow is Shadow.NONE else "HAProxy has no mirror"

    def command(self, work: Work, folder: Path, port: int, upstreams: Upstreams) -> list[str]:
        models = folder / "models.lst"
        models.write_text("".join(f"{path(model, '')}\n" for model in range(work.models)))
        file = folder / "haproxy.cfg"
        file.write_text(config(models, port, upstreams))
        return [_program(), "-db", "-f", str(file)]

    def carries(self, words: str) -> bool:
        return True
