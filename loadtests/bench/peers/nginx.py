"""nginx: ``split_clients`` on the header, ``mirror`` for the copy."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.peers import asked_version
from loadtests.bench.works import CANARY_PERCENT, SEEN, Shadow, Upstreams, Work, path

_HEAD: Final = """\
{user}worker_processes 1;
worker_rlimit_nofile 16384;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
"""
_PROXY: Final = """\
    client_max_body_size 0;
    client_body_buffer_size 64k;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_buffering off;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_request_buffering off;
    split_clients "$http_x_customer_id" $version {{
        {percent}% canary;
        * stable;
    }}
"""


def _upstream(name: str, port: int) -> str:
    return (
        f"    upstream {name} {{ server 127.0.0.1:{port}; keepalive 256; "
        "keepalive_requests 1000000000; }\n"
    )


def _head(folder: Path) -> str:
    # Temporary folders belong to whoever runs this: a master that is root must not hand over.
    return _HEAD.format(folder=folder, user="user root;\n" if os.geteuid() == 0 else "")


def config(work: Work, folder: Path, port: int, upstreams: Upstreams) -> str:
    """The whole nginx.conf of the proxy."""
    copied = work.shadow is not Shadow.NONE
    lines = [_head(folder), _PROXY.format(percent=CANARY_PERCENT)]
    lines += [_upstream("stable", upstreams.stable), _upstream("canary", upstreams.canary)]
    lines += [_upstream("shadow", upstreams.shadow)] if copied else []
    lines.append(f"    server {{\n        listen 127.0.0.1:{port};\n")
    mirror = " mirror /copy;" if copied else ""
    for model in range(work.models):
        place = path(model, "")
        lines.append(f"        location {place} {{{mirror} proxy_pass http://$version; }}\n")
    if copied:
        lines.append(
            "        location = /copy { internal; proxy_pass http://shadow$request_uri; }\n"
        )
    return "".join([*lines, "    }\n}\n"])


def stub_config(folder: Path, answers: dict[int, str]) -> str:
    """An nginx that answers at once: port to the body it gives."""
    servers = "".join(
        f"    server {{ listen 127.0.0.1:{port} backlog=4096; "
        f'location = /{SEEN} {{ stub_status; }} location / {{ return 200 "{body}"; }} }}\n'
        for port, body in answers.items()
    )
    return f"{_head(folder)}    default_type application/json;\n{servers}}}\n"


def command(folder: Path, text: str) -> list[str]:
    """Write the config; the command that serves it in the foreground."""
    file = folder / "nginx.conf"
    file.write_text(text)
    return [
        program(), "-p", str(folder), "-c", str(file),
        "-e", str(folder / "error.log"), "-g", "daemon off;",
    ]  # fmt: skip


def program() -> str:
    """Where nginx is; "" when it is not there.  Debian keeps it off a user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""


@dataclass(frozen=True, slots=True)
class Nginx:
    name: str = "nginx"

    def missing(self) -> str | None:
        return None if program() else "nginx is not here: apt-get install nginx-light"

    def version(self) -> str:
        return asked_version([program(), "-v"])

    def unable(self, work: Work) -> str | None:
        return None

    def command(self, work: Work, folder: Path, port: int, upstreams: Upstreams) -> list[str]:
        return command(folder, config(work, folder, port, upstreams))

    def carries(self, words: str) -> bool:
        return True
